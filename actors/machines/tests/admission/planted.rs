//! Each planted bug breaks the test of its rule.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;

use portreeve_protocol::planted::{Bug, Seat, breaks};

use crate::{
    answers, bundle, exemptions, modes, patches, patterns, reach, resealing, seals, servers,
    timing, trust,
};

/// A bug, and a test that it breaks.
const BROKEN: &[(Bug, fn())] = &[
    (Bug::AnswerOfAnotherServer, bundle::an_answer_given_under_other_anchors_is_no_answer),
    (
        Bug::BundleAnchorsIgnored,
        bundle::signers_of_the_bundle_are_asked_for_besides_those_of_the_policy,
    ),
    (
        Bug::BundleFailureLasts,
        bundle::before_any_bundle_was_loaded_whatever_requires_trust_is_denied,
    ),
    (
        Bug::BundleRollback,
        bundle::an_older_or_unintelligible_bundle_is_not_taken_and_the_one_before_stays,
    ),
    (
        Bug::BundleUnavailableIgnored,
        bundle::an_older_or_unintelligible_bundle_is_not_taken_and_the_one_before_stays,
    ),
    (Bug::ClockFollowedBack, modes::a_clock_that_goes_back_a_little_makes_nothing_young_again),
    (Bug::ClockStepIgnored, modes::a_review_that_waits_while_the_clock_steps_back_far_is_denied),
    (
        Bug::CredentialsToAnyServer,
        reach::a_namespaces_own_choice_of_server_is_asked_without_credentials_unless_approved,
    ),
    (
        Bug::DeadlineIgnored,
        modes::a_deadline_and_an_unreachable_server_are_tolerated_by_a_warning_rule,
    ),
    (
        Bug::DeniedFromFreshness,
        timing::a_later_answer_that_would_deny_outweighs_an_earlier_one_while_the_review_waits,
    ),
    (
        Bug::DisagreementIgnored,
        trust::rules_of_equal_specificity_that_lead_to_different_digests_deny,
    ),
    (Bug::DrainingAllows, timing::draining_denies_what_waits_and_what_comes),
    (Bug::DryRunBelieved, modes::what_is_tentative_serves_dry_runs_only_and_is_not_remembered),
    (Bug::EndedReviewsKept, answers::nothing_is_kept_of_a_review_that_was_answered),
    (Bug::EphemeralUnseen, exemptions::ephemeral_containers_are_judged_as_others_are),
    (Bug::ExpiredEvidenceServes, reach::an_old_state_never_serves_past_an_expiry),
    (
        Bug::FirstAnswerDecides,
        timing::the_step_named_is_one_that_was_slow_and_not_one_that_was_answered,
    ),
    (Bug::ForgottenRemembered, modes::after_a_trust_reset_nothing_remembered_serves),
    (Bug::FreshnessIgnored, bundle::an_expired_bundle_stays_in_force_with_an_alarm_or_denies),
    (Bug::GivenUpAllows, modes::a_review_that_waits_while_the_clock_steps_back_far_is_denied),
    (
        Bug::HiddenInput,
        exemptions::reviews_beyond_the_bound_are_denied_and_those_that_need_no_waiting_are_not,
    ),
    (Bug::LastRuleOnly, modes::the_strictest_failing_rule_counts),
    (
        Bug::LoosestRuleWins,
        exemptions::reviews_beyond_the_bound_are_denied_and_those_that_need_no_waiting_are_not,
    ),
    (Bug::MildestModeCounts, modes::the_strictest_failing_rule_counts),
    (
        Bug::NamespaceLoosensBundle,
        bundle::the_bundles_trust_server_is_asked_and_no_rule_names_another_unless_it_may,
    ),
    (
        Bug::NamespacePoliciesIgnored,
        bundle::the_bundles_trust_server_is_asked_and_no_rule_names_another_unless_it_may,
    ),
    (
        Bug::OlderFailureCounts,
        timing::the_failure_of_an_older_attempt_does_not_answer_a_newer_question,
    ),
    (
        Bug::OwnedTemplatePatched,
        patches::the_template_of_a_workload_with_a_controller_is_judged_but_never_patched,
    ),
    (Bug::OwnerByNameOnly, seals::a_forged_owner_uid_proves_nothing),
    (Bug::OwnerKindIgnored, seals::the_seal_of_an_object_of_another_kind_proves_nothing),
    (Bug::OwnerSealNotBound, seals::a_copied_seal_proves_nothing),
    (Bug::PinLeftOut, modes::a_dry_run_decides_the_same_and_is_asked_for_as_one),
    (
        Bug::RevokedSealCounts,
        resealing::an_entry_that_ends_while_a_review_waits_counts_no_more_in_it,
    ),
    (
        Bug::SealNotBound,
        resealing::the_validating_pass_takes_only_the_newest_generation_of_a_genuine_own_seal,
    ),
    (Bug::SealRequirementIgnored, seals::a_seal_of_another_requirement_proves_nothing),
    (
        Bug::SealTagIgnored,
        seals::another_tag_or_digest_or_repository_than_the_sealed_one_is_decided_by_policy,
    ),
    (Bug::SecretInMessage, answers::a_message_says_of_an_image_what_was_found_and_no_more),
    (
        Bug::StalenessByWall,
        reach::an_unreachable_server_denies_unless_a_rule_lets_the_last_state_serve,
    ),
    (
        Bug::StalenessUnbounded,
        reach::an_unreachable_server_denies_unless_a_rule_lets_the_last_state_serve,
    ),
    (Bug::StalenessWithoutLeave, reach::a_timeout_is_never_a_success_but_by_a_state_that_may_serve),
    (
        Bug::UnapprovedServerAsked,
        servers::with_approved_only_a_rule_names_approved_servers_or_the_maps,
    ),
    (Bug::UnavailableAllows, reach::a_timeout_is_never_a_success_but_by_a_state_that_may_serve),
    (Bug::UnchangedByName, resealing::a_new_image_puts_a_generation_before_the_old_ones),
    (Bug::UncoveredAllowed, answers::messages_are_bounded_and_say_what_they_leave_out),
    (Bug::UnknownKindAllowed, exemptions::objects_of_unknown_kind_are_denied),
    (Bug::UpdateUnseen, exemptions::subresources_without_images_are_allowed_and_recorded),
    (Bug::WildcardCrossesSlash, patterns::an_asterisk_in_the_host_never_crosses_a_slash),
];

#[test]
fn each_planted_bug_breaks_the_test_of_its_rule() {
    for (bug, test) in BROKEN {
        assert!(breaks(*bug, *test), "{} breaks nothing", bug.id());
    }
    let listed: BTreeSet<Bug> = BROKEN.iter().map(|(bug, _)| *bug).collect();
    let all = Bug::ALL.iter().copied().filter(|bug| bug.machine() == Seat::Admission);
    assert_eq!(listed, all.collect());
}
