//! What publishers and trust servers do during a run.

use serde::{Deserialize, Serialize};

use super::{CollectionPlan, SignedTag};

/// Something that changes at a trust server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Microseconds after the start.
    pub at: u64,
    /// URL of the trust server.
    pub server: String,
    /// What changes.
    pub what: Publication,
}

/// What changes at a trust server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Publication {
    /// A collection is published, in the place of one of that name.
    Publish(CollectionPlan),
    /// A tag is removed from all roles.
    Remove {
        /// The collection.
        gun: String,
        /// The tag.
        tag: String,
    },
    /// What was served before the last change is served again.
    Rollback {
        /// The collection.
        gun: String,
    },
    /// The root key is replaced; the new root is signed by both.
    RotateRoot {
        /// The collection.
        gun: String,
    },
    /// The key of `timestamp` is replaced, as a server does that lost it.
    RotateTimestamp {
        /// The collection.
        gun: String,
    },
    /// A tag is signed, by signers the collection delegates to.
    Sign {
        /// The collection.
        gun: String,
        /// What is signed.
        tag: SignedTag,
    },
    /// The collection is not served any more.
    Withdraw {
        /// The collection.
        gun: String,
    },
}

impl Publication {
    /// The collection that changes.
    #[must_use]
    pub fn gun(&self) -> &str {
        match self {
            Self::Publish(plan) => &plan.gun,
            Self::Remove { gun, .. }
            | Self::Rollback { gun }
            | Self::RotateRoot { gun }
            | Self::RotateTimestamp { gun }
            | Self::Sign { gun, .. }
            | Self::Withdraw { gun } => gun,
        }
    }
}
