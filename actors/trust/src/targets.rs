//! Targets and delegations: which tag is which image, and who else may say so
//! (Notary `tuf/data/targets.go`).

use std::collections::{BTreeMap, BTreeSet};

use portreeve_protocol::Sha256;
use portreeve_protocol::evidence::TargetEntry;

use crate::error::TrustError;
use crate::fields::Fields;
use crate::file_meta::FileMeta;
use crate::header::{self, Header};
use crate::json::Value;
use crate::role::{self, RoleKeys};
use crate::{key, root};

/// The body of a targets document.
#[derive(Debug, Clone)]
pub(crate) struct Targets {
    /// The roles it delegates to, in order.
    pub(crate) delegations: Vec<Delegation>,
    /// Tag to entry, for the tags that were asked about.
    pub(crate) entries: BTreeMap<String, TargetEntry>,
    /// Version and expiry.
    pub(crate) header: Header,
}

/// A role as its parent's document describes it.
#[derive(Debug, Clone)]
pub(crate) struct Delegation {
    /// Who may sign for it.
    pub(crate) keys: RoleKeys,
    /// Its full name.
    pub(crate) name: String,
    /// Prefixes of the tags it may name; the empty prefix is all, no prefix is none.
    pub(crate) paths: Vec<String>,
}

impl Targets {
    /// Reads what the signatures of the document of `role` cover. All of it must be well-formed;
    /// entries are kept for `tags` only.
    /// Source: Notary `tuf/data/targets.go:isValidTargetsStructure`.
    ///
    /// # Errors
    /// `InvalidMetadata`, `UnsupportedForm`, `KeyId`.
    pub(crate) fn read(
        role: &str,
        signed: &Value,
        tags: &BTreeSet<String>,
    ) -> Result<Self, TrustError> {
        let (header, fields) = header::read(role, "Targets", signed, &["delegations", "targets"])?;
        let mut entries = BTreeMap::new();
        for (tag, value) in fields.map("targets")? {
            let entry = read_entry(role, value)?;
            if tags.contains(tag) {
                entries.insert(tag.clone(), entry);
            }
        }
        let delegations = match fields.get("delegations") {
            Some(value) => read_delegations(role, value)?,
            None => Vec::new(),
        };
        Ok(Self { delegations, entries, header })
    }
}

/// An entry that is well-formed but names no image is kept as such: it must not let another role's
/// entry answer in its place.
fn read_entry(role: &str, value: &Value) -> Result<TargetEntry, TrustError> {
    let unusable = |why: &str| Ok(TargetEntry::Unusable(why.to_owned()));
    if *value == Value::Null {
        return unusable("it is null");
    }
    let meta = FileMeta::read(role, value)?;
    let Some(sha256) = meta.sha256.as_deref() else {
        return unusable("it has no SHA-256 digest");
    };
    let Some(sha256) = Sha256::from_raw(sha256) else {
        return unusable("its SHA-256 digest does not have 32 bytes");
    };
    match u64::try_from(meta.length) {
        Ok(length @ 1..) => Ok(TargetEntry::Image { length, sha256 }),
        _ => unusable("its length is below 1"),
    }
}

fn read_delegations(parent: &str, value: &Value) -> Result<Vec<Delegation>, TrustError> {
    let fields = Fields::of(parent, "the delegations", value, &["keys", "roles"])?;
    let keys = key::read_keys(&fields)?;
    let mut names = BTreeSet::new();
    let mut delegations = Vec::new();
    for value in fields.list("roles")? {
        let keys = root::read_role(parent, &keys, value)?;
        let role = Fields::of(parent, "a delegation", value, &[])?;
        let name = role.text("name")?;
        if !role::is_child(parent, name) {
            return Err(role.invalid("name", "must be a valid name directly below its parent"));
        }
        if !names.insert(name) {
            return Err(TrustError::UnsupportedForm {
                document: parent.to_owned(),
                why: "it delegates to one role twice".to_owned(),
            });
        }
        let path = |value: &Value| match value {
            Value::Text(path) => Ok(path.clone()),
            Value::Null
            | Value::Bool(_)
            | Value::Integer(_)
            | Value::List(_)
            | Value::Object(_)
            | Value::NoCanonicalForm(_) => Err(role.invalid("paths", "must be strings")),
        };
        let paths = role.list("paths")?.iter().map(path).collect::<Result<_, _>>()?;
        delegations.push(Delegation { keys, name: name.to_owned(), paths });
    }
    Ok(delegations)
}

impl Delegation {
    /// Keeps the paths that lie within `parent`'s.
    /// Source: Notary `tuf/data/roles.go:RestrictDelegationPathPrefixes`.
    pub(crate) fn restrict(&mut self, parent: &[String]) {
        self.paths.retain(|path| within(path, parent));
    }
}

/// Whether `name` begins with one of `paths`. Source: Notary `tuf/data/roles.go:checkPaths`.
pub(crate) fn within(name: &str, paths: &[String]) -> bool {
    paths.iter().any(|path| name.starts_with(path.as_str()))
}
