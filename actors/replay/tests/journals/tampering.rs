//! Journals that were rewritten by someone who knows the format: every line has its right hash.

use std::sync::Arc;

use portreeve_protocol::entry::{Answered, Delivered, Panicked};
use portreeve_protocol::messages::admission::AdmissionInput;
use portreeve_protocol::messages::notary::{NotaryInput, VerifierRefused};
use portreeve_protocol::messages::verify::VerifyInput;
use portreeve_protocol::{Cause, Denial, DenyCode, Entry, Input, Outside, Sha256, codec};
use portreeve_replay::{Finding, FindingKind, Outcome, ReplayError, split, verify};

use crate::eventful;
use crate::rig::{Rig, SEGMENT};

/// Rewrites the journal of `rig`: `change` may change an entry or drop it (`None`), given its line.
fn forge(rig: &Rig, mut change: impl FnMut(u64, Entry) -> Option<Entry>) -> Vec<u8> {
    let mut journal = Vec::new();
    let mut prev = Sha256::ZERO;
    for line in rig.lines() {
        let line = line.unwrap();
        let (record, _) = codec::read_line(line.bytes.strip_suffix(b"\n").unwrap()).unwrap();
        if let Some(entry) = change(line.number, record.entry) {
            prev = codec::write_line(&entry, prev, &mut journal).unwrap();
        }
    }
    journal
}

fn finding(rig: &Rig, journal: &[u8]) -> Finding {
    let report = verify(split(SEGMENT, journal), &rig.blobs, &mut |_| {}).unwrap();
    assert_eq!(report.outcome(), Outcome::Differs);
    report.first.unwrap()
}

/// Changes the first delivery that `wanted` takes; gives the journal and the line.
fn change_first(
    rig: &Rig,
    wanted: impl Fn(&Delivered) -> bool,
    change: impl Fn(&mut Delivered),
) -> (Vec<u8>, u64) {
    let mut at = None;
    let journal = forge(rig, |line, mut entry| {
        if let (Entry::Delivered(delivered), None) = (&mut entry, at)
            && wanted(delivered)
        {
            change(delivered);
            at = Some(line);
        }
        Some(entry)
    });
    (journal, at.expect("such a delivery"))
}

fn is_denial(delivered: &Delivered) -> bool {
    delivered.decisions.iter().any(|decision| !decision.allowed)
}

fn by_effect(delivered: &Delivered) -> bool {
    matches!(delivered.cause, Cause::Effect { .. })
}

#[test]
fn a_denial_rewritten_into_an_allow_is_a_divergence_with_its_causal_path() {
    let rig = eventful();
    let (journal, at) = change_first(&rig, is_denial, |delivered| {
        let decision = Arc::make_mut(&mut delivered.decisions[0]);
        decision.allowed = true;
        decision.denial = None;
    });
    let found = finding(&rig, &journal);
    let FindingKind::Divergence(divergence) = &found.kind else { panic!("{found:?}") };
    assert_eq!(found.line, at);
    assert!(found.text.contains("decision/allowed was true and is now false"), "{}", found.text);
    assert_eq!(divergence.decisions.len(), 1);
    assert_eq!(found.path.first().unwrap().input, "admission review");
    assert_eq!(found.path.last().unwrap().event, found.event.unwrap());
}

#[test]
fn other_effects_are_a_divergence_even_if_the_decisions_are_the_same() {
    let rig = eventful();
    let (journal, at) = change_first(&rig, by_effect, |it| it.effects = Sha256::of(b"other"));
    let found = finding(&rig, &journal);
    assert!(matches!(found.kind, FindingKind::Divergence(_)), "{found:?}");
    assert_eq!(found.line, at);
}

#[test]
fn a_message_from_nowhere_is_a_cause_mismatch() {
    let rig = eventful();
    let (journal, at) = change_first(&rig, by_effect, |delivered| {
        delivered.cause = Cause::Outside(Outside::Host);
        delivered.root = delivered.event.clone();
    });
    let found = finding(&rig, &journal);
    assert_eq!((found.line, &found.kind), (at, &FindingKind::CauseMismatch));
}

#[test]
fn an_effect_that_was_not_emitted_causes_nothing() {
    let rig = eventful();
    let (journal, at) = change_first(&rig, by_effect, |delivered| {
        if let Cause::Effect { index, .. } = &mut delivered.cause {
            *index += 100;
        }
    });
    let found = finding(&rig, &journal);
    assert_eq!((found.line, &found.kind), (at, &FindingKind::CauseMismatch));
    assert!(found.text.contains("is not outstanding"), "{}", found.text);
}

#[test]
fn a_message_other_than_the_one_sent_is_a_cause_mismatch() {
    let rig = eventful();
    let policies =
        |it: &Delivered| matches!(*it.input, Input::Admission(AdmissionInput::Policies(_)));
    let (journal, at) = change_first(&rig, policies, |delivered| {
        let input = Arc::make_mut(&mut delivered.input);
        if let Input::Admission(AdmissionInput::Policies(snapshot)) = input {
            Arc::make_mut(snapshot).namespaces.clear();
        }
    });
    let found = finding(&rig, &journal);
    assert_eq!((found.line, &found.kind), (at, &FindingKind::CauseMismatch));
    assert!(found.text.contains("another message"), "{}", found.text);
}

#[test]
fn a_chain_keeps_its_root() {
    let rig = eventful();
    let (journal, at) = change_first(&rig, by_effect, |it| it.root = it.event.clone());
    let found = finding(&rig, &journal);
    assert_eq!((found.line, &found.kind), (at, &FindingKind::CauseMismatch));
    assert!(!found.path.is_empty());
}

#[test]
fn lamport_time_rises_along_every_cause() {
    let rig = eventful();
    let (journal, at) = change_first(&rig, by_effect, |it| it.lamport = 0);
    let found = finding(&rig, &journal);
    assert_eq!((found.line, &found.kind), (at, &FindingKind::OrderBroken));
}

#[test]
fn a_delivery_left_out_of_a_rehashed_journal_is_missed() {
    let rig = eventful();
    let mut dropped = None;
    let journal = forge(&rig, |line, entry| {
        let review = matches!(&entry, Entry::Delivered(it)
            if matches!(*it.input, Input::Admission(AdmissionInput::Review(_))));
        if review && dropped.is_none() {
            dropped = Some(line);
            return None;
        }
        Some(entry)
    });
    let found = finding(&rig, &journal);
    assert!(
        matches!(found.kind, FindingKind::OrderBroken | FindingKind::CauseMismatch),
        "{found:?}"
    );
    assert_eq!(Some(found.line), dropped);
}

#[test]
fn an_answer_that_was_not_decided_is_reported() {
    let rig = eventful();
    let mut at = None;
    let journal = forge(&rig, |line, mut entry| {
        if let (Entry::Answered(answered), None) = (&mut entry, at)
            && let Some(denied) = answered.iter_mut().find(|one| !one.allowed)
        {
            at = Some(line);
            (denied.allowed, denied.code) = (true, None);
        }
        Some(entry)
    });
    let found = finding(&rig, &journal);
    assert_eq!((Some(found.line), found.kind), (at, FindingKind::AnswerMismatch));
}

#[test]
fn a_denial_by_the_host_in_place_of_the_decision_is_no_mismatch() {
    let rig = eventful();
    let journal = forge(&rig, |_, mut entry| {
        if let Entry::Answered(answered) = &mut entry {
            let code = Some(DenyCode::JournalUnavailable);
            answered.iter_mut().for_each(|one| (one.allowed, one.code) = (false, code));
        }
        Some(entry)
    });
    let report = verify(split(SEGMENT, &journal), &rig.blobs, &mut |_| {}).unwrap();
    assert_eq!(report.first, None);
}

/// The finding in a journal that tells of one more answer, made of a recorded denial.
fn with_another_answer(make: impl Fn(&mut Answered)) -> (Option<u64>, Finding) {
    let rig = eventful();
    let mut at = None;
    let journal = forge(&rig, |line, mut entry| {
        if let (Entry::Answered(answered), None) = (&mut entry, at)
            && let Some(mut denied) = answered.iter().find(|one| !one.allowed).cloned()
        {
            at = Some(line);
            make(&mut denied);
            answered.push(denied);
        }
        Some(entry)
    });
    (at, finding(&rig, &journal))
}

#[test]
fn a_denial_that_nobody_decided_is_reported() {
    let (at, found) = with_another_answer(|_| ());
    assert_eq!((Some(found.line), found.kind), (at, FindingKind::AnswerMismatch));
    assert!(found.text.contains("sent as deny"), "{}", found.text);
}

#[test]
fn a_denial_by_the_host_of_a_review_that_never_came_is_reported() {
    let (at, found) = with_another_answer(|denied| {
        denied.code = Some(DenyCode::JournalUnavailable);
        denied.review.seq += 1_000;
    });
    assert_eq!((Some(found.line), found.kind), (at, FindingKind::AnswerMismatch));
}

#[test]
fn trust_that_no_record_justifies_cannot_be_restored() {
    let rig = eventful();
    let mut starts = 0;
    let mut at = 0;
    let journal = forge(&rig, |line, mut entry| {
        if let Entry::Started(started) = &mut entry {
            starts += 1;
            if starts == 2 {
                at = line;
                Arc::make_mut(started).restored.trust.clear();
            }
        }
        Some(entry)
    });
    let found = finding(&rig, &journal);
    assert_eq!((found.line, found.kind), (at, FindingKind::StartMismatch));
}

#[test]
fn a_journal_begins_with_a_start() {
    let rig = eventful();
    let journal = forge(&rig, |line, entry| (line > 1).then_some(entry));
    let found = finding(&rig, &journal);
    assert_eq!((found.line, found.kind), (1, FindingKind::OrderBroken));
}

#[test]
fn lines_removed_or_exchanged_without_new_hashes_break_the_chain() {
    let rig = eventful();
    let lines: Vec<&[u8]> = rig.journal.split_inclusive(|byte| *byte == b'\n').collect();
    let mut removed = lines.clone();
    removed.remove(4);
    let mut exchanged = lines.clone();
    exchanged.swap(4, 5);
    for lines in [removed, exchanged] {
        let found = finding(&rig, &lines.concat());
        assert_eq!((found.line, found.kind), (5, FindingKind::BrokenChain));
    }
}

#[test]
fn a_blob_that_is_missing_or_altered_is_reported_at_the_record_that_names_it() {
    let rig = eventful();
    let digest = *rig.blobs.0.borrow().keys().next().unwrap();
    rig.blobs.0.borrow_mut().insert(digest, Arc::from(&b"forged"[..]));
    let altered = finding(&rig, &rig.journal);
    assert_eq!(altered.kind, FindingKind::BlobAltered);
    rig.blobs.0.borrow_mut().remove(&digest);
    let missing = finding(&rig, &rig.journal);
    assert_eq!((missing.line, missing.kind), (altered.line, FindingKind::BlobMissing));
    assert!(missing.text.contains(&digest.to_hex()));
}

#[test]
fn lines_that_cannot_be_read_end_the_verification() {
    let rig = eventful();
    let error = ReplayError::Read { segment: SEGMENT.to_owned(), why: "I/O error".to_owned() };
    let lines = rig.lines().take(3).chain([Err(error.clone())]);
    assert_eq!(verify(lines, &rig.blobs, &mut |_| {}), Err(error));
}

/// The journal of [`eventful`] in which a verifier panicked on its first request; what follows is
/// `after`, given the request's cause.
fn with_panicked_verifier(rig: &Rig, after: impl Fn(&Delivered) -> Entry) -> (Vec<u8>, u64) {
    let mut at = 0;
    let mut journal = forge(rig, |line, entry| {
        if at != 0 {
            return None;
        }
        if let Entry::Delivered(it) = &entry
            && matches!(*it.input, Input::Verify(_))
        {
            at = line;
            let Delivered { cause, event, input, now, root, .. } = it.clone();
            return Some(Entry::Panicked(Panicked { cause, event, input, now, root }));
        }
        Some(entry)
    });
    let line = rig.lines().nth(at as usize - 1).unwrap().unwrap();
    let (record, _) = codec::read_line(line.bytes.strip_suffix(b"\n").unwrap()).unwrap();
    let Entry::Delivered(delivered) = record.entry else { panic!("the request") };
    let last = journal.split_inclusive(|byte| *byte == b'\n').next_back().unwrap();
    let (_, prev) = codec::read_line(last.strip_suffix(b"\n").unwrap()).unwrap();
    codec::write_line(&after(&delivered), prev, &mut journal).unwrap();
    (journal, at)
}

#[test]
fn a_request_on_which_a_verifier_panicked_is_not_delivered_again() {
    let rig = eventful();
    let (journal, at) = with_panicked_verifier(&rig, |request| {
        let mut event = request.event.clone();
        event.seq += 1;
        Entry::Delivered(Delivered { event, ..request.clone() })
    });
    let found = finding(&rig, &journal);
    assert_eq!((found.line, &found.kind), (at + 1, &FindingKind::CauseMismatch));
    assert!(found.text.contains("panicked on what it sent"), "{}", found.text);
}

#[test]
fn a_request_on_which_a_verifier_panicked_may_be_refused_to_the_fetcher() {
    let rig = eventful();
    let (journal, at) = with_panicked_verifier(&rig, |request| {
        let Input::Verify(VerifyInput::Verify(asked)) = &*request.input else { panic!("asked") };
        let Cause::Effect { event, .. } = &request.cause else { panic!("caused by an effect") };
        let mut event = event.clone();
        event.seq += 1;
        let refused = NotaryInput::VerifierRefused(VerifierRefused {
            flight: asked.flight,
            gun: asked.gun.clone(),
            why: Denial::new(DenyCode::Internal, "the verifier failed"),
        });
        let input = Arc::new(Input::Notary(refused));
        Entry::Delivered(Delivered { event, input, ..request.clone() })
    });
    // The cause holds: what differs is only the digest of effects, which this test cannot know.
    let found = finding(&rig, &journal);
    assert!(matches!(found.kind, FindingKind::Divergence(_)), "{found:?}");
    assert_eq!(found.line, at + 1);
}
