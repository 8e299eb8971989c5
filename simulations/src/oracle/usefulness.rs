//! `usefulness`: a run in which reviews were received answers some of them.
//!
//! Whether many runs together come to every denial and every fault is asked by the command
//! `simulations coverage`.

use super::{Oracle, Run, Violation};
use crate::history::Sight;

/// The oracle.
pub const ORACLE: Oracle = Oracle {
    check,
    id: "usefulness",
    rule: "a run in which reviews are received answers some of them",
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
}
