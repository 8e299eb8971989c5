//! What every actor is: a pure state machine.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::entry::Restored;
use crate::{ActorKind, Blob, BlobSource, Effect, EventId, Input, Now, ProtocolError};

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

    /// All that the machine knows, for a checkpoint. A machine that keeps nothing between inputs
    /// has nothing to say.
    ///
    /// # Errors
    /// `Record` if something it knows cannot be written.
    fn keep(&self) -> Result<Kept, ProtocolError> {
        Ok(Kept::default())
    }

    /// Puts a machine that was made for the same start of the node into the state of a checkpoint.
    ///
    /// # Errors
    /// `Record` if it is no state of such a machine, and what is wrong with a blob that it names.
    fn resume(&mut self, _: &Value, _: &dyn BlobSource) -> Result<(), ProtocolError> {
        Ok(())
    }
}

/// What a machine knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// Every blob that the state names, with its bytes.
    pub blobs: Vec<Blob>,
    /// The part that outlives an incarnation, under whatever rules.
    pub restored: Restored,
    /// All of it; of meaning to machines of the same rules only.
    pub state: Value,
}

impl Kept {
    /// The state of a machine that names no blobs and leaves nothing to later incarnations.
    ///
    /// # Errors
    /// `Record` if the state cannot be written.
    pub fn of(machine: &impl Serialize) -> Result<Self, ProtocolError> {
        let state = serde_json::to_value(machine).map_err(malformed)?;
        Ok(Self { state, ..Self::default() })
    }

    /// Reads a state.
    ///
    /// # Errors
    /// `Record` if it is none of such a machine.
    pub fn read<T: DeserializeOwned>(state: &Value) -> Result<T, ProtocolError> {
        T::deserialize(state).map_err(malformed)
    }
}

fn malformed(error: serde_json::Error) -> ProtocolError {
    ProtocolError::Record { why: format!("the state of a machine: {error}") }
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
