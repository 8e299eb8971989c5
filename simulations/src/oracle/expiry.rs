//! `expiry`: nothing is let in on evidence that had expired.
//!
//! Judged by the highest wall time that the replica's admission actor was told in its incarnation,
//! up to the delivery in which it decided (or by the time that an operator acknowledged since): so
//! that a clock that goes back a little makes nothing young again. Where the clock is further
//! behind than is believed, nothing is let in as verified at all. A clock that was wrong from the
//! start of an incarnation cannot be known to be wrong; what it costs is bounded by its error.
//!
//! What the replica was told is read from its journal, but for acknowledgements: one that comes
//! while the journal cannot be written is obeyed all the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use portreeve_protocol::reference::ImageReference;
use portreeve_protocol::{
    ActorKind, Admitted, Decision, Entry, EventId, Mono, Verdict, Wall, limits,
};

use super::bind::{Subject, binding, demands, met, tag};
use super::case::{Case, each};
use super::{Oracle, Run, Violation};
use crate::history::{Seen, Sight};
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

/// What the clock showed when it was acknowledged, by the journal that was written then and the
/// delivery. Journals of a replica are counted, since each begins its incarnations anew.
type Acknowledged<'a> = BTreeMap<(usize, &'a EventId), Wall>;

fn check(run: &Run<'_>, found: &mut Vec<Violation>) {
    let mut decided = BTreeMap::new();
    for (replica, left) in run.outcome.replicas.iter().enumerate() {
        let acknowledged = acknowledged(&run.outcome.history, replica);
        let journals = left.given_up.iter().chain([&left.journal]);
        journals.enumerate().for_each(|one| read(one, &acknowledged, &mut decided));
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

fn acknowledged(history: &[Seen], replica: usize) -> Acknowledged<'_> {
    let (mut all, mut journal) = (BTreeMap::new(), 0);
    for seen in history.iter().filter(|seen| seen.replica == replica) {
        if let Sight::ClockAcknowledged { event, wall } = &seen.what {
            all.insert((journal, event), *wall);
        }
        journal += usize::from(matches!(seen.what, Sight::Wiped { .. }));
    }
    all
}

/// Takes note of the clock at each decision.
fn read<'a>(
    (number, journal): (usize, &'a Journal),
    acknowledged: &Acknowledged<'_>,
    decided: &mut BTreeMap<&'a EventId, Vec<Decided<'a>>>,
) {
    let mut highest = Wall(i64::MIN);
    let mut last: Option<&EventId> = None;
    for entry in journal.entries() {
        if matches!(entry, Entry::Started(_)) {
            (highest, last) = (Wall(i64::MIN), None);
        }
        let Entry::Delivered(delivered) = entry else { continue };
        let event = &delivered.event;
        if event.actor.kind() != ActorKind::Admission {
            continue;
        }
        let since = |&(&(of, one), _): &(&(usize, &EventId), &Wall)| {
            of == number && one.incarnation == event.incarnation && last.is_none_or(|it| one > it)
        };
        if let Some((_, set)) = acknowledged.range(..=(number, event)).next_back().filter(since) {
            highest = *set;
        }
        let now = delivered.now.wall;
        (highest, last) = (highest.max(now), Some(event));
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

    /// An answer by a clock set back by a day, and an acknowledgement of that clock of which there
    /// is no record.
    fn acknowledged(replica: usize, event: EventId) -> Story {
        let mut story = days_later(-1);
        let what = Sight::ClockAcknowledged { event, wall: Wall(START.0 - DAY) };
        story.outcome.history.insert(0, Seen { at: Mono(0), replica, what });
        story
    }

    #[test]
    fn an_acknowledgement_that_the_disk_lost_makes_the_clock_right() {
        acknowledged(0, sample::event(1, 3)).keeps(check);
    }

    #[test]
    fn an_acknowledgement_counts_for_what_comes_after_it_in_its_incarnation_alone() {
        acknowledged(0, sample::event(1, 1)).breaks(check, "behind");
        acknowledged(0, sample::event(2, 3)).breaks(check, "behind");
        acknowledged(1, sample::event(1, 3)).breaks(check, "behind");
        let mut wiped = acknowledged(0, sample::event(1, 3));
        let what = Sight::Wiped { why: "test".to_owned() };
        wiped.outcome.history.insert(1, Seen { at: Mono(0), replica: 0, what });
        wiped.outcome.replicas[0].given_up.push(Journal::default());
        wiped.breaks(check, "behind");
    }
}
