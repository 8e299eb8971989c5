//! `usefulness`: a run in which reviews were received answers some of them, and nobody goes on
//! denying for want of something that is there.
//!
//! Of the answers to a question that a replica is asked several times after the heal, all may be
//! denials, but one at least must say something else than that the replica is not able to judge:
//! nothing goes wrong any more, the policies can be read, and a trust bundle was published if there
//! is to be one. What happens once is for other oracles.
//!
//! Whether many runs together come to every denial and every fault is asked by the command
//! `simulations coverage`.

use std::collections::BTreeMap;

use portreeve_protocol::DenyCode;

use super::case::each;
use super::{Oracle, Run, Violation};
use crate::history::Sight;

/// The oracle.
pub const ORACLE: Oracle = Oracle {
    check,
    id: "usefulness",
    rule: "a run answers reviews, and after the heal no replica says that it cannot judge",
};

/// Codes of a replica that is not able to judge. Where many ask at once, one may be overloaded.
const UNABLE: [DenyCode; 5] = [
    DenyCode::BundleUnavailable,
    DenyCode::Draining,
    DenyCode::Internal,
    DenyCode::JournalUnavailable,
    DenyCode::PoliciesNotLoaded,
];

fn check(run: &Run<'_>, found: &mut Vec<Violation>) {
    if run.scenario.heal.is_none() {
        return;
    }
    let received = |seen: &&crate::history::Seen| matches!(seen.what, Sight::Received { .. });
    let lived = run.outcome.history.iter().filter(received).count();
    let mut say = |replica: Option<usize>, what: String| {
        found.push(Violation { at: run.outcome.took, oracle: ORACLE.id, replica, what });
    };
    if lived > 0 && run.outcome.counts.reviews == 0 {
        say(None, format!("{lived} reviews were received and none was answered"));
    }
    let mut ends = BTreeMap::new();
    each(run, |case| {
        if !case.probe {
            return;
        }
        let images: Vec<_> = case.facts.images.iter().map(|one| one.image.clone()).collect();
        let question = (case.replica, case.facts.namespace.clone(), images);
        let denial = case.answered.denial().filter(|denial| UNABLE.contains(&denial.code));
        let unable = denial.map(|it| (case.facts.uid.clone(), it.code));
        let always: &mut Option<_> = ends.entry(question).or_insert_with(|| unable.clone());
        *always = always.take().and(unable);
    });
    for ((replica, _, _), unable) in ends {
        if let Some((uid, code)) = unable {
            say(Some(replica), format!("to the end, as {uid}, it is denied {}", code.code()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::oracle::sample::{self, IMAGE, Story, digest, facts, verified};

    const AT: u64 = 5_000_000;

    fn healed() -> Story {
        let mut story = Story::of(crate::Scenario { heal: Some(1), ..sample::scenario() });
        story.outcome.counts.reviews = 1;
        story
    }

    fn probed(story: &mut Story, at: u64, verdict: portreeve_protocol::Verdict) {
        let facts = facts("probe", IMAGE);
        let event = story.asked(at, &facts, true);
        let decision = sample::decision(&event, &facts, verdict);
        story.leave(at + 1, at, Arc::new(decision));
    }

    #[test]
    fn a_run_that_decides_something_keeps_usefulness() {
        let mut story = healed();
        story.decided(AT, verified(digest()));
        probed(&mut story, AT + 10, sample::denied(DenyCode::NotSigned));
        story.keeps(check);
    }

    #[test]
    fn a_run_that_decides_nothing_breaks_usefulness() {
        let mut story = Story::of(crate::Scenario { heal: Some(1), ..sample::scenario() });
        story.review(5, &facts("uid", IMAGE));
        story.breaks(check, "none was answered");
    }

    #[test]
    fn a_replica_that_cannot_judge_in_the_end_breaks_usefulness() {
        let mut story = healed();
        probed(&mut story, AT, sample::denied(DenyCode::BundleUnavailable));
        story.breaks(check, "is denied bundle-unavailable");
        probed(&mut story, AT + 10, verified(digest()));
        story.keeps(check);
    }
}
