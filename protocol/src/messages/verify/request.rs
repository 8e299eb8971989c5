//! Documents to verify.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::Blob;
use crate::evidence::{Floors, RootPins};

/// Everything a verifier needs; it keeps nothing between requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyRequest {
    /// Snapshot, targets and delegations at hand; found by their digests.
    pub documents: Vec<Blob>,
    /// Whether the first of `roots` was taken on first use, by no pin.
    pub first_use: bool,
    /// The flight that asks; returned as it is.
    pub flight: u64,
    /// Versions below which nothing is believed.
    pub floors: Floors,
    /// The collection.
    pub gun: String,
    /// What the operator knows of the collection's root.
    pub pins: RootPins,
    /// The root to start from, then its successors in order of version.
    pub roots: Vec<Blob>,
    /// The trust server that asks, to whose fetcher the answer goes.
    pub server: String,
    /// The tags to look up.
    pub tags: BTreeSet<String>,
    /// The timestamp.
    pub timestamp: Blob,
    /// Whether the first of `roots` was verified before: with successors it may then be expired.
    pub trusted_root: bool,
}
