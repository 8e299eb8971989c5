//! Everything around the machines: time, the network, the trust servers and the disk.

mod network;
mod trust_server;

use std::collections::BTreeMap;
use std::sync::Arc;

use portreeve_protocol::effect::TimerKey;
use portreeve_protocol::entry::{Restored, Started};
use portreeve_protocol::messages::admission::AdmissionInput;
use portreeve_protocol::messages::journal::JournalInput;
use portreeve_protocol::messages::notary::{FetchRequest, Fetched, NotaryInput};
use portreeve_protocol::messages::policy::{PolicyInput, Relisted};
use portreeve_protocol::{
    ActorId, Cause, Effect, Input, Mono, Now, Outside, RULES_VERSION, Wall, codec,
};
use portreeve_replay::input_name;

use network::Delays;
use trust_server::{TrustServer, unreachable};

use crate::node::{Envelope, Handled, Node};
use crate::rng::Streams;
use crate::scenario::Scenario;
use crate::scheduler::Scheduler;
use crate::trace::{self, Trace};
use crate::{Answer, Outcome, SimulationError};

/// Runs `scenario` with `seed` until nothing is to come.
///
/// # Errors
/// A scenario that cannot be run, or does not end.
pub fn run(scenario: &Scenario, seed: u64) -> Result<Outcome, SimulationError> {
    scenario.check()?;
    let mut world = World::new(scenario, seed)?;
    world.plan(scenario)?;
    let mut events = 0;
    while let Some(happening) = world.scheduler.advance() {
        events += 1;
        if events > scenario.most_events {
            return Err(SimulationError::Endless { events: scenario.most_events });
        }
        world.happen(happening)?;
    }
    Ok(world.outcome())
}

/// Something that comes to pass.
#[derive(Debug)]
enum Happening {
    /// A message arrives.
    Delivery(Envelope),
    /// The disk has made durable what was written.
    Synced,
    /// A timer fires, unless it was armed anew or disarmed meanwhile.
    Timer { envelope: Envelope, key: TimerKey, number: u64 },
}

struct World {
    answers: BTreeMap<String, Answer>,
    delays: Delays,
    facts: BTreeMap<&'static str, u64>,
    node: Node,
    scheduler: Scheduler<Happening>,
    servers: BTreeMap<String, TrustServer>,
    start: Wall,
    /// Whether the disk is at work.
    syncing: bool,
    /// Actor and timer to the number of the arming that counts.
    timers: BTreeMap<(ActorId, TimerKey), u64>,
    timers_armed: u64,
    /// When something last came to pass: timers that were disarmed do not count.
    took: Mono,
    trace: Trace,
}

impl World {
    fn new(scenario: &Scenario, seed: u64) -> Result<Self, SimulationError> {
        let streams = Streams::new(seed);
        let mut servers = BTreeMap::new();
        for plan in &scenario.servers {
            let server = TrustServer::new(plan, scenario, scenario.published)?;
            servers.insert(plan.url.clone(), server);
        }
        let node = Node::start(Started {
            build: env!("CARGO_PKG_VERSION").to_owned(),
            incarnation: 1,
            jitter_seed: seed,
            node: scenario.node.parse()?,
            restored: Restored::default(),
            rules: RULES_VERSION,
            settings: scenario.settings.clone(),
            settings_digest: codec::digest(&scenario.settings)?,
            wall: scenario.start,
        })?;
        Ok(Self {
            answers: BTreeMap::new(),
            delays: Delays::new(streams),
            facts: BTreeMap::new(),
            node,
            scheduler: Scheduler::new(streams.stream("ties")),
            servers,
            start: scenario.start,
            syncing: false,
            timers: BTreeMap::new(),
            timers_armed: 0,
            took: Mono(0),
            trace: Trace::default(),
        })
    }

    /// Schedules what comes from outside: the policies at once, then the reviews.
    fn plan(&mut self, scenario: &Scenario) -> Result<(), SimulationError> {
        let relisted = PolicyInput::Relisted(Relisted { objects: scenario.objects()? });
        self.outside(Mono(0), Outside::Objects, ActorId::Policy, Input::Policy(relisted));
        for review in &scenario.reviews {
            let at = Mono(review.at).plus(self.delays.review(review.spread));
            let facts = AdmissionInput::Review(Box::new(review.facts.clone()));
            self.outside(at, Outside::Webhook, ActorId::Admission, Input::Admission(facts));
        }
        Ok(())
    }

    fn outside(&mut self, at: Mono, source: Outside, to: ActorId, input: Input) {
        let (cause, input) = (Cause::Outside(source), Arc::new(input));
        let envelope = Envelope { cause, input, lamport: 0, root: None, to };
        self.scheduler.schedule(at, Happening::Delivery(envelope));
    }

    fn now(&self) -> Now {
        let mono = self.scheduler.now();
        let since = i64::try_from(mono.0).unwrap_or(i64::MAX);
        Now { mono, wall: Wall(self.start.0.saturating_add(since)) }
    }

    fn happen(&mut self, happening: Happening) -> Result<(), SimulationError> {
        match happening {
            Happening::Delivery(envelope) => self.deliver(envelope),
            Happening::Synced => {
                (self.syncing, self.took) = (false, self.scheduler.now());
                let bytes = self.node.written();
                self.trace.line(self.scheduler.now(), '~', &format!("{bytes} bytes"));
                self.gate(JournalInput::Synced)
            }
            Happening::Timer { envelope, key, number } => {
                let timer = (envelope.to.clone(), key);
                if self.timers.get(&timer) != Some(&number) {
                    return Ok(());
                }
                self.timers.remove(&timer);
                self.deliver(envelope)
            }
        }
    }

    fn deliver(&mut self, envelope: Envelope) -> Result<(), SimulationError> {
        let now = self.now();
        self.took = now.mono;
        let name = input_name(&envelope.input);
        let cause = trace::cause(&envelope.cause);
        let handled = self.node.deliver(now, envelope)?;
        let letters = trace::effects(&handled.effects);
        let digest = &handled.digest.to_hex()[..12];
        let what = format!("{} {name} <- {cause} [{letters}] {digest}", handled.event);
        self.trace.line(now.mono, '>', &what);
        let appended = Node::gated(&handled.effects);
        if !appended.answers.is_empty() {
            self.gate(JournalInput::Appended(appended))?;
            if !self.syncing {
                self.syncing = true;
                let at = now.mono.plus(self.delays.sync());
                self.scheduler.schedule(at, Happening::Synced);
            }
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
        let (now, actor) = (self.now(), &handled.event.actor);
        match effect {
            Effect::Arm { at, key } => {
                self.timers_armed += 1;
                let number = self.timers_armed;
                self.timers.insert((actor.clone(), key.clone()), number);
                let input = Arc::new(fired(key));
                let envelope = handled.envelope(index, actor.clone(), input);
                let timer = Happening::Timer { envelope, key: key.clone(), number };
                self.scheduler.schedule(*at, timer);
            }
            Effect::Disarm { key } => drop(self.timers.remove(&(actor.clone(), key.clone()))),
            Effect::Fetch(request) => {
                let (at, fetched) = self.fetch(now.mono, request);
                let input = Arc::new(Input::Notary(NotaryInput::Fetched(fetched)));
                let envelope = handled.envelope(index, actor.clone(), input);
                self.scheduler.schedule(at, Happening::Delivery(envelope));
            }
            Effect::Answer(_) | Effect::Note(_) | Effect::RecordGap(_) | Effect::Release(_) => {
                self.conclude(effect)?;
            }
            Effect::Send { message, to } => {
                let to = self.delays.receiver(to);
                let at = self.delays.arrival(now.mono, actor, &to);
                let envelope = handled.envelope(index, to, Arc::clone(message));
                self.scheduler.schedule(at, Happening::Delivery(envelope));
            }
        }
        Ok(())
    }

    /// Tells the gate, and lets out what it releases. Its effects lead to no delivery.
    fn gate(&mut self, input: JournalInput) -> Result<(), SimulationError> {
        let now = self.now();
        for effect in self.node.gate(now, input)? {
            self.conclude(&effect)?;
        }
        Ok(())
    }

    /// Performs an effect that leads to no delivery.
    fn conclude(&mut self, effect: &Effect) -> Result<(), SimulationError> {
        let now = self.now();
        match effect {
            Effect::Note(fact) => *self.facts.entry(fact.name()).or_default() += 1,
            Effect::RecordGap(gap) => self.node.gap(gap)?,
            Effect::Release(release) => {
                if let Some(answer) = self.node.release(now, release)? {
                    self.answered(answer);
                }
            }
            // Answers are held by the node until the gate lets them out.
            Effect::Answer(_)
            | Effect::Arm { .. }
            | Effect::Disarm { .. }
            | Effect::Fetch(_)
            | Effect::Send { .. } => {}
        }
        Ok(())
    }

    fn answered(&mut self, answer: Answer) {
        let summary = answer.summary();
        let word = summary.code.map_or("allow", portreeve_protocol::DenyCode::code);
        let uid = answer.decision.uid.clone();
        let what = format!("{uid} {word} after {} us", answer.latency);
        self.trace.line(answer.at, '=', &what);
        self.answers.insert(uid, answer);
    }

    /// The end of a fetch and when it comes: at the latest when the request's time is over.
    fn fetch(&mut self, now: Mono, request: &FetchRequest) -> (Mono, Fetched) {
        let served = match self.servers.get(&request.server) {
            Some(server) => server.serve(request, now),
            None => unreachable(request),
        };
        if served.fault {
            self.trace.line(now, '!', &format!("{} is down", request.server));
        }
        let micros = self.delays.fetch().min(request.timeout);
        let fetched = Fetched {
            document: request.document.clone(),
            flight: request.flight,
            gun: request.gun.clone(),
            micros,
            outcome: served.outcome,
        };
        (now.plus(micros), fetched)
    }

    fn outcome(self) -> Outcome {
        let (journal, blobs) = self.node.into_journal();
        let trace_hash = self.trace.hash();
        let (answers, facts, trace) = (self.answers, self.facts, self.trace);
        let took = self.took;
        Outcome { answers, blobs, facts, journal, trace, trace_hash, took }
    }
}

/// What is delivered when a timer fires.
fn fired(key: &TimerKey) -> Input {
    match key {
        TimerKey::Admission(timer) => Input::Admission(AdmissionInput::Timer(timer.clone())),
        TimerKey::Notary(timer) => Input::Notary(NotaryInput::Timer(timer.clone())),
    }
}
