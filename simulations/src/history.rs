//! What was seen of a run from outside the machines, in the order in which it happened. The
//! [oracles](crate::oracle) judge by it.

use std::sync::Arc;

use portreeve_protocol::entry::Started;
use portreeve_protocol::messages::admission::{AdmissionInput, Resolution, ReviewFacts};
use portreeve_protocol::{Decision, Denial, EventId, Input, Mono, Wall};

/// Something that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// When, by true time: microseconds since the start of the run.
    pub at: Mono,
    /// The replica it concerns, by its place in the scenario.
    pub replica: usize,
    /// What.
    pub what: Sight,
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// An answer left a replica.
    Answered(Box<Answered>),
    /// A replica was told of a look at the trust bundle: `BundleLoaded` or `BundleFailed` of the
    /// admission actor.
    Bundle(Arc<Input>),
    /// An operator had a replica take its wall clock for right, and it did.
    ClockAcknowledged {
        /// The delivery, which may be lost to a journal that cannot be written.
        event: EventId,
        /// What the clock showed.
        wall: Wall,
    },
    /// A replica was killed.
    Crashed,
    /// A bit of a replica's journal flipped, where a durable record is behind it.
    Flipped,
    /// The client of the API server gave a review up: no answer came in its time, or none can come.
    GaveUp {
        /// The review's uid.
        uid: String,
    },
    /// Something about policies was delivered to a replica's policy actor: a
    /// [`PolicyInput`](portreeve_protocol::messages::policy::PolicyInput).
    Policies(Arc<Input>),
    /// An answer came to the API server in time.
    Reached {
        /// Whether the review was allowed.
        allowed: bool,
        /// The review's uid.
        uid: String,
    },
    /// A review was delivered to a replica.
    Received {
        /// The delivery.
        event: EventId,
        /// The review; see [`Sight::review`].
        input: Arc<Input>,
        /// Whether it is a question of the time after the heal, to see whether all came right.
        probe: bool,
    },
    /// A replica's fetcher told its admission actor what a trust server says of a tag.
    Resolved(Arc<Resolution>),
    /// A replica started.
    Started(Arc<Started>),
    /// A replica ended in order.
    Stopped,
    /// An operator had a replica forget what it trusted of a collection.
    TrustReset {
        /// The collection.
        gun: String,
        /// The trust server.
        server: String,
    },
    /// A replica could not start from its damaged journal, so an operator gave it an empty disk.
    Wiped {
        /// What was wrong with the journal.
        why: String,
    },
}

/// An answer that left a replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// What was decided.
    pub decision: Arc<Decision>,
    /// The delivery of the review.
    pub event: EventId,
    /// The denial that replaced the decision, if one did.
    pub instead: Option<Denial>,
    /// When the review was received, by true time.
    pub received: Mono,
}

impl Sight {
    /// The review, if one was received.
    #[must_use]
    pub fn review(&self) -> Option<&ReviewFacts> {
        if let Self::Received { input, .. } = self { review(input) } else { None }
    }
}

/// The review that is delivered, if it is one.
#[must_use]
pub fn review(input: &Input) -> Option<&ReviewFacts> {
    if let Input::Admission(AdmissionInput::Review(facts)) = input { Some(facts) } else { None }
}

impl Answered {
    /// Whether the client was told that the workload may enter.
    #[must_use]
    pub fn allowed(&self) -> bool {
        self.decision.allowed && self.instead.is_none()
    }

    /// The denial that the client was told.
    #[must_use]
    pub fn denial(&self) -> Option<&Denial> {
        self.instead.as_ref().or(self.decision.denial.as_ref())
    }
}
