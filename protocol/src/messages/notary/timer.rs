//! Timers of a notary fetcher.

use serde::{Deserialize, Serialize};

/// What a timer of a notary fetcher is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum NotaryTimer {
    /// The flight of this number for this collection must end now.
    FlightDeadline {
        /// The flight.
        flight: u64,
        /// The collection.
        gun: String,
    },
    /// The flight of this number may ask again for what failed to come.
    Retry {
        /// The flight.
        flight: u64,
        /// The collection.
        gun: String,
    },
}
