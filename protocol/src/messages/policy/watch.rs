//! The watch on the policy source broke.

use serde::{Deserialize, Serialize};

/// The source is not watched any more. The last snapshot stays in force and decisions say so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchLost {
    /// What the adapter saw.
    pub why: String,
}
