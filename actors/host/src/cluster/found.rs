//! From an object of the API server to what the policy cache is told of it.

use std::collections::BTreeSet;

use portreeve_machines::policy;
use portreeve_protocol::messages::policy::{ObjectRef, SourceObject};
use serde_json::Value;

use super::origin::{Origin, PolicyKind};
use super::record::Record;
use super::status::Sighting;
use crate::objects::object::{self, Known};

/// One object of a list.
#[derive(Debug, Clone)]
pub(super) enum Found {
    /// A Secret of no signer.
    Nothing,
    /// A policy.
    Policy(Box<FoundPolicy>),
    /// The Secret of a signer.
    Secret(SourceObject),
    /// A policy of which it cannot be told which one it is: it may forbid anything in its
    /// namespace, or anywhere if that is not known either.
    Unnamed { namespace: Option<String>, why: String },
}

/// A policy and what goes with it.
#[derive(Debug, Clone)]
pub(super) struct FoundPolicy {
    pub(super) object: SourceObject,
    /// Names of the Secrets that hold its signers' keys.
    pub(super) secrets: BTreeSet<String>,
    /// What its status says and should say.
    pub(super) sighting: Sighting,
}

/// Reads an object of `origin`; `None` for one that was not asked for.
pub(super) fn read(origin: &Origin, record: Record) -> Option<Found> {
    match origin {
        Origin::Policies(kind) => Some(policy(*kind, record)),
        Origin::Secret { namespace, name } => {
            let asked = record.name() == Some(name) && record.namespace() == Some(namespace);
            asked.then(|| secret(origin, record))
        }
    }
}

fn policy(kind: PolicyKind, record: Record) -> Found {
    let namespace = record.namespace().filter(|_| kind.namespaced).map(str::to_owned);
    let unnamed = |why: String| Found::Unnamed { namespace: namespace.clone(), why };
    if kind.namespaced && namespace.is_none() {
        return unnamed("it has no usable metadata.namespace".to_owned());
    }
    let generation = record.generation();
    let since = written_at(&record);
    let status = record.pointer("/status").cloned().unwrap_or_default();
    let version = record.pointer("/metadata/resourceVersion").and_then(Value::as_str);
    let version = version.map(str::to_owned);
    let object = match object::read(record.document(&kind.resource())) {
        Ok(Known::Policy(object)) => object,
        Ok(_) => return unnamed("it is no policy".to_owned()),
        Err(why) => return unnamed(why),
    };
    let outline = policy::outline(&object.spec);
    let sighting = Sighting {
        generation,
        policy: object.id.clone(),
        resource_version: version,
        since,
        status,
        verdict: outline.as_ref().map(|_| ()).map_err(Clone::clone),
    };
    let secrets = outline.map(|outline| outline.signer_secrets).unwrap_or_default();
    let object = SourceObject::Policy(object);
    Found::Policy(Box::new(FoundPolicy { object, secrets, sighting }))
}

/// When the specification was written last, by whomever; when the object was made, if that is not
/// known.
fn written_at(record: &Record) -> Option<String> {
    let entries = record.pointer("/metadata/managedFields").and_then(Value::as_array);
    let of_spec =
        entries.into_iter().flatten().filter(|it| it.pointer("/fieldsV1/f:spec").is_some());
    let times = of_spec.filter_map(|entry| entry.get("time"));
    let made = record.pointer("/metadata/creationTimestamp");
    let time = times.filter_map(Value::as_str).max().or_else(|| made.and_then(Value::as_str));
    time.map(str::to_owned)
}

fn secret(origin: &Origin, record: Record) -> Found {
    match object::read(record.document(&origin.resource())) {
        Ok(Known::Secret(secret)) => Found::Secret(SourceObject::SignerSecret(secret)),
        // A Secret without a signer is as good as none, however it came to be so.
        Ok(_) | Err(_) => Found::Nothing,
    }
}

/// The identity of an object.
pub(super) fn identity(object: &SourceObject) -> ObjectRef {
    match object {
        SourceObject::Policy(policy) => ObjectRef::Policy(policy.id.clone()),
        SourceObject::SignerSecret(secret) => ObjectRef::SignerSecret {
            namespace: secret.namespace.clone(),
            secret: secret.secret.clone(),
        },
    }
}
