//! `replay-identity`: the machines, run again on what a journal holds, say the same; and a journal
//! in which a bit was flipped is reported, never passed over.
//!
//! Journals are run again in audited runs only. A flip in a segment that was removed since, in the
//! ordinary course of things, can be seen by nobody.

use std::collections::BTreeSet;

use portreeve_replay::{Outcome, ReplayError, Report};

use super::{Oracle, Run, Violation};
use crate::history::Sight;
use crate::node::Journal;

/// The oracle.
pub const ORACLE: Oracle = Oracle {
    check,
    id: "replay-identity",
    rule: "every journal comes out the same when it is run again, and a flipped bit is reported",
};

fn check(run: &Run<'_>, found: &mut Vec<Violation>) {
    let (flipped, unprovoked) = flips(run);
    found.extend(unprovoked);
    if !run.scenario.audited {
        return;
    }
    for (replica, left) in run.outcome.replicas.iter().enumerate() {
        let mut say = |what: String| {
            found.push(Violation {
                at: run.outcome.took,
                oracle: ORACLE.id,
                replica: Some(replica),
                what,
            });
        };
        let audits = left.given_up.iter().map(Journal::audit);
        for (number, (sound, _)) in audits.map(verdict).enumerate() {
            if sound {
                say(format!("its journal number {number} was given up and is in order"));
            }
        }
        let audit = left.journal.audit();
        let removed = audit.as_ref().is_ok_and(|report| report.removed);
        let (sound, words) = verdict(audit);
        let damaged = flipped.contains(&replica);
        if !sound && !damaged {
            say(words);
        } else if sound && damaged && !removed {
            say("a bit of its journal was flipped, and nobody says so".to_owned());
        }
    }
}

/// The replicas in whose last journals bits were flipped; and where one was given up for nothing.
fn flips(run: &Run<'_>) -> (BTreeSet<usize>, Vec<Violation>) {
    let (mut flipped, mut unprovoked) = (BTreeSet::new(), Vec::new());
    for seen in &run.outcome.history {
        if seen.what == Sight::Flipped {
            flipped.insert(seen.replica);
        }
        if let Sight::Wiped { why } = &seen.what
            && !flipped.remove(&seen.replica)
        {
            unprovoked.push(Violation {
                at: seen.at,
                oracle: ORACLE.id,
                replica: Some(seen.replica),
                what: format!("it could not start from a journal that nothing damaged: {why}"),
            });
        }
    }
    (flipped, unprovoked)
}

/// Whether a journal is in order, and what is wrong with it.
fn verdict(audit: Result<Report, ReplayError>) -> (bool, String) {
    match audit {
        Err(error) => (false, format!("its journal cannot be read: {error}")),
        Ok(report) => match (report.outcome(), &report.first) {
            (Outcome::Identical, _) => (true, String::new()),
            (_, Some(finding)) => {
                let kind = finding.kind.name();
                let (segment, line, text) = (&finding.segment, finding.line, &finding.text);
                (false, format!("its journal, {segment} line {line}: {kind}, {text}"))
            }
            (other, None) => (false, format!("its journal: {other:?}")),
        },
    }
}

#[cfg(test)]
mod tests {
    use portreeve_protocol::Entry;

    use super::*;
    use crate::oracle::sample::{self, Story};

    fn audited() -> Story {
        let mut story = Story::of(crate::Scenario { audited: true, ..sample::scenario() });
        for left in &mut story.outcome.replicas {
            left.journal.write(Entry::Started(sample::started(1).into()));
            left.journal.sync();
            assert!(left.journal.seal().is_ok());
        }
        story
    }

    #[test]
    fn a_journal_that_comes_out_the_same_keeps_replay_identity() -> Result<(), String> {
        let mut story = audited();
        let digest = portreeve_protocol::codec::digest(&sample::scenario().settings);
        let digest = digest.map_err(|error| error.to_string())?;
        for left in &mut story.outcome.replicas {
            left.journal = Journal::default();
            let mut started = sample::started(1);
            started.settings_digest = digest;
            left.journal.write(Entry::Started(started.into()));
            left.journal.seal().map_err(|error| error.to_string())?;
        }
        story.keeps(check);
        Ok(())
    }

    #[test]
    fn whichever_bit_flips_the_audit_says_so() -> Result<(), String> {
        let mut sound = Journal::default();
        sound.write(Entry::Started(sample::started(1).into()));
        for lost in 0..8 {
            let why = "test".to_owned();
            sound.write(Entry::Gap(portreeve_protocol::entry::Gap {
                denied: 0,
                exempt: 0,
                lost,
                why,
            }));
        }
        sound.sync();
        for bit in (0..20_000).step_by(41) {
            let mut journal = sound.clone();
            journal.flip(bit).map_err(|error| error.to_string())?;
            assert!(!verdict(journal.audit()).0, "bit {bit}");
        }
        Ok(())
    }

    #[test]
    fn a_decision_that_does_not_come_out_again_breaks_replay_identity() {
        let mut story = audited();
        let event = sample::event(1, 1);
        let facts = sample::facts("uid", sample::IMAGE);
        let decision = sample::decision(&event, &facts, sample::verified(sample::digest()));
        story.record(5, sample::START, &decision.into());
        for left in &mut story.outcome.replicas {
            assert!(left.journal.seal().is_ok());
        }
        story.breaks(check, "its journal");
    }

    #[test]
    fn a_flipped_bit_that_nobody_planned_breaks_replay_identity() -> Result<(), String> {
        let mut story = audited();
        for left in &mut story.outcome.replicas {
            left.journal.flip(99).map_err(|error| error.to_string())?;
        }
        story.breaks(check, "its journal");
        Ok(())
    }

    #[test]
    fn a_start_that_fails_for_no_reason_breaks_replay_identity() {
        let mut story = Story::new();
        story.see(9, Sight::Wiped { why: "test".to_owned() });
        story.breaks(check, "that nothing damaged");
    }
}
