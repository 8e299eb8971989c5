//! From a scenario that breaks a rule to a small one that still does.
//!
//! A try is a run: what is left out, or made simpler, stays so if the same oracle still finds
//! fault. There is no randomness in it, so a scenario and a seed always shrink alike.

mod case;
mod parts;
mod replicas;
mod values;

use crate::Scenario;
use crate::oracle::Violation;
use crate::swarm::examine;

pub use case::Case;

/// How far the shrinker is.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// The smallest scenario so far.
    pub best: &'a Scenario,
    /// Runs so far.
    pub tries: u64,
    /// What is being left out or made simpler.
    pub what: &'static str,
}

/// What the shrinker came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shrunk {
    /// The small scenario.
    pub scenario: Scenario,
    /// Runs it took.
    pub tries: u64,
    /// What is wrong in it.
    pub violation: Violation,
}

/// What is wrong with the run of a scenario, if it is the fault that is sought.
pub type Fails<'a> = &'a dyn Fn(&Scenario) -> Option<Violation>;

/// The first fault that an oracle finds with the run of a scenario.
pub fn fault_of(oracle: &str, seed: u64) -> impl Fn(&Scenario) -> Option<Violation> {
    move |scenario| {
        let (examined, _) = examine(scenario, seed);
        let found = examined.violations().iter().filter(|violation| violation.oracle == oracle);
        found.min_by_key(|violation| violation.at).cloned()
    }
}

/// Makes `scenario` smaller as long as it fails, in at most `most` runs; `None` if it does not fail
/// as it is.
pub fn shrink(
    scenario: &Scenario,
    fails: Fails<'_>,
    most: u64,
    tell: &mut dyn FnMut(&Progress<'_>),
) -> Option<Shrunk> {
    let violation = fails(scenario)?;
    let best = scenario.clone();
    let what = "everything";
    let mut shrinker = Shrinker { best, fails, most, tell, tries: 0, violation, what };
    while shrinker.tries < most {
        let before = shrinker.best.clone();
        shrinker.round();
        if shrinker.best == before {
            break;
        }
    }
    let Shrinker { best: scenario, tries, violation, .. } = shrinker;
    Some(Shrunk { scenario, tries, violation })
}

/// The work on one scenario.
struct Shrinker<'a> {
    best: Scenario,
    fails: Fails<'a>,
    most: u64,
    tell: &'a mut dyn FnMut(&Progress<'_>),
    tries: u64,
    /// What is wrong with `best`.
    violation: Violation,
    what: &'static str,
}

impl Shrinker<'_> {
    /// Everything once: first what leaves out most.
    fn round(&mut self) {
        self.what = "what comes later";
        self.leave_out_later();
        self.what = "classes of faults";
        self.leave_out_classes();
        self.leave_out_parts();
        self.what = "replicas";
        self.leave_out_replicas();
        self.what = "values";
        self.simplify();
    }

    /// Takes `candidate` if it still fails.
    fn attempt(&mut self, candidate: Scenario) -> bool {
        if self.tries >= self.most || candidate == self.best || candidate.check().is_err() {
            return false;
        }
        self.tries += 1;
        let found = (self.fails)(&candidate);
        let fails = found.is_some();
        if let Some(violation) = found {
            self.best = candidate;
            self.violation = violation;
        }
        let Self { best, tell, tries, what, .. } = self;
        tell(&Progress { best, tries: *tries, what });
        fails
    }
}
