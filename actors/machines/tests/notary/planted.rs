//! Each planted bug breaks the test of its rule.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;

use portreeve_protocol::planted::{Bug, Seat, breaks};

use crate::{anchors, asking, faults, flow, seals};

/// A bug, and a test that it breaks.
const BROKEN: &[(Bug, fn())] = &[
    (
        Bug::AbsenceAsSuccess,
        faults::a_known_collection_does_not_become_unsigned_when_its_timestamp_is_gone,
    ),
    (Bug::AccountsKept, faults::a_collection_that_came_to_nothing_takes_no_place),
    (
        Bug::AnchorNotCompared,
        anchors::another_anchor_has_what_is_kept_verified_again_without_the_network,
    ),
    (
        Bug::BundleFloorsIgnored,
        anchors::versions_below_the_bundles_floors_are_refused_and_nothing_is_kept,
    ),
    (
        Bug::DryRunLeavesRoot,
        seals::the_first_root_of_a_dry_run_is_not_kept_and_a_later_review_asks_again,
    ),
    (Bug::FirstQueuedOnly, anchors::questions_under_another_anchor_wait_for_a_flight_of_their_own),
    (Bug::FlightDeadlineIgnored, faults::a_flight_ends_at_its_deadline_and_the_next_one_starts),
    (Bug::FloorsLostAtRestart, flow::restored_trust_is_given_back_and_asked_for_again_before_use),
    (Bug::FloorsNotGiven, flow::a_question_that_needs_a_later_timestamp_asks_the_server_again),
    (Bug::JoinsOlderFlight, faults::a_flight_ends_at_its_deadline_and_the_next_one_starts),
    (Bug::KeptToldAsNew, flow::a_question_within_what_is_known_is_answered_at_once),
    (Bug::LateTagsForgotten, flow::a_tag_that_joins_while_the_verifier_works_is_looked_up_next),
    (Bug::OldViewsKept, flow::views_do_not_outlive_a_change_of_the_targets),
    (Bug::RefusedRootReplaced, asking::a_rollback_does_not_make_a_pin_reset_the_floors),
    (
        Bug::ResetIgnored,
        asking::an_operator_may_have_a_collection_forgotten_and_the_next_root_is_a_first_one,
    ),
    (
        Bug::RetriesUnbounded,
        asking::what_may_pass_is_tried_again_a_bounded_number_of_times_with_growing_waits,
    ),
    (
        Bug::RetryDoublesWork,
        asking::what_may_pass_is_tried_again_a_bounded_number_of_times_with_growing_waits,
    ),
    (
        Bug::RootLostAtRestart,
        asking::a_pin_that_the_served_root_satisfies_replaces_a_contradicting_root_of_first_use,
    ),
    (Bug::RotationNotFollowed, asking::a_rollback_does_not_make_a_pin_reset_the_floors),
    (Bug::SealedRootsIgnored, seals::a_replica_without_roots_denies_a_root_that_seals_do_not_know),
    (
        Bug::WithheldAsUnsigned,
        faults::a_known_collection_does_not_become_unsigned_when_its_timestamp_is_gone,
    ),
];

#[test]
fn each_planted_bug_breaks_the_test_of_its_rule() {
    for (bug, test) in BROKEN {
        assert!(breaks(*bug, *test), "{} breaks nothing", bug.id());
    }
    let listed: BTreeSet<Bug> = BROKEN.iter().map(|(bug, _)| *bug).collect();
    let all = Bug::ALL.iter().copied().filter(|bug| bug.machine() == Seat::Notary);
    assert_eq!(listed, all.collect());
}
