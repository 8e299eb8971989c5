//! What is trusted of a collection, as operators are shown it.

use std::collections::BTreeMap;

use portreeve_protocol::Sha256;
use portreeve_protocol::evidence::TrustedCollection;
use serde::{Deserialize, Serialize};

/// What is trusted of a collection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustSummary {
    /// How many verified documents are kept, root and timestamp among them.
    pub documents: usize,
    /// Whether the root was taken on first use, by no pin.
    pub first_use: bool,
    /// The collection.
    pub gun: String,
    /// Full role name to the lowest version that is still believed.
    pub roles: BTreeMap<String, RoleSummary>,
    /// SHA-256 of the trusted root as it was served.
    pub root: Sha256,
    /// The trust server.
    pub server: String,
}

/// The floor of one role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleSummary {
    /// Ids of the keys that may sign it, sorted.
    pub keyids: Vec<Sha256>,
    /// The version.
    pub version: u64,
}

impl From<&TrustedCollection> for TrustSummary {
    fn from(trusted: &TrustedCollection) -> Self {
        let roles = trusted.floors.iter().map(|(role, floor)| {
            (role.clone(), RoleSummary { keyids: floor.keys.clone(), version: floor.version })
        });
        Self {
            documents: 1 + trusted.documents.len() + usize::from(trusted.timestamp.is_some()),
            first_use: trusted.first_use,
            gun: trusted.gun.clone(),
            roles: roles.collect(),
            root: trusted.root.digest(),
            server: trusted.server.clone(),
        }
    }
}
