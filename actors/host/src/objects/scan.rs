//! One look at the directory: from files to the objects that policies are made of.
//!
//! Nothing of a Secret but a signer's two members and the credentials leaves this module, in errors
//! neither: what cannot be read is named by file and line.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use portreeve_protocol::messages::policy::{PolicyObject, SignerSecret, SourceObject};
use portreeve_protocol::policy::PolicyRef;
use portreeve_protocol::{Sha256, limits};
use serde_json::Value;

use super::object::{self, Known};
use crate::credentials::PullObjects;
use crate::owners::Workloads;

/// Why the directory as it is cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanFault {
    /// The file's name; `None` if it is the directory itself.
    pub file: Option<String>,
    /// What is wrong, with the line where it is known.
    pub why: String,
}

impl fmt::Display for ScanFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(formatter, "{file}: {}", self.why),
            None => formatter.write_str(&self.why),
        }
    }
}

/// The files of a directory as they were at one moment.
#[derive(Clone, PartialEq, Eq)]
pub struct Files {
    /// Name to content, of all `*.yaml`, `*.yml` and `*.json`.
    contents: BTreeMap<String, Vec<u8>>,
}

/// The objects found, in an order that depends on nothing but them.
#[derive(Debug, Clone, Default)]
pub struct Objects {
    /// Where credentials are found. They never become part of a message.
    pub credentials: PullObjects,
    /// Those that a decision needs.
    pub objects: Vec<SourceObject>,
    /// How many others there were, of kinds that are of no use here.
    pub others: usize,
    /// The workloads that may own others.
    pub workloads: Workloads,
}

impl fmt::Debug for Files {
    /// Their names; what is in them may be secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.contents.keys()).finish()
    }
}

impl Files {
    /// Reads the files of `directory`, symbolic links included, but not its subdirectories and no
    /// name that begins with a dot (so that a mounted ConfigMap is read once).
    ///
    /// # Errors
    /// [`ScanFault`] for what cannot be read or is too large.
    pub fn read(directory: &Path) -> Result<Self, ScanFault> {
        let unreadable = |error: std::io::Error| ScanFault {
            file: None,
            why: format!("the directory {} cannot be read: {error}", directory.display()),
        };
        let mut contents = BTreeMap::new();
        let mut total = 0;
        for entry in fs::read_dir(directory).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with('.') || !is_ours(&path) || path.is_dir() {
                continue;
            }
            let fault = |why: String| ScanFault { file: Some(name.clone()), why };
            if contents.len() == limits::OBJECTS {
                return Err(fault(format!("there are more than {} files", limits::OBJECTS)));
            }
            let bytes = read_file(&path).map_err(fault)?;
            total += bytes.len() as u64;
            if total > TOTAL_BYTES {
                return Err(fault(format!("the files have more than {TOTAL_BYTES} bytes")));
            }
            contents.insert(name, bytes);
        }
        Ok(Self { contents })
    }

    /// Reads these files, whatever their names; one that ends in `.json` holds one document.
    ///
    /// # Errors
    /// [`ScanFault`] for what cannot be read or is too large.
    pub fn named(paths: &[PathBuf]) -> Result<Self, ScanFault> {
        let mut contents = BTreeMap::new();
        for path in paths.iter().take(limits::OBJECTS) {
            let name = path.display().to_string();
            let fault = |why: String| ScanFault { file: Some(name.clone()), why };
            contents.insert(name.clone(), read_file(path).map_err(fault)?);
        }
        Ok(Self { contents })
    }

    /// The names of the files, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.contents.keys().map(String::as_str)
    }

    /// One digest for all names and contents.
    #[must_use]
    pub fn digest(&self) -> Sha256 {
        let mut all = Vec::new();
        for (name, content) in &self.contents {
            all.extend_from_slice(Sha256::of(name.as_bytes()).as_bytes());
            all.extend_from_slice(Sha256::of(content).as_bytes());
        }
        Sha256::of(&all)
    }

    /// The objects in the files. A policy that is there but cannot be understood is an object, with
    /// a specification that the policy cache will refuse; so is one that is defined twice.
    ///
    /// # Errors
    /// [`ScanFault`] for a file or document of which it cannot be told what it holds: what is
    /// missing then might be a policy that forbids something.
    pub fn objects(&self) -> Result<Objects, ScanFault> {
        let mut found = Found::default();
        for (name, content) in &self.contents {
            let fault = |why| ScanFault { file: Some(name.clone()), why };
            for document in documents(name, content).map_err(fault)? {
                found.add(document, name, 0).map_err(fault)?;
            }
        }
        found.finish()
    }
}

/// Bytes of all files together.
const TOTAL_BYTES: u64 = 4 * limits::OBJECTS_FILE_BYTES;
/// YAML nodes of an object on average, in a directory that is full of objects.
const NODES: usize = 200;
/// How deep a `List` may stand in a `List`.
const LIST_DEPTH: usize = 4;

fn is_ours(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    matches!(extension, Some("yaml" | "yml" | "json"))
}

fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let cannot = |error: std::io::Error| format!("it cannot be read: {error}");
    let file = fs::File::open(path).map_err(cannot)?;
    let mut bytes = Vec::new();
    file.take(limits::OBJECTS_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > limits::OBJECTS_FILE_BYTES {
        return Err(format!("it has more than {} bytes", limits::OBJECTS_FILE_BYTES));
    }
    Ok(bytes)
}

/// Room for as many objects as may be, and for few aliases: objects hardly ever have any.
fn yaml_options() -> serde_saphyr::Options {
    let budget = serde_saphyr::budget! {
        max_documents: limits::OBJECTS,
        max_nodes: limits::OBJECTS * NODES,
        max_events: limits::OBJECTS * NODES * 2,
    };
    let aliases = serde_saphyr::alias_limits! { max_total_replayed_events: limits::OBJECTS };
    serde_saphyr::options! { alias_limits: aliases, budget: budget, with_snippet: false }
}

/// The documents of a file; empty ones are passed over.
fn documents(name: &str, content: &[u8]) -> Result<Vec<Value>, String> {
    let text = std::str::from_utf8(content).map_err(|_| "it is not UTF-8".to_owned())?;
    let parsed = serde_saphyr::from_multiple_with_options::<Value>(text, yaml_options());
    let parsed = parsed.map_err(|error| {
        // The library's own words may quote the file, and so a Secret.
        let much = matches!(error, serde_saphyr::Error::Budget { .. });
        let what = if much { "there is more than is read" } else { "it is not well-formed YAML" };
        error.location().map_or(what.to_owned(), |at| format!("line {}: {what}", at.line()))
    })?;
    let json = Path::new(name).extension().is_some_and(|extension| extension == "json");
    if json && parsed.len() != 1 {
        return Err(format!("a JSON file holds one document, not {}", parsed.len()));
    }
    Ok(parsed)
}

/// Objects by identity, and where the first of that identity stands.
#[derive(Default)]
struct Found {
    credentials: PullObjects,
    others: usize,
    workloads: Workloads,
    policies: BTreeMap<PolicyRef, (PolicyObject, String)>,
    secrets: BTreeMap<(String, String), (SignerSecret, String)>,
}

impl Found {
    fn add(&mut self, document: Value, file: &str, depth: usize) -> Result<(), String> {
        match object::read(document)? {
            Known::List(items) => {
                if depth == LIST_DEPTH {
                    return Err("a List stands too deep in Lists".to_owned());
                }
                return items.into_iter().try_for_each(|item| self.add(item, file, depth + 1));
            }
            Known::Other => self.others += 1,
            Known::Workload(workload) => self.workloads.add(workload),
            Known::PullSecret(secret) => {
                self.credentials.add_secret(secret.place, secret.format, &secret.text);
            }
            Known::ServiceAccount(place, secrets) => {
                self.credentials.add_account(place, secrets);
            }
            Known::Policy(policy) => {
                let second = (policy, file.to_owned());
                let id = second.0.id.clone();
                if let Some((policy, first)) = self.policies.get_mut(&id) {
                    policy.spec = object::refusal(&format!("defined twice: {first} and {file}"));
                } else {
                    self.policies.insert(id, second);
                }
            }
            Known::Secret(secret) => {
                let id = (secret.namespace.clone(), secret.secret.clone());
                if let Some((secret, _)) = self.secrets.get_mut(&id) {
                    // Neither of the two can be known to be meant; an empty key is refused.
                    (secret.name, secret.public_key) = (String::new(), String::new());
                } else {
                    self.secrets.insert(id, (secret, file.to_owned()));
                }
            }
        }
        let credentials = self.credentials.len();
        let most = self.policies.len().max(self.secrets.len()).max(credentials);
        let most = most.max(self.workloads.len());
        if most > limits::OBJECTS {
            return Err(format!("there are more than {} objects of a kind", limits::OBJECTS));
        }
        Ok(())
    }

    fn finish(self) -> Result<Objects, ScanFault> {
        let Self { credentials, others, policies, secrets, workloads } = self;
        let policies = policies.into_values().map(|(policy, _)| SourceObject::Policy(policy));
        let secrets = secrets.into_values();
        let secrets = secrets.map(|(secret, _)| SourceObject::SignerSecret(secret));
        let objects = policies.chain(secrets).collect();
        Ok(Objects { credentials, objects, others, workloads })
    }
}
