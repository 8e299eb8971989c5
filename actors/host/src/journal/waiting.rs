//! Reviews that wait for their answers. The journal's thread lets answers out; the arbiter may do
//! so in its place while that thread is stuck in the operating system.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portreeve_protocol::{Decision, Denial, DenyCode, EventId};
use tokio::sync::oneshot;

use super::drafts::{Draft, Scribe};
use crate::node::{Answer, denial};

/// Where the answer to a review goes.
pub(crate) struct Waiter {
    /// What writes the answer, if it may be written before it is let out.
    scribe: Option<Scribe>,
    sender: oneshot::Sender<Result<Released, Unanswered>>,
}

/// An answer that is let out.
#[derive(Debug)]
pub(crate) struct Released {
    pub(crate) answer: Answer,
    /// What was written of it meanwhile.
    pub(crate) draft: Option<Draft>,
}

/// A review that no machine answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unanswered {
    /// The event in which it was received.
    pub review: EventId,
    /// Why it is denied.
    pub why: Denial,
}

impl From<Answer> for Released {
    fn from(answer: Answer) -> Self {
        Self { answer, draft: None }
    }
}

impl Waiter {
    /// Somebody who waits, and the end where the answer arrives. If that is closed without an
    /// answer, the record is lost.
    pub(crate) fn new(
        scribe: Option<Scribe>,
    ) -> (Self, oneshot::Receiver<Result<Released, Unanswered>>) {
        let (sender, receiver) = oneshot::channel();
        (Self { scribe, sender }, receiver)
    }

    /// Lets the answer out. The review may have been given up meanwhile; it was answered then.
    pub(crate) fn tell(self, answer: Result<Released, Unanswered>) {
        let _ = self.sender.send(answer);
    }
}

impl fmt::Debug for Waiter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Waiter").field("gone", &self.sender.is_closed()).finish()
    }
}

/// All reviews that wait.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    reviews: Mutex<BTreeMap<EventId, Review>>,
}

#[derive(Debug)]
struct Review {
    /// The decision, once it is made.
    decision: Option<Arc<Decision>>,
    waiter: Waiter,
}

impl Waiting {
    /// Somebody waits for the answer to the review received in this event.
    pub(crate) fn enter(&self, review: EventId, waiter: Waiter) {
        self.reviews().insert(review, Review { decision: None, waiter });
    }

    /// The review is decided; its answer waits for the record.
    pub(crate) fn decided(&self, decision: &Arc<Decision>) {
        if let Some(review) = self.reviews().get_mut(&decision.review) {
            review.decision = Some(Arc::clone(decision));
        }
    }

    /// Lets an answer out, if anybody still waits for it.
    pub(crate) fn answer(&self, review: &EventId, answer: Result<Released, Unanswered>) {
        if let Some(waiter) = self.leave(review) {
            waiter.tell(answer);
        }
    }

    /// What writes the answer to a review, for the first who asks, if whoever waits left it here.
    pub(crate) fn scribe(&self, review: &EventId) -> Option<Scribe> {
        self.reviews().get_mut(review).and_then(|review| review.waiter.scribe.take())
    }

    /// Whoever waits for the answer to a review, and from now on is answered by the caller.
    pub(crate) fn leave(&self, review: &EventId) -> Option<Waiter> {
        self.reviews().remove(review).map(|review| review.waiter)
    }

    /// Denies one review because of an internal failure.
    pub(crate) fn deny(&self, review: &EventId, why: &str) {
        let why = Denial::new(DenyCode::Internal, format!("{why} (event {review})"));
        self.answer(review, Err(Unanswered { review: review.clone(), why }));
    }

    /// Denies all reviews because of an internal failure.
    pub(crate) fn deny_all(&self, why: &str) {
        let reviews: Vec<EventId> = self.reviews().keys().cloned().collect();
        reviews.iter().for_each(|review| self.deny(review, why));
    }

    /// Lets out what is decided without waiting for records: denials and exempt allows as they are,
    /// other allows as denials.
    pub(crate) fn relieve(&self) {
        let decided: Vec<Arc<Decision>> =
            self.reviews().values().filter_map(|review| review.decision.clone()).collect();
        for decision in decided {
            let review = decision.review.clone();
            let decision = if decision.allowed && !decision.is_exempt() {
                let why = "the journal takes too long to write the record of this decision";
                denial::replacing(&decision, Denial::new(DenyCode::JournalUnavailable, why))
            } else {
                decision
            };
            self.answer(&review, Ok(Answer { decision, record: None }.into()));
        }
    }

    /// Forgets whoever does not wait any more.
    pub(crate) fn sweep(&self) {
        self.reviews().retain(|_, review| !review.waiter.sender.is_closed());
    }

    fn reviews(&self) -> MutexGuard<'_, BTreeMap<EventId, Review>> {
        self.reviews.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
