//! A replica: its process, or what the last one left on its disk, and its clocks.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use portreeve_protocol::effect::TimerKey;
use portreeve_protocol::messages::admission::AdmissionInput;
use portreeve_protocol::messages::journal::Appended;
use portreeve_protocol::policy::PolicySnapshot;
use portreeve_protocol::{ActorId, EventId, Mono, NodeId, Now, Wall};

use super::World;
use super::fetch::Flight;
use crate::node::{Journal, Node};

/// A replica.
pub(super) struct Replica {
    /// What its last look at the trust bundle came to.
    pub(super) bundle: Option<AdmissionInput>,
    /// Reviews being decided, by event: the call each answers.
    pub(super) calls: BTreeMap<EventId, usize>,
    /// Whether it was told to stop.
    pub(super) draining: bool,
    /// By how many parts in a million its monotonic clock runs too fast.
    drift: i64,
    /// Numbers of the fetches under way, each with its trust server.
    pub(super) fetches: BTreeMap<u64, String>,
    /// Journals that were damaged and are not used any more.
    pub(super) given_up: Vec<Journal>,
    /// Counts the processes.
    pub(super) life: u64,
    pub(super) name: NodeId,
    /// Fetches that wait for a place.
    pub(super) queued: VecDeque<Flight>,
    /// Whether its next delivery panics.
    pub(super) panics: bool,
    /// The policies that its admission actor knows; `None` before it was told any.
    pub(super) policies: Option<Arc<PolicySnapshot>>,
    /// When the process began, by true time: its monotonic clock starts there.
    pub(super) started: Mono,
    pub(super) state: State,
    /// Whether the disk is at work.
    pub(super) syncing: bool,
    /// Actor and timer to the number of the arming that counts.
    pub(super) timers: BTreeMap<(ActorId, TimerKey), u64>,
    /// Answers written since the sync at work began.
    pub(super) unsynced: VecDeque<Appended>,
    /// The number of its watch on policies, and when the last of its events arrives; none if
    /// broken.
    pub(super) watch: Watch,
}

/// A watch on what the API server holds.
#[derive(Debug, Default)]
pub(super) struct Watch {
    pub(super) broken: bool,
    pub(super) last: Mono,
    pub(super) number: u64,
}

/// A process, or what is on the disk.
pub(super) enum State {
    Down(Box<Journal>),
    Up(Box<Node>),
}

impl Replica {
    /// A replica that never ran.
    pub(super) fn new(name: NodeId, drift: i64) -> Self {
        Self {
            bundle: None,
            calls: BTreeMap::new(),
            draining: false,
            drift,
            fetches: BTreeMap::new(),
            given_up: Vec::new(),
            life: 0,
            name,
            queued: VecDeque::new(),
            panics: false,
            policies: None,
            started: Mono(0),
            state: State::Down(Box::default()),
            syncing: false,
            timers: BTreeMap::new(),
            unsynced: VecDeque::new(),
            watch: Watch::default(),
        }
    }

    pub(super) const fn node(&mut self) -> Option<&mut Node> {
        match &mut self.state {
            State::Down(_) => None,
            State::Up(node) => Some(node),
        }
    }

    pub(super) const fn is_up(&self) -> bool {
        matches!(self.state, State::Up(_))
    }

    /// Whether the API server's endpoints name it, as soon as they are up to date.
    pub(super) fn is_ready(&self) -> bool {
        match &self.state {
            State::Down(_) => false,
            State::Up(node) => {
                self.policies.is_some() && !self.draining && node.journal().is_writable()
            }
        }
    }

    /// Forgets what a process knows; the next one has the number that is given.
    pub(super) fn reset(&mut self) {
        self.life += 1;
        self.bundle = None;
        self.calls.clear();
        self.draining = false;
        self.fetches.clear();
        self.queued.clear();
        self.panics = false;
        self.policies = None;
        self.syncing = false;
        self.timers.clear();
        self.unsynced.clear();
        self.watch = Watch { broken: false, last: Mono(0), number: self.watch.number + 1 };
    }

    pub(super) fn into_journals(self) -> (Journal, Vec<Journal>) {
        let journal = match self.state {
            State::Down(journal) => *journal,
            State::Up(node) => node.into_journal(),
        };
        (journal, self.given_up)
    }
}

impl World<'_> {
    /// Whether the process number `life` of a replica runs.
    pub(super) fn lives(&self, replica: usize, life: u64) -> bool {
        let replica = &self.replicas[replica];
        replica.is_up() && replica.life == life
    }

    /// The clocks of a replica as a machine reads them: faults that bend them are hit.
    pub(super) fn read_clocks(&mut self, replica: usize) -> Now {
        let at = self.scheduler.now();
        for place in 0..self.bent_clocks.len() {
            let fault = self.bent_clocks[place];
            let (influence, mut wrong) = (self.influence(fault), 0);
            influence.clock(at, replica, &mut wrong);
            if wrong != 0 || influence.drift(replica) != 0 {
                self.hit(fault);
            }
        }
        self.now(replica)
    }

    /// The clocks of a replica.
    pub(super) fn now(&self, replica: usize) -> Now {
        let at = self.scheduler.now();
        let Replica { drift, started, .. } = &self.replicas[replica];
        let elapsed = at.since(*started);
        let mut wrong = 0;
        for fault in &self.bent_clocks {
            self.influence(*fault).clock(at, replica, &mut wrong);
        }
        let ahead = i128::from(elapsed) * i128::from(*drift) / 1_000_000;
        let mono = u64::try_from(i128::from(elapsed) + ahead).unwrap_or_default();
        let drifted = i64::try_from(ahead).unwrap_or_default();
        let wall = self.wall().0.saturating_add(wrong).saturating_add(drifted);
        Now { mono: Mono(mono), wall: Wall(wall) }
    }

    /// The true time at which the monotonic clock of a replica shows `mono`.
    pub(super) fn when(&self, replica: usize, mono: Mono) -> Mono {
        let Replica { drift, started, .. } = &self.replicas[replica];
        let rate = i128::from(1_000_000 + drift).max(1);
        // Rounded up: a timer never fires before its time.
        let elapsed = (i128::from(mono.0) * 1_000_000 + rate - 1) / rate;
        started.plus(u64::try_from(elapsed).unwrap_or(u64::MAX))
    }
}
