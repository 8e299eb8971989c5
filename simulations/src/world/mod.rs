//! Everything around the machines: time, the network, the trust servers and the disk.

mod life;
mod network;
mod perform;
mod trust_server;

use std::collections::BTreeMap;
use std::sync::Arc;

use portreeve_protocol::effect::TimerKey;
use portreeve_protocol::messages::admission::AdmissionInput;
use portreeve_protocol::messages::journal::JournalInput;
use portreeve_protocol::messages::policy::{PolicyInput, Relisted, SourceObject};
use portreeve_protocol::{ActorId, Cause, Input, Mono, Now, Outside, Wall};

use network::Delays;
use trust_server::TrustServer;

use crate::node::{Envelope, Journal, Node};
use crate::rng::Streams;
use crate::scenario::{Change, Fault, Scenario};
use crate::scheduler::Scheduler;
use crate::trace::Trace;
use crate::{Answer, Outcome, SimulationError};

/// Runs `scenario` with `seed` until nothing is to come.
///
/// # Errors
/// A scenario that cannot be run, or does not end.
pub fn run(scenario: &Scenario, seed: u64) -> Result<Outcome, SimulationError> {
    scenario.check()?;
    let mut world = World::new(scenario, seed)?;
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
enum Happening {
    /// A trust server changes.
    Change(Change),
    /// The replica is killed.
    Crash,
    /// There is room on the disk again.
    DiskRestored,
    /// A message within the replica arrives, if the replica was not killed since.
    Inside { envelope: Envelope, life: u64 },
    /// A message from outside arrives, if the replica runs.
    Outside { input: Arc<Input>, source: Outside, to: ActorId },
    /// The replica starts.
    Start,
    /// The disk has made durable what was written.
    Synced { life: u64 },
    /// A timer fires, unless it was armed anew or disarmed meanwhile.
    Timer { envelope: Envelope, key: TimerKey, life: u64, number: u64 },
}

/// The replica: running, or what a crash left of it.
enum Replica {
    Down(Journal),
    Up(Box<Node>),
}

struct World<'a> {
    answers: BTreeMap<String, Answer>,
    delays: Delays,
    facts: BTreeMap<&'static str, u64>,
    /// Counts the starts of the replica.
    life: u64,
    objects: Vec<SourceObject>,
    replica: Replica,
    scenario: &'a Scenario,
    scheduler: Scheduler<Happening>,
    seed: u64,
    servers: BTreeMap<String, TrustServer>,
    /// When the incarnation began: its monotonic clock starts there.
    started: Mono,
    /// Whether the disk is at work.
    syncing: bool,
    /// Actor and timer to the number of the arming that counts.
    timers: BTreeMap<(ActorId, TimerKey), u64>,
    timers_armed: u64,
    /// When something last came to pass: timers that were disarmed do not count.
    took: Mono,
    trace: Trace,
}

impl<'a> World<'a> {
    fn new(scenario: &'a Scenario, seed: u64) -> Result<Self, SimulationError> {
        let streams = Streams::new(seed);
        let mut servers = BTreeMap::new();
        for plan in &scenario.servers {
            servers.insert(plan.url.clone(), TrustServer::new(plan, scenario)?);
        }
        let mut world = Self {
            answers: BTreeMap::new(),
            delays: Delays::new(streams),
            facts: BTreeMap::new(),
            life: 0,
            objects: scenario.objects()?,
            replica: Replica::Down(Journal::default()),
            scenario,
            scheduler: Scheduler::new(streams.stream("ties")),
            seed,
            servers,
            started: Mono(0),
            syncing: false,
            timers: BTreeMap::new(),
            timers_armed: 0,
            took: Mono(0),
            trace: Trace::default(),
        };
        world.start()?;
        world.plan();
        Ok(world)
    }

    /// Schedules what is to happen whatever the replica does.
    fn plan(&mut self) {
        let scenario = self.scenario;
        for review in &scenario.reviews {
            let at = Mono(review.at).plus(self.delays.review(review.spread));
            let facts = AdmissionInput::Review(Box::new(review.facts.clone()));
            let (input, source) = (Arc::new(Input::Admission(facts)), Outside::Webhook);
            let arrival = Happening::Outside { input, source, to: ActorId::Admission };
            self.scheduler.schedule(at, arrival);
        }
        for change in &scenario.changes {
            self.scheduler.schedule(Mono(change.at), Happening::Change(change.clone()));
        }
        for fault in &scenario.faults {
            match fault {
                Fault::Crash { at, back } => {
                    self.scheduler.schedule(Mono(*at), Happening::Crash);
                    self.scheduler.schedule(Mono(*at.max(back)).plus(1), Happening::Start);
                }
                Fault::DiskFull { until, .. } => {
                    self.scheduler.schedule(Mono(*until), Happening::DiskRestored);
                }
                // The server itself looks at the time.
                Fault::ServerDown { .. } => {}
            }
        }
    }

    /// Hands the policies to the replica, as at every start of it.
    fn relist(&mut self) {
        let relisted = PolicyInput::Relisted(Relisted { objects: self.objects.clone() });
        let (input, source) = (Arc::new(Input::Policy(relisted)), Outside::Objects);
        let arrival = Happening::Outside { input, source, to: ActorId::Policy };
        self.scheduler.schedule(self.scheduler.now(), arrival);
    }

    fn wall(&self) -> Wall {
        let since = i64::try_from(self.scheduler.now().0).unwrap_or(i64::MAX);
        Wall(self.scenario.start.0.saturating_add(since))
    }

    /// The clocks of the replica.
    fn now(&self) -> Now {
        Now { mono: Mono(self.scheduler.now().since(self.started)), wall: self.wall() }
    }

    fn happen(&mut self, happening: Happening) -> Result<(), SimulationError> {
        match happening {
            Happening::Change(change) => self.change(&change),
            Happening::Crash => {
                self.crash();
                Ok(())
            }
            Happening::DiskRestored => self.disk_restored(),
            Happening::Inside { envelope, life } if self.runs(life) => self.deliver(envelope),
            Happening::Outside { input, source, to } => self.arrive(input, source, to),
            Happening::Start => self.start(),
            Happening::Synced { life } if self.runs(life) => self.synced(),
            Happening::Timer { envelope, key, life, number } if self.runs(life) => {
                let timer = (envelope.to.clone(), key);
                if self.timers.get(&timer) != Some(&number) {
                    return Ok(());
                }
                self.timers.remove(&timer);
                self.deliver(envelope)
            }
            // It died with the replica.
            Happening::Inside { .. } | Happening::Synced { .. } | Happening::Timer { .. } => Ok(()),
        }
    }

    fn arrive(
        &mut self,
        input: Arc<Input>,
        source: Outside,
        to: ActorId,
    ) -> Result<(), SimulationError> {
        if matches!(self.replica, Replica::Down(_)) {
            self.note_line('!', "nobody listens");
            return Ok(());
        }
        let cause = Cause::Outside(source);
        self.deliver(Envelope { cause, input, lamport: 0, root: None, to })
    }

    fn change(&mut self, change: &Change) -> Result<(), SimulationError> {
        let wall = self.wall();
        if let Some(server) = self.servers.get_mut(&change.server) {
            server.change(&change.what, wall)?;
        }
        self.note_line('*', &format!("{} at {}", change.what.gun(), change.server));
        Ok(())
    }

    fn synced(&mut self) -> Result<(), SimulationError> {
        self.syncing = false;
        if self.disk_full_until().is_some() {
            return self.disk_full();
        }
        let Replica::Up(node) = &mut self.replica else { return Ok(()) };
        node.journal_mut().sync();
        let bytes = node.journal().lines().len();
        self.note_line('~', &format!("{bytes} bytes"));
        self.gate(JournalInput::Synced)
    }

    fn note_line(&mut self, mark: char, what: &str) {
        self.took = self.scheduler.now();
        self.trace.line(self.took, mark, what);
    }

    fn outcome(self) -> Outcome {
        let journal = match self.replica {
            Replica::Down(journal) => journal,
            Replica::Up(node) => node.into_journal(),
        };
        let (journal, blobs) = journal.into_parts();
        let trace_hash = self.trace.hash();
        let (answers, facts, trace, took) = (self.answers, self.facts, self.trace, self.took);
        Outcome { answers, blobs, facts, journal, trace, trace_hash, took }
    }
}
