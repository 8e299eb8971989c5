//! What machines may ask of the world, whichever machine asks.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::entry::Gap;
use crate::messages::admission::{AdmissionTimer, OwnerQuery};
use crate::messages::journal::Release;
use crate::messages::notary::{FetchRequest, NotaryTimer};
use crate::{ActorId, Decision, Fact, Input, Mono};

/// One effect. Each machine has a closed enum of its own that converts into this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// Let the answer to a review out, once the record of this event is durable.
    Answer(Arc<Decision>),
    /// Deliver the timer `key` at or after `at`; arming a key again moves it.
    Arm {
        /// When, on the monotonic clock.
        at: Mono,
        /// What the timer is for.
        key: TimerKey,
    },
    /// Forget the timer `key`.
    Disarm {
        /// What the timer was for.
        key: TimerKey,
    },
    /// Ask a trust server for one document.
    Fetch(FetchRequest),
    /// Look at the metadata of a workload's controller.
    LookUpOwner(OwnerQuery),
    /// Something worth knowing: logs, metrics and coverage are made of these.
    Note(Fact),
    /// Write down what the journal lost.
    RecordGap(Gap),
    /// Let a gated answer go, or deny in its place.
    Release(Release),
    /// Deliver a message to another actor of this node.
    Send {
        /// What to deliver.
        message: Arc<Input>,
        /// To whom.
        to: ActorId,
    },
}

impl Effect {
    /// The decision that is let out, if the effect is an answer.
    #[must_use]
    pub const fn decision(&self) -> Option<&Arc<Decision>> {
        match self {
            Self::Answer(decision) => Some(decision),
            Self::Arm { .. }
            | Self::Disarm { .. }
            | Self::Fetch(_)
            | Self::LookUpOwner(_)
            | Self::Note(_)
            | Self::RecordGap(_)
            | Self::Release(_)
            | Self::Send { .. } => None,
        }
    }
}

/// What a timer is for, and so what its firing means.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TimerKey {
    /// A timer of the admission actor.
    Admission(AdmissionTimer),
    /// A timer of a notary fetcher.
    Notary(NotaryTimer),
}
