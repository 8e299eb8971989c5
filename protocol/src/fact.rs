//! What machines find worth knowing. The host makes log lines and metrics of facts; the simulator
//! makes coverage marks. A fact never holds a secret or what a remote server sent.

use serde::{Deserialize, Serialize};

use crate::bundle_reason::BundleCode;
use crate::policy::PolicyRef;
use crate::{ActorId, Denial, DenyCode, EventId, Sha256};

/// One fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fact {
    /// The trust bundle has expired; by the settings it stays in force, or denies.
    BundleExpired {
        /// The version of its targets role.
        version: u64,
    },
    /// The trust bundle could not be loaded, or was not taken; the one before stays in force.
    BundleFailed {
        /// Why.
        code: BundleCode,
        /// Why, in words.
        why: String,
    },
    /// A trust bundle is in force from now on.
    BundleLoaded {
        /// How many anchors it holds.
        anchors: u32,
        /// SHA-256 of its `trust.json`.
        digest: Sha256,
        /// The version of its targets role.
        version: u64,
    },
    /// The wall clock is where it should be again, or an operator said that it is.
    ClockReturned,
    /// The wall clock went back further than is believed; what requires trust is denied.
    ClockSteppedBack {
        /// By how much, in microseconds.
        micros: u64,
    },
    /// A delegation of a collection was left out.
    DelegationDropped {
        /// The collection.
        gun: String,
        /// The delegation.
        role: String,
        /// Why.
        why: DenyCode,
    },
    /// A fetch of a document ended without the document.
    FetchFailed {
        /// The document, as asked for.
        document: String,
        /// The collection.
        gun: String,
        /// The trust server.
        server: String,
        /// Why.
        why: Denial,
    },
    /// A fetch failed in a way that may pass, and will be tried again.
    FetchRetried {
        /// The document, as asked for.
        document: String,
        /// The collection.
        gun: String,
        /// The trust server.
        server: String,
        /// Why it failed.
        why: DenyCode,
    },
    /// A root was trusted because it was the first one seen.
    FirstUse {
        /// The collection.
        gun: String,
        /// The trust server.
        server: String,
        /// The root's version.
        version: u64,
    },
    /// The journal cannot be written; allows become denials.
    JournalDegraded {
        /// What the operating system said.
        why: String,
    },
    /// The journal is written again.
    JournalRestored {
        /// Allows denied meanwhile.
        denied: u64,
    },
    /// A policy cannot be understood; its scope is denied.
    PolicyInvalid {
        /// The policy.
        policy: PolicyRef,
        /// Why.
        why: String,
    },
    /// A new snapshot of the policies was published.
    PoliciesPublished {
        /// How many policies it holds.
        policies: u32,
        /// Its revision.
        revision: u64,
    },
    /// A collection was verified.
    Refreshed {
        /// The collection.
        gun: String,
        /// The trust server.
        server: String,
        /// Version of its timestamp.
        timestamp: u64,
    },
    /// A collection was refused.
    Refused {
        /// The collection.
        gun: String,
        /// The trust server.
        server: String,
        /// Why.
        why: Denial,
    },
    /// A review was decided.
    ReviewDecided {
        /// What the answer says.
        allowed: bool,
        /// The code of the denial, if it is one.
        code: Option<DenyCode>,
        /// Images judged.
        images: u32,
        /// From receipt to decision, in microseconds.
        micros: u64,
        /// The review.
        review: EventId,
        /// Whether every image was decided without asking a trust server.
        warm: bool,
    },
    /// A root was replaced by its successor.
    RootRotated {
        /// The collection.
        gun: String,
        /// The trust server.
        server: String,
        /// The new version.
        version: u64,
    },
    /// An operator ended an entry of seals.
    SealRevoked {
        /// The digest.
        digest: Sha256,
        /// The collection.
        gun: String,
        /// Why, in the operator's words.
        reason: String,
    },
    /// An operator had all trust in a collection forgotten.
    TrustReset {
        /// The collection.
        gun: String,
        /// Why, in the operator's words.
        reason: String,
        /// The trust server.
        server: String,
    },
    /// An input came that nothing was waiting for; it changed nothing.
    Unexpected {
        /// The actor.
        actor: ActorId,
        /// What came.
        what: String,
    },
    /// The source of the policies is not watched any more; the last snapshot stays in force.
    WatchLost {
        /// Why.
        why: String,
    },
    /// The source of the policies is watched again.
    WatchRestored,
}

impl Fact {
    /// The stable name used as metric label, log key and coverage mark.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::BundleExpired { .. } => "bundle-expired",
            Self::BundleFailed { .. } => "bundle-failed",
            Self::BundleLoaded { .. } => "bundle-loaded",
            Self::ClockReturned => "clock-returned",
            Self::ClockSteppedBack { .. } => "clock-stepped-back",
            Self::DelegationDropped { .. } => "delegation-dropped",
            Self::FetchFailed { .. } => "fetch-failed",
            Self::FetchRetried { .. } => "fetch-retried",
            Self::FirstUse { .. } => "first-use",
            Self::JournalDegraded { .. } => "journal-degraded",
            Self::JournalRestored { .. } => "journal-restored",
            Self::PolicyInvalid { .. } => "policy-invalid",
            Self::PoliciesPublished { .. } => "policies-published",
            Self::Refreshed { .. } => "refreshed",
            Self::Refused { .. } => "refused",
            Self::ReviewDecided { .. } => "review-decided",
            Self::RootRotated { .. } => "root-rotated",
            Self::SealRevoked { .. } => "seal-revoked",
            Self::TrustReset { .. } => "trust-reset",
            Self::Unexpected { .. } => "unexpected",
            Self::WatchLost { .. } => "watch-lost",
            Self::WatchRestored => "watch-restored",
        }
    }
}
