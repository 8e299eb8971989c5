//! Scenarios as they are kept in files.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Outcome, Scenario};

/// What stands in [`Case::answers`] for an answer that allows.
const ALLOWED: &str = "allowed";
/// What stands for an answer that did not come.
const NONE: &str = "none";

/// A scenario that guards a rule, as it is kept in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// What must be answered beyond what oracles look at: the uid of a review to `allowed`, the
    /// code of a denial, or `none`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub answers: BTreeMap<String, String>,
    /// The rule, in a sentence, or the oracle that found fault.
    pub rule: String,
    /// The scenario.
    pub scenario: Scenario,
    /// The seed of the run.
    pub seed: u64,
}

impl Case {
    /// A scenario from which nothing is wanted but that it breaks no rule.
    #[must_use]
    pub fn new(rule: impl Into<String>, scenario: Scenario, seed: u64) -> Self {
        Self { answers: BTreeMap::new(), rule: rule.into(), scenario, seed }
    }

    /// The answers that are not as they must be, in words.
    #[must_use]
    pub fn wrong_answers(&self, outcome: &Outcome) -> Vec<String> {
        let given = |uid: &String| match outcome.answers.get(uid) {
            None => NONE,
            Some(answer) => answer.summary().code.map_or(ALLOWED, |code| code.code()),
        };
        let wrong = self.answers.iter().filter(|(uid, wanted)| given(uid) != wanted.as_str());
        let words = |(uid, wanted): (&String, &String)| {
            format!("the answer to {uid} is {}, and must be {wanted}", given(uid))
        };
        wrong.map(words).collect()
    }
}
