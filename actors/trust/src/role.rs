//! Names of roles, and who may sign for one.

use std::collections::BTreeMap;

use portreeve_protocol::Sha256;

use crate::key::Key;

/// The base role that names all others' keys.
pub(crate) const ROOT: &str = "root";
/// The base role that says what is current.
pub(crate) const TIMESTAMP: &str = "timestamp";
/// The base role that says which documents belong together.
pub(crate) const SNAPSHOT: &str = "snapshot";
/// The base role that names images and delegates.
pub(crate) const TARGETS: &str = "targets";
/// The delegation that releases images, by docker's convention.
pub(crate) const RELEASES: &str = "targets/releases";

/// Whether `name` is a delegation: below `targets/`, of `[-a-z0-9_/]`, shorter than 256 bytes, and
/// a clean path. Source: Notary `tuf/data/roles.go:IsDelegation`.
pub(crate) fn is_delegation(name: &str) -> bool {
    let allowed = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_'
    };
    name.len() < 256
        && name.strip_prefix("targets/").is_some_and(|below| {
            below.split('/').all(|part| !part.is_empty() && part.bytes().all(allowed))
        })
}

/// Whether `child` is a delegation directly below `parent`.
/// Source: Notary `tuf/data/roles.go:RoleName.Parent`.
pub(crate) fn is_child(parent: &str, child: &str) -> bool {
    is_delegation(child) && child.rsplit_once('/').is_some_and(|(above, _)| above == parent)
}

/// The keys a role lists, and how many of them must sign.
#[derive(Debug, Clone)]
pub(crate) struct RoleKeys {
    /// Key id to key.
    pub(crate) keys: BTreeMap<Sha256, Key>,
    /// Distinct public keys needed; at least 1.
    pub(crate) threshold: u32,
}

impl RoleKeys {
    /// The ids of the keys, sorted.
    pub(crate) fn ids(&self) -> Vec<Sha256> {
        self.keys.keys().copied().collect()
    }
}
