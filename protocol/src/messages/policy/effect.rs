//! What the policy cache emits.

use std::sync::Arc;

use crate::messages::admission::AdmissionInput;
use crate::policy::PolicySnapshot;
use crate::{ActorId, Effect, Fact, Input};

/// What the policy cache emits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyEffect {
    /// Something worth knowing.
    Note(Fact),
    /// Tell the admission actor the policies as they are now.
    Publish(Arc<PolicySnapshot>),
}

impl From<PolicyEffect> for Effect {
    fn from(effect: PolicyEffect) -> Self {
        match effect {
            PolicyEffect::Note(fact) => Self::Note(fact),
            PolicyEffect::Publish(snapshot) => Self::Send {
                message: Arc::new(Input::Admission(AdmissionInput::Policies(snapshot))),
                to: ActorId::Admission,
            },
        }
    }
}
