//! What an operator, or a trust reset, tells the admission actor.

use serde::{Deserialize, Serialize};

use crate::Sha256;

/// End an entry of seals. Given by an operator only, and recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokeSeal {
    /// The digest.
    pub digest: Sha256,
    /// The collection.
    pub gun: String,
    /// Why, in the operator's words.
    pub reason: String,
}

/// All trust in a collection was forgotten: nothing that was resolved before may serve any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forgotten {
    /// The collection.
    pub gun: String,
    /// The trust server.
    pub server: String,
}

/// The wall clock was set back on purpose: judge by it again. Given by an operator only, and
/// recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcknowledgeClock {
    /// Why, in the operator's words.
    pub reason: String,
}
