//! What is wrong with a body that the typed pass could not read.
//!
//! Speed does not matter here; the answer does: the uid if it can be read, and the first member
//! that is not what it should be, by its path and never by its value.

use std::collections::BTreeSet;
use std::fmt;

use portreeve_protocol::messages::admission::ReviewFacts;
use portreeve_protocol::seal::ANNOTATION;
use portreeve_protocol::workload::{Carrier, carrier};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::review::{self, Circumstances, Unreadable, cut};

/// As [`review::parse`], for a body that it could not read.
pub(super) fn facts(body: &[u8], circumstances: Circumstances) -> Result<ReviewFacts, Unreadable> {
    let tree: Value = serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Unreadable(format!("the body is not JSON: line {line}, column {column}"))
    })?;
    let doubled = doubled_members(body);
    if let Some(path) = doubled.of_envelope {
        return Err(Unreadable(format!("`{path}` stands twice in the body")));
    }
    let text = |pointer: &str| tree.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let version = review::version(text("/kind"), text("/apiVersion"))?;
    let uid = review::uid(text("/request/uid"))?;
    let part = |member: &str| text(&format!("/request/kind/{member}")).to_owned();
    let mut facts = ReviewFacts {
        kind: review::group_kind(&part("group"), &part("kind"), &part("version")),
        name: cut(text("/request/name")),
        namespace: cut(text("/request/namespace")),
        sub_resource: Some(cut::<String>(text("/request/subResource")))
            .filter(|text| !text.is_empty()),
        user: cut(text("/request/userInfo/username")),
        ..review::empty(uid, version, circumstances)
    };
    // One that may be either of two is none: most exempt a review.
    let stated = if doubled.operation { "" } else { text("/request/operation") };
    let operation = review::operation(stated);
    facts.operation = *operation.as_ref().unwrap_or(&facts.operation);
    let dry_run = tree.pointer("/request/dryRun");
    facts.dry_run = dry_run.and_then(Value::as_bool).unwrap_or_default();
    let doubled = doubled.first.map(|path| format!("`{path}` stands twice"));
    let known = doubled.or_else(|| envelope_fault(&tree)).or(operation.err());
    facts.malformed = known.or_else(|| {
        let kind = &facts.kind;
        match carrier(&kind.group, &kind.kind, facts.sub_resource.as_deref()) {
            Carrier::NoImage | Carrier::Unknown => None,
            carrier @ (Carrier::PodSpec(_) | Carrier::EphemeralContainers) => {
                let fault = object_fault(&tree, "object", carrier);
                let fault = fault.or_else(|| object_fault(&tree, "oldObject", carrier));
                Some(fault.unwrap_or_else(|| "the object cannot be read".to_owned()))
            }
        }
    });
    Ok(facts)
}

/// A member of the request itself that is not what it should be.
fn envelope_fault(tree: &Value) -> Option<String> {
    let strings = ["name", "namespace", "subResource", "operation"];
    let nested = ["kind/group", "kind/kind", "kind/version", "userInfo/username"];
    let wanted = strings.into_iter().chain(nested).map(|path| (path, Shape::Text));
    let objects = ["kind", "userInfo", "object", "oldObject"].map(|path| (path, Shape::Map));
    let rest = objects.into_iter().chain([("dryRun", Shape::Flag)]);
    wanted.chain(rest).find_map(|(path, shape)| {
        let found = tree.pointer(&format!("/request/{path}"))?;
        shape.fault(found, &format!("request.{}", path.replace('/', ".")))
    })
}

/// What a member should be.
#[derive(Debug, Clone, Copy)]
enum Shape {
    Flag,
    List,
    Map,
    Text,
}

impl Shape {
    /// `None` if `value` has the shape or is null.
    fn fault(self, value: &Value, path: &str) -> Option<String> {
        let (fits, name) = match self {
            Self::Flag => (value.is_boolean(), "true or false"),
            Self::List => (value.is_array(), "a list"),
            Self::Map => (value.is_object(), "an object"),
            Self::Text => (value.is_string(), "a string"),
        };
        (!fits && !value.is_null()).then(|| format!("`{path}` is not {name}"))
    }
}

/// The first member of an object that is not what it should be.
fn object_fault(tree: &Value, member: &str, carrier: Carrier) -> Option<String> {
    let mut at = tree.pointer(&format!("/request/{member}"))?;
    let mut path = format!("request.{member}");
    if let Some(fault) = metadata_fault(at, &path) {
        return Some(fault);
    }
    if let Carrier::PodSpec(spec) = carrier {
        for step in spec.pointer().split('/').skip(1) {
            at = at.get(step)?;
            path = format!("{path}.{step}");
            if let Some(fault) = Shape::Map.fault(at, &path) {
                return Some(fault);
            }
        }
    }
    let texts = [("serviceAccountName", Shape::Text), ("serviceAccount", Shape::Text)];
    let lists: [(&str, &[(&str, Shape)]); 5] = [
        ("initContainers", &[("name", Shape::Text), ("image", Shape::Text)]),
        ("containers", &[("name", Shape::Text), ("image", Shape::Text)]),
        ("ephemeralContainers", &[("name", Shape::Text), ("image", Shape::Text)]),
        ("volumes", &[("name", Shape::Text), ("image", Shape::Map)]),
        ("imagePullSecrets", &[("name", Shape::Text)]),
    ];
    member_fault(at, &path, &texts)
        .or_else(|| lists.iter().find_map(|(list, shapes)| list_fault(at, &path, list, shapes)))
}

fn metadata_fault(object: &Value, path: &str) -> Option<String> {
    let metadata = object.get("metadata")?;
    let path = format!("{path}.metadata");
    let owner = [
        ("apiVersion", Shape::Text),
        ("kind", Shape::Text),
        ("name", Shape::Text),
        ("uid", Shape::Text),
        ("controller", Shape::Flag),
    ];
    let annotations = [("annotations", Shape::Map)];
    Shape::Map
        .fault(metadata, &path)
        .or_else(|| member_fault(metadata, &path, &annotations))
        .or_else(|| {
            let names = [("name", Shape::Text), ("generateName", Shape::Text)];
            member_fault(metadata, &path, &names)
        })
        .or_else(|| list_fault(metadata, &path, "ownerReferences", &owner))
        .or_else(|| {
            let seal = metadata.get("annotations")?.get(ANNOTATION)?;
            Shape::Text.fault(seal, &format!("{path}.annotations.{ANNOTATION}"))
        })
}

fn member_fault(value: &Value, path: &str, shapes: &[(&str, Shape)]) -> Option<String> {
    shapes.iter().find_map(|(name, shape)| {
        value.get(name).and_then(|found| shape.fault(found, &format!("{path}.{name}")))
    })
}

fn list_fault(value: &Value, path: &str, list: &str, shapes: &[(&str, Shape)]) -> Option<String> {
    let found = value.get(list)?;
    let path = format!("{path}.{list}");
    if let Some(fault) = Shape::List.fault(found, &path) {
        return Some(fault);
    }
    found.as_array()?.iter().enumerate().find_map(|(index, entry)| {
        let path = format!("{path}[{index}]");
        if !entry.is_object() {
            return Some(format!("`{path}` is not an object"));
        }
        let reference = entry.get("image").and_then(|image| image.get("reference"));
        member_fault(entry, &path, shapes).or_else(|| {
            reference.and_then(|found| Shape::Text.fault(found, &format!("{path}.image.reference")))
        })
    })
}

/// Members that stand twice in their objects.
#[derive(Default)]
struct Doubled {
    /// The first of them, by its path; names that are not plain words are shown as `…`, since they
    /// may be data.
    first: Option<String>,
    /// Without which there is no knowing whom to answer, and in which way.
    of_envelope: Option<String>,
    operation: bool,
}

impl Doubled {
    fn note(&mut self, path: String) {
        self.operation |= path == "request.operation";
        if ["apiVersion", "kind", "request", "request.uid"].contains(&path.as_str()) {
            self.of_envelope.get_or_insert_with(|| path.clone());
        }
        self.first.get_or_insert(path);
    }
}

fn doubled_members(body: &[u8]) -> Doubled {
    let mut found = Doubled::default();
    let mut reader = serde_json::Deserializer::from_slice(body);
    let walk = Walk { found: &mut found, path: String::new() };
    // Any error was reported before.
    let _ = walk.deserialize(&mut reader);
    found
}

struct Walk<'f> {
    found: &'f mut Doubled,
    path: String,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        for index in 0_usize.. {
            let path = format!("{}[{index}]", self.path);
            if list.next_element_seed(Walk { found: self.found, path })?.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = BTreeSet::new();
        while let Some(name) = map.next_key::<String>()? {
            let plain = !name.is_empty()
                && name.len() <= 40
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
            let shown = if plain { name.as_str() } else { "…" };
            let dot = if self.path.is_empty() { "" } else { "." };
            let path = format!("{}{dot}{shown}", self.path);
            if !seen.insert(name) {
                self.found.note(path.clone());
            }
            map.next_value_seed(Walk { found: self.found, path })?;
        }
        Ok(())
    }
}
