//! What is decided while trust servers change, fail or lie, disks are full and replicas crash: the
//! same whatever the seed, and every journal replays.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use portreeve_protocol::messages::admission::Operation;
use portreeve_protocol::{Admitted, DenyCode, Entry, Verdict};
use portreeve_replay::Report;
use portreeve_simulations::fault::{Crash, DiskFull, Fault, ServerDown};
use portreeve_simulations::scenario::{Change, PlannedReview, Publication, SignedTag};
use portreeve_simulations::scripted::{SERVER, image};
use portreeve_simulations::{Outcome, Scenario, run, scripted};

const SECOND: u64 = 1_000_000;
const WEB: &str = "registry.example/shop/web";
const ALLOWED: Option<DenyCode> = None;

/// The scripted cluster without its reviews and faults; and for each `(second, uid, tag)` a review
/// of a Deployment with the image `registry.example/shop/web:tag`.
fn cluster(reviews: &[(u64, &str, &str)]) -> Scenario {
    let template = scripted().reviews.remove(0);
    let plan = |(second, uid, tag): &(u64, &str, &str)| {
        let mut facts = template.facts.clone();
        facts.uid = (*uid).to_owned();
        facts.images[0].image = format!("{WEB}:{tag}").into();
        PlannedReview::once(second * SECOND, 10_000, facts)
    };
    Scenario { faults: Vec::new(), reviews: reviews.iter().map(plan).collect(), ..scripted() }
}

fn crash(at: u64, back: u64) -> Fault {
    Crash { at, back, replica: 0 }.into()
}

fn change(second: u64, what: Publication) -> Change {
    Change { at: second * SECOND, server: SERVER.to_owned(), what }
}

fn sign(tag: &str) -> Publication {
    let (gun, signers) = (WEB.to_owned(), vec!["alice".to_owned()]);
    let digest = image(WEB, tag);
    Publication::Sign { gun, tag: SignedTag { digest, length: 7, signers, tag: tag.to_owned() } }
}

fn replay(outcome: &Outcome) -> Report {
    outcome.replicas[0].journal.audit().unwrap()
}

/// Runs the scenario with several seeds and holds what was answered against `expected`.
fn decides(scenario: &Scenario, expected: &[(&str, Option<DenyCode>)]) -> Outcome {
    let mut last = None;
    for seed in 1..=4 {
        let outcome = run(scenario, seed).unwrap();
        let mut decided: Vec<_> = outcome.answers.values().collect();
        decided.sort_by_key(|answer| answer.at);
        let decided: Vec<_> = decided
            .iter()
            .map(|answer| (answer.decision.uid.as_str(), answer.summary().code))
            .collect();
        let trace = outcome.trace.lines().join("\n");
        assert_eq!(decided, expected, "seed {seed}\n{trace}");
        assert_eq!(replay(&outcome).first, None, "seed {seed}");
        last = Some(outcome);
    }
    let last = last.unwrap();
    assert_eq!(last, run(scenario, 4).unwrap(), "the same seed is the same run");
    last
}

fn gun() -> String {
    WEB.to_owned()
}

#[test]
fn a_tag_signed_after_a_denial_is_admitted_without_delay() {
    let mut scenario = cluster(&[(1, "before", "2.0"), (3, "after", "2.0")]);
    scenario.changes.push(change(2, sign("2.0")));
    decides(&scenario, &[("before", Some(DenyCode::TagNotSigned)), ("after", ALLOWED)]);
}

#[test]
fn a_repository_signed_after_a_denial_is_admitted_without_delay() {
    let mut scenario = cluster(&[(1, "before", "1.0"), (3, "after", "1.0")]);
    let plan = scenario.servers[0].collections.remove(0);
    assert_eq!(plan.gun, WEB);
    scenario.changes.push(change(2, Publication::Publish(plan)));
    decides(&scenario, &[("before", Some(DenyCode::NotSigned)), ("after", ALLOWED)]);
}

#[test]
fn a_removed_tag_is_admitted_no_longer_than_trust_data_is_fresh() {
    let mut scenario = cluster(&[(1, "signed", "1.0"), (3, "fresh", "1.0"), (40, "old", "1.0")]);
    let tag = "1.0".to_owned();
    scenario.changes.push(change(2, Publication::Remove { gun: gun(), tag }));
    let denied = Some(DenyCode::TagNotSigned);
    decides(&scenario, &[("signed", ALLOWED), ("fresh", ALLOWED), ("old", denied)]);
}

#[test]
fn rotated_keys_are_followed_step_by_step() {
    let mut scenario = cluster(&[(1, "first", "1.0"), (40, "second", "1.0")]);
    scenario.changes.push(change(2, Publication::RotateRoot { gun: gun() }));
    scenario.changes.push(change(3, Publication::RotateTimestamp { gun: gun() }));
    scenario.changes.push(change(4, Publication::RotateRoot { gun: gun() }));
    let outcome = decides(&scenario, &[("first", ALLOWED), ("second", ALLOWED)]);
    assert_eq!(outcome.facts["root-rotated"], 1);
    let evidence = match &outcome.answers["second"].decision.verdicts[0].verdict {
        Verdict::Allowed(Admitted::Verified(verified)) => &verified.evidence,
        Verdict::Allowed(_) | Verdict::Denied(_) => panic!("not verified"),
    };
    assert_eq!(evidence.roles["root"].version, 4);
}

#[test]
fn trust_data_that_goes_back_is_refused_and_so_it_is_after_a_restart() {
    let mut scenario = cluster(&[(1, "first", "1.0"), (3, "newer", "2.0"), (40, "back", "1.0")]);
    scenario.changes.push(change(2, sign("2.0")));
    scenario.changes.push(change(4, Publication::Rollback { gun: gun() }));
    let expected = [("first", ALLOWED), ("newer", ALLOWED), ("back", Some(DenyCode::Rollback))];
    decides(&scenario, &expected);
    scenario.faults.push(crash(20 * SECOND, 21 * SECOND));
    decides(&scenario, &expected);
}

#[test]
fn another_root_is_refused_once_one_is_trusted_and_so_it_is_after_a_restart() {
    let mut scenario = cluster(&[(1, "first", "1.0"), (40, "other", "1.0")]);
    let mut impostor = scenario.servers[0].collections[0].clone();
    assert_eq!(impostor.gun, WEB);
    impostor.keys = 2;
    scenario.changes.push(change(2, Publication::Publish(impostor)));
    let code = run(&scenario, 1).unwrap().decisions()["other"].code.unwrap();
    assert_eq!(code.class(), portreeve_protocol::DenyClass::Trust);
    let expected = [("first", ALLOWED), ("other", Some(code))];
    decides(&scenario, &expected);
    scenario.faults.push(crash(20 * SECOND, 21 * SECOND));
    decides(&scenario, &expected);
}

#[test]
fn a_collection_that_is_withdrawn_does_not_become_unsigned() {
    let mut scenario = cluster(&[(1, "first", "1.0"), (40, "gone", "1.0"), (50, "again", "1.0")]);
    scenario.changes.push(change(2, Publication::Withdraw { gun: gun() }));
    scenario.changes.push(change(45, Publication::Rollback { gun: gun() }));
    let gone = Some(DenyCode::MissingDocument);
    decides(&scenario, &[("first", ALLOWED), ("gone", gone), ("again", ALLOWED)]);
}

#[test]
fn a_server_that_is_down_is_named_and_used_again_when_it_is_back() {
    let reviews = [
        (1, "first", "1.0"),
        (10, "fresh", "1.0"),
        (12, "other-tag", "3.0"),
        (40, "stale", "1.0"),
        (50, "back", "1.0"),
    ];
    let mut scenario = cluster(&reviews);
    let (from, until) = (5 * SECOND, Some(45 * SECOND));
    scenario.faults.push(ServerDown { from, server: SERVER.to_owned(), until }.into());
    let down = Some(DenyCode::Unreachable);
    let expected = [
        ("first", ALLOWED),
        ("fresh", ALLOWED),
        ("other-tag", down),
        ("stale", down),
        ("back", ALLOWED),
    ];
    let outcome = decides(&scenario, &expected);
    let message = &outcome.answers["stale"].decision.message;
    assert!(message.contains(SERVER), "{message}");
}

#[test]
fn what_cannot_be_recorded_is_not_allowed_but_deletions_are() {
    let mut scenario = cluster(&[
        (1, "before", "1.0"),
        (10, "unrecorded", "1.0"),
        (11, "denied", "9.9"),
        (12, "deleted", "1.0"),
        (30, "after", "1.0"),
    ]);
    let deleted = &mut scenario.reviews[3].facts;
    (deleted.operation, deleted.images) = (Operation::Delete, Vec::new());
    scenario.faults.push(DiskFull { from: 5 * SECOND, replica: 0, until: 20 * SECOND }.into());
    let expected = [
        ("before", ALLOWED),
        ("unrecorded", Some(DenyCode::JournalUnavailable)),
        ("denied", Some(DenyCode::TagNotSigned)),
        ("deleted", ALLOWED),
        ("after", ALLOWED),
    ];
    let outcome = decides(&scenario, &expected);
    assert_eq!(outcome.facts["journal-degraded"], 1);
    let report = replay(&outcome);
    // What comes behind the gap can be run again: a checkpoint follows it.
    assert_eq!((report.gaps, report.decisions), (1, 2));
    let gaps: Vec<_> = entries(&outcome)
        .into_iter()
        .filter_map(|entry| match entry {
            Entry::Gap(gap) => Some((gap.denied, gap.exempt)),
            Entry::Answered(_)
            | Entry::Checkpoint(_)
            | Entry::Delivered(_)
            | Entry::Panicked(_)
            | Entry::Started(_) => None,
        })
        .collect();
    assert_eq!(gaps, [(1, 1)]);
}

fn entries(outcome: &Outcome) -> Vec<Entry> {
    outcome.replicas[0].journal.entries().cloned().collect()
}

#[test]
fn every_answered_allow_is_in_the_journal_whenever_the_replica_is_killed() {
    let reviews: Vec<_> = (0..20).map(|index| (1, format!("r{index}"), "1.0")).collect();
    let reviews: Vec<_> =
        reviews.iter().map(|(second, uid, tag)| (*second, uid.as_str(), *tag)).collect();
    let mut scenario = cluster(&reviews);
    for review in &mut scenario.reviews {
        review.spread = SECOND / 5;
    }
    let mut unanswered = 0;
    for seed in 1..=20 {
        let at = SECOND + seed * 10_000;
        scenario.faults = vec![crash(at, at + 1_000)];
        let outcome = run(&scenario, seed).unwrap();
        let report = replay(&outcome);
        assert_eq!(report.first, None, "seed {seed}");
        assert_eq!(report.incarnations, 2);
        let mut decided = Vec::new();
        for entry in entries(&outcome) {
            match entry {
                Entry::Delivered(delivered) => decided.extend(delivered.decisions),
                Entry::Answered(_)
                | Entry::Checkpoint(_)
                | Entry::Gap(_)
                | Entry::Panicked(_)
                | Entry::Started(_) => {}
            }
        }
        for answer in outcome.answers.values() {
            assert!(decided.contains(&answer.decision), "seed {seed}: {:?}", answer.decision.uid);
        }
        unanswered += scenario.reviews.len() - outcome.answers.len();
    }
    assert!(unanswered > 0, "no crash came between a question and its answer");
}
