//! How a trust server is asked: with which credentials, how often, and on whose account.

use portreeve_protocol::limits::{
    FETCH_TRIES, FLIGHT_TIMEOUT, GUNS_PER_NAMESPACE, RETRY_DELAY, RETRY_DELAY_LONGEST,
};
use portreeve_protocol::messages::admission::ResolutionOutcome;
use portreeve_protocol::messages::notary::{DocumentName, NotaryTimer};
use portreeve_protocol::{DenyCode, Mono, Settings, Sha256};

use crate::bench::{Bench, CollectionExt as _, GUN, blob, collection, hashed, secret, started};

const SECOND: u64 = 1_000_000;

#[test]
fn a_fetch_carries_the_names_of_the_credentials_of_whoever_asks() {
    let mut bench = Bench::new();
    let seen = bench.ask_as("shop", &["b", "a"], GUN, "v1", 50);
    for request in &seen.fetches {
        assert_eq!(request.credentials, [secret("shop", "a"), secret("shop", "b")]);
    }
    assert_eq!(seen.fetches.len(), 2);
    assert!(bench.ask_of("registry.example/other", "v1", 50).fetches[0].credentials.is_empty());
}

#[test]
fn credentials_that_were_not_tried_are_tried_before_their_bringer_is_told() {
    let mut bench = Bench::new();
    bench.ask_as("shop", &["a"], GUN, "v1", 50);
    bench.ask_as("shop", &["a"], GUN, "v2", 50);
    assert_eq!(bench.ask_as("store", &["b"], GUN, "v1", 50).fetches, []);
    bench.failed(1, DocumentName::Root, DenyCode::Unauthorized);
    let seen = bench.failed(1, DocumentName::Timestamp, DenyCode::Unauthorized);
    assert_eq!(seen.tags(), ["v2"], "only those with nothing more to offer are told");
    assert_eq!(seen.fetches[0].credentials, [secret("shop", "a"), secret("store", "b")]);
    bench.failed(2, DocumentName::Root, DenyCode::Unauthorized);
    let seen = bench.failed(2, DocumentName::Timestamp, DenyCode::Unauthorized);
    assert_eq!(seen.code(), ("unavailable", Some(DenyCode::Unauthorized)));
    assert_eq!(seen.fetches, [], "what was tried is not tried again");
}

#[test]
fn other_credentials_do_not_help_a_server_that_is_down() {
    let mut bench = Bench::new();
    bench.ask_as("shop", &["a"], GUN, "v1", 50);
    bench.ask_as("store", &["b"], GUN, "v1", 50);
    bench.failed(1, DocumentName::Root, DenyCode::Unreachable);
    let seen = bench.failed(1, DocumentName::Timestamp, DenyCode::Unreachable);
    assert_eq!(seen.code(), ("unavailable", Some(DenyCode::Unreachable)));
    assert_eq!(seen.fetches, []);
}

#[test]
pub fn what_may_pass_is_tried_again_a_bounded_number_of_times_with_growing_waits() {
    let mut bench = Bench::new();
    bench.ask("v1", 50);
    bench.document(1, DocumentName::Root, "root 1");
    let mut waits = Vec::new();
    for _ in 1..FETCH_TRIES {
        let seen = bench.failed_for_now(1, DocumentName::Timestamp, 0);
        assert_eq!((seen.fact_names(), seen.published.len()), (vec!["fetch-retried"], 0));
        let (Mono(at), timer) = seen.armed[0].clone();
        assert_eq!(timer, NotaryTimer::Retry { flight: 1, gun: GUN.to_owned() });
        waits.push(at - bench.mono);
        bench.mono = at;
        assert_eq!(bench.retry(1).names(), ["timestamp.json"]);
    }
    for (place, wait) in waits.iter().enumerate() {
        let base = RETRY_DELAY << place;
        assert!((base / 2..=base * 3 / 2).contains(wait), "{waits:?}");
    }
    let seen = bench.failed_for_now(1, DocumentName::Timestamp, 0);
    assert_eq!(seen.code(), ("unavailable", Some(DenyCode::ServerError)));
}

#[test]
fn a_second_try_that_succeeds_goes_on_as_if_nothing_had_been() {
    let mut bench = Bench::new();
    bench.ask("v1", 50);
    bench.document(1, DocumentName::Root, "root 1");
    bench.mono = bench.failed_for_now(1, DocumentName::Timestamp, 0).armed[0].0.0;
    bench.retry(1);
    let seen = bench.document(1, DocumentName::Timestamp, "timestamp 1");
    assert_eq!(seen.verify().timestamp, blob("timestamp 1"));
}

#[test]
fn a_server_is_left_alone_for_as_long_as_it_asks_within_bounds() {
    let mut bench = Bench::new();
    bench.ask("v1", 50);
    bench.document(1, DocumentName::Root, "root 1");
    let seen = bench.failed_for_now(1, DocumentName::Timestamp, 3 * SECOND);
    assert_eq!(seen.armed[0].0, Mono(bench.mono + 3 * SECOND));
    let mut bench = Bench::new();
    bench.ask("v1", 50);
    bench.document(1, DocumentName::Root, "root 1");
    let seen = bench.failed_for_now(1, DocumentName::Timestamp, RETRY_DELAY_LONGEST + 1);
    assert_eq!(seen.code().0, "unavailable");
}

#[test]
fn nothing_is_tried_again_after_the_end_of_its_flight() {
    let mut bench = Bench::new();
    bench.ask("v1", 50);
    bench.document(1, DocumentName::Root, "root 1");
    bench.mono += FLIGHT_TIMEOUT - 1;
    let seen = bench.failed_for_now(1, DocumentName::Timestamp, 0);
    assert_eq!(seen.code().0, "unavailable");
    assert!(bench.retry(1).is_only_unexpected());
}

#[test]
fn the_waits_fall_by_the_seed_alone() {
    let waits = |seed: u64| {
        let mut started = started(Settings::default(), Vec::new());
        started.jitter_seed = seed;
        let mut bench = Bench::with(&started);
        bench.ask("v1", 50);
        bench.failed_for_now(1, DocumentName::Timestamp, 0).armed
    };
    assert_eq!(waits(1), waits(1));
    assert_ne!(waits(1), waits(2));
}

#[test]
fn a_namespace_has_a_bounded_number_of_collections_and_takes_nothing_from_others() {
    let mut bench = Bench::new();
    for index in 0..GUNS_PER_NAMESPACE {
        let gun = format!("registry.example/{index}");
        assert_eq!(bench.ask_as("greedy", &[], &gun, "v1", 50).fetches.len(), 2);
    }
    let seen = bench.ask_as("greedy", &[], "registry.example/one-more", "v1", 50);
    assert_eq!(seen.code(), ("unavailable", Some(DenyCode::Capacity)));
    assert_eq!(bench.ask_as("modest", &[], GUN, "v1", 50).fetches.len(), 2);
}

#[test]
fn the_namespace_on_whose_account_a_collection_is_outlives_the_incarnation() {
    let mut bench = Bench::new();
    bench.first_contact();
    assert_eq!(bench.machine.trusted()[0].namespace, "shop");
    bench.ask_as("store", &[], GUN, "v1", 900);
    assert_eq!(bench.machine.trusted()[0].namespace, "shop");
}

#[test]
fn an_unreachable_server_leaves_what_was_verified_last_beside_the_failure() {
    let mut bench = Bench::new();
    bench.first_contact();
    bench.mono = 900;
    bench.ask("v1", 900);
    let seen = bench.failed(2, DocumentName::Timestamp, DenyCode::Unreachable);
    let last = seen.published[0].last_verified.as_deref().unwrap();
    assert_eq!((last.at, last.tag.view.tag.as_str()), (Mono(100), "v1"));
    assert!(matches!(seen.published[0].outcome, ResolutionOutcome::Unavailable(_)));
}

#[test]
fn what_has_expired_since_is_no_last_state_and_refusals_have_none() {
    let mut bench = Bench::new();
    bench.first_contact();
    bench.mono = 900;
    bench.ask("v1", 900);
    bench.document(2, DocumentName::Timestamp, "timestamp 2");
    bench.refused(2, DenyCode::Rollback);
    let seen = bench.absent(2, DocumentName::RootVersion(2));
    let seen = if seen.published.is_empty() {
        bench.document(2, DocumentName::Timestamp, "timestamp 2");
        bench.refused(2, DenyCode::Rollback)
    } else {
        seen
    };
    assert_eq!((seen.code().0, &seen.published[0].last_verified), ("refused", &None));
    bench.wall = crate::bench::EXPIRES;
    bench.ask("v1", 900);
    let seen = bench.failed(3, DocumentName::Timestamp, DenyCode::Unreachable);
    assert_eq!(seen.published[0].last_verified, None);
}

#[test]
pub fn an_operator_may_have_a_collection_forgotten_and_the_next_root_is_a_first_one() {
    let mut bench = Bench::new();
    bench.first_contact();
    assert_eq!(bench.forget().fact_names(), ["trust-reset"]);
    assert_eq!(bench.machine.trusted(), []);
    bench.mono = 900;
    assert_eq!(bench.ask("v1", 50).names(), ["timestamp.json", "root.json"]);
}

#[test]
fn a_flight_from_a_forgotten_root_is_given_up_and_begun_anew() {
    let mut bench = Bench::new();
    bench.first_contact();
    bench.mono = 900;
    bench.ask("v1", 900);
    let seen = bench.forget();
    assert_eq!((seen.names().len(), seen.published.len()), (2, 0));
    assert!(bench.document(2, DocumentName::Timestamp, "timestamp 2").is_only_unexpected());
    bench.document(3, DocumentName::Root, "root 9");
    let seen = bench.document(3, DocumentName::Timestamp, "timestamp 2");
    assert!(!seen.verify().trusted_root && seen.verify().floors.is_empty());
}

fn pinning() -> Settings {
    let pins = [(GUN.to_owned(), [Sha256::of(b"the pinned key")].into())].into();
    Settings { pins, ..Settings::default() }
}

#[test]
fn the_pins_of_the_operator_go_with_every_request_to_verify() {
    let mut bench = Bench::with(&started(pinning(), Vec::new()));
    bench.ask("v1", 50);
    bench.document(1, DocumentName::Root, "root 1");
    let seen = bench.document(1, DocumentName::Timestamp, "timestamp 1");
    assert_eq!(seen.verify().pins, pinning().root_pins(GUN));
}

/// A bench that has seen a root on first use, started again with a pin.
fn pinned_later() -> Bench {
    let mut before = Bench::new();
    before.first_contact();
    let mut bench = Bench::with(&started(pinning(), before.machine.trusted()));
    bench.mono = 900;
    bench.ask("v1", 900);
    bench.document(1, DocumentName::Timestamp, "timestamp 2");
    bench
}

#[test]
pub fn a_pin_that_the_served_root_satisfies_replaces_a_contradicting_root_of_first_use() {
    let mut bench = pinned_later();
    let seen = bench.refused(1, DenyCode::RootPinMismatch);
    assert_eq!(seen.names(), ["timestamp.json", "root.json"]);
    bench.document(1, DocumentName::Root, "root of the pin");
    let seen = bench.document(1, DocumentName::Timestamp, "timestamp 3");
    let request = seen.verify();
    assert!(!request.trusted_root && request.floors.is_empty());
    let pinned = collection(3).root_text("root of the pin").pinned().tag("v1").verified();
    let seen = bench.concluded(1, pinned);
    assert_eq!(seen.code().0, "verified");
    assert!(seen.fact_names().contains(&"trust-reset"));
    assert_eq!(bench.machine.trusted()[0].root, blob("root of the pin"));
}

#[test]
fn a_served_root_that_the_pin_does_not_admit_replaces_nothing() {
    let mut bench = pinned_later();
    bench.refused(1, DenyCode::RootPinMismatch);
    bench.document(1, DocumentName::Root, "root of a stranger");
    bench.document(1, DocumentName::Timestamp, "timestamp 3");
    let seen = bench.refused(1, DenyCode::RootPinMismatch);
    assert_eq!(seen.code(), ("refused", Some(DenyCode::RootPinMismatch)));
    assert_eq!(bench.machine.trusted()[0].root, blob("root 1"));
}

#[test]
pub fn a_rollback_does_not_make_a_pin_reset_the_floors() {
    let mut bench = pinned_later();
    let seen = bench.refused(1, DenyCode::Rollback);
    assert_eq!(seen.names(), ["2.root.json"]);
}

#[test]
fn a_root_that_was_signed_again_is_kept_in_place_of_the_one_before() {
    let mut bench = Bench::new();
    bench.first_contact();
    bench.mono = 900;
    bench.ask("v1", 900);
    bench.document(2, DocumentName::Timestamp, "timestamp 2");
    let again = hashed("root", "root 1, signed again");
    let seen = bench.missing(2, &[("root", "root 1, signed again")]);
    assert_eq!(seen.names(), [again.to_string()]);
    bench.document(2, again, "root 1, signed again");
    let verified = collection(2).root_text("root 1, signed again").tag("v1").verified();
    assert_eq!(bench.concluded(2, verified).code().0, "verified");
    let [trusted] = &bench.machine.trusted()[..] else { panic!("one collection") };
    assert_eq!(trusted.root, blob("root 1, signed again"));
    assert!(!trusted.documents.contains(&trusted.root), "it is kept once");
}
