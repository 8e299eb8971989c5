//! One replica: runs its machines and keeps their journal, exactly as the host does.
//!
//! The node performs nothing. It numbers a delivery, runs the machine, writes the record and hands
//! back the effects; when and whether they come to pass is decided by the world.

mod cast;
mod journal;

use std::collections::BTreeMap;
use std::sync::Arc;

use portreeve_protocol::entry::{Answered, Delivered, Gap, Started};
use portreeve_protocol::messages::journal::{Appended, Gated, JournalInput, Release};
use portreeve_protocol::{
    ActorId, Cause, Decision, Delivery, Effect, Entry, EventId, Input, Mono, Now, ProtocolError,
    Sha256, codec,
};

use cast::Cast;

pub use journal::Journal;

use crate::outcome::Answer;

/// One replica in one incarnation.
#[derive(Debug)]
pub struct Node {
    cast: Cast,
    /// Actor to the number and Lamport time of its last delivery.
    heard: BTreeMap<ActorId, (u64, u64)>,
    /// Answers decided but not let out, by review, with the time of the review.
    held: BTreeMap<EventId, Arc<Decision>>,
    journal: Journal,
    /// Reviews not answered yet and when they were received.
    received: BTreeMap<EventId, Mono>,
    started: Arc<Started>,
}

/// A message on its way to an actor.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// Why it is sent.
    pub cause: Cause,
    /// What is sent.
    pub input: Arc<Input>,
    /// Lamport time of the cause; 0 if that lies outside.
    pub lamport: u64,
    /// The first event of the chain; `None` if the delivery begins one.
    pub root: Option<EventId>,
    /// To whom.
    pub to: ActorId,
}

/// A delivery that was handled.
#[derive(Debug)]
pub struct Handled {
    /// Digest of the effects, as it stands in the journal.
    pub digest: Sha256,
    /// What the machine emitted.
    pub effects: Vec<Effect>,
    /// The delivery.
    pub event: EventId,
    /// Its Lamport time.
    pub lamport: u64,
    /// The first event of its chain.
    pub root: EventId,
}

impl Handled {
    /// The envelope of a message that the effect number `index` leads to.
    #[must_use]
    pub fn envelope(&self, index: u32, to: ActorId, input: Arc<Input>) -> Envelope {
        Envelope {
            cause: Cause::Effect { event: self.event.clone(), index },
            input,
            lamport: self.lamport,
            root: Some(self.root.clone()),
            to,
        }
    }
}

impl Node {
    /// The node at the start of an incarnation, which is the next line of its journal, made
    /// durable before anything happens.
    ///
    /// # Errors
    /// A `started` that cannot be written.
    pub fn start(started: Started, mut journal: Journal) -> Result<Self, ProtocolError> {
        let started = Arc::new(started);
        for trusted in &started.restored.trust {
            journal.keep([&trusted.root]);
            journal.keep(&trusted.timestamp);
            journal.keep(&trusted.documents);
        }
        journal.write(Entry::Started(Arc::clone(&started)))?;
        journal.sync();
        Ok(Self {
            cast: Cast::new(Arc::clone(&started)),
            heard: BTreeMap::new(),
            held: BTreeMap::new(),
            journal,
            received: BTreeMap::new(),
            started,
        })
    }

    /// Delivers a message: runs the machine, then writes the record.
    ///
    /// # Errors
    /// `WrongActor` for a message that its receiver does not understand; an entry that cannot be
    /// written.
    pub fn deliver(&mut self, now: Now, envelope: Envelope) -> Result<Handled, ProtocolError> {
        let Envelope { cause, input, lamport, root, to } = envelope;
        let (event, lamport) = self.number(to, lamport);
        let root = root.unwrap_or_else(|| event.clone());
        let delivery = Delivery { event: event.clone(), now, root: root.clone() };
        let effects = self.cast.run(&delivery, &input)?;
        let digest = codec::digest(&effects)?;
        let decisions: Vec<Arc<Decision>> = effects.iter().filter_map(answer).cloned().collect();
        for decision in &decisions {
            self.held.insert(decision.review.clone(), Arc::clone(decision));
        }
        if cause == Cause::Outside(portreeve_protocol::Outside::Webhook) {
            self.received.insert(event.clone(), now.mono);
        }
        self.journal.keep(input.blobs());
        self.journal.write(Entry::Delivered(Delivered {
            cause,
            decisions,
            effects: digest,
            event: event.clone(),
            input,
            lamport,
            now,
            root: root.clone(),
        }))?;
        Ok(Handled { digest, effects, event, lamport, root })
    }

    /// Tells the journal gate; its deliveries are not themselves journaled.
    ///
    /// # Errors
    /// None but those of the protocol; the gate understands every such input.
    pub fn gate(&mut self, now: Now, input: JournalInput) -> Result<Vec<Effect>, ProtocolError> {
        let (event, _) = self.number(ActorId::Journal, 0);
        let delivery = Delivery { root: event.clone(), event, now };
        self.cast.run(&delivery, &Input::Journal(input))
    }

    /// What the gate needs to know of the answers among `effects`, as the host tells it.
    #[must_use]
    pub fn gated(effects: &[Effect]) -> Appended {
        let gate = |decision: &Arc<Decision>| Gated {
            allowed: decision.allowed,
            exempt: decision.is_exempt(),
            review: decision.review.clone(),
        };
        Appended { answers: effects.iter().filter_map(answer).map(gate).collect() }
    }

    /// Lets an answer go and writes down that it went; `None` if there is none to that review.
    ///
    /// # Errors
    /// An entry that cannot be written.
    pub fn release(
        &mut self,
        now: Now,
        release: &Release,
    ) -> Result<Option<Answer>, ProtocolError> {
        let Some(decision) = self.held.remove(&release.review) else { return Ok(None) };
        let received = self.received.remove(&release.review).unwrap_or(now.mono);
        let latency = now.mono.since(received);
        let instead = release.instead.clone();
        let answer = Answer { at: now.mono, decision, instead, latency };
        let summary = answer.summary();
        self.journal.write(Entry::Answered(Answered {
            allowed: summary.allowed,
            code: summary.code,
            review: release.review.clone(),
            wall: now.wall,
        }))?;
        Ok(Some(answer))
    }

    /// Writes down what was lost.
    ///
    /// # Errors
    /// An entry that cannot be written.
    pub fn gap(&mut self, gap: &Gap) -> Result<(), ProtocolError> {
        self.journal.write(Entry::Gap(gap.clone()))
    }

    /// The node's journal.
    #[must_use]
    pub const fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The node's journal, for the disk to work on.
    pub const fn journal_mut(&mut self) -> &mut Journal {
        &mut self.journal
    }

    /// Ends the node; its journal is left.
    #[must_use]
    pub fn into_journal(self) -> Journal {
        self.journal
    }

    fn number(&mut self, actor: ActorId, cause: u64) -> (EventId, u64) {
        let (seq, lamport) = self.heard.get(&actor).copied().unwrap_or_default();
        let (seq, lamport) = (seq + 1, lamport.max(cause) + 1);
        self.heard.insert(actor.clone(), (seq, lamport));
        let (node, incarnation) = (self.started.node.clone(), self.started.incarnation);
        (EventId { node, incarnation, actor, seq }, lamport)
    }
}

const fn answer(effect: &Effect) -> Option<&Arc<Decision>> {
    if let Effect::Answer(decision) = effect { Some(decision) } else { None }
}
