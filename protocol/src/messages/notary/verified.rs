//! What a verifier concluded.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::evidence::{Evidence, Floors, TagView};
use crate::{Denial, Sha256};

/// A verifier's answer to one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// The flight that asked.
    pub flight: u64,
    /// The collection.
    pub gun: String,
    /// The conclusion.
    pub outcome: VerifyOutcome,
}

/// The conclusion of a verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum VerifyOutcome {
    /// All is well so far, but these documents are named and were not at hand.
    Missing(Vec<Wanted>),
    /// A requirement is not met.
    Refused(Denial),
    /// The collection is verified.
    Verified(Box<VerifiedCollection>),
}

/// A document that a verified document names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Its length in bytes, as its parent states it; at least 1.
    pub length: u64,
    /// The full role name.
    pub role: String,
    /// Its digest.
    pub sha256: Sha256,
}

/// A verified collection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifiedCollection {
    /// The documents.
    pub evidence: Evidence,
    /// The floors as they are from now on.
    pub floors: Floors,
    /// What the documents say about each tag that was asked about.
    pub tags: BTreeMap<String, TagView>,
}
