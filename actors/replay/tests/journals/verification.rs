//! Intact journals.

use portreeve_protocol::entry::Restored;
use portreeve_protocol::{RULES_VERSION, Sha256, codec};
use portreeve_replay::{Divergence, FindingKind, Outcome, Progress, verify};

use crate::rig::{Blobs, Rig, newer_line, started};
use crate::{eventful, eventful_since, verified};

#[test]
fn a_journal_written_by_the_machines_comes_out_identical() {
    let report = verified(&eventful());
    assert_eq!(report.first, None);
    assert_eq!(report.outcome(), Outcome::Identical);
    assert_eq!(report.outcome().exit_code(), 0);
    assert_eq!((report.decisions, report.answered, report.unverified), (5, 5, 0));
    assert_eq!((report.incarnations, report.panics, report.gaps), (2, 1, 0));
    assert_eq!(report.torn, None);
}

#[test]
fn a_journal_of_an_older_schema_that_goes_on_in_this_one_comes_out_identical() {
    for older in 1..codec::SCHEMA {
        let rig = eventful_since(Rig::of_schema(older));
        let text = std::str::from_utf8(&rig.journal).unwrap();
        let of = |schema: u32| text.contains(&format!("\"v\":{schema}}}"));
        assert!(of(older) && of(codec::SCHEMA), "{older}");
        let report = verified(&rig);
        assert_eq!((report.outcome(), report.first), (Outcome::Identical, None), "{older}");
        assert_eq!((report.decisions, report.unverified), (5, 0), "{older}");
    }
}

#[test]
fn an_empty_journal_is_identical() {
    let report = verify(std::iter::empty(), &Blobs::default(), &mut |_| {}).unwrap();
    assert_eq!((report.outcome(), report.records), (Outcome::Identical, 0));
}

#[test]
fn progress_ends_with_the_count_of_all_records() {
    let rig = eventful();
    let mut seen: Vec<Progress> = Vec::new();
    let report = verify(rig.lines(), &rig.blobs, &mut |progress| seen.push(progress.clone()));
    assert_eq!(seen.last().unwrap().records, report.unwrap().records);
}

#[test]
fn a_journal_of_other_rules_is_not_a_divergence() {
    let mut old = started(1, Restored::default());
    old.rules = RULES_VERSION + 1;
    let mut rig = Rig::on(Vec::new(), Sha256::ZERO, Blobs::default(), old);
    rig.policies();
    rig.review("u-1", &["quay.io/a/b:1"]);
    let outcome = verified(&rig).outcome();
    let journal = RULES_VERSION + 1;
    assert_eq!(outcome, Outcome::DifferentRules { journal, build: RULES_VERSION });
    assert_eq!(outcome.exit_code(), 3);
}

#[test]
fn a_journal_that_a_newer_build_went_on_with_is_told_apart_from_damage() {
    let mut rig = eventful();
    let records = verified(&rig).records;
    rig.journal.extend_from_slice(&newer_line(rig.prev));
    let report = verified(&rig);
    assert_eq!((report.outcome(), report.records), (Outcome::NewerSchema, records));
    let finding = report.first.unwrap();
    assert_eq!((finding.kind, finding.line), (FindingKind::NewerSchema, records + 1));
    let version = format!("version {} is not known", codec::SCHEMA + 1);
    assert!(finding.text.contains(&version), "{}", finding.text);
}

#[test]
fn deliveries_behind_a_gap_are_counted_as_unverified_until_the_next_start() {
    let mut rig = Rig::new();
    rig.policies();
    rig.gap(3);
    rig.review("u-1", &["quay.io/a/b:1"]);
    let before = verified(&rig);
    assert_eq!((before.outcome(), before.gaps, before.unverified), (Outcome::Identical, 1, 1));
    let mut rig = rig.restart();
    rig.policies();
    assert_eq!(verified(&rig).unverified, 1);
}

#[test]
fn a_gap_that_lost_nothing_hides_nothing() {
    let mut rig = Rig::new();
    rig.policies();
    rig.gap(0);
    rig.review("u-1", &["quay.io/a/b:1"]);
    assert_eq!(verified(&rig).unverified, 0);
}

#[test]
fn a_line_without_its_end_is_a_torn_tail_and_nothing_else() {
    let mut rig = eventful();
    let whole = verified(&rig);
    rig.journal.truncate(rig.journal.len() - 5);
    let report = verified(&rig);
    assert_eq!((report.first.as_ref(), report.records), (None, whole.records - 1));
    assert_eq!(report.torn.unwrap().line, whole.records);
}

#[test]
fn the_journals_page_names_every_finding_and_exit_status() {
    let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/journal.md"));
    let divergence = Divergence {
        decisions: Vec::new(),
        effects: Vec::new(),
        recorded: Sha256::ZERO,
        replayed: Sha256::ZERO,
    };
    for kind in [
        FindingKind::AlteredRecord,
        FindingKind::AnswerMismatch,
        FindingKind::BlobAltered,
        FindingKind::BlobMissing,
        FindingKind::BrokenChain,
        FindingKind::CauseMismatch,
        FindingKind::Divergence(Box::new(divergence)),
        FindingKind::NewerSchema,
        FindingKind::OrderBroken,
        FindingKind::StartMismatch,
        FindingKind::Unparsable,
    ] {
        assert!(page.contains(&format!("`{}`", kind.name())), "{}", kind.name());
    }
    let other = Outcome::DifferentRules { build: 1, journal: 2 };
    for outcome in [Outcome::Identical, Outcome::Differs, Outcome::NewerSchema, other] {
        assert!(page.contains(&format!("| {} | ", outcome.exit_code())), "{outcome:?}");
    }
}
