//! Deliveries, and how their effects come to pass.

use std::sync::Arc;

use portreeve_protocol::effect::TimerKey;
use portreeve_protocol::messages::admission::{AdmissionInput, HopRefused};
use portreeve_protocol::messages::journal::JournalInput;
use portreeve_protocol::messages::notary::{NotaryInput, VerifierRefused};
use portreeve_protocol::messages::verify::VerifyInput;
use portreeve_protocol::{ActorId, ActorKind, Cause, Denial, DenyCode, Effect, Input, Outside};
use portreeve_replay::input_name;

use super::{Happening, World};
use crate::fault::{Link, Place, Traffic};
use crate::history::Sight;
use crate::node::{Envelope, Handled, Node};
use crate::{Answer, SimulationError, trace};

impl World<'_> {
    /// Delivers something from outside the machines to a replica, if it runs.
    pub(super) fn tell(
        &mut self,
        replica: usize,
        source: Outside,
        to: ActorId,
        input: Input,
    ) -> Result<(), SimulationError> {
        let (cause, input) = (Cause::Outside(source), Arc::new(input));
        self.deliver(replica, Envelope { cause, input, lamport: 0, root: None, to })
    }

    /// Delivers a message to a replica, if it runs.
    pub(super) fn deliver(
        &mut self,
        replica: usize,
        envelope: Envelope,
    ) -> Result<(), SimulationError> {
        let (at, now) = (self.scheduler.now(), self.read_clocks(replica));
        let process = &mut self.replicas[replica];
        let panics = process.panics && envelope.to.kind() != ActorKind::Journal;
        process.panics &= !panics;
        let memo = &mut self.memo;
        let Some(node) = process.node() else { return Ok(()) };
        self.counts.deliveries += 1;
        if panics {
            let (name, lasting) = (input_name(&envelope.input), envelope.input.is_lasting());
            let appended = node.panic(at, now, envelope);
            self.note('!', Some(replica), format!("a machine panics on {name}"));
            if let Some(appended) = appended {
                self.appended(replica, appended)?;
            }
            return if lasting { self.replaced(replica) } else { Ok(()) };
        }
        let input = Arc::clone(&envelope.input);
        let cause = envelope.cause.clone();
        let handled = node.deliver(at, now, envelope, memo)?;
        let appended = Node::gated(&handled.effects);
        self.delivered(replica, &input, &cause, &handled);
        self.appended(replica, appended)?;
        for (effect, index) in handled.effects.iter().zip(0..) {
            self.perform(replica, &handled, effect, index)?;
        }
        Ok(())
    }

    /// Writes down a delivery, for whoever reads the trace and for the oracles. One at which the
    /// machine panicked had no effect, and does not come here.
    fn delivered(&mut self, replica: usize, input: &Arc<Input>, cause: &Cause, handled: &Handled) {
        let name = input_name(input);
        let letters = trace::letters(&handled.effects);
        let seq = handled.event.seq.to_be_bytes();
        let key = [name.as_bytes(), &seq, &letters, handled.digest.as_bytes()];
        self.mark('>', Some(replica), &key, || {
            let (cause, letters) = (trace::cause(cause), String::from_utf8_lossy(&letters));
            let digest = &handled.digest.to_hex()[..12];
            format!("{} {name} <- {cause} [{letters}] {digest}", handled.event)
        });
        match &**input {
            Input::Admission(AdmissionInput::AcknowledgeClock(_)) => {
                let (event, wall) = (handled.event.clone(), self.now(replica).wall);
                self.see(replica, Sight::ClockAcknowledged { event, wall });
            }
            Input::Admission(AdmissionInput::Policies(told)) => {
                self.replicas[replica].policies = Some(Arc::clone(told));
            }
            Input::Admission(AdmissionInput::Resolution(resolution)) => {
                self.see(replica, Sight::Resolved(Arc::clone(resolution)));
            }
            Input::Notary(NotaryInput::Forget(forget)) => {
                if let ActorId::Notary(server) = &handled.event.actor {
                    let (gun, server) = (forget.gun.clone(), server.clone());
                    self.see(replica, Sight::TrustReset { gun, server });
                }
            }
            Input::Policy(_) => self.see(replica, Sight::Policies(Arc::clone(input))),
            Input::Verify(_) => self.counts.verifications += 1,
            Input::Admission(_) | Input::Journal(_) | Input::Notary(_) => {}
        }
    }

    /// Has an effect come to pass, in time.
    fn perform(
        &mut self,
        replica: usize,
        handled: &Handled,
        effect: &Effect,
        index: u32,
    ) -> Result<(), SimulationError> {
        let actor = &handled.event.actor;
        let life = self.replicas[replica].life;
        match effect {
            Effect::Arm { at, key } => {
                let number = handled.event.seq.wrapping_shl(16) | u64::from(index);
                let timers = &mut self.replicas[replica].timers;
                timers.insert((actor.clone(), key.clone()), number);
                let armed = u64::try_from(timers.len()).unwrap_or_default();
                self.counts.most_timers = self.counts.most_timers.max(armed);
                let envelope = handled.envelope(index, actor.clone(), Arc::new(fired(key)));
                let key = key.clone();
                let timer = Happening::Timer { envelope, key, life, number, replica };
                self.scheduler.schedule(self.when(replica, *at), timer);
            }
            Effect::Disarm { key } => {
                self.replicas[replica].timers.remove(&(actor.clone(), key.clone()));
            }
            Effect::Fetch(request) => self.fetch(replica, handled, index, request),
            Effect::LookUpOwner(query) => self.look_up(replica, handled, index, query),
            Effect::Answer(_) | Effect::Note(_) | Effect::RecordGap(_) | Effect::Release(_) => {
                self.conclude(replica, effect)?;
            }
            Effect::Send { message, to } => self.hop(replica, handled, index, (to, message)),
        }
        Ok(())
    }

    /// A message from an actor to another.
    fn hop(
        &mut self,
        replica: usize,
        handled: &Handled,
        index: u32,
        (to, message): (&ActorId, &Arc<Input>),
    ) {
        let life = self.replicas[replica].life;
        let (from, place) = (&handled.event.actor, Place::Replica(replica));
        let passage = self.passage(&Link { from: place, to: place, traffic: Traffic::Hop });
        let refused = if passage.copies == 0 { refusal(to, message) } else { None };
        let (to, input) = match refused {
            Some(refused) => (from.clone(), Arc::new(refused)),
            None => (self.delays.receiver(to), Arc::clone(message)),
        };
        let now = self.scheduler.now();
        let at = self.delays.arrival(now, replica, (from, &to), passage.delay);
        let envelope = handled.envelope(index, to, input);
        self.scheduler.schedule(at, Happening::Inside { envelope, life, replica });
    }

    pub(super) fn timer(
        &mut self,
        replica: usize,
        key: TimerKey,
        number: u64,
        envelope: Envelope,
    ) -> Result<(), SimulationError> {
        let timer = (envelope.to.clone(), key);
        let timers = &mut self.replicas[replica].timers;
        if timers.get(&timer) != Some(&number) {
            return Ok(());
        }
        timers.remove(&timer);
        self.deliver(replica, envelope)
    }

    /// Tells the gate, and lets out what it releases. Its effects lead to no delivery.
    pub(super) fn gate(
        &mut self,
        replica: usize,
        input: JournalInput,
    ) -> Result<(), SimulationError> {
        let now = self.now(replica);
        let Some(node) = self.replicas[replica].node() else { return Ok(()) };
        self.counts.deliveries += 1;
        self.counts.gates += 1;
        for effect in node.gate(now, input)? {
            self.conclude(replica, &effect)?;
        }
        Ok(())
    }

    /// Performs an effect that leads to no delivery.
    fn conclude(&mut self, replica: usize, effect: &Effect) -> Result<(), SimulationError> {
        match effect {
            Effect::Note(fact) => *self.facts.entry(fact.name()).or_default() += 1,
            Effect::RecordGap(gap) => {
                if let Some(node) = self.replicas[replica].node() {
                    node.gap(gap);
                }
            }
            Effect::Release(release) => {
                let now = self.now(replica);
                let node = self.replicas[replica].node();
                if let Some(answered) = node.and_then(|node| node.release(now, release)) {
                    self.release(replica, answered)?;
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

    /// An answer leaves a replica.
    fn release(
        &mut self,
        replica: usize,
        answered: crate::history::Answered,
    ) -> Result<(), SimulationError> {
        let at = self.scheduler.now();
        let answer = Answer {
            at,
            decision: Arc::clone(&answered.decision),
            instead: answered.instead.clone(),
            latency: at.since(answered.received),
        };
        let word = answered.denial().map_or("allow", |denial| denial.code.code());
        let uid = answered.decision.uid.clone();
        let latency = answer.latency;
        let key = [uid.as_bytes(), word.as_bytes(), &latency.to_be_bytes()];
        self.mark('=', Some(replica), &key, || format!("{uid} {word} after {latency} us"));
        self.counts.reviews += 1;
        self.answers.insert(uid, answer);
        let call = self.replicas[replica].calls.remove(&answered.event);
        let reply = super::call::Reply::of(&answered);
        self.see(replica, Sight::Answered(Box::new(answered)));
        if let Some(call) = call {
            self.reply(replica, call, reply);
        }
        Ok(())
    }
}

/// What is delivered when a timer fires.
fn fired(key: &TimerKey) -> Input {
    match key {
        TimerKey::Admission(timer) => Input::Admission(AdmissionInput::Timer(timer.clone())),
        TimerKey::Notary(timer) => Input::Notary(NotaryInput::Timer(timer.clone())),
    }
}

/// What the sender of a message is told when a full mailbox refuses it; `None` where the host makes
/// it wait instead.
fn refusal(to: &ActorId, message: &Input) -> Option<Input> {
    let why = Denial::new(DenyCode::Overloaded, format!("the mailbox of {to} is full"));
    match message {
        Input::Notary(NotaryInput::Resolve(_)) => {
            Some(Input::Admission(AdmissionInput::HopRefused(HopRefused { to: to.clone(), why })))
        }
        Input::Verify(VerifyInput::Verify(request)) => {
            let (flight, gun) = (request.flight, request.gun.clone());
            Some(Input::Notary(NotaryInput::VerifierRefused(VerifierRefused { flight, gun, why })))
        }
        Input::Admission(_) | Input::Journal(_) | Input::Notary(_) | Input::Policy(_) => None,
    }
}
