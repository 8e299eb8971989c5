//! Everything around the machines: time, the network, the API server, the trust servers, the disks,
//! and what goes wrong with them.

mod act;
mod api_server;
mod bundle;
mod call;
mod disk;
mod fetch;
mod life;
mod network;
mod object;
mod perform;
mod probe;
mod replica;
mod trust_server;
mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;

use portreeve_protocol::effect::TimerKey;
use portreeve_protocol::messages::admission::BundleLoaded;
use portreeve_protocol::messages::notary::FetchRequest;
use portreeve_protocol::{Input, Mono, Wall};

use api_server::ApiServer;
use fetch::Flight;
use network::Delays;
use replica::Replica;
use trust_server::TrustServer;

use crate::fault::{Act, Influence, Link, Passage, Traffic};
use crate::history::{Seen, Sight};
use crate::node::{Envelope, Journal, Memo};
use crate::outcome::{Counts, Left};
use crate::rng::{Rng, Streams};
use crate::scenario::Scenario;
use crate::scheduler::Scheduler;
use crate::trace::Trace;
use crate::truth::Truth;
use crate::{Answer, Outcome, SimulationError};

/// Runs `scenario` with `seed` until nothing is to come, or until it is seen whether all comes
/// right after the heal. The lines of the trace are kept if the scenario is audited.
///
/// # Errors
/// A scenario that cannot be run, or does not end.
pub fn run(scenario: &Scenario, seed: u64) -> Result<Outcome, SimulationError> {
    run_traced(scenario, seed, scenario.audited)
}

/// As [`run`]; `keeps` says whether the lines of the trace are kept.
///
/// # Errors
/// As [`run`].
pub fn run_traced(scenario: &Scenario, seed: u64, keeps: bool) -> Result<Outcome, SimulationError> {
    scenario.check()?;
    let mut world = World::new(scenario, seed, keeps)?;
    let mut events = 0;
    while let Some(happening) = world.scheduler.advance() {
        events += 1;
        if events > scenario.most_events {
            return Err(SimulationError::Endless { events: scenario.most_events });
        }
        world.happen(happening)?;
        if world.over {
            break;
        }
    }
    world.outcome()
}

/// Something that comes to pass. What concerns a replica's process dies with it: `life` tells one
/// process of a replica from the next.
enum Happening {
    /// A fault, by its place in the scenario, does something.
    Act { act: Act, fault: usize },
    /// An answer to a call comes to the API server; `None` if the connection broke.
    Answered { answer: Option<Box<call::Reply>>, call: usize },
    /// A replica looks at the trust bundle.
    BundleLook { life: u64, replica: usize },
    /// The API server makes a call.
    Call(usize),
    /// A trust server changes: the change by its place in the scenario.
    Change(usize),
    /// A request comes to a trust server.
    Fetch(Box<Flight>),
    /// What was asked of a trust server ends, unless it ended before.
    Fetched { envelope: Envelope, life: u64, number: u64, replica: usize },
    /// A message within a replica arrives.
    Inside { envelope: Envelope, life: u64, replica: usize },
    /// What the API server holds changes: the change by its place in the scenario.
    PolicyChange(usize),
    /// It is looked whether all came right; counted from 0.
    Probe(u32),
    /// A planned review, by its place in the scenario.
    Review(usize),
    /// A call comes to a replica.
    Received { call: usize, replica: usize },
    /// A replica looks whether its disk works again.
    Retry { life: u64, replica: usize },
    /// A replica starts.
    Start(usize),
    /// A disk has made durable what was written up to a mark.
    Synced { life: u64, mark: (u32, usize), replica: usize },
    /// The API server waits no longer for an answer.
    TimedOut(usize),
    /// A timer fires, unless it was armed anew or disarmed meanwhile.
    Timer { envelope: Envelope, key: TimerKey, life: u64, number: u64, replica: usize },
    /// Something about policies comes to a replica over its watch number `watch`.
    Watched { input: Arc<Input>, life: u64, replica: usize, watch: u64 },
}

struct World<'a> {
    answers: BTreeMap<String, Answer>,
    /// The faults that bend clocks, by their places in the scenario.
    bent_clocks: Vec<usize>,
    /// The publications of the trust bundle, as replicas are handed them.
    bundles: Vec<(Mono, BundleLoaded)>,
    api: ApiServer<'a>,
    counts: Counts,
    delays: Delays,
    facts: BTreeMap<&'static str, u64>,
    /// What each fault draws from.
    fault_rngs: Vec<Rng>,
    history: Vec<Seen>,
    marks: BTreeMap<&'static str, u64>,
    memo: Memo,
    over: bool,
    replicas: Vec<Replica>,
    scenario: &'a Scenario,
    scheduler: Scheduler<Happening>,
    seed: u64,
    servers: BTreeMap<String, TrustServer>,
    stuck: Option<String>,
    /// When something last came to pass: timers that were disarmed do not count.
    took: Mono,
    trace: Trace,
    truth: Truth,
}

impl<'a> World<'a> {
    fn new(scenario: &'a Scenario, seed: u64, keeps: bool) -> Result<Self, SimulationError> {
        let streams = Streams::new(seed);
        let mut truth = Truth::default();
        let mut servers = BTreeMap::new();
        for plan in &scenario.servers {
            let server = TrustServer::new(plan, scenario.published, &mut truth)?;
            servers.insert(plan.url.clone(), server);
        }
        let names = scenario.replicas.iter();
        let drifts = drifts(scenario);
        let replicas =
            names.zip(drifts).map(|(name, drift)| Ok(Replica::new(name.parse()?, drift)));
        let replicas = replicas.collect::<Result<Vec<_>, SimulationError>>()?;
        let rng = |index: usize| streams.stream(&format!("fault-{index}"));
        let mut world = Self {
            answers: BTreeMap::new(),
            bent_clocks: bent_clocks(scenario),
            api: ApiServer::new(scenario)?,
            bundles: bundle::editions(scenario)?,
            counts: Counts::default(),
            delays: Delays::new(streams),
            facts: BTreeMap::new(),
            fault_rngs: (0..scenario.faults.len()).map(rng).collect(),
            history: Vec::new(),
            marks: BTreeMap::new(),
            memo: Memo::kept(),
            over: false,
            replicas,
            scenario,
            scheduler: Scheduler::new(streams.stream("ties")),
            seed,
            servers,
            stuck: None,
            took: Mono(0),
            trace: Trace::new(keeps),
            truth,
        };
        for replica in 0..world.replicas.len() {
            world.start(replica)?;
        }
        world.plan();
        Ok(world)
    }

    /// Schedules what is to happen whatever the replicas do.
    fn plan(&mut self) {
        let scenario = self.scenario;
        for (index, review) in scenario.reviews.iter().enumerate() {
            let at = Mono(review.at).plus(self.delays.review(review.spread));
            self.scheduler.schedule(at, Happening::Review(index));
        }
        for (index, change) in scenario.changes.iter().enumerate() {
            self.scheduler.schedule(Mono(change.at), Happening::Change(index));
        }
        for (index, change) in scenario.policy_changes.iter().enumerate() {
            self.scheduler.schedule(Mono(change.at), Happening::PolicyChange(index));
        }
        for (index, fault) in scenario.faults.iter().enumerate() {
            for (at, act) in fault.influence().acts() {
                self.scheduler.schedule(Mono(at), Happening::Act { act, fault: index });
            }
        }
        if let Some(heal) = scenario.heal {
            self.scheduler.schedule(probe::first(heal), Happening::Probe(0));
        }
    }

    fn happen(&mut self, happening: Happening) -> Result<(), SimulationError> {
        match happening {
            Happening::Act { act, fault } => self.act(&act, fault),
            Happening::Answered { answer, call } => self.answered(call, answer),
            Happening::BundleLook { life, replica } if self.lives(replica, life) => {
                self.bundle_look(replica)
            }
            Happening::Call(call) => self.call(call),
            Happening::Change(index) => self.change(index),
            Happening::Fetch(flight) => self.serve(*flight),
            Happening::Fetched { envelope, life, number, replica } => {
                self.fetched(replica, life, number, envelope)
            }
            Happening::Inside { envelope, life, replica } if self.lives(replica, life) => {
                self.deliver(replica, envelope)
            }
            Happening::PolicyChange(index) => self.change_policies(index),
            Happening::Probe(round) => self.probe(round),
            Happening::Review(index) => self.review(index),
            Happening::Received { call, replica } => self.receive(call, replica),
            Happening::Retry { life, replica } if self.lives(replica, life) => {
                self.disk_restored(replica)
            }
            Happening::Start(replica) => self.start(replica),
            Happening::Synced { life, mark, replica } if self.lives(replica, life) => {
                self.synced(replica, mark)
            }
            Happening::TimedOut(call) => self.timed_out(call),
            Happening::Timer { envelope, key, life, number, replica }
                if self.lives(replica, life) =>
            {
                self.timer(replica, key, number, envelope)
            }
            Happening::Watched { input, life, replica, watch } if self.lives(replica, life) => {
                self.watched(replica, watch, input)
            }
            // It died with the process.
            Happening::BundleLook { .. }
            | Happening::Inside { .. }
            | Happening::Retry { .. }
            | Happening::Synced { .. }
            | Happening::Timer { .. }
            | Happening::Watched { .. } => Ok(()),
        }
    }

    /// The right time.
    fn wall(&self) -> Wall {
        let since = i64::try_from(self.scheduler.now().0).unwrap_or(i64::MAX);
        Wall(self.scenario.start.0.saturating_add(since))
    }

    /// How something gets from one place to another, faults and all.
    fn passage(&mut self, link: &Link<'_>) -> Passage {
        let mut passage = self.delays.passage(link.traffic);
        let at = self.scheduler.now();
        let hop = link.traffic == Traffic::Hop;
        self.bend(&mut passage, |influence, rng, passage| {
            if !hop || influence.bends_hops() {
                influence.pass(at, link, rng, passage);
            }
        });
        passage
    }

    /// Has every fault bend something by a hook of its own; gives the places of those that did,
    /// which are hit.
    fn bend<T: Clone + PartialEq>(
        &mut self,
        bent: &mut T,
        hook: impl Fn(&dyn Influence, &mut Rng, &mut T),
    ) -> Vec<usize> {
        let mut hit = Vec::new();
        for index in 0..self.scenario.faults.len() {
            let before = bent.clone();
            hook(self.influence(index), &mut self.fault_rngs[index], bent);
            if *bent != before {
                self.hit(index);
                hit.push(index);
            }
        }
        hit
    }

    fn influence(&self, fault: usize) -> &'a dyn Influence {
        self.scenario.faults[fault].influence()
    }

    /// Counts a fault as hit.
    fn hit(&mut self, fault: usize) {
        let class = self.scenario.faults[fault].class();
        *self.marks.entry(class).or_default() += 1;
    }

    fn see(&mut self, replica: usize, what: Sight) {
        self.history.push(Seen { at: self.scheduler.now(), replica, what });
    }

    fn note(&mut self, mark: char, replica: Option<usize>, what: impl Into<String>) {
        let what = what.into();
        self.mark(mark, replica, &[what.as_bytes()], || what.clone());
    }

    /// As [`World::note`], for what happens so often that its words are made for readers only.
    fn mark(
        &mut self,
        mark: char,
        replica: Option<usize>,
        key: &[&[u8]],
        words: impl FnOnce() -> String,
    ) {
        self.took = self.scheduler.now();
        self.trace.note(self.took, mark, replica, key, words);
    }

    fn outcome(self) -> Result<Outcome, SimulationError> {
        let audited = self.scenario.audited;
        let left = |replica: Replica| {
            let policies = replica.policies.clone();
            let (mut journal, mut given_up) = replica.into_journals();
            if audited {
                journal.seal()?;
                given_up.iter_mut().try_for_each(Journal::seal)?;
            }
            Ok(Left { given_up, journal, policies })
        };
        self.memo.keep();
        let replicas = self.replicas.into_iter().map(left);
        Ok(Outcome {
            answers: self.answers,
            counts: self.counts,
            facts: self.facts,
            history: self.history,
            marks: self.marks,
            replicas: replicas.collect::<Result<_, SimulationError>>()?,
            stuck: self.stuck,
            trace_hash: self.trace.hash(),
            trace: self.trace,
            truth: self.truth,
            took: self.took,
        })
    }
}

fn bent_clocks(scenario: &Scenario) -> Vec<usize> {
    let faults = scenario.faults.iter().enumerate();
    faults.filter(|(_, fault)| fault.influence().bends_clocks()).map(|(place, _)| place).collect()
}

/// By how many parts in a million the monotonic clock of each replica runs too fast.
fn drifts(scenario: &Scenario) -> impl Iterator<Item = i64> {
    let of = |replica| scenario.faults.iter().map(move |it| it.influence().drift(replica)).sum();
    (0..scenario.replicas.len()).map(of)
}

/// What a fetch asks for, in short.
fn asked(request: &FetchRequest) -> String {
    format!("{} of {} at {}", request.document, request.gun, request.server)
}
