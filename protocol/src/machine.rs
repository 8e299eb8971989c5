//! What every actor is: a pure state machine.

use crate::{ActorKind, Effect, EventId, Input, Now};

/// The circumstances of one delivery, as the host recorded them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The delivery itself.
    pub event: EventId,
    /// The clocks, read once for this delivery.
    pub now: Now,
    /// The first event of the chain that led here; the review's event for all that serves a review.
    pub root: EventId,
}

/// A pure state machine: no IO, no clock, no randomness, no threads, no iteration over hash maps.
/// Whatever it knows came in through [`Machine::handle`]; whatever it wants goes to the outbox.
pub trait Machine {
    /// The closed set of what this actor may receive.
    type Input: Send + Sync + 'static;
    /// The closed set of what this actor may emit.
    type Effect: Into<Effect>;

    /// The kind of actor this is.
    const KIND: ActorKind;

    /// Takes one input; the same state, delivery and input always give the same effects.
    fn handle(&mut self, delivery: &Delivery, input: &Self::Input, out: &mut Outbox<Self::Effect>);

    /// The part of `input` meant for this kind of machine; `None` if it is for another.
    fn accept(input: &Input) -> Option<&Self::Input>;
}

/// What a machine emitted while handling one input. The machine can only push; the host drains.
#[derive(Debug)]
pub struct Outbox<E> {
    effects: Vec<E>,
}

impl<E> Default for Outbox<E> {
    fn default() -> Self {
        Self { effects: Vec::new() }
    }
}

impl<E> Outbox<E> {
    /// Adds an effect behind those already emitted.
    pub fn push(&mut self, effect: E) {
        self.effects.push(effect);
    }

    /// The effects in the order they were emitted.
    #[must_use]
    pub fn into_effects(self) -> Vec<E> {
        self.effects
    }
}
