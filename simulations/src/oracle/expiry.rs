//! `expiry`: nothing is let in on evidence that had expired.
//!
//! Judged by the highest wall time that the replica's admission actor was told in its incarnation,
//! up to the delivery in which it decided (or by the time that an operator acknowledged since): so
//! that a clock that goes back a little makes nothing young again. Where the clock is further
//! behind
//! than is believed, nothing is let in as verified at all. A clock that was wrong from the start of
//! an incarnation cannot be known to be wrong; what it costs is bounded by its error.

use std::collections::BTreeMap;
use std::sync::Arc;

use portreeve_protocol::messages::admission::AdmissionInput;
use portreeve_protocol::reference::ImageReference;
use portreeve_protocol::{
    ActorKind, Admitted, Decision, Entry, EventId, Input, Mono, Verdict, Wall, limits,
};

use super::bind::{Subject, binding, demands, met, tag};
use super::case::{Case, each};
use super::{Oracle, Run, Violation};
use crate::node::Journal;

/// The oracle.
pub const ORACLE: Oracle = Oracle {
    check,
    id: "expiry",
    rule: "nothing is let in on evidence that had expired by the highest time the replica had seen",
};

/// The wall clock at a decision, and the highest it had shown.
#[derive(Debug, Clone, Copy)]
struct Clock {
    highest: Wall,
    now: Wall,
}

/// A decision and the clock at it.
type Decided<'a> = (&'a Arc<Decision>, Clock);

fn check(run: &Run<'_>, found: &mut Vec<Violation>) {
    let mut decided = BTreeMap::new();
    for left in &run.outcome.replicas {
        left.given_up.iter().chain([&left.journal]).for_each(|one| read(one, &mut decided));
    }
    each(run, |case| {
        if !case.answered.allowed() {
            return;
        }
        // That there is a record is for another oracle to judge.
        let all = decided.get(&case.answered.event).map_or(&[][..], Vec::as_slice);
        let of = |(decision, _): &&Decided<'_>| *decision == &case.answered.decision;
        if let Some((_, clock)) = all.iter().find(of) {
            let faults = faults(run, case, *clock);
            found.extend(faults.iter().map(|fault| case.violation(ORACLE.id, fault)));
        }
    });
}

/// Takes note of the clock at each decision.
fn read<'a>(journal: &'a Journal, decided: &mut BTreeMap<&'a EventId, Vec<Decided<'a>>>) {
    let mut highest = Wall(i64::MIN);
    for entry in journal.entries() {
        if matches!(entry, Entry::Started(_)) {
            highest = Wall(i64::MIN);
        }
        let Entry::Delivered(delivered) = entry else { continue };
        if delivered.event.actor.kind() != ActorKind::Admission {
            continue;
        }
        let now = delivered.now.wall;
        let set =
            matches!(&*delivered.input, Input::Admission(AdmissionInput::AcknowledgeClock(_)));
        highest = if set { now } else { highest.max(now) };
        for decision in &delivered.decisions {
            let of = decided.entry(&decision.review).or_default();
            of.push((decision, Clock { highest, now }));
        }
    }
}

fn faults(run: &Run<'_>, case: &Case<'_>, clock: Clock) -> Vec<String> {
    let mut faults = Vec::new();
    for verdict in &case.answered.decision.verdicts {
        let Verdict::Allowed(Admitted::Verified(verified)) = &verdict.verdict else { continue };
        let Clock { highest, now } = clock;
        if highest.0.abs_diff(now.0) > limits::CLOCK_STEP {
            faults.push(format!("{}: decided at {now}, behind {highest}", verdict.image));
        }
        let expires = verified.evidence.expires;
        if verified.evidence.is_known() && expires < highest {
            faults.push(format!("{}: its evidence expired at {expires}", verdict.image));
        }
        let Ok(image) = verdict.image.parse::<ImageReference>() else { continue };
        let (tag, unexpired) = (tag(&image), Some(highest));
        let subject =
            Subject { digest: verified.digest, image: &image, sealed: false, tag, unexpired };
        if let Err(why) = unexpired_by_truth(run, case, subject) {
            faults.push(format!("{}: at {highest}, {why}", verdict.image));
        }
    }
    faults
}

/// Whether what the policies ask for was served and had not expired by the wall time.
fn unexpired_by_truth(run: &Run<'_>, case: &Case<'_>, subject: Subject<'_>) -> Result<(), String> {
    let settings = &run.scenario.settings;
    let mut why = Ok(());
    for policies in &case.policies {
        let asked = demands(settings, policies, &case.facts.namespace, subject.image);
        let bound = asked.and_then(|asked| {
            let mut bound = binding(&asked).into_iter();
            bound.try_for_each(|demand| met(run, case, demand, subject, Mono(0)))
        });
        match bound {
            Ok(()) => return Ok(()),
            Err(other) => why = Err(other),
        }
    }
    why
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::sample::{self, IMAGE, START, Story, digest, facts, verified};

    const AT: u64 = 5_000_000;
    const DAY: i64 = 86_400_000_000;

    /// An answer by a replica whose clock shows `days` more than it did for another answer before.
    fn days_later(days: i64) -> Story {
        let mut story = Story::new();
        story.decided(AT - 1_000_000, verified(digest()));
        let facts = facts("uid", IMAGE);
        let event = story.review(AT, &facts);
        let decision = Arc::new(sample::decision(&event, &facts, verified(digest())));
        story.record(AT, Wall(START.0 + days * DAY), &decision);
        story.leave(AT + 1, AT, decision);
        story
    }

    #[test]
    fn evidence_that_holds_keeps_expiry() {
        days_later(12).keeps(check);
    }

    #[test]
    fn evidence_that_expired_by_the_replicas_own_clock_breaks_expiry() {
        let found = days_later(14).found(check);
        assert!(found.iter().any(|one| one.what.contains("evidence expired")), "{found:?}");
        assert!(found.iter().any(|one| one.what.contains("was not signed")), "{found:?}");
    }

    #[test]
    fn an_allow_by_a_clock_set_far_back_breaks_expiry() {
        days_later(-1).breaks(check, "behind");
    }
}
