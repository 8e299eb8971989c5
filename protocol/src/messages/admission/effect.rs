//! What the admission actor emits.

use std::sync::Arc;

use super::{AdmissionTimer, OwnerQuery};
use crate::effect::TimerKey;
use crate::messages::notary::{NotaryInput, Resolve};
use crate::{ActorId, Decision, Effect, Fact, Input, Mono};

/// What the admission actor emits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdmissionEffect {
    /// The answer to a review.
    Answer(Arc<Decision>),
    /// Wake up at a time.
    Arm(Mono, AdmissionTimer),
    /// No need to wake up.
    Disarm(AdmissionTimer),
    /// Look at the controller of a workload.
    LookUpOwner(OwnerQuery),
    /// Something worth knowing.
    Note(Fact),
    /// Ask the fetcher of this trust server about a tag.
    Resolve {
        /// The trust server's URL.
        server: String,
        /// What to resolve.
        resolve: Resolve,
    },
}

impl From<AdmissionEffect> for Effect {
    fn from(effect: AdmissionEffect) -> Self {
        match effect {
            AdmissionEffect::Answer(decision) => Self::Answer(decision),
            AdmissionEffect::Arm(at, timer) => Self::Arm { at, key: TimerKey::Admission(timer) },
            AdmissionEffect::Disarm(timer) => Self::Disarm { key: TimerKey::Admission(timer) },
            AdmissionEffect::LookUpOwner(query) => Self::LookUpOwner(query),
            AdmissionEffect::Note(fact) => Self::Note(fact),
            AdmissionEffect::Resolve { server, resolve } => Self::Send {
                message: Arc::new(Input::Notary(NotaryInput::Resolve(resolve))),
                to: ActorId::Notary(server),
            },
        }
    }
}
