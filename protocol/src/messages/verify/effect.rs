//! What a verifier emits.

use std::sync::Arc;

use crate::messages::notary::{NotaryInput, Verification};
use crate::{ActorId, Effect, Input};

/// What a verifier emits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VerifyEffect {
    /// The conclusion, for the fetcher that asked.
    Conclude {
        /// The conclusion.
        verification: Box<Verification>,
        /// The trust server whose fetcher asked.
        server: String,
    },
}

impl From<VerifyEffect> for Effect {
    fn from(effect: VerifyEffect) -> Self {
        let VerifyEffect::Conclude { verification, server } = effect;
        Self::Send {
            message: Arc::new(Input::Notary(NotaryInput::Verification(verification))),
            to: ActorId::Notary(server),
        }
    }
}
