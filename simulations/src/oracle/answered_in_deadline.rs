//! `answered-in-deadline`: each review that a replica receives is answered once, and in its time.
//!
//! Decided: within the review's budget (at most the longest there may be) by the replica's own
//! monotonic clock, or within a tenth of a second after it. Answered: when the disk has made the
//! record durable, so that what the disk takes comes to it: as long as two syncs at the worst of
//! disks. A replica that ends, or a run that ends, before that owes no answer.

use std::collections::BTreeMap;

use portreeve_protocol::limits::LONGEST_TIMEOUT;
use portreeve_protocol::time::SECOND;
use portreeve_protocol::{Entry, EventId, Mono};

use super::{Oracle, Run, Violation};
use crate::history::Sight;
use crate::outcome::Left;
use crate::truth::clocks::Clocks;

/// The oracle.
pub const ORACLE: Oracle = Oracle {
    check,
    id: "answered-in-deadline",
    rule: "each review is answered once, within its budget and what the disk takes",
};

/// What a decision may be late by, in microseconds.
const LATE: u64 = SECOND / 10;
/// What two syncs may take at the worst of disks, in microseconds.
const DISK: u64 = 45 * SECOND;

/// A review that was received.
struct Received<'a> {
    answered: bool,
    at: Mono,
    budget: u64,
    uid: &'a str,
}

fn check(run: &Run<'_>, found: &mut Vec<Violation>) {
    let mut waiting: BTreeMap<usize, BTreeMap<&EventId, Received<'_>>> = BTreeMap::new();
    let mut say = |at: Mono, replica: usize, what: String| {
        found.push(Violation { at, oracle: ORACLE.id, replica: Some(replica), what });
    };
    for seen in &run.outcome.history {
        let (at, replica) = (seen.at, seen.replica);
        let due = |one: &Received<'_>| due(run, replica, one);
        match &seen.what {
            Sight::Answered(answered) => {
                let of = waiting.entry(replica).or_default().get_mut(&answered.event);
                let Some(one) = of else {
                    let uid = &answered.decision.uid;
                    say(at, replica, format!("review {uid} was answered and never received"));
                    continue;
                };
                if std::mem::replace(&mut one.answered, true) {
                    say(at, replica, format!("review {} was answered twice", one.uid));
                } else if at > due(one) {
                    let took = at.since(one.at);
                    say(at, replica, format!("review {} was answered after {took} us", one.uid));
                }
            }
            Sight::Received { event, .. } => {
                if let Some(facts) = seen.what.review() {
                    let budget = facts.budget.min(LONGEST_TIMEOUT);
                    let one = Received { answered: false, at, budget, uid: &facts.uid };
                    waiting.entry(replica).or_default().insert(event, one);
                }
            }
            Sight::Crashed | Sight::Started(_) | Sight::Stopped => {
                for one in waiting.remove(&replica).unwrap_or_default().into_values() {
                    if !one.answered && at > due(&one) {
                        say(at, replica, format!("review {} was never answered", one.uid));
                    }
                }
            }
            Sight::Bundle(_)
            | Sight::ClockAcknowledged { .. }
            | Sight::Flipped
            | Sight::GaveUp { .. }
            | Sight::Policies(_)
            | Sight::Reached { .. }
            | Sight::Resolved(_)
            | Sight::TrustReset { .. }
            | Sight::Wiped { .. } => {}
        }
    }
    let end = run.outcome.took;
    for (replica, reviews) in waiting {
        for one in reviews.into_values().filter(|one| !one.answered) {
            if end > due(run, replica, &one) {
                say(end, replica, format!("review {} was never answered", one.uid));
            }
        }
    }
    for (replica, left) in run.outcome.replicas.iter().enumerate() {
        for (uid, late) in late(left) {
            let what = format!("review {uid} was decided {late} us after its time");
            say(end, replica, what);
        }
    }
}

/// Until when a review must be answered.
fn due(run: &Run<'_>, replica: usize, one: &Received<'_>) -> Mono {
    let budget = Clocks::of(run.scenario, replica).true_span(one.budget);
    one.at.plus(budget).plus(LATE).plus(DISK)
}

/// Reviews that were decided late, by the records, with how late.
fn late(left: &Left) -> Vec<(String, u64)> {
    let mut late = Vec::new();
    for journal in left.given_up.iter().chain([&left.journal]) {
        let mut due: BTreeMap<&EventId, Mono> = BTreeMap::new();
        for entry in journal.entries() {
            match entry {
                // It was answered before the machine decided it, by a denial of the host's.
                Entry::Answered(answered) => {
                    answered.iter().for_each(|one| {
                        due.remove(&one.review);
                    });
                }
                Entry::Panicked(panicked) => drop(due.remove(&panicked.root)),
                Entry::Delivered(delivered) => {
                    let now = delivered.now.mono;
                    if let Some(facts) = crate::history::review(&delivered.input) {
                        let until = now.plus(facts.budget.min(LONGEST_TIMEOUT));
                        due.insert(&delivered.event, until);
                    }
                    for decision in &delivered.decisions {
                        let Some(due) = due.remove(&decision.review) else { continue };
                        if now.since(due) > LATE {
                            late.push((decision.uid.clone(), now.since(due)));
                        }
                    }
                }
                Entry::Checkpoint(_) | Entry::Gap(_) | Entry::Started(_) => {}
            }
        }
    }
    late
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::oracle::sample::{self, IMAGE, Story, digest, facts, verified};

    const AT: u64 = 5_000_000;

    fn answered_after(micros: u64) -> Story {
        let mut story = Story::new();
        let facts = facts("uid", IMAGE);
        let event = story.review(AT, &facts);
        let decision = sample::decision(&event, &facts, verified(digest()));
        story.leave(AT + micros, AT, Arc::new(decision));
        story
    }

    #[test]
    fn an_answer_in_time_keeps_answered_in_deadline() {
        answered_after(9 * SECOND).keeps(check);
    }

    #[test]
    fn an_answer_too_late_breaks_answered_in_deadline() {
        answered_after(60 * SECOND).breaks(check, "was answered after");
    }

    #[test]
    fn a_second_answer_breaks_answered_in_deadline() {
        let mut story = answered_after(SECOND);
        let again = story.outcome.history.last().cloned();
        story.outcome.history.extend(again);
        story.breaks(check, "twice");
    }

    #[test]
    fn a_review_never_answered_breaks_answered_in_deadline_if_the_replica_lives_on() {
        let mut story = Story::new();
        story.review(AT, &facts("uid", IMAGE));
        story.keeps(check);
        story.see(AT + SECOND, Sight::Crashed);
        story.see(AT + 90 * SECOND, Sight::Started(sample::started(2).into()));
        story.keeps(check);
        let mut story = Story::new();
        story.review(AT, &facts("uid", IMAGE));
        story.see(AT + 90 * SECOND, Sight::Stopped);
        story.breaks(check, "never answered");
    }

    #[test]
    fn a_decision_recorded_too_late_breaks_answered_in_deadline() {
        let mut story = Story::new();
        let facts = facts("uid", IMAGE);
        let event = story.review(AT, &facts);
        story.record_review(AT, &event, &facts);
        let decision = Arc::new(sample::decision(&event, &facts, verified(digest())));
        story.record(AT + 10 * SECOND, sample::START, &decision);
        story.leave(AT + 11 * SECOND, AT, decision);
        story.breaks(check, "after its time");
    }
}
