//! Verifies collections; keeps nothing.

use portreeve_protocol::entry::Started;
use portreeve_protocol::messages::notary::{Verification, VerifyOutcome};
use portreeve_protocol::messages::verify::{VerifyEffect, VerifyInput, VerifyRequest};
use portreeve_protocol::{ActorKind, Delivery, Input, Machine, Outbox, Wall};

pub use portreeve_trust::{Claim, Judge};

/// Verifies collections; keeps nothing, so that any member of a pool may take any request.
#[derive(Debug)]
pub struct Verifier {}

impl Verifier {
    /// The actor as it is at the start of an incarnation.
    #[must_use]
    pub const fn new(_started: &Started) -> Self {
        Self {}
    }

    /// The verdict on a request, which hangs on nothing but its bytes and the wall clock.
    #[must_use]
    pub fn verdict(request: &VerifyRequest, delivery: &Delivery) -> VerifyOutcome {
        portreeve_trust::verify(request, delivery.now.wall)
    }

    /// The same verdict, with signatures judged by `judge`.
    #[must_use]
    pub fn verdict_by(request: &VerifyRequest, now: Wall, judge: Judge<'_>) -> VerifyOutcome {
        portreeve_trust::verify_by(request, now, judge)
    }
}

impl Machine for Verifier {
    type Input = VerifyInput;
    type Effect = VerifyEffect;

    const KIND: ActorKind = ActorKind::Verify;

    fn handle(&mut self, delivery: &Delivery, input: &VerifyInput, out: &mut Outbox<VerifyEffect>) {
        match input {
            VerifyInput::Verify(request) => out.push(conclude(delivery, request)),
        }
    }

    fn accept(input: &Input) -> Option<&VerifyInput> {
        if let Input::Verify(input) = input { Some(input) } else { None }
    }
}

fn conclude(delivery: &Delivery, request: &VerifyRequest) -> VerifyEffect {
    VerifyEffect::Conclude {
        verification: Box::new(Verification {
            flight: request.flight,
            gun: request.gun.clone(),
            outcome: Verifier::verdict(request, delivery),
        }),
        server: request.server.clone(),
    }
}
