//! One replica: runs its machines and keeps their journal, exactly as the host does.
//!
//! The node performs nothing. It numbers a delivery, runs the machine, writes the record and hands
//! back the effects; when and whether they come to pass is decided by the world.

mod cast;
mod journal;
mod memo;
mod scribe;

use std::collections::BTreeMap;
use std::sync::Arc;

use portreeve_protocol::codec::Told;
use portreeve_protocol::entry::{Answered, Delivered, Gap, Panicked, Started};
use portreeve_protocol::messages::admission::AdmissionInput;
use portreeve_protocol::messages::journal::{Appended, Gated, JournalInput, Release};
use portreeve_protocol::{
    ActorId, Cause, Decision, Delivery, Denial, DenyCode, Effect, Entry, EventId, Input, Mono, Now,
    ProtocolError, Sha256,
};

use cast::Cast;
use scribe::Scribe;

pub use journal::Journal;
pub use memo::Memo;

use crate::history;

/// One replica in one incarnation.
#[derive(Debug)]
pub struct Node {
    cast: Cast,
    /// Actor to the number, Lamport time and clock of its last delivery.
    heard: BTreeMap<ActorId, Last>,
    /// Answers decided but not let out, by review.
    held: BTreeMap<EventId, Arc<Decision>>,
    journal: Journal,
    /// Reviews not answered yet: when they were received by true time, and their uids.
    received: BTreeMap<EventId, (Mono, String)>,
    scribe: Scribe,
    started: Arc<Started>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Last {
    lamport: u64,
    mono: Mono,
    seq: u64,
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
    /// durable before anything happens. An audited one writes records in full, and checkpoints.
    #[must_use]
    pub fn start(started: Started, mut journal: Journal, audited: bool) -> Self {
        let mut started = started;
        journal.read_as_bytes(audited);
        journal.keep(started.restored.blobs_mut().into_iter().map(|blob| &*blob));
        let started = Arc::new(started);
        journal.write(Entry::Started(Arc::clone(&started)));
        journal.sync();
        Self {
            cast: Cast::new(Arc::clone(&started)),
            heard: BTreeMap::new(),
            held: BTreeMap::new(),
            journal,
            received: BTreeMap::new(),
            scribe: Scribe::new(audited),
            started,
        }
    }

    /// Delivers a message at `at` by true time: runs the machine, then writes the record. Verdicts
    /// on documents are taken from `memo` where they stand in it.
    ///
    /// # Errors
    /// `WrongActor` for a message that its receiver does not understand; an entry that cannot be
    /// written.
    pub fn deliver(
        &mut self,
        at: Mono,
        now: Now,
        envelope: Envelope,
        memo: &mut Memo,
    ) -> Result<Handled, ProtocolError> {
        let Envelope { cause, input, lamport, root, to } = envelope;
        let (event, lamport, now) = self.number(to, lamport, now);
        let root = root.unwrap_or_else(|| event.clone());
        let delivery = Delivery { event: event.clone(), now, root: root.clone() };
        let effects = self.cast.run(&delivery, &input, memo)?;
        let told = if self.scribe.audited() { Some(Told::of(&effects)?) } else { None };
        let digest = told.as_ref().map_or(Sha256::ZERO, Told::digest);
        let decisions: Vec<Arc<Decision>> =
            effects.iter().filter_map(Effect::decision).cloned().collect();
        for decision in &decisions {
            self.held.insert(decision.review.clone(), Arc::clone(decision));
        }
        if let Input::Admission(AdmissionInput::Review(facts)) = &*input {
            self.received.insert(event.clone(), (at, facts.uid.clone()));
        }
        self.journal.keep(input.blobs());
        let delivered = Delivered {
            cause,
            decisions,
            effects: digest,
            event: event.clone(),
            input,
            lamport,
            now,
            root: root.clone(),
        };
        self.scribe.delivered(&delivered, &effects);
        match told {
            Some(told) => self.journal.write_told(delivered, &told)?,
            None => self.journal.write(Entry::Delivered(delivered)),
        }
        Ok(Handled { digest, effects, event, lamport, root })
    }

    /// As if the machine had panicked on a message: it is as it was before, as the host makes it
    /// again. The review it served is denied; gives that denial, if there is one to be denied.
    pub fn panic(&mut self, at: Mono, now: Now, envelope: Envelope) -> Option<Appended> {
        let Envelope { cause, input, lamport, root, to } = envelope;
        let (event, _, now) = self.number(to, lamport, now);
        let root = root.unwrap_or_else(|| event.clone());
        if let Input::Admission(AdmissionInput::Review(facts)) = &*input {
            self.received.insert(event.clone(), (at, facts.uid.clone()));
        }
        self.journal.keep(input.blobs());
        let panicked = Panicked { cause, event, input, now, root: root.clone() };
        self.scribe.panicked(&panicked);
        self.journal.write(Entry::Panicked(panicked));
        let uid = self.received.get(&root).map(|(_, uid)| uid.clone())?;
        if self.held.contains_key(&root) {
            return None;
        }
        let denial = Denial::new(DenyCode::Internal, "a machine failed; its event is in the log");
        let decision = refusal(root.clone(), uid, denial);
        self.held.insert(root.clone(), Arc::new(decision));
        Some(Appended { answers: vec![Gated { allowed: false, exempt: false, review: root }] })
    }

    /// Begins a segment with a checkpoint, if it is time; all before it is durable.
    ///
    /// # Errors
    /// A state or an entry that cannot be written.
    pub fn checkpoint(&mut self) -> Result<bool, ProtocolError> {
        if !self.scribe.full() || !self.journal.is_writable() {
            return Ok(false);
        }
        let kept = self.cast.keep(|actor| self.heard.contains_key(actor))?;
        let checkpoint = self.scribe.checkpoint(&self.started, kept, &mut self.journal);
        self.journal.begin(Entry::Checkpoint(Box::new(checkpoint)))?;
        Ok(true)
    }

    /// Tells the journal gate; its deliveries are not themselves journaled.
    ///
    /// # Errors
    /// None but those of the protocol; the gate understands every such input.
    pub fn gate(&mut self, now: Now, input: JournalInput) -> Result<Vec<Effect>, ProtocolError> {
        let (event, _, now) = self.number(ActorId::Journal, 0, now);
        let delivery = Delivery { root: event.clone(), event, now };
        self.cast.gate(&delivery, &Input::Journal(input))
    }

    /// What the gate needs to know of the answers among `effects`, as the host tells it.
    #[must_use]
    pub fn gated(effects: &[Effect]) -> Appended {
        let gate = |decision: &Arc<Decision>| Gated {
            allowed: decision.allowed,
            exempt: decision.is_exempt(),
            review: decision.review.clone(),
        };
        Appended { answers: effects.iter().filter_map(Effect::decision).map(gate).collect() }
    }

    /// Lets an answer go and writes down that it went; `None` if nobody waits for it: there is
    /// none, or the review was denied before because a machine failed.
    pub fn release(&mut self, now: Now, release: &Release) -> Option<history::Answered> {
        let decision = self.held.remove(&release.review)?;
        // Whoever waited for it was told already, when a machine panicked on its behalf.
        let (received, _) = self.received.remove(&release.review)?;
        let (event, instead) = (release.review.clone(), release.instead.clone());
        let answer = history::Answered { decision, event, instead, received };
        let answered = Answered {
            allowed: answer.allowed(),
            code: answer.denial().map(|denial| denial.code),
            review: release.review.clone(),
            wall: now.wall,
        };
        self.scribe.answered(&answered);
        self.journal.write(Entry::Answered(vec![answered]));
        Some(answer)
    }

    /// Writes down what was lost.
    pub fn gap(&mut self, gap: &Gap) {
        self.scribe.lost();
        self.journal.write(Entry::Gap(gap.clone()));
    }

    /// The event that the next delivery to an actor will be.
    #[must_use]
    pub fn next(&self, actor: ActorId) -> EventId {
        let seq = self.last(&actor).seq + 1;
        let (node, incarnation) = (self.started.node.clone(), self.started.incarnation);
        EventId { node, incarnation, actor, seq }
    }

    /// The number of the incarnation.
    #[must_use]
    pub fn incarnation(&self) -> u32 {
        self.started.incarnation
    }

    /// Reviews that are not answered, and answers that wait for their records.
    #[must_use]
    pub fn waiting(&self) -> (usize, usize) {
        (self.received.len(), self.held.len())
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

    /// The next event of an actor. Its monotonic clock never goes back, as the host's do not.
    fn number(&mut self, actor: ActorId, cause: u64, now: Now) -> (EventId, u64, Now) {
        let (node, incarnation) = (self.started.node.clone(), self.started.incarnation);
        let last = self.heard.entry(actor.clone()).or_default();
        let (lamport, seq) = (last.lamport.max(cause) + 1, last.seq + 1);
        let now = Now { mono: now.mono.max(last.mono), wall: now.wall };
        *last = Last { lamport, mono: now.mono, seq };
        (EventId { node, incarnation, actor, seq }, lamport, now)
    }

    fn last(&self, actor: &ActorId) -> Last {
        self.heard.get(actor).copied().unwrap_or_default()
    }
}

/// The answer to a review that no machine judged, as the host makes it.
fn refusal(review: EventId, uid: String, denial: Denial) -> Decision {
    Decision {
        allowed: false,
        audit: BTreeMap::new(),
        bundle: None,
        message: format!("{}: {}", denial.code.code(), denial.detail),
        denial: Some(denial),
        policy_revision: 0,
        review,
        seal: None,
        uid,
        verdicts: Vec::new(),
        warnings: Vec::new(),
    }
}
