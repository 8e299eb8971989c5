//! Judges of runs, outside the machines: one rule a file.
//!
//! An oracle gets a whole [`Run`] and says what of it breaks its rule. To add one, write its file
//! and add one line to [`ORACLES`].

mod answered_in_deadline;
mod answered_is_durable;
mod bind;
mod bounds;
mod case;
mod digest_is_signed;
mod expiry;
mod floors_never_fall;
mod freshness;
mod heal_converges;
mod no_allow_without_evidence;
mod no_permanent_false_deny;
mod no_secret;
mod replay_identity;
mod same_scenario_same_trace;
#[cfg(test)]
pub(crate) mod sample;
mod seals;
mod usefulness;

use portreeve_protocol::Mono;

pub use same_scenario_same_trace::{ORACLE as SAME_TRACE, same_trace};

use crate::{Outcome, Scenario};

/// A run that ended.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// What it gave: what was seen, the journals, the truth.
    pub outcome: &'a Outcome,
    /// What was to happen.
    pub scenario: &'a Scenario,
    /// The seed.
    pub seed: u64,
}

/// What breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// When it shows, by true time.
    pub at: Mono,
    /// The id of the oracle.
    pub oracle: &'static str,
    /// The replica, if it is one's fault.
    pub replica: Option<usize>,
    /// What is wrong, in a sentence.
    pub what: String,
}

/// A judge.
#[derive(Debug, Clone, Copy)]
pub struct Oracle {
    /// What of a run breaks the rule.
    pub check: fn(&Run<'_>, &mut Vec<Violation>),
    /// Its id, as it stands in ARCHITECTURE.md, in reports and in the names of planted bugs'
    /// judges.
    pub id: &'static str,
    /// The rule, in a sentence.
    pub rule: &'static str,
}

/// All oracles.
pub const ORACLES: &[Oracle] = &[
    no_allow_without_evidence::ORACLE,
    digest_is_signed::ORACLE,
    freshness::ORACLE,
    expiry::ORACLE,
    floors_never_fall::ORACLE,
    answered_is_durable::ORACLE,
    replay_identity::ORACLE,
    same_scenario_same_trace::ORACLE,
    bounds::ORACLE,
    no_secret::ORACLE,
    answered_in_deadline::ORACLE,
    heal_converges::ORACLE,
    no_permanent_false_deny::ORACLE,
    usefulness::ORACLE,
];

/// What of a run breaks any rule, in the order of the oracles.
#[must_use]
pub fn judge(run: &Run<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    for oracle in ORACLES {
        (oracle.check)(run, &mut found);
    }
    found
}
