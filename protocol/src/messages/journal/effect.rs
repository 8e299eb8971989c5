//! What the journal gate emits.

use serde::{Deserialize, Serialize};

use crate::entry::Gap;
use crate::{Denial, Effect, EventId, Fact};

/// What the journal gate emits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JournalEffect {
    /// Something worth knowing.
    Note(Fact),
    /// Write down what was lost, before anything else.
    RecordGap(Gap),
    /// Let an answer go.
    Release(Release),
}

/// Let the answer to a review go: as decided, or as a denial in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// The denial that replaces the answer; `None` lets it go as decided.
    pub instead: Option<Denial>,
    /// The review.
    pub review: EventId,
}

impl From<JournalEffect> for Effect {
    fn from(effect: JournalEffect) -> Self {
        match effect {
            JournalEffect::Note(fact) => Self::Note(fact),
            JournalEffect::RecordGap(gap) => Self::RecordGap(gap),
            JournalEffect::Release(release) => Self::Release(release),
        }
    }
}
