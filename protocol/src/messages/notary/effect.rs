//! What a notary fetcher emits.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{DocumentName, NotaryTimer};
use crate::effect::TimerKey;
use crate::messages::admission::{AdmissionInput, Forgotten, Resolution};
use crate::messages::verify::{VerifyInput, VerifyRequest};
use crate::{ActorId, CredentialRef, Effect, Fact, Input, Mono};

/// Ask a trust server for one document; exactly one `Fetched` answers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchRequest {
    /// The credentials that may be used, to be tried in this order.
    pub credentials: Vec<CredentialRef>,
    /// What to ask for.
    pub document: DocumentName,
    /// The flight that asks.
    pub flight: u64,
    /// The collection.
    pub gun: String,
    /// The most bytes the document may have.
    pub limit: u64,
    /// The trust server's URL, without trailing slash.
    pub server: String,
    /// How long the fetch may take, in microseconds.
    pub timeout: u64,
}

/// What a notary fetcher emits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotaryEffect {
    /// Wake up at a time.
    Arm(Mono, NotaryTimer),
    /// No need to wake up.
    Disarm(NotaryTimer),
    /// Ask the trust server for a document.
    Fetch(FetchRequest),
    /// Tell the admission actor that a collection was forgotten.
    Forgotten(Forgotten),
    /// Something worth knowing.
    Note(Fact),
    /// Tell the admission actor.
    Publish(Arc<Resolution>),
    /// Have documents verified.
    Verify(Box<VerifyRequest>),
}

impl From<NotaryEffect> for Effect {
    fn from(effect: NotaryEffect) -> Self {
        match effect {
            NotaryEffect::Arm(at, timer) => Self::Arm { at, key: TimerKey::Notary(timer) },
            NotaryEffect::Disarm(timer) => Self::Disarm { key: TimerKey::Notary(timer) },
            NotaryEffect::Fetch(request) => Self::Fetch(request),
            NotaryEffect::Forgotten(forgotten) => Self::Send {
                message: Arc::new(Input::Admission(AdmissionInput::Forgotten(forgotten))),
                to: ActorId::Admission,
            },
            NotaryEffect::Note(fact) => Self::Note(fact),
            NotaryEffect::Publish(resolution) => Self::Send {
                message: Arc::new(Input::Admission(AdmissionInput::Resolution(resolution))),
                to: ActorId::Admission,
            },
            NotaryEffect::Verify(request) => Self::Send {
                message: Arc::new(Input::Verify(VerifyInput::Verify(request))),
                to: ActorId::Verify(0),
            },
        }
    }
}
