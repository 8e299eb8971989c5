//! A hop that was refused.

use serde::{Deserialize, Serialize};

use crate::{ActorId, Denial};

/// A message to another actor was not taken: its mailbox is full, or the actor cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HopRefused {
    /// To whom the message was.
    pub to: ActorId,
    /// Why, as it may be told to the client.
    pub why: Denial,
}
