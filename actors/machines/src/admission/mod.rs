//! Decides reviews.

use portreeve_protocol::entry::Started;
use portreeve_protocol::messages::admission::{AdmissionEffect, AdmissionInput};
use portreeve_protocol::{ActorKind, Delivery, Input, Machine, Outbox};

/// Decides reviews.
#[derive(Debug)]
pub struct Admission {}

impl Admission {
    /// The actor as it is at the start of an incarnation.
    #[must_use]
    pub fn new(_started: &Started) -> Self {
        Self {}
    }
}

impl Machine for Admission {
    type Input = AdmissionInput;
    type Effect = AdmissionEffect;

    const KIND: ActorKind = ActorKind::Admission;

    fn handle(
        &mut self,
        _delivery: &Delivery,
        _input: &AdmissionInput,
        _out: &mut Outbox<AdmissionEffect>,
    ) {
    }

    fn accept(input: &Input) -> Option<&AdmissionInput> {
        if let Input::Admission(input) = input { Some(input) } else { None }
    }
}
