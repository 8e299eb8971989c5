//! Rules of the notary fetcher: when it asks, whom it tells, and what it keeps.

use super::bench::*;
use portreeve_protocol::evidence::DroppedRole;
use portreeve_protocol::limits::{FETCH_TIMEOUT, FLIGHT_TIMEOUT, SMALL_DOCUMENT_BYTES};
use portreeve_protocol::messages::notary::{DocumentName, NotaryTimer};
use portreeve_protocol::{Denial, DenyCode, Mono, Settings, Wall};

#[test]
fn first_contact_asks_for_root_and_timestamp_at_once() {
    let mut bench = Bench::new();
    let seen = bench.ask("v1", 50);
    assert_eq!(seen.names(), ["timestamp.json", "root.json"]);
    for request in &seen.fetches {
        assert_eq!((request.limit, request.timeout), (SMALL_DOCUMENT_BYTES, FETCH_TIMEOUT));
        assert_eq!((request.gun.as_str(), request.server.as_str()), (GUN, SERVER));
    }
    let timer = NotaryTimer::FlightDeadline { flight: 1, gun: GUN.to_owned() };
    assert_eq!(seen.armed, [(Mono(100 + FLIGHT_TIMEOUT), timer)]);
}

#[test]
fn documents_are_verified_only_when_all_of_a_stage_are_here() {
    let mut bench = Bench::new();
    bench.ask("v1", 50);
    assert_eq!(bench.document(1, DocumentName::Timestamp, "timestamp 1"), Seen::default());
    let seen = bench.document(1, DocumentName::Root, "root 1");
    let request = seen.verify();
    assert_eq!(request.roots, [blob("root 1")]);
    assert_eq!(request.timestamp, blob("timestamp 1"));
    assert_eq!(request.tags, ["v1".to_owned()].into());
    assert!(request.first_use && !request.trusted_root && request.floors.is_empty());
}

#[test]
fn missing_documents_are_fetched_by_hash_and_no_longer_than_their_parent_says() {
    let mut bench = Bench::new();
    bench.ask("v1", 50);
    bench.document(1, DocumentName::Root, "root 1");
    bench.document(1, DocumentName::Timestamp, "timestamp 1");
    let seen = bench.missing(1, &[("snapshot", "snapshot 1"), ("targets/releases", "r")]);
    let names = [hashed("snapshot", "snapshot 1"), hashed("targets/releases", "r")];
    assert_eq!(seen.names(), names.map(|name| name.to_string()));
    assert_eq!([seen.fetches[0].limit, seen.fetches[1].limit], [10, 1]);
    assert_eq!(bench.document(1, hashed("targets/releases", "r"), "r"), Seen::default());
    let seen = bench.document(1, hashed("snapshot", "snapshot 1"), "snapshot 1");
    assert_eq!(seen.verify().documents.len(), 2);
}

#[test]
fn a_verified_collection_is_published_kept_and_known_as_a_first_use() {
    let mut bench = Bench::new();
    let seen = bench.first_contact();
    assert_eq!(seen.code(), ("verified", None));
    assert_eq!(seen.published[0].checked_at, Mono(100));
    assert_eq!(seen.fact_names(), ["refreshed", "first-use"]);
    assert_eq!(seen.disarmed.len(), 1);
    let trusted = bench.machine.trusted();
    assert_eq!(trusted.len(), 1);
    assert_eq!(trusted[0].root, blob("root 1"));
    assert_eq!(trusted[0].timestamp, Some(blob("timestamp 1")));
    assert_eq!(trusted[0].documents.len(), 2);
    assert!(trusted[0].first_use);
    assert_eq!(trusted[0].floors["root"].version, 1);
}

#[test]
pub fn a_question_within_what_is_known_is_answered_at_once() {
    let mut bench = Bench::new();
    bench.first_contact();
    bench.mono = 900;
    let seen = bench.ask("v1", 100);
    assert_eq!(seen.code(), ("verified", None));
    assert_eq!(seen.published[0].checked_at, Mono(100));
    assert!(seen.fetches.is_empty() && seen.armed.is_empty());
}

#[test]
pub fn a_question_that_needs_a_later_timestamp_asks_the_server_again() {
    let mut bench = Bench::new();
    bench.first_contact();
    bench.mono = 900;
    let seen = bench.ask("v1", 101);
    assert_eq!(seen.names(), ["timestamp.json"]);
    let seen = bench.document(2, DocumentName::Timestamp, "timestamp 2");
    let request = seen.verify();
    assert!(request.trusted_root && request.first_use);
    assert_eq!(request.documents.len(), 2, "kept documents are at hand");
    assert_eq!(request.floors["root"].version, 1);
    let seen = bench.concluded(2, collection(1).role("timestamp", 2).tag("v1").verified());
    assert_eq!(seen.published[0].checked_at, Mono(900));
    assert_eq!(seen.fact_names(), ["refreshed"]);
}

#[test]
fn another_tag_of_a_fresh_collection_is_looked_up_without_the_network() {
    let mut bench = Bench::new();
    bench.first_contact();
    bench.mono = 900;
    let seen = bench.ask("v2", 100);
    assert!(seen.fetches.is_empty());
    assert_eq!(seen.verify().tags, ["v2".to_owned()].into());
    assert_eq!(seen.verify().timestamp, blob("timestamp 1"));
    let seen = bench.concluded(2, collection(1).tag("v2").verified());
    assert_eq!((seen.tags(), seen.published[0].checked_at), (vec!["v2"], Mono(100)));
    assert!(seen.facts.is_empty());
    assert_eq!(bench.ask("v1", 100).code(), ("verified", None), "the first view is still kept");
}

#[test]
fn kept_documents_that_are_refused_when_looked_at_again_are_brought_up_to_date() {
    let mut bench = Bench::new();
    bench.first_contact();
    bench.mono = 900;
    bench.ask("v2", 100);
    let seen = bench.refused(2, DenyCode::Expired);
    assert_eq!((seen.names(), seen.published.len()), (vec!["timestamp.json".to_owned()], 0));
}

#[test]
fn what_expired_since_it_was_verified_is_not_used() {
    let mut bench = Bench::new();
    bench.first_contact();
    bench.wall = EXPIRES;
    assert_eq!(bench.ask("v1", 100).names(), ["timestamp.json"]);
    let mut bench = Bench::new();
    bench.first_contact();
    bench.wall = Wall(EXPIRES.0 - 1);
    assert_eq!(bench.ask("v1", 100).code(), ("verified", None));
}

#[test]
fn questions_that_a_flight_can_answer_share_it() {
    let mut bench = Bench::new();
    bench.ask("v1", 50);
    bench.mono = 110;
    assert_eq!(bench.ask("v2", 100), Seen::default());
    assert_eq!(bench.ask("v1", 99), Seen::default());
    bench.document(1, DocumentName::Root, "root 1");
    let seen = bench.document(1, DocumentName::Timestamp, "timestamp 1");
    assert_eq!(seen.verify().tags.len(), 2);
    let seen = bench.concluded(1, collection(1).tag("v1").tag("v2").verified());
    assert_eq!(seen.tags(), ["v1", "v2"]);
}

#[test]
pub fn a_tag_that_joins_while_the_verifier_works_is_looked_up_next() {
    let mut bench = Bench::new();
    bench.ask("v1", 50);
    bench.document(1, DocumentName::Root, "root 1");
    bench.document(1, DocumentName::Timestamp, "timestamp 1");
    assert_eq!(bench.ask("v2", 100), Seen::default());
    let seen = bench.concluded(1, collection(1).tag("v1").verified());
    assert_eq!(seen.tags(), ["v1"]);
    assert_eq!(seen.verify().tags, ["v2".to_owned()].into());
    assert!(seen.fetches.is_empty());
}

#[test]
fn a_question_later_than_the_flight_waits_for_the_next_one() {
    let mut bench = Bench::new();
    bench.ask("v1", 50);
    bench.mono = 200;
    assert_eq!(bench.ask("v1", 150), Seen::default());
    assert_eq!(bench.ask("v2", 160), Seen::default());
    bench.document(1, DocumentName::Root, "root 1");
    bench.document(1, DocumentName::Timestamp, "timestamp 1");
    bench.mono = 300;
    let seen = bench.concluded(1, collection(1).tag("v1").verified());
    assert_eq!((seen.tags(), seen.names()), (vec!["v1"], vec!["timestamp.json".to_owned()]));
    let seen = bench.document(2, DocumentName::Timestamp, "timestamp 1");
    assert_eq!(seen.verify().tags.len(), 2);
    let seen = bench.concluded(2, collection(1).tag("v1").tag("v2").verified());
    assert_eq!(seen.tags(), ["v1", "v2"]);
    assert!(seen.published.iter().all(|resolution| resolution.checked_at == Mono(300)));
}

#[test]
fn views_outlive_a_refresh_that_changed_only_the_timestamp() {
    let mut bench = Bench::new();
    bench.first_contact();
    bench.mono = 900;
    bench.ask("v2", 900);
    bench.document(2, DocumentName::Timestamp, "timestamp 2");
    bench.concluded(2, collection(1).role("timestamp", 2).tag("v2").verified());
    assert_eq!(bench.ask("v1", 900).code(), ("verified", None));
}

#[test]
pub fn views_do_not_outlive_a_change_of_the_targets() {
    let mut bench = Bench::new();
    bench.first_contact();
    bench.mono = 900;
    bench.ask("v2", 900);
    bench.document(2, DocumentName::Timestamp, "timestamp 2");
    bench.missing(2, &[("snapshot", "snapshot 2"), ("targets", "targets 2")]);
    bench.document(2, hashed("snapshot", "snapshot 2"), "snapshot 2");
    bench.document(2, hashed("targets", "targets 2"), "targets 2");
    bench.concluded(2, collection(2).tag("v2").verified());
    assert_eq!(bench.ask("v1", 900).verify().tags, ["v1".to_owned()].into());
    let documents = bench.machine.trusted().remove(0).documents;
    assert!(documents.contains(&blob("targets 2")) && documents.len() == 2, "{documents:?}");
}

#[test]
fn what_a_snapshot_names_without_its_being_used_is_fetched_once() {
    let mut bench = Bench::new();
    bench.ask("v1", 50);
    bench.document(1, DocumentName::Root, "root 1");
    bench.document(1, DocumentName::Timestamp, "timestamp 1");
    bench.missing(1, &[("targets/alice", "alice")]);
    bench.document(1, hashed("targets/alice", "alice"), "alice");
    let mut verified = collection(1).tag("v1");
    let why = Denial::new(DenyCode::Expired, "test");
    verified.evidence.dropped.push(DroppedRole { role: "targets/alice".to_owned(), why });
    let seen = bench.concluded(1, verified.clone().verified());
    assert_eq!(seen.fact_names(), ["refreshed", "first-use", "delegation-dropped"]);
    bench.ask("v1", 101);
    let seen = bench.document(2, DocumentName::Timestamp, "timestamp 2");
    assert_eq!(seen.verify().documents, [blob("alice")]);
    bench.concluded(2, verified.clone().role("timestamp", 2).verified());
    assert_eq!(bench.machine.trusted()[0].documents, [blob("alice")], "the snapshot is the same");
    bench.mono = 900;
    bench.ask("v1", 900);
    bench.document(3, DocumentName::Timestamp, "timestamp 3");
    bench.concluded(3, verified.role("snapshot", 3).role("timestamp", 3).verified());
    assert_eq!(bench.machine.trusted()[0].documents, [], "the snapshot is another");
}

#[test]
pub fn restored_trust_is_given_back_and_asked_for_again_before_use() {
    let mut bench = Bench::new();
    bench.first_contact();
    let trusted = bench.machine.trusted();
    let mut elsewhere = trusted[0].clone();
    elsewhere.server = "https://other.example".to_owned();
    let restored = vec![trusted[0].clone(), elsewhere];
    let mut again = Bench::with(&started(Settings::default(), restored));
    assert_eq!(again.machine.trusted(), trusted);
    assert_eq!(again.ask("v1", 0).names(), ["timestamp.json"]);
    let seen = again.document(1, DocumentName::Timestamp, "timestamp 1");
    assert!(seen.verify().trusted_root);
    assert_eq!(seen.verify().documents.len(), 2);
}

#[test]
fn a_root_that_no_pin_covers_is_refused_where_pins_are_required() {
    let settings = Settings { require_pins: true, ..Settings::default() };
    let mut bench = Bench::with(&started(settings, Vec::new()));
    let seen = bench.first_contact();
    assert_eq!(seen.code(), ("refused", Some(DenyCode::RootUnpinned)));
    assert_eq!(bench.machine.trusted(), []);
}

#[test]
fn a_successor_of_the_root_is_noted() {
    let mut bench = Bench::new();
    bench.first_contact();
    bench.mono = 900;
    bench.ask("v1", 900);
    bench.document(2, DocumentName::Timestamp, "timestamp 2");
    let seen = bench.refused(2, DenyCode::Signature);
    assert_eq!(seen.names(), ["2.root.json"]);
    let seen = bench.document(2, DocumentName::RootVersion(2), "root 2");
    assert_eq!(seen.names(), ["3.root.json"]);
    bench.mono = 950;
    let seen = bench.absent(2, DocumentName::RootVersion(3));
    assert_eq!(seen.names(), ["timestamp.json"]);
    let seen = bench.document(2, DocumentName::Timestamp, "timestamp 3");
    assert_eq!(seen.verify().roots, [blob("root 1"), blob("root 2")]);
    let seen = bench.concluded(2, collection(1).role("root", 2).tag("v1").verified());
    assert_eq!(seen.fact_names(), ["refreshed", "root-rotated"]);
    assert_eq!(seen.published[0].checked_at, Mono(950));
    assert_eq!(bench.machine.trusted()[0].root, blob("root 2"));
}
