//! Each planted bug breaks the test of its rule.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;

use portreeve_protocol::planted::{Bug, Seat, breaks};

use crate::{edits, recovery};

/// A bug, and a test that it breaks.
const BROKEN: &[(Bug, fn())] = &[
    (
        Bug::BundleNotRecovered,
        recovery::recovery_restores_the_trust_bundle_and_the_entries_of_seals_that_ended,
    ),
    (
        Bug::DamagePassedOver,
        edits::recovery_refuses_damage_that_no_crash_does_and_cuts_what_a_crash_does,
    ),
    (Bug::DeliveriesNotRecovered, recovery::recovery_knows_what_was_learnt_since_the_last_start),
    (Bug::IncarnationReused, recovery::recovery_restores_the_trust_that_the_fetchers_had_gained),
    (
        Bug::RevocationNotRecovered,
        recovery::recovery_restores_the_trust_bundle_and_the_entries_of_seals_that_ended,
    ),
    (Bug::TrustNotRecovered, recovery::recovery_restores_the_trust_that_the_fetchers_had_gained),
];

#[test]
fn each_planted_bug_breaks_the_test_of_its_rule() {
    for (bug, test) in BROKEN {
        assert!(breaks(*bug, *test), "{} breaks nothing", bug.id());
    }
    let listed: BTreeSet<Bug> = BROKEN.iter().map(|(bug, _)| *bug).collect();
    let all = Bug::ALL.iter().copied().filter(|bug| bug.machine() == Seat::Recovery);
    assert_eq!(listed, all.collect());
}
