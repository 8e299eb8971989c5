//! `answered-is-durable`: every allow that left is in the replica's journal, with that decision, at
//! the end of the run, whatever crashed after. Allows that judge no image are exempt.
//!
//! That nothing leaves before its record is durable shows in the runs that kill a replica right
//! behind an answer: of what was not durable, the seed draws how much is left.

use std::collections::BTreeMap;
use std::sync::Arc;

use portreeve_protocol::{Decision, Entry, EventId};

use super::{Oracle, Run, Violation};
use crate::history::Sight;
use crate::outcome::Left;

/// The oracle.
pub const ORACLE: Oracle = Oracle {
    check,
    id: "answered-is-durable",
    rule: "every allow that left is in the journal, whatever crashed after",
};

fn check(run: &Run<'_>, found: &mut Vec<Violation>) {
    let recorded: Vec<_> = run.outcome.replicas.iter().map(decisions).collect();
    for seen in &run.outcome.history {
        let Sight::Answered(answered) = &seen.what else { continue };
        if !answered.allowed() || answered.decision.is_exempt() {
            continue;
        }
        let known = recorded.get(seen.replica).and_then(|all| all.get(&answered.event));
        let what = match known {
            Some(all) if all.iter().any(|one| **one == answered.decision) => continue,
            Some(_) => "is not the one that the journal has",
            None => "is not in the journal",
        };
        found.push(Violation {
            at: seen.at,
            oracle: ORACLE.id,
            replica: Some(seen.replica),
            what: format!("the allow of review {} {what}", answered.decision.uid),
        });
    }
}

/// The decisions in all journals of a replica, by review. Incarnations begin anew on an empty disk,
/// so that two reviews may have one id.
fn decisions(left: &Left) -> BTreeMap<&EventId, Vec<&Arc<Decision>>> {
    let journals = left.given_up.iter().chain([&left.journal]);
    let delivered = journals.flat_map(|journal| journal.entries()).filter_map(|entry| {
        if let Entry::Delivered(delivered) = entry { Some(&delivered.decisions) } else { None }
    });
    let mut decisions: BTreeMap<&EventId, Vec<&Arc<Decision>>> = BTreeMap::new();
    for decision in delivered.flatten() {
        decisions.entry(&decision.review).or_default().push(decision);
    }
    decisions
}

#[cfg(test)]
mod tests {
    use portreeve_protocol::{Admitted, Denial, DenyCode, Verdict};

    use super::*;
    use crate::oracle::sample::{self, IMAGE, START, Story, digest, facts, verified};

    const AT: u64 = 5_000_000;

    fn left(verdict: Verdict) -> (Story, Arc<Decision>) {
        let mut story = Story::new();
        let facts = facts("uid", IMAGE);
        let event = story.review(AT, &facts);
        let decision = Arc::new(sample::decision(&event, &facts, verdict));
        story.leave(AT + 1, AT, Arc::clone(&decision));
        (story, decision)
    }

    #[test]
    fn a_recorded_allow_keeps_answered_is_durable() {
        let mut story = Story::new();
        story.decided(AT, verified(digest()));
        story.keeps(check);
    }

    #[test]
    fn an_allow_without_a_record_breaks_answered_is_durable() {
        left(verified(digest())).0.breaks(check, "is not in the journal");
    }

    #[test]
    fn an_allow_recorded_otherwise_breaks_answered_is_durable() {
        let (mut story, decision) = left(verified(digest()));
        let other = Decision { message: "another".to_owned(), ..Decision::clone(&decision) };
        story.record(AT, START, &Arc::new(other));
        story.breaks(check, "is not the one");
    }

    #[test]
    fn denials_and_what_judges_no_image_need_no_record() {
        left(sample::denied(DenyCode::NotSigned)).0.keeps(check);
        left(Verdict::Allowed(Admitted::Unchanged)).0.keeps(check);
        let (mut story, _) = left(verified(digest()));
        for seen in &mut story.outcome.history {
            if let Sight::Answered(answered) = &mut seen.what {
                answered.instead = Some(Denial::new(DenyCode::JournalUnavailable, "for a test"));
            }
        }
        story.keeps(check);
    }
}
