//! Each planted bug breaks the test of its rule.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;

use portreeve_protocol::planted::{Bug, Seat, breaks};

use crate::{examples, publishing, signers, specs};
use publishing::a_lost_watch_keeps_the_policies_and_flags_them_until_it_is_restored_or_listed_anew;

/// A bug, and a test that it breaks.
const BROKEN: &[(Bug, fn())] = &[
    (Bug::FirstPoliciesStay, publishing::a_revision_counts_changes_of_content_only),
    (
        Bug::InvalidPolicyEmpty,
        specs::a_duration_pin_or_inline_signer_that_is_none_makes_the_policy_invalid,
    ),
    (Bug::OwnModeIgnored, specs::a_rule_has_its_own_mode_else_that_of_its_policy_else_it_enforces),
    (Bug::PartialListPublished, publishing::nothing_is_published_before_the_first_whole_list),
    (
        Bug::PolicyChangeIgnored,
        publishing::one_policy_that_is_not_understood_is_told_once_and_hides_no_other,
    ),
    (Bug::PolicyDeletionIgnored, publishing::a_revision_counts_changes_of_content_only),
    (Bug::RelistMerged, publishing::what_a_new_list_lacks_is_gone),
    (Bug::RevisionStays, publishing::a_revision_counts_changes_of_content_only),
    (
        Bug::SignerDeletionIgnored,
        signers::a_signer_without_secret_is_missing_until_the_secret_comes,
    ),
    (Bug::SignerNamespaceIgnored, examples::every_example_is_understood_and_its_signers_have_keys),
    (
        Bug::RestoredAsLost,
        a_lost_watch_keeps_the_policies_and_flags_them_until_it_is_restored_or_listed_anew,
    ),
    (
        Bug::WatchLossHidden,
        a_lost_watch_keeps_the_policies_and_flags_them_until_it_is_restored_or_listed_anew,
    ),
];

#[test]
fn each_planted_bug_breaks_the_test_of_its_rule() {
    for (bug, test) in BROKEN {
        assert!(breaks(*bug, *test), "{} breaks nothing", bug.id());
    }
    let listed: BTreeSet<Bug> = BROKEN.iter().map(|(bug, _)| *bug).collect();
    let all = Bug::ALL.iter().copied().filter(|bug| bug.machine() == Seat::Policy);
    assert_eq!(listed, all.collect());
}
