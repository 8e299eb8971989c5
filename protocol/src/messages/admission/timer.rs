//! Timers of the admission actor.

use serde::{Deserialize, Serialize};

use crate::EventId;

/// What a timer of the admission actor is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum AdmissionTimer {
    /// The review received in this event must be answered now.
    Deadline(EventId),
}
