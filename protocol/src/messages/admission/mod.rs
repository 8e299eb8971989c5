//! What the admission actor receives and emits.

mod effect;
mod hop;
mod resolution;
mod review;
mod timer;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use effect::AdmissionEffect;
pub use hop::HopRefused;
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
    /// The node drains: reviews still waiting are denied `draining`, later ones too.
    Drain,
    /// A message this actor sent could not be delivered.
    HopRefused(HopRefused),
    /// The policies as they are now.
    Policies(Arc<PolicySnapshot>),
    /// What a trust server says about a tag.
    Resolution(Arc<Resolution>),
    /// A review to decide.
    Review(Box<ReviewFacts>),
    /// A timer fired.
    Timer(AdmissionTimer),
}
