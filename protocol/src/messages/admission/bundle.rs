//! What came of a look at the trust bundle.

use serde::{Deserialize, Serialize};

use crate::bundle_reason::BundleCode;
use crate::{Blob, Sha256, Wall};

/// A trust bundle was loaded, and everything in it verified, unexpired, and not behind its floors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleLoaded {
    /// The content of `trust.json` (see [`crate::anchors`]).
    pub anchors: Blob,
    /// When the first of its roles expires.
    pub expires: Wall,
    /// SHA-256 of the root that the operator gave, from which all else was verified.
    pub origin: Sha256,
    /// The newest verified root, from which the next load starts.
    pub root: Blob,
    /// The versions of its roles, which are floors from now on.
    pub versions: BundleVersions,
}

impl BundleLoaded {
    /// Whether it goes on where the operator gives the root of this digest: the root that was given
    /// when it was taken, or the newest one of that root's chain, by which it was verified.
    #[must_use]
    pub fn goes_on_from(&self, given: Sha256) -> bool {
        self.origin == given || self.root.digest() == given
    }

    /// Every blob named here.
    pub fn blobs(&self) -> [&Blob; 2] {
        [&self.anchors, &self.root]
    }

    /// As [`BundleLoaded::blobs`], to be filled in.
    pub fn blobs_mut(&mut self) -> [&mut Blob; 2] {
        [&mut self.anchors, &mut self.root]
    }
}

/// The versions of the roles of a trust bundle.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleVersions {
    /// Of the root.
    pub root: u64,
    /// Of the snapshot.
    pub snapshot: u64,
    /// Of the targets role, by which decisions name the bundle.
    pub targets: u64,
    /// Of the timestamp.
    pub timestamp: u64,
}

impl BundleVersions {
    /// The first role that is older here than in `floors`, with both versions.
    #[must_use]
    pub fn behind(&self, floors: &Self) -> Option<(&'static str, u64, u64)> {
        [
            ("root", self.root, floors.root),
            ("timestamp", self.timestamp, floors.timestamp),
            ("snapshot", self.snapshot, floors.snapshot),
            ("targets", self.targets, floors.targets),
        ]
        .into_iter()
        .find(|(_, found, floor)| found < floor)
    }
}

/// The trust bundle could not be loaded. What was loaded before stays in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleFailed {
    /// The stable code.
    pub code: BundleCode,
    /// What was found, in a sentence without a final full stop.
    pub detail: String,
}
