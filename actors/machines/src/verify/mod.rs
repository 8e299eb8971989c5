//! Verifies collections; keeps nothing.

use portreeve_protocol::entry::Started;
use portreeve_protocol::messages::verify::{VerifyEffect, VerifyInput};
use portreeve_protocol::{ActorKind, Delivery, Input, Machine, Outbox};

/// Verifies collections; keeps nothing.
#[derive(Debug)]
pub struct Verifier {}

impl Verifier {
    /// The actor as it is at the start of an incarnation.
    #[must_use]
    pub fn new(_started: &Started) -> Self {
        Self {}
    }
}

impl Machine for Verifier {
    type Input = VerifyInput;
    type Effect = VerifyEffect;

    const KIND: ActorKind = ActorKind::Verify;

    fn handle(
        &mut self,
        _delivery: &Delivery,
        _input: &VerifyInput,
        _out: &mut Outbox<VerifyEffect>,
    ) {
    }

    fn accept(input: &Input) -> Option<&VerifyInput> {
        if let Input::Verify(input) = input { Some(input) } else { None }
    }
}
