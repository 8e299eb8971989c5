//! The writer failed.

use serde::{Deserialize, Serialize};

/// Writing or syncing failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteFailed {
    /// Records that are lost by it.
    pub lost: u64,
    /// What the operating system said.
    pub why: String,
}
