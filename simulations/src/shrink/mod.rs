//! From a scenario that breaks a rule to a small one that still does.
//!
//! A try is a run: what is left out, or made simpler, stays so if the same oracle still finds
//! fault. There is no randomness in it, so a scenario and a seed always shrink alike.

mod parts;
mod replicas;
mod values;

use serde::{Deserialize, Serialize};

use crate::Scenario;
use crate::oracle::Violation;
use crate::swarm::{Examined, examine};

/// A scenario that guards a rule, as it is kept in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// The rule, in a sentence, or the oracle that found fault.
    pub rule: String,
    /// The scenario.
    pub scenario: Scenario,
    /// The seed of the run.
    pub seed: u64,
}

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

/// Makes `scenario` smaller as long as the oracle `oracle` finds fault with it, in at most `most`
/// runs; `None` if the oracle does not find fault with it as it is.
pub fn shrink(
    scenario: &Scenario,
    seed: u64,
    oracle: &str,
    most: u64,
    tell: &mut dyn FnMut(&Progress<'_>),
) -> Option<Shrunk> {
    let violation = fault(scenario, seed, oracle)?;
    let best = scenario.clone();
    let mut shrinker =
        Shrinker { best, most, oracle, seed, tell, tries: 0, violation, what: "everything" };
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

fn fault(scenario: &Scenario, seed: u64, oracle: &str) -> Option<Violation> {
    let (examined, _) = examine(scenario, seed);
    first(&examined, oracle).cloned()
}

/// The first fault that the oracle found.
fn first<'a>(examined: &'a Examined, oracle: &str) -> Option<&'a Violation> {
    let found = examined.violations().iter().filter(|violation| violation.oracle == oracle);
    found.min_by_key(|violation| violation.at)
}

/// The work on one scenario.
struct Shrinker<'a> {
    best: Scenario,
    most: u64,
    oracle: &'a str,
    seed: u64,
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
        let found = fault(&candidate, self.seed, self.oracle);
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
