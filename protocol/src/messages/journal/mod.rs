//! What the journal gate receives and emits. These deliveries are not themselves journaled.

mod appended;
mod effect;
mod failed;

use serde::{Deserialize, Serialize};

pub use appended::{Appended, Gated};
pub use effect::{JournalEffect, Release};
pub use failed::WriteFailed;

/// What the journal gate receives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum JournalInput {
    /// A record was handed to the writer.
    Appended(Appended),
    /// All that was handed over is durable.
    Synced,
    /// Writing works again.
    WriteRestored,
    /// Writing or syncing failed; what was handed over since the last `Synced` is lost.
    WriteFailed(WriteFailed),
}
