//! What the admission actor receives and emits.

mod effect;
mod hop;
mod operator;
mod owner;
mod resolution;
mod review;
mod timer;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use effect::AdmissionEffect;
pub use hop::HopRefused;
pub use operator::{AcknowledgeClock, Forgotten, RevokeSeal};
pub use owner::{FoundOwner, OwnerFound, OwnerOutcome, OwnerQuery};
pub use resolution::{LastVerified, Resolution, ResolutionOutcome, VerifiedTag};
pub use review::{
    ContainerList, GroupKind, ImageFact, Operation, OwnerFact, Peer, ReviewFacts, ReviewPath,
    ReviewVersion,
};
pub use timer::AdmissionTimer;

use crate::policy::PolicySnapshot;

/// What the admission actor receives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AdmissionInput {
    /// An operator set the clock back on purpose.
    AcknowledgeClock(AcknowledgeClock),
    /// The node drains: reviews still waiting are denied `draining`, later ones too.
    Drain,
    /// An operator had all trust in a collection forgotten.
    Forgotten(Forgotten),
    /// A message this actor sent could not be delivered.
    HopRefused(HopRefused),
    /// The controller of a workload was looked for.
    OwnerFound(OwnerFound),
    /// The policies as they are now.
    Policies(Arc<PolicySnapshot>),
    /// What a trust server says about a tag.
    Resolution(Arc<Resolution>),
    /// A review to decide.
    Review(Box<ReviewFacts>),
    /// An operator ends an entry of seals.
    RevokeSeal(RevokeSeal),
    /// A timer fired.
    Timer(AdmissionTimer),
}
