//! What the admission actor receives and emits.

mod bundle;
mod effect;
mod hop;
mod operator;
mod owner;
mod resolution;
mod review;
mod timer;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use bundle::{BundleFailed, BundleLoaded, BundleVersions};
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
use crate::{Blob, BlobSource, ProtocolError};

/// What the admission actor receives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AdmissionInput {
    /// An operator set the clock back on purpose.
    AcknowledgeClock(AcknowledgeClock),
    /// The trust bundle could not be loaded.
    BundleFailed(BundleFailed),
    /// The trust bundle was loaded.
    BundleLoaded(Box<BundleLoaded>),
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
    Review(Arc<ReviewFacts>),
    /// An operator ends an entry of seals.
    RevokeSeal(RevokeSeal),
    /// A timer fired.
    Timer(AdmissionTimer),
}

impl AdmissionInput {
    /// Every blob named.
    #[must_use]
    pub fn blobs(&self) -> Vec<&Blob> {
        match self {
            Self::BundleLoaded(loaded) => loaded.blobs().into(),
            Self::AcknowledgeClock(_)
            | Self::BundleFailed(_)
            | Self::Drain
            | Self::Forgotten(_)
            | Self::HopRefused(_)
            | Self::OwnerFound(_)
            | Self::Policies(_)
            | Self::Resolution(_)
            | Self::Review(_)
            | Self::RevokeSeal(_)
            | Self::Timer(_) => Vec::new(),
        }
    }

    /// Fills in the bytes of every blob named.
    ///
    /// # Errors
    /// As [`Blob::hydrate`].
    pub fn hydrate(&mut self, source: &dyn BlobSource) -> Result<(), ProtocolError> {
        match self {
            Self::BundleLoaded(loaded) => {
                loaded.blobs_mut().into_iter().try_for_each(|blob| blob.hydrate(source))
            }
            Self::AcknowledgeClock(_)
            | Self::BundleFailed(_)
            | Self::Drain
            | Self::Forgotten(_)
            | Self::HopRefused(_)
            | Self::OwnerFound(_)
            | Self::Policies(_)
            | Self::Resolution(_)
            | Self::Review(_)
            | Self::RevokeSeal(_)
            | Self::Timer(_) => Ok(()),
        }
    }
}
