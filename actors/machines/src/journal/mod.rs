//! Lets answers out when their records are durable.

use portreeve_protocol::entry::Started;
use portreeve_protocol::messages::journal::{JournalEffect, JournalInput};
use portreeve_protocol::{ActorKind, Delivery, Input, Machine, Outbox};

/// Lets answers out when their records are durable.
#[derive(Debug)]
pub struct JournalGate {}

impl JournalGate {
    /// The actor as it is at the start of an incarnation.
    #[must_use]
    pub fn new(_started: &Started) -> Self {
        Self {}
    }
}

impl Machine for JournalGate {
    type Input = JournalInput;
    type Effect = JournalEffect;

    const KIND: ActorKind = ActorKind::Journal;

    fn handle(
        &mut self,
        _delivery: &Delivery,
        _input: &JournalInput,
        _out: &mut Outbox<JournalEffect>,
    ) {
    }

    fn accept(input: &Input) -> Option<&JournalInput> {
        if let Input::Journal(input) = input { Some(input) } else { None }
    }
}
