//! What of an incarnation is under way: kept by the replayer, which checks it, and by the host,
//! which writes it into checkpoints.

use std::collections::BTreeMap;
use std::sync::Arc;

use portreeve_protocol::entry::{
    Answered, Awaited, Checkpoint, Delivered, Heard, MachineState, Panicked, Started,
};
use portreeve_protocol::{
    ActorId, ActorKind, Cause, DenyCode, Effect, EventId, Kept, Mono, ProtocolError,
};

use crate::input_name;
use crate::outstanding::Outstanding;
use crate::path::Step;

/// Decisions whose `Answered` is awaited: it is written at best effort and may never come.
const UNANSWERED: usize = 4_096;

/// The last delivery an actor received.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Last {
    pub(crate) lamport: u64,
    pub(crate) mono: Mono,
    pub(crate) seq: u64,
}

/// What of one incarnation is under way.
#[derive(Debug, Default)]
pub struct Ledger {
    /// The highest sequence number of a review whose answer is not awaited any more.
    pub(crate) forgotten: u64,
    pub(crate) heard: BTreeMap<ActorId, Last>,
    pub(crate) outstanding: Outstanding,
    pub(crate) unanswered: BTreeMap<EventId, (bool, Option<DenyCode>)>,
}

/// How a checkpoint has the start of an incarnation, with what the next one is to begin with, and
/// the states of its machines, where they know what is `kept`. Blobs are the caller's to keep.
#[must_use]
pub fn cut(started: &Started, kept: Vec<(ActorId, Kept)>) -> (Started, Vec<MachineState>) {
    let mut started = started.clone();
    let mut states = Vec::new();
    for (actor, kept) in kept {
        match &actor {
            ActorId::Admission => {
                started.restored.bundle = kept.restored.bundle;
                started.restored.revoked = kept.restored.revoked;
            }
            ActorId::Notary(server) => {
                started.restored.trust.retain(|one| one.server != *server);
                started.restored.trust.extend(kept.restored.trust);
            }
            ActorId::Journal | ActorId::Policy | ActorId::Verify(_) => {}
        }
        states.push(MachineState { actor, state: kept.state });
    }
    started.restored.trust.sort_by_key(|one| (one.server.clone(), one.gun.clone()));
    (started, states)
}

impl Ledger {
    /// The ledger as a checkpoint has it.
    ///
    /// # Errors
    /// `Record` if it cannot be one.
    pub fn of(checkpoint: &Checkpoint) -> Result<Self, ProtocolError> {
        let heard = checkpoint.heard.iter().map(|one| {
            let Heard { actor, lamport, mono, seq } = one;
            (actor.clone(), Last { lamport: *lamport, mono: *mono, seq: *seq })
        });
        let awaited = checkpoint.awaited.iter();
        let outstanding = Outstanding::of(&checkpoint.outstanding).ok_or_else(|| {
            let why = "a checkpoint lists an effect that leads to no delivery".to_owned();
            ProtocolError::Record { why }
        })?;
        Ok(Self {
            forgotten: checkpoint.forgotten,
            heard: heard.collect(),
            outstanding,
            unanswered: awaited.map(|one| (one.review.clone(), (one.allowed, one.code))).collect(),
        })
    }

    /// Takes note of a delivery that is known to be in order.
    pub fn delivered(&mut self, delivered: &Delivered, effects: &[Effect]) {
        let Delivered { cause, decisions, event, input, lamport, now, root, .. } = delivered;
        self.hear(&event.actor, Last { lamport: *lamport, mono: now.mono, seq: event.seq });
        self.spend(cause, false);
        for decision in decisions {
            let code = decision.denial.as_ref().map(|denial| denial.code);
            self.await_answer(decision.review.clone(), (decision.allowed, code));
        }
        if Outstanding::concern(effects) {
            let name = input_name(input);
            let step = Step::new(event.clone(), root.clone(), *lamport, name, None);
            self.outstanding.add(&Arc::new(step), effects);
        }
    }

    /// Takes note of a delivery on which a machine panicked.
    pub fn panicked(&mut self, panicked: &Panicked) {
        let Panicked { cause, event, now, .. } = panicked;
        let lamport = self.last(&event.actor).lamport;
        self.hear(&event.actor, Last { lamport, mono: now.mono, seq: event.seq });
        self.spend(cause, true);
    }

    /// Takes note of an answer that was sent.
    pub fn answered(&mut self, answered: &Answered) {
        self.unanswered.remove(&answered.review);
    }

    /// Deliveries were lost: what is outstanding is not known any more.
    pub fn lost(&mut self) {
        self.outstanding = Outstanding::default();
    }

    /// Whether nothing is under way.
    #[must_use]
    pub fn quiet(&self) -> bool {
        self.outstanding.len() == 0
    }

    /// A checkpoint of what is under way, of machines in the states given.
    #[must_use]
    pub fn checkpoint(&self, started: Arc<Started>, machines: Vec<MachineState>) -> Checkpoint {
        let heard = self.heard.iter().map(|(actor, last)| {
            let Last { lamport, mono, seq } = *last;
            Heard { actor: actor.clone(), lamport, mono, seq }
        });
        let awaited = self.unanswered.iter().map(|(review, (allowed, code))| Awaited {
            allowed: *allowed,
            code: *code,
            review: review.clone(),
        });
        Checkpoint {
            awaited: awaited.collect(),
            forgotten: self.forgotten,
            heard: heard.collect(),
            machines,
            outstanding: self.outstanding.list(),
            started,
        }
    }

    pub(crate) fn last(&self, actor: &ActorId) -> Last {
        self.heard.get(actor).copied().unwrap_or_default()
    }

    pub(crate) fn hear(&mut self, actor: &ActorId, last: Last) {
        if let Some(heard) = self.heard.get_mut(actor) {
            *heard = last;
        } else {
            self.heard.insert(actor.clone(), last);
        }
    }

    pub(crate) fn await_answer(&mut self, review: EventId, answer: (bool, Option<DenyCode>)) {
        self.unanswered.insert(review, answer);
        if self.unanswered.len() > UNANSWERED
            && let Some((review, _)) = self.unanswered.pop_first()
        {
            self.forgotten = self.forgotten.max(review.seq);
        }
    }

    /// The actors whose states belong into a checkpoint: those that keep one and heard something.
    pub(crate) fn keepers(&self) -> impl Iterator<Item = &ActorId> {
        let keeps = |actor: &&ActorId| match actor.kind() {
            ActorKind::Admission | ActorKind::Notary | ActorKind::Policy => true,
            ActorKind::Journal | ActorKind::Verify => false,
        };
        self.heard.keys().filter(keeps)
    }

    fn spend(&mut self, cause: &Cause, panicked: bool) {
        if let Cause::Effect { event, index } = cause {
            self.outstanding.spend(&(event.clone(), *index), panicked);
        }
    }
}
