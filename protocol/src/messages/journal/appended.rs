//! A record was handed to the writer.

use serde::{Deserialize, Serialize};

use crate::EventId;

/// A record was handed to the writer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appended {
    /// The answers that wait for the record to be durable.
    pub answers: Vec<Gated>,
}

/// An answer that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gated {
    /// What it says.
    pub allowed: bool,
    /// Whether it may go unrecorded: deletions and what carries no image.
    pub exempt: bool,
    /// The review it answers.
    pub review: EventId,
}
