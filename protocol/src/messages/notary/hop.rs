//! The verifiers would not take a request.

use serde::{Deserialize, Serialize};

use crate::Denial;

/// A verification request was not taken by the pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifierRefused {
    /// The flight it belonged to.
    pub flight: u64,
    /// The collection.
    pub gun: String,
    /// Why.
    pub why: Denial,
}
