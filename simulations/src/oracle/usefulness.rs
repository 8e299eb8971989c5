//! `usefulness`: a run decides something; and an [`Ensemble`] of runs says what none of them came to.

use std::collections::{BTreeMap, BTreeSet};

use portreeve_protocol::DenyCode;

use super::{Oracle, Run, Violation};
use crate::Outcome;
use crate::fault::CLASSES;
use crate::history::Sight;

/// The oracle.
pub const ORACLE: Oracle = Oracle {
    check,
    id: "usefulness",
    rule: "a run decides something, and many runs together come to every denial and every fault",
};

fn check(run: &Run<'_>, found: &mut Vec<Violation>) {
    let received = |seen: &&crate::history::Seen| matches!(seen.what, Sight::Received { .. });
    let lived = run.outcome.history.iter().filter(received).count();
    if lived > 0 && run.outcome.counts.reviews == 0 && run.scenario.heal.is_some() {
        found.push(Violation {
            at: run.outcome.took,
            oracle: ORACLE.id,
            replica: None,
            what: format!("{lived} reviews were received and none was answered"),
        });
    }
}

/// Denials that no simulated run can come to, and why not.
pub const BEYOND: &[(DenyCode, &str)] = &[
    (DenyCode::StateSpoilt, "only `portreeve check` keeps state in a directory"),
    (DenyCode::TooManyImages, "no scenario has a thousand images"),
    (DenyCode::ClientUnauthenticated, "no scenario configures a client CA"),
];

/// What many runs came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ensemble {
    /// Answers by code; allows under an empty one.
    pub answers: BTreeMap<&'static str, u64>,
    /// Facts noted.
    pub facts: BTreeMap<&'static str, u64>,
    /// How often each class of faults was hit.
    pub marks: BTreeMap<&'static str, u64>,
    /// How many runs.
    pub runs: u64,
}

impl Ensemble {
    /// Adds a run.
    pub fn add(&mut self, outcome: &Outcome) {
        self.runs += 1;
        for seen in &outcome.history {
            if let Sight::Answered(answered) = &seen.what {
                let code = answered.denial().map_or("", |denial| denial.code.code());
                *self.answers.entry(code).or_default() += 1;
            }
        }
        for (own, theirs) in [(&mut self.facts, &outcome.facts), (&mut self.marks, &outcome.marks)]
        {
            for (name, count) in theirs {
                *own.entry(name).or_default() += count;
            }
        }
    }

    /// Adds what other runs came to.
    pub fn merge(&mut self, other: &Self) {
        self.runs += other.runs;
        for (own, theirs) in [
            (&mut self.answers, &other.answers),
            (&mut self.facts, &other.facts),
            (&mut self.marks, &other.marks),
        ] {
            for (name, count) in theirs {
                *own.entry(name).or_default() += count;
            }
        }
    }

    /// Codes of denials that no run came to, apart from those that none can ([`BEYOND`]).
    #[must_use]
    pub fn denials_never_seen(&self) -> Vec<&'static str> {
        let beyond: BTreeSet<DenyCode> = BEYOND.iter().map(|(code, _)| *code).collect();
        let all = DenyCode::ALL.iter().filter(|code| !beyond.contains(code));
        all.map(|code| code.code()).filter(|code| !self.answers.contains_key(code)).collect()
    }

    /// Classes of faults that no run was hit by.
    #[must_use]
    pub fn faults_never_hit(&self) -> Vec<&'static str> {
        let classes = CLASSES.iter().map(|(class, _)| *class);
        classes.filter(|class| !self.marks.contains_key(class)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::sample::{self, IMAGE, Story, digest, facts, verified};

    #[test]
    fn a_run_that_decides_something_keeps_usefulness() {
        let mut story = Story::of(crate::Scenario { heal: Some(1), ..sample::scenario() });
        story.decided(5_000_000, verified(digest()));
        story.outcome.counts.reviews = 1;
        story.keeps(check);
    }

    #[test]
    fn a_run_that_decides_nothing_breaks_usefulness() {
        let mut story = Story::of(crate::Scenario { heal: Some(1), ..sample::scenario() });
        story.review(5, &facts("uid", IMAGE));
        story.breaks(check, "none was answered");
    }

    #[test]
    fn an_ensemble_says_what_no_run_came_to() {
        let mut story = Story::new();
        story.decided(5_000_000, sample::denied(DenyCode::NotSigned));
        story.outcome.marks.insert("crash", 1);
        let mut ensemble = Ensemble::default();
        ensemble.add(&story.outcome);
        assert!(ensemble.denials_never_seen().contains(&"deadline"));
        assert!(!ensemble.denials_never_seen().contains(&"not-signed"));
        assert!(!ensemble.denials_never_seen().contains(&"state-spoilt"));
        assert!(!ensemble.faults_never_hit().contains(&"crash"));
        assert!(ensemble.faults_never_hit().contains(&"disk-full"));
        let mut both = ensemble.clone();
        both.merge(&ensemble);
        assert_eq!((both.runs, both.answers.get("not-signed")), (2, Some(&2)));
    }
}
