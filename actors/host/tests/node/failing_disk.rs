//! What cannot be recorded is not allowed, and the journal says what it lost.

use std::sync::atomic::Ordering;

use portreeve_protocol::{DenyCode, Entry};

use crate::stage::{Stage, code, review};

fn answers_without_a_disk(stage: &Stage) {
    let node = stage.start();
    assert!(stage.review(&node, "allow").decision.allowed);
    stage.disk.broken.store(true, Ordering::SeqCst);
    let refused = stage.review(&node, "allow");
    assert_eq!(code(&refused), Some(DenyCode::JournalUnavailable));
    assert_eq!((refused.record, refused.decision.verdicts.len()), (None, 1));
    assert!(!node.health().journal_writable && !node.health().ready());
    let denied = stage.review(&node, "deny");
    assert_eq!((code(&denied), denied.record), (Some(DenyCode::NoPolicy), None));
    let exempt = stage.review(&node, "exempt");
    assert_eq!((code(&exempt), exempt.record), (None, None));
    stage.disk.broken.store(false, Ordering::SeqCst);
    stage.eventually("records are written again", || node.health().journal_writable.then_some(()));
    let allowed = stage.review(&node, "allow");
    assert!(allowed.decision.allowed);
    assert!(stage.disk.holds(&allowed.record.unwrap().to_hex()));
    stage.stop(node);
}

#[test]
fn an_allow_that_cannot_be_written_is_denied_and_counted_in_a_gap() {
    let stage = Stage::new();
    answers_without_a_disk(&stage);
    let entries = stage.entries();
    let gaps: Vec<_> = entries
        .iter()
        .filter_map(|entry| if let Entry::Gap(gap) = entry { Some(gap) } else { None })
        .collect();
    let [gap] = gaps.as_slice() else { panic!("{gaps:?}") };
    assert_eq!((gap.denied, gap.exempt, gap.lost), (1, 1, 3));
    assert!(gap.why.contains("the disk is full"), "{}", gap.why);
}

#[test]
fn after_an_error_the_chain_goes_on_in_a_fresh_segment() {
    let stage = Stage::new();
    answers_without_a_disk(&stage);
    assert!(stage.segment(2).exists());
    let first = std::fs::read(stage.segment(1)).unwrap();
    assert_eq!(first.last(), Some(&b'\n'), "what was half written is gone");
    let delivered = |entry: &Entry| matches!(entry, Entry::Delivered(_));
    assert_eq!(stage.entries().iter().filter(|entry| delivered(entry)).count(), 2);
}

#[test]
fn an_allow_whose_sync_fails_is_denied_and_its_record_is_gone() {
    let stage = Stage::new();
    let node = stage.start();
    stage.disk.sync_broken.store(true, Ordering::SeqCst);
    assert_eq!(code(&stage.review(&node, "allow")), Some(DenyCode::JournalUnavailable));
    stage.disk.sync_broken.store(false, Ordering::SeqCst);
    stage.eventually("records are written again", || node.health().journal_writable.then_some(()));
    stage.stop(node);
    let entries = stage.entries();
    assert!(!entries.iter().any(|entry| matches!(entry, Entry::Delivered(_))), "{entries:?}");
    assert!(matches!(&entries[..], [Entry::Started(_), Entry::Gap(gap)] if gap.lost == 1));
}

#[test]
fn a_segment_that_somebody_deletes_is_noticed_before_anything_more_is_allowed() {
    let stage = Stage::new();
    let node = stage.start();
    assert!(stage.review(&node, "allow").decision.allowed);
    std::fs::remove_file(stage.segment(1)).unwrap();
    assert_eq!(code(&stage.review(&node, "allow")), Some(DenyCode::JournalUnavailable));
    stage.eventually("records are written again", || node.health().journal_writable.then_some(()));
    let allowed = stage.review(&node, "allow");
    assert!(allowed.decision.allowed);
    stage.stop(node);
    let kept = std::fs::read_to_string(stage.segment(2)).unwrap();
    assert!(kept.contains("the segment was deleted"), "the gap says why");
    assert!(kept.contains(&allowed.record.unwrap().to_hex()));
}

#[test]
fn while_the_disk_hangs_denials_and_exempt_answers_leave_and_allows_are_denied() {
    let stage = Stage::new();
    let node = stage.start();
    stage.disk.stuck.store(true, Ordering::SeqCst);
    let reviews = ["allow", "exempt", "deny"].map(|name| {
        let node = node.clone();
        stage.runtime.spawn(async move { node.review(review(name)).await })
    });
    let answers = reviews.map(|review| stage.runtime.block_on(review).unwrap());
    let codes = answers.each_ref().map(code);
    assert_eq!(codes, [Some(DenyCode::JournalUnavailable), None, Some(DenyCode::NoPolicy)]);
    assert!(answers.iter().all(|answer| answer.record.is_none()));
    assert!(!node.health().journal_writable);
    stage.disk.stuck.store(false, Ordering::SeqCst);
    stage.eventually("the journal goes on", || node.health().journal_writable.then_some(()));
    assert!(stage.review(&node, "allow").record.is_some());
    stage.stop(node);
    assert_eq!(stage.records().len(), 5);
}

#[test]
fn a_document_that_cannot_be_stored_denies_what_rests_on_it() {
    let stage = Stage::new();
    let node = stage.start();
    stage.disk.broken.store(true, Ordering::SeqCst);
    let answer = stage.review(&node, "resolve https://n.example some/gun");
    // A denial leaves as it was decided; it is not recorded.
    assert_eq!((code(&answer), answer.record), (Some(DenyCode::Signature), None));
    assert!(!node.health().journal_writable);
    stage.disk.broken.store(false, Ordering::SeqCst);
    stage.eventually("records are written again", || node.health().journal_writable.then_some(()));
    stage.stop(node);
    let lost = stage
        .entries()
        .into_iter()
        .find_map(|entry| if let Entry::Gap(gap) = entry { Some(gap.lost) } else { None });
    assert!(lost.is_some_and(|lost| lost >= 1), "{lost:?}");
}
