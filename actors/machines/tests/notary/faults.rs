//! Rules of the notary fetcher when servers, documents or verifiers fail it.

use super::bench::*;
use portreeve_protocol::limits::{GUNS_PER_SERVER, ROOT_CHAIN, TAGS_PER_GUN, TARGETS_BYTES};
use portreeve_protocol::messages::notary::{DocumentName, VerifyOutcome, Wanted};
use portreeve_protocol::{DenyCode, Machine, Sha256};

/// A flight at first contact whose root and timestamp are here.
fn at_the_verifier() -> Bench {
    let mut bench = Bench::new();
    bench.ask("v1", 50);
    bench.document(1, DocumentName::Root, "root 1");
    bench.document(1, DocumentName::Timestamp, "timestamp 1");
    bench
}

/// A verified collection, and a second flight that has just asked for the timestamp.
fn refreshing() -> Bench {
    let mut bench = Bench::new();
    bench.first_contact();
    bench.mono = 900;
    bench.ask("v1", 900);
    bench
}

#[test]
fn a_collection_the_server_does_not_have_is_absent() {
    for (root, timestamp) in [(false, false), (false, true), (true, false)] {
        let mut bench = Bench::new();
        bench.ask("v1", 50);
        for (there, name) in [(root, DocumentName::Root), (timestamp, DocumentName::Timestamp)] {
            let seen = if there {
                bench.document(1, name.clone(), "text")
            } else {
                bench.absent(1, name.clone())
            };
            if name == DocumentName::Timestamp {
                assert_eq!(seen.code(), ("absent", None));
            }
        }
        assert_eq!(bench.machine.trusted(), []);
    }
}

#[test]
pub fn a_collection_that_came_to_nothing_takes_no_place() {
    let mut bench = Bench::new();
    bench.ask("v1", 50);
    assert_ne!(bench.machine.keep().unwrap().state["accounts"], serde_json::json!([]));
    bench.absent(1, DocumentName::Root);
    bench.absent(1, DocumentName::Timestamp);
    assert_eq!(bench.machine.keep().unwrap().state["accounts"], serde_json::json!([]));
}

#[test]
pub fn a_known_collection_does_not_become_unsigned_when_its_timestamp_is_gone() {
    let mut bench = refreshing();
    let seen = bench.absent(2, DocumentName::Timestamp);
    assert_eq!(seen.code(), ("refused", Some(DenyCode::MissingDocument)));
    assert_eq!(seen.fact_names(), ["refused"]);
    assert_eq!(bench.machine.trusted().len(), 1);
}

#[test]
fn a_server_that_cannot_be_asked_is_unavailable_whatever_else_came() {
    let names = [DocumentName::Root, DocumentName::Timestamp];
    for failing in 0..2 {
        for first in 0..2 {
            let mut bench = Bench::new();
            bench.ask("v1", 50);
            let mut last = Seen::default();
            for index in [first, 1 - first] {
                let name = names[index].clone();
                last = if index == failing {
                    bench.failed(1, name, DenyCode::Unreachable)
                } else {
                    bench.absent(1, name)
                };
            }
            assert_eq!(last.code(), ("unavailable", Some(DenyCode::Unreachable)));
        }
    }
}

#[test]
fn a_document_longer_than_allowed_is_refused_and_not_called_unavailable() {
    let mut bench = refreshing();
    let seen = bench.failed(2, DocumentName::Timestamp, DenyCode::Oversize);
    assert_eq!(seen.code(), ("refused", Some(DenyCode::Oversize)));
    assert_eq!(seen.fact_names(), ["fetch-failed", "refused"]);
}

#[test]
fn a_refusal_at_first_contact_is_final_and_leaves_nothing() {
    let mut bench = at_the_verifier();
    let seen = bench.refused(1, DenyCode::RootUntrusted);
    assert_eq!(seen.code(), ("refused", Some(DenyCode::RootUntrusted)));
    assert_eq!(bench.machine.trusted(), []);
    assert!(seen.fetches.is_empty());
}

#[test]
fn a_second_refusal_is_final_and_changes_nothing() {
    let mut bench = refreshing();
    let before = bench.machine.trusted();
    bench.document(2, DocumentName::Timestamp, "timestamp 2");
    assert_eq!(bench.refused(2, DenyCode::Rollback).names(), ["2.root.json"]);
    bench.absent(2, DocumentName::RootVersion(2));
    let seen = bench.document(2, DocumentName::Timestamp, "timestamp 2");
    assert_eq!(seen.verify().roots, [blob("root 1")]);
    let seen = bench.refused(2, DenyCode::Rollback);
    assert_eq!(seen.code(), ("refused", Some(DenyCode::Rollback)));
    assert_eq!(bench.machine.trusted(), before);
}

/// A second flight that was refused for its signatures, and no rotation explains it.
fn unexplained() -> Bench {
    let mut bench = refreshing();
    bench.document(2, DocumentName::Timestamp, "timestamp 2");
    bench.refused(2, DenyCode::Signature);
    bench.absent(2, DocumentName::RootVersion(2));
    bench.document(2, DocumentName::Timestamp, "timestamp 2");
    let seen = bench.refused(2, DenyCode::Signature);
    assert_eq!((seen.names(), seen.published.len()), (vec!["root.json".to_owned()], 0));
    bench
}

#[test]
fn another_root_that_no_rotation_leads_to_is_named_as_what_changed() {
    let mut bench = unexplained();
    let before = bench.machine.trusted();
    let seen = bench.document(2, DocumentName::Root, "root of somebody else");
    assert_eq!(seen.code(), ("refused", Some(DenyCode::RootChanged)));
    assert_eq!(bench.machine.trusted(), before, "it is looked at, and not believed");
}

#[test]
fn where_the_root_is_the_same_or_does_not_come_the_signatures_are_what_is_wrong() {
    let ends: [&dyn Fn(&mut Bench) -> Seen; 5] = [
        &|bench| bench.document(2, DocumentName::Root, "root 1"),
        &|bench| bench.absent(2, DocumentName::Root),
        &|bench| bench.failed(2, DocumentName::Root, DenyCode::Unreachable),
        &|bench| bench.failed_for_now(2, DocumentName::Root, 0),
        &|bench| bench.deadline(2),
    ];
    for end in ends {
        let mut bench = unexplained();
        assert_eq!(end(&mut bench).code(), ("refused", Some(DenyCode::Signature)));
    }
}

#[test]
fn a_root_chain_is_walked_no_further_than_its_bound() {
    let mut bench = refreshing();
    bench.document(2, DocumentName::Timestamp, "timestamp 2");
    let mut seen = bench.refused(2, DenyCode::Signature);
    for version in 2..2 + ROOT_CHAIN {
        assert_eq!(seen.names(), [format!("{version}.root.json")]);
        let name = DocumentName::RootVersion(version);
        seen = bench.document(2, name, &format!("root {version}"));
    }
    assert_eq!(seen.names(), ["timestamp.json"]);
}

#[test]
fn whoever_waits_for_a_later_timestamp_is_served_by_the_second_one_of_a_flight() {
    let mut bench = refreshing();
    bench.mono = 950;
    bench.ask("v2", 940);
    bench.document(2, DocumentName::Timestamp, "timestamp 2");
    bench.refused(2, DenyCode::Signature);
    bench.absent(2, DocumentName::RootVersion(2));
    let seen = bench.document(2, DocumentName::Timestamp, "timestamp 2");
    assert_eq!(seen.verify().tags.len(), 2);
}

#[test]
fn a_named_document_the_server_lacks_is_refused() {
    let mut bench = at_the_verifier();
    bench.missing(1, &[("snapshot", "snapshot 1")]);
    let seen = bench.absent(1, hashed("snapshot", "snapshot 1"));
    assert_eq!(seen.code(), ("refused", Some(DenyCode::MissingDocument)));
}

#[test]
fn a_document_that_is_not_the_named_one_is_refused() {
    let mut bench = at_the_verifier();
    bench.missing(1, &[("snapshot", "snapshot 1")]);
    let seen = bench.document(1, hashed("snapshot", "snapshot 1"), "snapshot 2");
    assert_eq!(seen.code(), ("refused", Some(DenyCode::Checksum)));
    let mut bench = at_the_verifier();
    bench.missing(1, &[("snapshot", "snapshot 1")]);
    let seen = bench.document(1, hashed("snapshot", "snapshot 1"), "snapshot");
    assert_eq!(seen.code(), ("refused", Some(DenyCode::Oversize)));
}

#[test]
fn a_document_that_must_be_too_long_is_not_asked_for() {
    for (role, length) in [("snapshot", 2 << 20), ("targets", TARGETS_BYTES + 1)] {
        let mut bench = at_the_verifier();
        let wanted = Wanted { length, role: role.to_owned(), sha256: Sha256::ZERO };
        let seen = bench.concluded(1, VerifyOutcome::Missing(vec![wanted]));
        assert_eq!(seen.code(), ("refused", Some(DenyCode::Oversize)), "{role}");
        assert!(seen.fetches.is_empty());
    }
}

#[test]
fn all_documents_of_a_resolution_together_are_bounded() {
    let wanted = |index: u64| Wanted {
        length: TARGETS_BYTES,
        role: format!("targets/{index}"),
        sha256: Sha256::of(&index.to_le_bytes()),
    };
    let mut bench = at_the_verifier();
    let seen = bench.concluded(1, VerifyOutcome::Missing((0..2).map(wanted).collect()));
    assert_eq!(seen.code(), ("refused", Some(DenyCode::Oversize)));
    let small = |index: u64| Wanted { length: 1, ..wanted(index) };
    let mut bench = at_the_verifier();
    let seen = bench.concluded(1, VerifyOutcome::Missing((0..1_000).map(small).collect()));
    assert_eq!(seen.code(), ("refused", Some(DenyCode::Oversize)));
}

#[test]
fn a_verifier_that_misses_what_it_was_given_does_not_make_the_flight_endless() {
    let mut bench = at_the_verifier();
    bench.missing(1, &[("snapshot", "snapshot 1")]);
    bench.document(1, hashed("snapshot", "snapshot 1"), "snapshot 1");
    let seen = bench.missing(1, &[("snapshot", "snapshot 1")]);
    assert_eq!(seen.code(), ("unavailable", Some(DenyCode::Internal)));
    let seen = at_the_verifier().missing(1, &[]);
    assert_eq!(seen.code(), ("unavailable", Some(DenyCode::Internal)));
}

#[test]
pub fn a_flight_ends_at_its_deadline_and_the_next_one_starts() {
    let mut bench = Bench::new();
    bench.ask("v1", 50);
    bench.mono = 200;
    bench.ask("v2", 150);
    bench.document(1, DocumentName::Root, "root 1");
    let seen = bench.deadline(1);
    assert_eq!(seen.code(), ("unavailable", Some(DenyCode::Deadline)));
    assert_eq!(seen.tags(), ["v1"]);
    assert_eq!(seen.fact_names(), ["fetch-failed"]);
    assert_eq!(seen.names(), ["timestamp.json", "root.json"]);
    assert!(bench.document(1, DocumentName::Timestamp, "late").is_only_unexpected());
}

#[test]
fn a_verifier_that_takes_no_request_makes_the_answer_unavailable() {
    let seen = at_the_verifier().verifier_refused(1, DenyCode::Overloaded);
    assert_eq!(seen.code(), ("unavailable", Some(DenyCode::Overloaded)));
}

#[test]
fn what_nothing_waits_for_is_noted_and_changes_nothing() {
    let mut bench = Bench::new();
    assert!(bench.document(1, DocumentName::Root, "root 1").is_only_unexpected());
    assert!(bench.concluded(1, collection(1).verified()).is_only_unexpected());
    assert!(bench.verifier_refused(1, DenyCode::Overloaded).is_only_unexpected());
    assert!(bench.deadline(1).is_only_unexpected());
    bench.ask("v1", 50);
    assert!(bench.concluded(1, collection(1).verified()).is_only_unexpected());
    assert!(bench.document(1, hashed("snapshot", "x"), "x").is_only_unexpected());
    bench.document(1, DocumentName::Root, "root 1");
    assert!(bench.document(1, DocumentName::Root, "root 2").is_only_unexpected());
    let seen = bench.document(1, DocumentName::Timestamp, "timestamp 1");
    assert_eq!(seen.verify().roots, [blob("root 1")]);
    assert!(bench.deadline(9).is_only_unexpected());
}

#[test]
fn a_flight_carries_a_bounded_number_of_tags() {
    let mut bench = Bench::new();
    for index in 0..TAGS_PER_GUN {
        assert!(bench.ask(&format!("v{index}"), 50).published.is_empty());
    }
    let seen = bench.ask("one-more", 50);
    assert_eq!(seen.code(), ("unavailable", Some(DenyCode::Overloaded)));
    assert!(bench.ask("v0", 50).published.is_empty(), "a tag that waits already may wait on");
}

#[test]
fn a_server_has_a_bounded_number_of_collections_and_known_ones_stay() {
    let mut bench = Bench::new();
    bench.first_contact();
    for index in 1..GUNS_PER_SERVER {
        let gun = format!("registry.example/{index}");
        let namespace = format!("n{}", index % 100);
        assert_eq!(bench.ask_as(&namespace, &[], &gun, "v1", 50).fetches.len(), 2);
    }
    let seen = bench.ask_of("registry.example/one-more", "v1", 50);
    assert_eq!(seen.code(), ("unavailable", Some(DenyCode::Capacity)));
    bench.mono = 900;
    assert_eq!(bench.ask("v1", 900).names(), ["timestamp.json"]);
}
