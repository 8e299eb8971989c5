//! The machines on actix, behind one handle.

mod options;

use std::sync::Arc;

use portreeve_protocol::entry::Answered;
use portreeve_protocol::messages::admission::ReviewFacts;
use portreeve_protocol::messages::policy::PolicyInput;
use portreeve_protocol::{ActorId, Decision, Sha256};

pub use options::{Durability, NodeOptions};

use crate::HostError;

/// What the webhook sends back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The decision.
    pub decision: Arc<Decision>,
    /// The hash of the record that holds the decision; `None` for a denial made without a machine.
    pub record: Option<Sha256>,
}

/// How a node is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// Whether the node was told to drain.
    pub draining: bool,
    /// Whether records can be written.
    pub journal_writable: bool,
    /// Actors that panicked and take nothing any more, in order.
    pub poisoned: Vec<ActorId>,
    /// Whether a snapshot of the policies was published since the start.
    pub policies_loaded: bool,
    /// Reviews being decided.
    pub reviews_in_flight: usize,
}

impl Health {
    /// Whether reviews should be sent here.
    #[must_use]
    pub fn ready(&self) -> bool {
        self.policies_loaded
            && self.journal_writable
            && !self.draining
            && !self.poisoned.contains(&ActorId::Admission)
    }
}

/// A running node; clones are handles on the same one.
#[derive(Debug, Clone)]
pub struct Node {}

impl Node {
    /// Recovers the journal, opens a new incarnation and starts the actors.
    ///
    /// # Errors
    /// `File`, `JournalInUse`, `JournalBroken`, `Recovery`, `Thread`.
    pub fn start(_options: NodeOptions) -> Result<Self, HostError> {
        Err(HostError::Recovery { why: "the node is being written".to_owned() })
    }

    /// Decides a review. There always is an answer: a denial, if the machines cannot be asked.
    pub async fn review(&self, _facts: ReviewFacts) -> Answer {
        std::future::pending().await
    }

    /// Tells the policy cache what the policy source said. Never dropped: it waits if it must.
    pub fn objects(&self, _input: PolicyInput) {}

    /// Records that an answer was sent, at best effort.
    pub fn answered(&self, _answered: Answered) {}

    /// Denies all reviews that wait and all later ones as `draining`; ends when the last is answered.
    pub async fn drain(&self) {}

    /// Writes what there is to write and ends all threads.
    pub async fn stop(self) {}

    /// How the node is.
    #[must_use]
    pub fn health(&self) -> Health {
        Health::default()
    }
}
