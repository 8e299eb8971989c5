//! A seed, run and judged.

use portreeve_protocol::Sha256;

use super::Tally;
use crate::oracle::{Run, Violation, judge};
use crate::world::run_traced;
use crate::{Outcome, Scenario, SimulationError};

/// How a run came out.
#[derive(Debug)]
pub enum Ending {
    /// It broke rules.
    Broken(Vec<Violation>),
    /// It could not be run to its end.
    Failed(SimulationError),
    /// No rule was broken.
    Held,
}

/// A run that was judged.
#[derive(Debug)]
pub struct Examined {
    /// How it came out.
    pub ending: Ending,
    /// The seed.
    pub seed: u64,
    /// What was in it.
    pub tally: Tally,
    /// The hash of its trace; `None` if it did not come to its end.
    pub trace_hash: Option<Sha256>,
}

/// Runs `scenario` with `seed` and judges the run. What the run gave comes along if it ended.
#[must_use]
pub fn examine(scenario: &Scenario, seed: u64) -> (Examined, Option<Box<Outcome>>) {
    examine_traced(scenario, seed, false)
}

/// As [`examine`]; `keeps` says whether the lines of the trace are kept.
#[must_use]
pub fn examine_traced(
    scenario: &Scenario,
    seed: u64,
    keeps: bool,
) -> (Examined, Option<Box<Outcome>>) {
    let outcome = match run_traced(scenario, seed, keeps) {
        Ok(outcome) => outcome,
        Err(error) => {
            let (ending, tally) = (Ending::Failed(error), Tally::default());
            return (Examined { ending, seed, tally, trace_hash: None }, None);
        }
    };
    let violations = judge(&Run { outcome: &outcome, scenario, seed });
    let ending = if violations.is_empty() { Ending::Held } else { Ending::Broken(violations) };
    let tally = Tally::of(&outcome);
    let trace_hash = Some(outcome.trace_hash);
    (Examined { ending, seed, tally, trace_hash }, Some(Box::new(outcome)))
}

impl Examined {
    /// What broke rules, in the order of the oracles.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        match &self.ending {
            Ending::Broken(violations) => violations,
            Ending::Failed(_) | Ending::Held => &[],
        }
    }
}
