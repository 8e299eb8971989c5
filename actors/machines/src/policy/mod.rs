//! Holds the policies and publishes them in snapshots.

use portreeve_protocol::entry::Started;
use portreeve_protocol::messages::policy::{PolicyEffect, PolicyInput};
use portreeve_protocol::{ActorKind, Delivery, Input, Machine, Outbox};

/// Holds the policies and publishes them in snapshots.
#[derive(Debug)]
pub struct PolicyCache {}

impl PolicyCache {
    /// The actor as it is at the start of an incarnation.
    #[must_use]
    pub fn new(_started: &Started) -> Self {
        Self {}
    }
}

impl Machine for PolicyCache {
    type Input = PolicyInput;
    type Effect = PolicyEffect;

    const KIND: ActorKind = ActorKind::Policy;

    fn handle(
        &mut self,
        _delivery: &Delivery,
        _input: &PolicyInput,
        _out: &mut Outbox<PolicyEffect>,
    ) {
    }

    fn accept(input: &Input) -> Option<&PolicyInput> {
        if let Input::Policy(input) = input { Some(input) } else { None }
    }
}
