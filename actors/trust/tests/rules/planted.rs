//! Each planted bug breaks the test of its rule.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;

use portreeve_protocol::planted::{Bug, Seat, breaks};

use crate::{adopted, delegations, documents, floors, pins, released, roots};

/// A bug, and a test that it breaks.
const BROKEN: &[(Bug, fn())] = &[
    (Bug::CertificateOfAnother, roots::the_common_name_is_the_collection_or_a_wildcard_over_it),
    (Bug::DelegationPathIgnored, delegations::paths_are_prefixes_and_none_is_nothing),
    (
        Bug::DelegationUnsigned,
        delegations::a_delegation_that_is_expired_or_under_threshold_is_left_out_with_all_below_it,
    ),
    (Bug::DigestFromRequest, released::the_digest_that_the_image_names_must_be_the_signed_one),
    (Bug::EquivocationAccepted, floors::the_same_version_of_another_document_is_an_equivocation),
    (
        Bug::ExpiryIgnored,
        delegations::a_delegation_that_is_expired_or_under_threshold_is_left_out_with_all_below_it,
    ),
    (Bug::FirstSignerOnly, released::all_signers_must_have_signed_with_their_pinned_keys),
    (Bug::FirstUseHidden, documents::a_sound_collection_is_verified_with_complete_evidence),
    (Bug::KeyCountedTwice, documents::one_public_key_under_two_ids_counts_once),
    (Bug::PinsIgnored, pins::a_root_key_outside_the_pin_cannot_help_the_threshold),
    (Bug::PolicyPinsIgnored, released::a_policy_that_pins_a_root_is_satisfied_by_no_other_root),
    (Bug::ReleasesIgnored, released::a_differing_entry_in_targets_is_remarked_on_with_both_digests),
    (Bug::RootUnsigned, adopted::a_spoilt_root_is_fatal_for_it_is_what_trust_rests_on),
    (Bug::RotationUnsigned, roots::a_root_not_signed_by_the_one_before_does_not_follow),
    (Bug::SignerDigestIgnored, released::a_signer_who_signed_another_digest_disagrees),
    (
        Bug::SignerKeyNotCompared,
        released::a_pinned_key_that_is_listed_but_did_not_sign_is_not_enough,
    ),
    (
        Bug::SnapshotRollback,
        floors::a_newer_root_that_changes_a_roles_keys_forgets_its_floor_and_no_other,
    ),
    (
        Bug::SnapshotUnsigned,
        documents::a_document_that_only_a_stranger_signed_is_refused_in_every_base_role,
    ),
    (Bug::TargetsRollback, floors::a_lower_version_of_any_role_is_a_rollback),
    (
        Bug::TargetsUnsigned,
        documents::a_document_that_only_a_stranger_signed_is_refused_in_every_base_role,
    ),
    (Bug::ThresholdOne, documents::one_public_key_under_two_ids_counts_once),
    (
        Bug::ThresholdZero,
        documents::a_document_that_only_a_stranger_signed_is_refused_in_every_base_role,
    ),
    (Bug::TimestampRollback, floors::a_lower_version_of_any_role_is_a_rollback),
    (
        Bug::TimestampUnsigned,
        documents::a_document_that_only_a_stranger_signed_is_refused_in_every_base_role,
    ),
    (
        Bug::WithdrawalAccepted,
        floors::releases_that_were_verified_before_and_are_gone_count_as_withdrawn,
    ),
];

#[test]
fn each_planted_bug_breaks_the_test_of_its_rule() {
    for (bug, test) in BROKEN {
        assert!(breaks(*bug, *test), "{} breaks nothing", bug.id());
    }
    let listed: BTreeSet<Bug> = BROKEN.iter().map(|(bug, _)| *bug).collect();
    let all = Bug::ALL.iter().copied().filter(|bug| bug.machine() == Seat::Verify);
    assert_eq!(listed, all.collect());
}
