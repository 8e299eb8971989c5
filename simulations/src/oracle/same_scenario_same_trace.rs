//! `same-scenario-same-trace`: a scenario and a seed always give the same run.
//!
//! Whoever runs a scenario twice holds the two against each other by [`same_trace`]. Of one run it
//! can only be seen whether it tells its own trace by the right hash.

use super::{Oracle, Run, Violation};
use crate::Outcome;

/// The oracle.
pub const ORACLE: Oracle = Oracle {
    check,
    id: "same-scenario-same-trace",
    rule: "a scenario and a seed give the same trace and the same answers however often they are \
           run",
};

fn check(run: &Run<'_>, found: &mut Vec<Violation>) {
    if run.outcome.trace.hash() != run.outcome.trace_hash {
        found.push(violation(run.outcome, "the hash of the trace is another".to_owned()));
    }
}

fn violation(outcome: &Outcome, what: String) -> Violation {
    Violation { at: outcome.took, oracle: ORACLE.id, replica: None, what }
}

/// How two runs of one scenario and seed differ: the first line in which their traces diverge, if
/// lines were kept; `None` if they do not differ.
#[must_use]
pub fn same_trace(first: &Outcome, second: &Outcome) -> Option<Violation> {
    let (one, other) = (first.trace.lines(), second.trace.lines());
    let both = one.iter().zip(other).enumerate();
    let what = if let Some((number, (one, other))) = { both }.find(|(_, (one, other))| one != other)
    {
        format!("line {} was `{one}`, and then `{other}`", number + 1)
    } else if one.len() != other.len() {
        format!("{} lines, and then {}", one.len(), other.len())
    } else if first.trace_hash != second.trace_hash {
        "the hashes of the traces differ".to_owned()
    } else if first.answers != second.answers {
        "the answers differ".to_owned()
    } else if first.history != second.history {
        "what was seen differs".to_owned()
    } else {
        return None;
    };
    Some(violation(first, format!("run twice: {what}")))
}

#[cfg(test)]
mod tests {
    use portreeve_protocol::{Mono, Sha256};

    use super::*;
    use crate::oracle::sample::Story;
    use crate::trace::Trace;

    fn traced(words: &[&str]) -> Outcome {
        let mut outcome = Story::new().outcome;
        outcome.trace = Trace::new(true);
        for word in words {
            outcome.trace.note(Mono(1), '>', Some(0), &[word.as_bytes()], || (*word).to_owned());
        }
        outcome.trace_hash = outcome.trace.hash();
        outcome
    }

    #[test]
    fn equal_runs_keep_same_scenario_same_trace() {
        assert_eq!(same_trace(&traced(&["a", "b"]), &traced(&["a", "b"])), None);
        let mut story = Story::new();
        story.outcome = traced(&["a"]);
        story.keeps(check);
    }

    #[test]
    fn the_first_line_that_differs_breaks_same_scenario_same_trace() {
        let differ = |one: &[&str], other: &[&str]| {
            same_trace(&traced(one), &traced(other)).map(|one| one.what).unwrap_or_default()
        };
        assert!(differ(&["a", "b", "c"], &["a", "x", "y"]).contains("line 2 was"));
        assert!(differ(&["a"], &["a", "b"]).contains("1 lines, and then 2"));
    }

    #[test]
    fn a_hash_of_another_trace_breaks_same_scenario_same_trace() {
        let mut story = Story::new();
        story.outcome.trace_hash = Sha256::of(b"another");
        story.breaks(check, "hash");
    }
}
