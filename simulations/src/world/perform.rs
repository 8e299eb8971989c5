//! Deliveries, and how their effects come to pass.

use std::sync::Arc;

use portreeve_protocol::effect::TimerKey;
use portreeve_protocol::messages::admission::{AdmissionInput, OwnerFound, OwnerOutcome};
use portreeve_protocol::messages::journal::JournalInput;
use portreeve_protocol::messages::notary::{FetchRequest, Fetched, NotaryInput};
use portreeve_protocol::{DenyCode, Effect, Input, Mono};
use portreeve_replay::input_name;

use super::trust_server::unreachable;
use super::{Happening, Replica, World};
use crate::node::{Envelope, Handled, Node};
use crate::{Answer, SimulationError, trace};

impl World<'_> {
    /// Delivers a message to the replica, if it runs.
    pub(super) fn deliver(&mut self, envelope: Envelope) -> Result<(), SimulationError> {
        let now = self.now();
        let Replica::Up(node) = &mut self.replica else { return Ok(()) };
        let name = input_name(&envelope.input);
        let cause = trace::cause(&envelope.cause);
        let handled = node.deliver(now, envelope)?;
        let writable = node.journal().is_writable();
        let letters = trace::effects(&handled.effects);
        let digest = &handled.digest.to_hex()[..12];
        self.note_line('>', &format!("{} {name} <- {cause} [{letters}] {digest}", handled.event));
        let appended = Node::gated(&handled.effects);
        let answers = !appended.answers.is_empty();
        // A healthy gate has no use for records without answers; a degraded one counts them.
        if answers || !writable {
            self.gate(JournalInput::Appended(appended))?;
        }
        if answers && writable && !self.syncing {
            self.syncing = true;
            let at = self.scheduler.now().plus(self.delays.sync());
            let life = self.life;
            self.scheduler.schedule(at, Happening::Synced { life });
        }
        for (effect, index) in handled.effects.iter().zip(0..) {
            self.perform(&handled, effect, index)?;
        }
        Ok(())
    }

    /// Has an effect come to pass, in time.
    fn perform(
        &mut self,
        handled: &Handled,
        effect: &Effect,
        index: u32,
    ) -> Result<(), SimulationError> {
        let (actor, life) = (&handled.event.actor, self.life);
        let now = self.scheduler.now();
        match effect {
            Effect::Arm { at, key } => {
                self.timers_armed += 1;
                let number = self.timers_armed;
                self.timers.insert((actor.clone(), key.clone()), number);
                let envelope = handled.envelope(index, actor.clone(), Arc::new(fired(key)));
                let timer = Happening::Timer { envelope, key: key.clone(), life, number };
                self.scheduler.schedule(self.started.plus(at.0), timer);
            }
            Effect::Disarm { key } => drop(self.timers.remove(&(actor.clone(), key.clone()))),
            Effect::Fetch(request) => {
                let (at, fetched) = self.fetch(now, request);
                let input = Arc::new(Input::Notary(NotaryInput::Fetched(fetched)));
                let envelope = handled.envelope(index, actor.clone(), input);
                self.scheduler.schedule(at, Happening::Inside { envelope, life });
            }
            Effect::LookUpOwner(query) => {
                // No workload of this world has been stored, so no owner is ever found.
                let micros = self.delays.look();
                let (outcome, review) = (OwnerOutcome::Absent, query.review.clone());
                let found = AdmissionInput::OwnerFound(OwnerFound { micros, outcome, review });
                let envelope = handled.envelope(index, actor.clone(), Arc::new(found.into()));
                let at = now.plus(micros);
                self.scheduler.schedule(at, Happening::Inside { envelope, life });
            }
            Effect::Answer(_) | Effect::Note(_) | Effect::RecordGap(_) | Effect::Release(_) => {
                self.conclude(effect)?;
            }
            Effect::Send { message, to } => {
                let to = self.delays.receiver(to);
                let at = self.delays.arrival(now, actor, &to);
                let envelope = handled.envelope(index, to, Arc::clone(message));
                self.scheduler.schedule(at, Happening::Inside { envelope, life });
            }
        }
        Ok(())
    }

    /// Tells the gate, and lets out what it releases. Its effects lead to no delivery.
    pub(super) fn gate(&mut self, input: JournalInput) -> Result<(), SimulationError> {
        let now = self.now();
        let Replica::Up(node) = &mut self.replica else { return Ok(()) };
        for effect in node.gate(now, input)? {
            self.conclude(&effect)?;
        }
        Ok(())
    }

    /// Performs an effect that leads to no delivery.
    fn conclude(&mut self, effect: &Effect) -> Result<(), SimulationError> {
        let now = self.now();
        let Replica::Up(node) = &mut self.replica else { return Ok(()) };
        match effect {
            Effect::Note(fact) => *self.facts.entry(fact.name()).or_default() += 1,
            Effect::RecordGap(gap) => node.gap(gap)?,
            Effect::Release(release) => {
                if let Some(answer) = node.release(now, release)? {
                    self.answered(answer);
                }
            }
            // Answers are held by the node until the gate lets them out.
            Effect::Answer(_)
            | Effect::Arm { .. }
            | Effect::Disarm { .. }
            | Effect::Fetch(_)
            | Effect::LookUpOwner(_)
            | Effect::Send { .. } => {}
        }
        Ok(())
    }

    fn answered(&mut self, answer: Answer) {
        let at = self.scheduler.now();
        let word = answer.summary().code.map_or("allow", DenyCode::code);
        let uid = answer.decision.uid.clone();
        self.note_line('=', &format!("{uid} {word} after {} us", answer.latency));
        self.answers.insert(uid, Answer { at, ..answer });
    }

    /// The end of a fetch and when it comes: at the latest when the request's time is over.
    fn fetch(&mut self, now: Mono, request: &FetchRequest) -> (Mono, Fetched) {
        let served = match self.servers.get(&request.server) {
            Some(server) => server.serve(request, now),
            None => unreachable(request),
        };
        if served.fault {
            self.note_line('!', &format!("{} is down", request.server));
        }
        let micros = self.delays.fetch().min(request.timeout);
        let fetched = Fetched {
            credential: None,
            document: request.document.clone(),
            flight: request.flight,
            gun: request.gun.clone(),
            micros,
            outcome: served.outcome,
            retry_after: None,
        };
        (now.plus(micros), fetched)
    }
}

/// What is delivered when a timer fires.
fn fired(key: &TimerKey) -> Input {
    match key {
        TimerKey::Admission(timer) => Input::Admission(AdmissionInput::Timer(timer.clone())),
        TimerKey::Notary(timer) => Input::Notary(NotaryInput::Timer(timer.clone())),
    }
}
