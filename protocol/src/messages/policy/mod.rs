//! What the policy cache receives and emits.

mod applied;
mod deleted;
mod effect;
mod object;
mod relisted;
mod watch;

use serde::{Deserialize, Serialize};

pub use applied::Applied;
pub use deleted::{Deleted, ObjectRef};
pub use effect::PolicyEffect;
pub use object::{PolicyObject, SignerSecret, SourceObject};
pub use relisted::Relisted;
pub use watch::WatchLost;

/// What the policy cache receives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PolicyInput {
    /// An object was created or changed.
    Applied(Applied),
    /// An object is gone.
    Deleted(Deleted),
    /// The whole list, replacing all that was known.
    Relisted(Relisted),
    /// The source is not watched any more.
    WatchLost(WatchLost),
    /// The source is watched again, without having been listed anew.
    WatchRestored,
}
