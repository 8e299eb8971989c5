//! Rules of the journal gate: an answer leaves once, and an allow only with its record.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use portreeve_machines::JournalGate;
use portreeve_protocol::entry::{Gap, Restored, Started};
use portreeve_protocol::messages::journal::{
    Appended, Gated, JournalEffect, JournalInput, WriteFailed,
};
use portreeve_protocol::{
    ActorId, Delivery, DenyCode, EventId, Machine, Now, Outbox, Settings, Sha256, Wall,
};

struct Bench(JournalGate);

fn event(actor: ActorId, seq: u64) -> EventId {
    EventId { node: "n".parse().unwrap(), incarnation: 1, actor, seq }
}

impl Bench {
    fn new() -> Self {
        Self(JournalGate::new(&Started {
            build: "test".to_owned(),
            incarnation: 1,
            jitter_seed: 0,
            node: "n".parse().unwrap(),
            restored: Restored::default(),
            rules: portreeve_protocol::RULES_VERSION,
            settings: Settings::default(),
            settings_digest: Sha256::ZERO,
            wall: Wall(0),
        }))
    }

    fn handle(&mut self, input: &JournalInput) -> Vec<JournalEffect> {
        let event = event(ActorId::Journal, 1);
        let delivery = Delivery { root: event.clone(), event, now: Now::default() };
        let mut out = Outbox::default();
        self.0.handle(&delivery, input, &mut out);
        out.into_effects()
    }

    fn append(&mut self, answers: &[(u64, bool, bool)]) -> Vec<JournalEffect> {
        let gate = |(seq, allowed, exempt): &(u64, bool, bool)| Gated {
            allowed: *allowed,
            exempt: *exempt,
            review: event(ActorId::Admission, *seq),
        };
        let answers = answers.iter().map(gate).collect();
        self.handle(&JournalInput::Appended(Appended { answers }))
    }

    fn fail(&mut self, lost: u64) -> Vec<JournalEffect> {
        let why = "No space left on device".to_owned();
        self.handle(&JournalInput::WriteFailed(WriteFailed { lost, why }))
    }
}

/// Released reviews by sequence, each with the code of the denial put in its place.
fn released(effects: &[JournalEffect]) -> Vec<(u64, Option<DenyCode>)> {
    let release = |effect: &JournalEffect| match effect {
        JournalEffect::Release(release) => {
            Some((release.review.seq, release.instead.as_ref().map(|denial| denial.code)))
        }
        JournalEffect::Note(_) | JournalEffect::RecordGap(_) => None,
    };
    effects.iter().filter_map(release).collect()
}

fn facts(effects: &[JournalEffect]) -> Vec<&'static str> {
    let name = |effect: &JournalEffect| match effect {
        JournalEffect::Note(fact) => Some(fact.name()),
        JournalEffect::Release(_) | JournalEffect::RecordGap(_) => None,
    };
    effects.iter().filter_map(name).collect()
}

const UNRECORDED: Option<DenyCode> = Some(DenyCode::JournalUnavailable);

#[test]
fn an_answer_waits_for_its_record_and_leaves_once_in_order() {
    let mut bench = Bench::new();
    assert_eq!(bench.append(&[(7, true, false)]), []);
    assert_eq!(bench.append(&[]), []);
    assert_eq!(bench.append(&[(3, false, false), (9, true, true)]), []);
    assert_eq!(released(&bench.handle(&JournalInput::Synced)), [(7, None), (3, None), (9, None)]);
    assert_eq!(bench.handle(&JournalInput::Synced), []);
}

#[test]
fn an_allow_whose_record_is_lost_leaves_as_a_denial() {
    let mut bench = Bench::new();
    bench.append(&[(1, true, false), (2, false, false), (3, true, true)]);
    let effects = bench.fail(2);
    assert_eq!(released(&effects), [(1, UNRECORDED), (2, None), (3, None)]);
    assert_eq!(facts(&effects), ["journal-degraded"]);
    assert_eq!(bench.handle(&JournalInput::Synced), [], "nothing leaves twice");
}

#[test]
fn while_the_journal_is_degraded_answers_leave_at_once_and_are_counted() {
    let mut bench = Bench::new();
    bench.append(&[(1, true, false)]);
    bench.fail(1);
    assert_eq!(released(&bench.append(&[(2, true, false)])), [(2, UNRECORDED)]);
    assert_eq!(released(&bench.append(&[(3, true, true)])), [(3, None)]);
    assert_eq!(released(&bench.append(&[(4, false, false)])), [(4, None)]);
    let effects = bench.handle(&JournalInput::WriteRestored);
    let why = "No space left on device".to_owned();
    let gap = Gap { denied: 2, exempt: 1, lost: 4, why };
    assert_eq!(effects[0], JournalEffect::RecordGap(gap), "the gap is written first");
    assert_eq!(facts(&effects), ["journal-restored"]);
}

#[test]
fn a_restored_journal_gates_again_and_counts_afresh() {
    let mut bench = Bench::new();
    bench.fail(0);
    bench.handle(&JournalInput::WriteRestored);
    assert_eq!(bench.append(&[(1, true, false)]), []);
    assert_eq!(released(&bench.handle(&JournalInput::Synced)), [(1, None)]);
    bench.fail(5);
    let effects = bench.handle(&JournalInput::WriteRestored);
    let JournalEffect::RecordGap(gap) = &effects[0] else { panic!("{effects:?}") };
    assert_eq!((gap.denied, gap.lost), (0, 5));
}

#[test]
fn a_second_failure_adds_to_the_loss_and_is_not_announced_again() {
    let mut bench = Bench::new();
    bench.fail(1);
    assert_eq!(bench.fail(2), []);
    let effects = bench.handle(&JournalInput::WriteRestored);
    let JournalEffect::RecordGap(gap) = &effects[0] else { panic!("{effects:?}") };
    assert_eq!(gap.lost, 3);
}

#[test]
fn a_second_answer_to_a_waiting_review_is_noted_and_does_not_leave() {
    let mut bench = Bench::new();
    bench.append(&[(1, false, false)]);
    assert_eq!(facts(&bench.append(&[(1, true, false)])), ["unexpected"]);
    assert_eq!(released(&bench.handle(&JournalInput::Synced)), [(1, None)]);
}

#[test]
fn word_of_restoration_without_a_failure_is_noted() {
    assert_eq!(facts(&Bench::new().handle(&JournalInput::WriteRestored)), ["unexpected"]);
}

#[cfg(feature = "planted-bugs")]
#[test]
fn each_planted_bug_breaks_the_test_of_its_rule() {
    use portreeve_protocol::planted::{Bug, Seat, breaks};
    let broken: [(Bug, fn()); 8] = [
        (Bug::AnswerBeforeDurable, an_answer_waits_for_its_record_and_leaves_once_in_order),
        (Bug::DegradedAllows, an_allow_whose_record_is_lost_leaves_as_a_denial),
        (Bug::ExemptTooWide, an_allow_whose_record_is_lost_leaves_as_a_denial),
        (Bug::FirstAnswerOnly, an_answer_waits_for_its_record_and_leaves_once_in_order),
        (Bug::GapNotRecorded, while_the_journal_is_degraded_answers_leave_at_once_and_are_counted),
        (Bug::LossNotCounted, while_the_journal_is_degraded_answers_leave_at_once_and_are_counted),
        (Bug::ReleasedBackwards, an_answer_waits_for_its_record_and_leaves_once_in_order),
        (Bug::WaitingOutliveFailure, an_allow_whose_record_is_lost_leaves_as_a_denial),
    ];
    for (bug, test) in broken {
        assert!(breaks(bug, test), "{} breaks nothing", bug.id());
    }
    let all = Bug::ALL.iter().copied().filter(|bug| bug.machine() == Seat::Journal);
    assert_eq!(broken.map(|(bug, _)| bug).to_vec(), all.collect::<Vec<_>>());
}
