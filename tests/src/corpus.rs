//! The corpus of Notary v1 metadata below `tests/corpus/notary-v1`: cases, and what the real client
//! said of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portreeve_lab::server::tuf_path;
use portreeve_lab::{Keys, Route, pem};
use portreeve_protocol::Wall;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::TestError;
use crate::tidy::tree;

/// One case: what a trust server serves, and what to conclude from it.
#[derive(Debug, Clone)]
pub struct Case {
    /// What the reader kept from before, by role; empty at first contact.
    pub cache: BTreeMap<String, Vec<u8>>,
    /// The group of cases it belongs to, such as `plain`.
    pub category: String,
    /// `good`, or `bad` if the collection is refused or a delegation dropped.
    pub class: String,
    /// The delegations that the real client leaves out with a warning.
    pub dropped_roles: BTreeSet<String>,
    /// The time at which to judge.
    pub evaluation_time: Wall,
    /// Whether the reader had state, or pins, before the run.
    pub first_contact: bool,
    /// The collection.
    pub gun: String,
    /// The name of its directory.
    pub name: String,
    /// What the reader knows of the root beforehand.
    pub pinning: Pinning,
    /// The questions.
    pub queries: Vec<Query>,
    /// Path to answer, such as `/v2/<gun>/_trust/tuf/root.json`; every other path is a 404.
    pub routes: BTreeMap<String, Route>,
    /// Signer to the PEM of a key listed for it in `targets`: one that signed its role, if any did.
    pub signers: BTreeMap<String, String>,
    /// Whether a stricter verifier than the real client may refuse.
    pub strict_deny_ok: bool,
}

/// What a reader knows of a root beforehand, as notary's configuration has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pinning {
    /// GUN prefix to the PEM certificates of an authority.
    pub ca: BTreeMap<String, String>,
    /// GUN, or a prefix with `*` behind, to the ids of admissible root keys.
    pub certs: BTreeMap<String, Vec<String>>,
    /// Whether a root that no pin covers is refused.
    pub required: bool,
}

/// One question about a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// What is to be concluded.
    pub expect: Expect,
    /// The signers who must have signed.
    pub signers: BTreeSet<String>,
    /// The tag.
    pub tag: String,
}

/// What is to be concluded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// The tag is refused; the class of the real client's words.
    Denied(String),
    /// The tag is this digest, as `sha256:…`.
    Digest(String),
}

/// All cases, in order of name.
///
/// # Errors
/// `File` or `Content` for a case that cannot be read.
pub fn all_cases() -> Result<Vec<Case>, TestError> {
    names()?.iter().map(|name| case(name)).collect()
}

/// The cases of `class` in one of `categories`, in order of name.
///
/// # Errors
/// As [`all_cases`].
pub fn cases(class: &str, categories: &[&str]) -> Result<Vec<Case>, TestError> {
    let mut found = Vec::new();
    for name in names()? {
        let described = Described::read(&name)?;
        let (is, of) = (described.text("class")?, described.text("category")?);
        if is == class && categories.contains(&of.as_str()) {
            found.push(described.case()?);
        }
    }
    Ok(found)
}

fn names() -> Result<Vec<String>, TestError> {
    let directory = directory();
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&directory).map_err(TestError::file(&directory))? {
        let entry = entry.map_err(TestError::file(&directory))?;
        if entry.path().join("case.json").is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// One case by name.
///
/// # Errors
/// `File` or `Content` if it cannot be read.
pub fn case(name: &str) -> Result<Case, TestError> {
    Described::read(name)?.case()
}

fn directory() -> PathBuf {
    tree::root().join("tests/corpus/notary-v1")
}

/// A `case.json` as it is.
struct Described {
    json: Value,
    name: String,
}

impl Described {
    fn read(name: &str) -> Result<Self, TestError> {
        let path = directory().join(name).join("case.json");
        let bytes = std::fs::read(&path).map_err(TestError::file(&path))?;
        let json = serde_json::from_slice(&bytes).map_err(|error| TestError::Content {
            path: path.display().to_string(),
            why: error.to_string(),
        })?;
        Ok(Self { json, name: name.to_owned() })
    }

    fn wrong(&self, why: impl Into<String>) -> TestError {
        TestError::Content { path: format!("{}/case.json", self.name), why: why.into() }
    }

    fn text(&self, member: &str) -> Result<String, TestError> {
        let text = self.json[member].as_str().map(str::to_owned);
        text.ok_or_else(|| self.wrong(format!("no `{member}`")))
    }

    fn case(&self) -> Result<Case, TestError> {
        let gun = self.text("gun")?;
        Ok(Case {
            cache: self.cache()?,
            category: self.text("category")?,
            class: self.text("class")?,
            dropped_roles: texts(&self.json["collection"]["dropped_roles"]).collect(),
            evaluation_time: self.time()?,
            first_contact: empty(&self.json["cache"]) && empty(&self.json["trust_pinning"]),
            name: self.name.clone(),
            pinning: self.pinning(),
            queries: self.queries()?,
            routes: self.routes(&gun)?,
            signers: self.signers()?,
            strict_deny_ok: self.json["strict_deny_ok"].as_bool().unwrap_or_default(),
            gun,
        })
    }

    fn cache(&self) -> Result<BTreeMap<String, Vec<u8>>, TestError> {
        let files = self.json["cache"].as_object().into_iter().flatten();
        files
            .map(|(role, file)| {
                let file = file.as_str().ok_or_else(|| self.wrong("a cache without file"))?;
                let path = directory().join(&self.name).join(file);
                let bytes = std::fs::read(&path).map_err(TestError::file(&path))?;
                Ok((role.clone(), bytes))
            })
            .collect()
    }

    fn pinning(&self) -> Pinning {
        let of = |member: &str| {
            self.json["trust_pinning"][member].as_object().cloned().unwrap_or_default()
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Pinning {
            ca: of("ca").into_iter().map(|(prefix, pem)| (prefix, text(&pem))).collect(),
            certs: of("certs").into_iter().map(|(gun, ids)| (gun, texts(&ids).collect())).collect(),
            required: self.json["trust_pinning"]["disable_tofu"] == true,
        }
    }

    fn time(&self) -> Result<Wall, TestError> {
        let text = self.text("evaluation_time")?;
        let time = OffsetDateTime::parse(&text, &Rfc3339)
            .map_err(|error| self.wrong(format!("`{text}`: {error}")))?;
        let micros = i64::try_from(time.unix_timestamp_nanos() / 1_000)
            .map_err(|error| self.wrong(format!("`{text}`: {error}")))?;
        Ok(Wall(micros))
    }

    fn queries(&self) -> Result<Vec<Query>, TestError> {
        let queries = self.json["queries"].as_array().ok_or_else(|| self.wrong("no queries"))?;
        queries.iter().map(|query| self.query(query)).collect()
    }

    fn query(&self, query: &Value) -> Result<Query, TestError> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let tag = text(&query["tag"]).ok_or_else(|| self.wrong("a query without a tag"))?;
        let signers = query["signers"].as_array().into_iter().flatten().filter_map(text).collect();
        let expect = &query["expect"];
        let denied = text(&expect["deny"]).map(Expect::Denied);
        let expect = denied.or_else(|| text(&expect["digest"]).map(Expect::Digest));
        let expect = expect.ok_or_else(|| self.wrong(format!("`{tag}` expects nothing")))?;
        Ok(Query { expect, signers, tag })
    }

    fn routes(&self, gun: &str) -> Result<BTreeMap<String, Route>, TestError> {
        let routes = self.json["routes"].as_object().ok_or_else(|| self.wrong("no routes"))?;
        let mut found = BTreeMap::new();
        for (name, route) in routes {
            let mut answer = if let Some(file) = route["file"].as_str() {
                let path = directory().join(&self.name).join(file);
                Route::document(std::fs::read(&path).map_err(TestError::file(&path))?)
            } else {
                let status = route["status"].as_u64().and_then(|code| u16::try_from(code).ok());
                let status = status.ok_or_else(|| self.wrong(format!("`{name}`: no status")))?;
                Route::status(status, route["body"].as_str().unwrap_or_default().as_bytes())
            };
            answer.chunked = route["chunked"].as_bool().unwrap_or_default();
            answer.pad_spaces = route["pad_spaces"].as_u64().unwrap_or_default();
            found.insert(tuf_path(gun, name), answer);
        }
        Ok(found)
    }

    /// The document served under `name` at first, as JSON; `Null` if there is none that can be
    /// read.
    fn served(&self, name: &str) -> Result<Value, TestError> {
        let Some(file) = self.json["routes"][name]["file"].as_str() else { return Ok(Value::Null) };
        let path = directory().join(&self.name).join(file);
        let bytes = std::fs::read(&path).map_err(TestError::file(&path))?;
        // What is no JSON is what the case is about, and names no key.
        Ok(serde_json::from_slice(&bytes).unwrap_or_default())
    }

    fn signers(&self) -> Result<BTreeMap<String, String>, TestError> {
        let targets = self.served("targets.json")?;
        let delegations = &targets["signed"]["delegations"];
        let mut found = BTreeMap::new();
        for role in delegations["roles"].as_array().into_iter().flatten() {
            let full = role["name"].as_str().unwrap_or_default();
            let Some(name) = full.strip_prefix("targets/") else { continue };
            let file = self.served(&format!("{full}.json"))?;
            let signed_by: Vec<&Value> = file["signatures"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|signature| &signature["keyid"])
                .collect();
            let listed: Vec<&Value> = role["keyids"].as_array().into_iter().flatten().collect();
            let signer = listed.iter().find(|id| signed_by.contains(id)).or(listed.first());
            let key = signer.and_then(|id| id.as_str()).map(|id| &delegations["keys"][id]);
            if let Some(pem) = key.and_then(public_key_pem) {
                found.insert(name.to_owned(), pem);
            }
        }
        Ok(found)
    }
}

/// A key as documents list it, as the PEM a signer Secret holds; `None` for what is no key.
fn public_key_pem(key: &Value) -> Option<String> {
    /// What stands before the 32 bytes of an Ed25519 key in its SubjectPublicKeyInfo.
    const ED25519: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];
    let public = STANDARD.decode(key["keyval"]["public"].as_str()?).ok()?;
    match key["keytype"].as_str()? {
        "ecdsa-x509" | "rsa-x509" => String::from_utf8(public).ok(),
        "ed25519" => Some(pem::encode("PUBLIC KEY", &[&ED25519[..], &public].concat())),
        _ => Some(pem::encode("PUBLIC KEY", &public)),
    }
}

fn texts(list: &Value) -> impl Iterator<Item = String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned)
}

/// The public key, as PEM text, of somebody who signs nothing.
///
/// # Errors
/// `Node` if the lab cannot make a key.
pub fn stranger() -> Result<String, TestError> {
    let key = Keys::deterministic(99).signer("stranger", 0, Wall(0));
    key.map(|key| key.public_pem()).map_err(|error| TestError::Node(error.to_string()))
}

fn empty(value: &Value) -> bool {
    value.as_object().is_none_or(serde_json::Map::is_empty)
}
