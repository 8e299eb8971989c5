//! The messages that actors of a node are sent.

use std::sync::Arc;

use portreeve_protocol::evidence::TrustedCollection;
use portreeve_protocol::{Cause, EventId, Input};
use tokio::sync::oneshot;

use super::timers::Ticket;
use crate::journal::waiting::Waiter;

/// Take an input.
#[derive(Debug)]
pub(crate) struct Deliver {
    pub(crate) cause: Cause,
    pub(crate) input: Arc<Input>,
    /// Lamport time of the cause; 0 if it comes from outside.
    pub(crate) lamport: u64,
    /// The first event of the chain; `None` if this is the first.
    pub(crate) root: Option<EventId>,
    /// Set if the input is a timer's.
    pub(crate) ticket: Option<Ticket>,
    /// Who waits for the answer, if the input is a review.
    pub(crate) waiter: Option<Waiter>,
}

impl Deliver {
    /// An input that an earlier delivery led to.
    pub(crate) const fn caused(
        cause: Cause,
        input: Arc<Input>,
        lamport: u64,
        root: Option<EventId>,
    ) -> Self {
        Self { cause, input, lamport, root, ticket: None, waiter: None }
    }

    /// An input from outside the machines.
    pub(crate) fn outside(from: portreeve_protocol::Outside, input: impl Into<Input>) -> Self {
        Self {
            cause: Cause::Outside(from),
            input: Arc::new(input.into()),
            lamport: 0,
            root: None,
            ticket: None,
            waiter: None,
        }
    }
}

impl actix::Message for Deliver {
    type Result = ();
}

/// Tell an operator what is trusted. It changes nothing, so it is no delivery.
#[derive(Debug)]
pub(crate) struct Inspect(pub(crate) oneshot::Sender<Vec<TrustedCollection>>);

impl actix::Message for Inspect {
    type Result = ();
}
