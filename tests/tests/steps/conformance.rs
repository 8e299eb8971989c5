//! The scenarios of the simulator, step by step, through the real host: actix, HTTP and TLS in one
//! thread whose time is virtual. What is decided is what the simulator decides, at whatever seed.

use std::collections::BTreeMap;
use std::sync::Arc;

use portreeve_protocol::entry::Delivered;
use portreeve_protocol::time::SECOND;
use portreeve_protocol::{DenyCode, Entry, Mono, Wall, codec};
use portreeve_replay::{Outcome as Replayed, verify};
use portreeve_simulations::fault::{ServerDown, ServerHangs};
use portreeve_simulations::scenario::{Change, PlannedReview, Publication, SignedTag};
use portreeve_simulations::scripted::{SERVER, image};
use portreeve_simulations::{Scenario, Summary, run, scripted};
use portreeve_tests::review::Outcome;
use portreeve_tests::steps::{Played, play};
use serde_json::Value;

use super::in_virtual_time;

/// Seeds under which the simulator must decide what the host decides.
const SEEDS: std::ops::Range<u64> = 1..6;

/// A scenario that both hosts live through.
struct Case {
    scenario: Scenario,
}

impl Case {
    /// The scripted scenario with other reviews: uid, second, and the uid there of what is sent.
    fn of(reviews: &[(&str, u64, &str)]) -> Self {
        let mut scenario = scripted();
        let planned = |(uid, second, like): &(&str, u64, &str)| {
            let found = scenario.reviews.iter().find(|it| it.facts.uid == *like);
            let mut review: PlannedReview = found.expect("there is one like it").clone();
            (review.at, review.spread) = (second * SECOND, 0);
            (*uid).clone_into(&mut review.facts.uid);
            review
        };
        scenario.reviews = reviews.iter().map(planned).collect();
        Self { scenario }
    }

    /// The working trust server takes no connection from one second to another.
    fn with_outage(mut self, from: u64, until: Option<u64>) -> Self {
        let (from, until) = (from * SECOND, until.map(|second| second * SECOND));
        self.scenario.faults.push(ServerDown { from, server: SERVER.to_owned(), until }.into());
        self
    }

    /// The working trust server changes.
    fn change(&mut self, second: u64, what: Publication) {
        self.scenario.settings.freshness = SECOND;
        let change = Change { at: second * SECOND, server: SERVER.to_owned(), what };
        self.scenario.changes.push(change);
    }

    fn played(&self) -> Played {
        in_virtual_time(play(&self.scenario)).expect("the scenario is played")
    }

    /// What was decided about each review: the same by the host and by the simulator under every
    /// seed, told over the wire as it was decided, and found again by the replayer.
    fn decided(&self) -> BTreeMap<String, Summary> {
        let played = self.played();
        let decisions = played.ended.decisions().expect("the journal can be read");
        let hosted: BTreeMap<String, Summary> =
            decisions.iter().map(|(uid, it)| (uid.clone(), Summary::from(&**it))).collect();
        for seed in SEEDS {
            let simulated = run(&self.scenario, seed).expect("the scenario runs").decisions();
            for (uid, summary) in &simulated {
                assert_eq!(hosted.get(uid), Some(summary), "{uid} under seed {seed}");
            }
            assert_eq!(hosted.len(), simulated.len(), "seed {seed}");
        }
        assert_eq!(hosted.len(), self.scenario.reviews.len(), "every review is decided");
        for (uid, summary) in &hosted {
            told_as_decided(uid, &played.answers[uid].1, summary);
        }
        let journal = played.ended.journal().expect("there is a journal");
        let report = verify(journal.lines(), &journal.blobs(), &mut |_| {}).expect("it is read");
        assert_eq!(report.outcome(), Replayed::Identical, "{:?}", report.first);
        assert_eq!(report.decisions, self.scenario.reviews.len() as u64);
        hosted
    }
}

fn told_as_decided(uid: &str, told: &Outcome, summary: &Summary) {
    match told {
        Outcome::Allowed { patch } => {
            let decided: Vec<Value> = summary.patch.as_deref().map_or_else(Vec::new, |text| {
                serde_json::from_str(text).expect("a patch is a list")
            });
            assert!(summary.allowed && *patch == decided, "{uid}: {patch:?}");
        }
        Outcome::Denied { code, .. } => {
            assert_eq!(Some(code.as_str()), summary.code.map(DenyCode::code), "{uid}");
        }
    }
}

/// Uid and what became of it, in one word, in the order of uids.
fn words(decided: &BTreeMap<String, Summary>) -> Vec<(&str, &str)> {
    let word = |it: &Summary| it.code.map_or("allowed", DenyCode::code);
    decided.iter().map(|(uid, it)| (uid.as_str(), word(it))).collect()
}

/// The deliveries in the journal, in order.
fn deliveries(played: &Played) -> Vec<Delivered> {
    let journal = played.ended.journal().expect("there is a journal");
    let delivered = |line: Result<portreeve_replay::Line, _>| {
        let line = line.expect("the journal can be read");
        let bytes = line.bytes.strip_suffix(b"\n").unwrap_or(&line.bytes);
        let (record, _) = codec::read_line(bytes).expect("a line is a record");
        if let Entry::Delivered(delivered) = record.entry { Some(delivered) } else { None }
    };
    journal.lines().filter_map(delivered).collect()
}

#[test]
fn the_scripted_scenario_is_decided_the_same_step_by_step() {
    let decided = Case { scenario: scripted() }.decided();
    assert!(decided.values().any(|it| it.allowed && it.patch.is_some() && !it.digests.is_empty()));
    assert!(decided.values().filter(|it| !it.allowed).count() > 5);
}

#[test]
fn two_runs_under_virtual_time_are_one_run() {
    let case = Case { scenario: scripted() }.with_outage(3, Some(5));
    let (one, other) = (deliveries(&case.played()), deliveries(&case.played()));
    assert!(one.len() > 50, "{} deliveries", one.len());
    for (first, second) in one.iter().zip(&other) {
        assert_eq!(first, second);
    }
    assert_eq!(one.len(), other.len());
}

#[test]
fn a_server_that_goes_down_and_returns_denies_only_while_it_is_away() {
    let mut case = Case::of(&[
        ("1-before", 1, "signed"),
        ("2-while-away", 6, "signed"),
        ("3-not-signed-while-away", 7, "unsigned"),
        ("4-after", 14, "signed"),
        ("5-not-signed-after", 15, "unsigned"),
    ])
    .with_outage(5, Some(12));
    case.scenario.settings.freshness = SECOND;
    let decided = case.decided();
    let wanted = [
        ("1-before", "allowed"),
        ("2-while-away", "trust-server-unreachable"),
        ("3-not-signed-while-away", "trust-server-unreachable"),
        ("4-after", "allowed"),
        ("5-not-signed-after", "not-signed"),
    ];
    assert_eq!(words(&decided), wanted);
}

#[test]
fn a_tag_is_allowed_from_its_signing_to_its_removal() {
    let gun = "registry.example/shop/web";
    let mut case = Case::of(&[
        ("1-not-signed-yet", 1, "unsigned-tag"),
        ("2-signed", 5, "unsigned-tag"),
        ("3-removed", 9, "unsigned-tag"),
        ("4-the-other-tag-stays", 10, "signed"),
    ]);
    case.change(3, Publication::Sign { gun: gun.to_owned(), tag: second_tag() });
    case.change(7, Publication::Remove { gun: gun.to_owned(), tag: "2.0".to_owned() });
    let decided = case.decided();
    let wanted = [
        ("1-not-signed-yet", "tag-not-signed"),
        ("2-signed", "allowed"),
        ("3-removed", "tag-not-signed"),
        ("4-the-other-tag-stays", "allowed"),
    ];
    assert_eq!(words(&decided), wanted);
    assert_eq!(decided["2-signed"].digests, [second_tag().digest]);
}

/// A second tag of `registry.example/shop/web`.
fn second_tag() -> SignedTag {
    let digest = image("registry.example/shop/web", "2.0");
    SignedTag { digest, length: 2_000, signers: vec!["alice".to_owned()], tag: "2.0".to_owned() }
}

#[test]
fn keys_that_are_rotated_in_order_are_followed_and_what_is_rolled_back_is_refused() {
    let gun = || "registry.example/shop/web".to_owned();
    let mut case = Case::of(&[
        ("1-at-first", 1, "signed"),
        ("2-new-root", 5, "signed"),
        ("3-new-timestamp-key", 9, "signed"),
        ("4-another-tag-signed", 13, "signed"),
        ("5-rolled-back", 17, "signed"),
    ]);
    case.change(3, Publication::RotateRoot { gun: gun() });
    case.change(7, Publication::RotateTimestamp { gun: gun() });
    case.change(11, Publication::Sign { gun: gun(), tag: second_tag() });
    case.change(15, Publication::Rollback { gun: gun() });
    let decided = case.decided();
    let wanted = [
        ("1-at-first", "allowed"),
        ("2-new-root", "allowed"),
        ("3-new-timestamp-key", "allowed"),
        ("4-another-tag-signed", "allowed"),
        ("5-rolled-back", "rollback"),
    ];
    assert_eq!(words(&decided), wanted);
}

#[test]
fn a_collection_that_is_withdrawn_or_begun_anew_by_others_is_not_believed() {
    let mut case = Case::of(&[
        ("1-at-first", 1, "signed"),
        ("2-withdrawn", 5, "signed"),
        ("3-begun-anew", 9, "signed"),
    ]);
    let mut anew = case.scenario.servers[0].collections[0].clone();
    anew.keys = 77;
    case.change(3, Publication::Withdraw { gun: anew.gun.clone() });
    case.change(7, Publication::Publish(anew));
    let decided = case.decided();
    let wanted = [
        ("1-at-first", "allowed"),
        ("2-withdrawn", "missing-document"),
        ("3-begun-anew", "root-changed"),
    ];
    assert_eq!(words(&decided), wanted);
}

#[test]
fn what_was_verified_counts_until_its_freshness_has_run_out() {
    let mut case = Case::of(&[
        ("1-verified", 1, "signed"),
        ("2-still-fresh", 9, "signed"),
        ("3-not-fresh-any-more", 12, "signed"),
    ])
    .with_outage(5, None);
    case.scenario.settings.freshness = 10 * SECOND;
    let decided = case.decided();
    let wanted = [
        ("1-verified", "allowed"),
        ("2-still-fresh", "allowed"),
        ("3-not-fresh-any-more", "trust-server-unreachable"),
    ];
    assert_eq!(words(&decided), wanted);
}

#[test]
fn what_was_verified_stands_in_for_an_absent_server_until_it_is_stale() {
    let mut case = Case::of(&[
        ("1-verified", 1, "signed"),
        ("2-stands-in", 20, "signed"),
        ("3-another-digest-does-not", 21, "other-digest"),
        ("4-never-verified-does-not", 22, "two-containers"),
        ("5-stale", 40, "signed"),
    ])
    .with_outage(5, None);
    case.scenario.settings.freshness = SECOND;
    case.scenario.settings.max_staleness = 30 * SECOND;
    let decided = case.decided();
    let wanted = [
        ("1-verified", "allowed"),
        ("2-stands-in", "allowed"),
        ("3-another-digest-does-not", "trust-server-unreachable"),
        ("4-never-verified-does-not", "trust-server-unreachable"),
        ("5-stale", "trust-server-unreachable"),
    ];
    assert_eq!(words(&decided), wanted);
}

#[test]
fn what_expires_while_the_node_runs_is_not_allowed_from_then_on() {
    const FOURTEEN_DAYS: i64 = 14 * 86_400 * 1_000_000;
    let mut case = Case::of(&[("1-valid", 1, "signed"), ("2-expired", 11, "signed")]);
    let second = i64::try_from(SECOND).expect("a second fits");
    case.scenario.settings.freshness = SECOND;
    case.scenario.published = Wall(case.scenario.start.0 - FOURTEEN_DAYS + 10 * second);
    let decided = case.decided();
    assert_eq!(words(&decided), [("1-valid", "allowed"), ("2-expired", "expired")]);
}

#[test]
fn a_review_without_an_answer_at_its_deadline_is_denied_then_and_no_later() {
    let mut case = Case::of(&[
        ("1-hurried", 1, "signed"),
        ("2-as-long-as-a-fetch-may-take", 10, "signed"),
        ("3-afterwards", 30, "signed"),
    ]);
    let hangs =
        ServerHangs { from: 0, server: SERVER.to_owned(), share: 1_000, until: 20 * SECOND };
    case.scenario.faults.push(hangs.into());
    case.scenario.reviews[0].facts.budget = 2 * SECOND;
    let decided = case.decided();
    let wanted = [
        ("1-hurried", "deadline"),
        ("2-as-long-as-a-fetch-may-take", "trust-server-unreachable"),
        ("3-afterwards", "allowed"),
    ];
    assert_eq!(words(&decided), wanted);
    let played = case.played();
    let (at, _) = played.answers["1-hurried"];
    let deadline = Mono(3 * SECOND);
    assert!((deadline..deadline.plus(25_000)).contains(&at), "answered at {at:?}");
    // The machine decided it when the time was over, not the host behind its back.
    let decided_at = deliveries(&played).into_iter().find_map(|delivered| {
        let it = Arc::clone(delivered.decisions.first()?);
        (it.uid == "1-hurried").then_some(delivered.now.mono)
    });
    let decided_at = decided_at.expect("it is in the journal");
    assert!((deadline..=deadline.plus(2_000)).contains(&decided_at), "at {decided_at:?}");
}
