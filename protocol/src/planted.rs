//! Planted bugs: defects of one line each, with which the simulator is measured.
//!
//! None is compiled unless the feature `planted-bugs` is on, and then none acts before it is
//! chosen. Without the feature [`is`] is a constant, so that what stands behind it is not compiled
//! in; with it `portreeve-host` does not build, so that no server can be made of such code.

/// Whether bugs can be chosen in this build.
pub const COMPILED: bool = cfg!(feature = "planted-bugs");

/// What [`Bug::SecretInMessage`] puts into messages: nothing that leaves a node may hold it.
pub const CANARY: &str = "planted-canary-c0ffee";

/// How many questions whether [`Bug::HiddenInput`] acts make one at which it does.
#[cfg(feature = "planted-bugs")]
const EVERY: u32 = 50;

/// The machine that a bug sits in, or what brings machines back after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seat {
    /// The admission actor.
    Admission,
    /// The journal gate.
    Journal,
    /// The notary fetcher.
    Notary,
    /// The policy cache.
    Policy,
    /// What is read of the journal when a node starts.
    Recovery,
    /// The verifiers, and all that verifies.
    Verify,
}

impl Seat {
    /// Its name, in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Admission => "admission",
            Self::Journal => "journal",
            Self::Notary => "notary",
            Self::Policy => "policy",
            Self::Recovery => "recovery",
            Self::Verify => "verify",
        }
    }

    /// Where its source is: directories of the repository, each with a slash at its end.
    #[must_use]
    pub const fn sources(self) -> &'static [&'static str] {
        match self {
            Self::Admission => &["actors/machines/src/admission/"],
            Self::Journal => &["actors/machines/src/journal/"],
            Self::Notary => &["actors/machines/src/notary/"],
            Self::Policy => &["actors/machines/src/policy/"],
            Self::Recovery => &["actors/replay/src/"],
            Self::Verify => &["actors/machines/src/verify/", "actors/trust/src/"],
        }
    }
}

/// Who is to catch a bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Catcher {
    /// A test of the rule that it breaks, alone: no simulated run shows it, or hardly any.
    Rule,
    /// The default swarm of the simulator, besides such a test.
    Swarm,
}

impl Catcher {
    /// Its name, in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Swarm => "swarm",
        }
    }

    /// What it is, for a sentence.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Rule => "a rule test",
            Self::Swarm => "the swarm",
        }
    }
}

macro_rules! bugs {
    ($($variant:ident $id:literal $seat:ident $catcher:ident $rule:literal;)*) => {
        /// A defect of one line, named after what is done wrong. Each is described by the rule that
        /// it breaks.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Bug {
            $(#[doc = $rule] $variant,)*
        }

        impl Bug {
            /// Every bug, by machine.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its name for commands and reports: words in lower case, with hyphens between them.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self { $(Self::$variant => $id),* }
            }

            /// The bug of this name; `None` if there is none.
            #[must_use]
            pub fn from_id(id: &str) -> Option<Self> {
                Self::ALL.iter().find(|bug| bug.id() == id).copied()
            }

            /// The machine it sits in.
            #[must_use]
            pub const fn machine(self) -> Seat {
                match self { $(Self::$variant => Seat::$seat),* }
            }

            /// Who is to catch it.
            #[must_use]
            pub const fn catcher(self) -> Catcher {
                match self { $(Self::$variant => Catcher::$catcher),* }
            }

            /// The rule that it breaks, in one sentence.
            #[must_use]
            pub const fn rule(self) -> &'static str {
                match self { $(Self::$variant => $rule),* }
            }
        }
    };
}

bugs! {
    AnswerOfAnotherServer "answer-of-another-server" Admission Swarm
        "What one trust server said answers no question to another.";
    BundleAnchorsIgnored "bundle-anchors-ignored" Admission Swarm
        "What the trust bundle says of a collection counts.";
    BundleFailureLasts "bundle-failure-lasts" Admission Swarm
        "A trust bundle that could not be had is taken when it can be.";
    BundleRollback "bundle-rollback" Admission Rule
        "A trust bundle older than the one taken before is not taken.";
    BundleUnavailableIgnored "bundle-unavailable-ignored" Admission Swarm
        "While no trust bundle counts, what requires trust is denied.";
    ClockFollowedBack "clock-followed-back" Admission Rule
        "A clock that goes back a little makes nothing young again.";
    ClockStepIgnored "clock-step-ignored" Admission Swarm
        "While the clock is far behind, nothing that needs a date is allowed.";
    CredentialsToAnyServer "credentials-to-any-server" Admission Rule
        "Pull secrets are not sent to a server that a namespace chose and nobody approved.";
    DeadlineIgnored "deadline-ignored" Admission Swarm
        "A review is answered by its deadline.";
    DeniedFromFreshness "denied-from-freshness" Admission Swarm
        "What would deny is asked again before it does.";
    DisagreementIgnored "disagreement-ignored" Admission Rule
        "Rules that fit equally lead to one digest.";
    DrainingAllows "draining-allows" Admission Swarm
        "A replica that drains takes no new review.";
    DryRunBelieved "dry-run-believed" Admission Swarm
        "No review rests on a root that only a dry run looked at.";
    EndedReviewsKept "ended-reviews-kept" Admission Rule
        "What is kept of a review goes when it is answered.";
    EphemeralUnseen "ephemeral-unseen" Admission Swarm
        "Ephemeral containers are judged as others are.";
    ExpiredEvidenceServes "expired-evidence-serves" Admission Swarm
        "Nothing is allowed by evidence that has expired since.";
    FirstAnswerDecides "first-answer-decides" Admission Swarm
        "An image is decided when all that its rules ask for is known.";
    ForgottenRemembered "forgotten-remembered" Admission Swarm
        "What was said of a collection whose trust was reset is forgotten.";
    FreshnessIgnored "freshness-ignored" Admission Swarm
        "An answer older than the freshness is asked for again.";
    GivenUpAllows "given-up-allows" Admission Swarm
        "What is given up before it is known denies.";
    HiddenInput "hidden-input" Admission Swarm
        "The same inputs always give the same decision.";
    LastRuleOnly "last-rule-only" Admission Swarm
        "All rules that fit most closely must hold.";
    LoosestRuleWins "loosest-rule-wins" Admission Swarm
        "The rules that fit most closely decide.";
    MildestModeCounts "mildest-mode-counts" Admission Swarm
        "Of rules that are not met, the strictest counts.";
    NamespaceLoosensBundle "namespace-loosens-bundle" Admission Rule
        "An ImagePolicy loosens nothing that the trust bundle says.";
    NamespacePoliciesIgnored "namespace-policies-ignored" Admission Swarm
        "A namespace's own policies count in place of the cluster's.";
    OlderFailureCounts "older-failure-counts" Admission Rule
        "The failure of an older attempt does not answer a newer question.";
    OwnedTemplatePatched "owned-template-patched" Admission Swarm
        "The template of a workload that has a controller is not changed.";
    OwnerByNameOnly "owner-by-name-only" Admission Swarm
        "A controller is the one that the reference names by its uid.";
    OwnerKindIgnored "owner-kind-ignored" Admission Swarm
        "A controller's seal is for an object of its kind.";
    OwnerSealNotBound "owner-seal-not-bound" Admission Swarm
        "A controller's seal is its own.";
    PinLeftOut "pin-left-out" Admission Swarm
        "An image that was verified by its tag is pinned to the digest.";
    RevokedSealCounts "revoked-seal-counts" Admission Rule
        "An entry of a seal that an operator ended counts no more.";
    SealNotBound "seal-not-bound" Admission Swarm
        "A seal counts only on the object that it names.";
    SealRequirementIgnored "seal-requirement-ignored" Admission Rule
        "A seal stands only for what the policies ask for today.";
    SealTagIgnored "seal-tag-ignored" Admission Swarm
        "A seal stands for the tag that was submitted.";
    SecretInMessage "secret-in-message" Admission Swarm
        "Nothing that is told holds a secret.";
    StalenessByWall "staleness-by-wall" Admission Rule
        "The age of an answer is measured by the monotonic clock.";
    StalenessUnbounded "staleness-unbounded" Admission Swarm
        "An older state serves no longer than the rules say.";
    StalenessWithoutLeave "staleness-without-leave" Admission Swarm
        "An older state serves only where the rules let it.";
    UnapprovedServerAsked "unapproved-server-asked" Admission Swarm
        "Where only approved trust servers may be asked, no other is.";
    UnavailableAllows "unavailable-allows" Admission Swarm
        "A trust server that cannot be asked lets nothing through.";
    UnchangedByName "unchanged-by-name" Admission Swarm
        "An update is let through unseen only for images that it leaves as they are.";
    UncoveredAllowed "uncovered-allowed" Admission Swarm
        "An image that no rule covers is denied.";
    UnknownKindAllowed "unknown-kind-allowed" Admission Swarm
        "A kind of workload that is not known is denied.";
    UpdateUnseen "update-unseen" Admission Swarm
        "An update is judged as a creation is.";
    WildcardCrossesSlash "wildcard-crosses-slash" Admission Swarm
        "A `*` in the host of a pattern does not reach into the path.";

    AnswerBeforeDurable "answer-before-durable" Journal Swarm
        "An answer waits until its record is durable.";
    DegradedAllows "degraded-allows" Journal Swarm
        "What cannot be recorded is not allowed.";
    ExemptTooWide "exempt-too-wide" Journal Swarm
        "While nothing can be recorded, only what is exempt is let through.";
    FirstAnswerOnly "first-answer-only" Journal Swarm
        "Every answer whose record is durable is released.";
    GapNotRecorded "gap-not-recorded" Journal Swarm
        "What was lost is written down when writing works again.";
    LossNotCounted "loss-not-counted" Journal Rule
        "Each record lost while degraded is counted in the gap.";
    ReleasedBackwards "released-backwards" Journal Rule
        "Answers are released in the order in which they were handed over.";
    WaitingOutliveFailure "waiting-outlive-failure" Journal Swarm
        "Answers whose record was lost do not wait for a later one.";

    AbsenceAsSuccess "absence-as-success" Notary Swarm
        "A timestamp that is not there any more is no successful check.";
    AccountsKept "accounts-kept" Notary Rule
        "A collection that came to nothing takes no place.";
    AnchorNotCompared "anchor-not-compared" Notary Swarm
        "What was verified under another anchor is verified again.";
    BundleFloorsIgnored "bundle-floors-ignored" Notary Swarm
        "No role is older than the trust bundle allows.";
    DryRunLeavesRoot "dry-run-leaves-root" Notary Rule
        "A dry run leaves no root that is trusted from then on.";
    FirstQueuedOnly "first-queued-only" Notary Rule
        "Every question that waited for a later flight is taken up.";
    FlightDeadlineIgnored "flight-deadline-ignored" Notary Rule
        "A flight ends when its time is over.";
    FloorsLostAtRestart "floors-lost-at-restart" Notary Swarm
        "What was believed before a restart is the least that is believed after it.";
    FloorsNotGiven "floors-not-given" Notary Swarm
        "A collection is verified against what was seen of it before.";
    JoinsOlderFlight "joins-older-flight" Notary Rule
        "A question that needs a later timestamp is not answered by an earlier one.";
    KeptToldAsNew "kept-told-as-new" Notary Swarm
        "What is kept is told with the time at which its timestamp was asked for.";
    LateTagsForgotten "late-tags-forgotten" Notary Rule
        "A tag asked about while a verifier is at work is answered too.";
    OldViewsKept "old-views-kept" Notary Swarm
        "What older documents said of a tag is forgotten when newer ones come.";
    RefusedRootReplaced "refused-root-replaced" Notary Swarm
        "Only a pin makes a root that was taken on first use give way.";
    ResetIgnored "reset-ignored" Notary Swarm
        "Trust that an operator resets is gone.";
    RetriesUnbounded "retries-unbounded" Notary Rule
        "A document is asked for a bounded number of times.";
    RetryDoublesWork "retry-doubles-work" Notary Swarm
        "A retry asks once for each document that failed.";
    RootLostAtRestart "root-lost-at-restart" Notary Swarm
        "A root that was trusted before a restart is the one trusted after it.";
    RotationNotFollowed "rotation-not-followed" Notary Swarm
        "The successors of a trusted root are looked for before a refusal is believed.";
    SealedRootsIgnored "sealed-roots-ignored" Notary Rule
        "A root taken on first use is one that the seals of workloads know.";
    WithheldAsUnsigned "withheld-as-unsigned" Notary Rule
        "A repository that was signed is not taken for an unsigned one.";

    FirstPoliciesStay "first-policies-stay" Policy Swarm
        "A change of the policies is published.";
    InvalidPolicyEmpty "invalid-policy-empty" Policy Swarm
        "A policy that is not understood denies what it may cover.";
    OwnModeIgnored "own-mode-ignored" Policy Swarm
        "A rule's own mode goes before that of its policy.";
    PartialListPublished "partial-list-published" Policy Rule
        "Nothing is published before the first whole list.";
    PolicyChangeIgnored "policy-change-ignored" Policy Swarm
        "A policy that was changed counts as it is now.";
    PolicyDeletionIgnored "policy-deletion-ignored" Policy Swarm
        "A policy that was deleted counts no more.";
    RelistMerged "relist-merged" Policy Swarm
        "What a new list lacks is gone.";
    RestoredAsLost "restored-as-lost" Policy Swarm
        "What is published says so when the policies are watched again.";
    RevisionStays "revision-stays" Policy Rule
        "Each change of what is published has a revision of its own.";
    SignerDeletionIgnored "signer-deletion-ignored" Policy Swarm
        "A signer whose Secret was deleted has no key.";
    SignerNamespaceIgnored "signer-namespace-ignored" Policy Swarm
        "The signers of an ImagePolicy are looked up in its own namespace.";
    WatchLossHidden "watch-loss-hidden" Policy Swarm
        "While the policies are not watched, what is published says so.";

    BundleNotRecovered "bundle-not-recovered" Recovery Swarm
        "The trust bundle that was taken is taken after a restart too.";
    DamagePassedOver "damage-passed-over" Recovery Swarm
        "A journal that is broken before its end is not started from.";
    DeliveriesNotRecovered "deliveries-not-recovered" Recovery Swarm
        "What was learnt since the last start is known after a restart.";
    IncarnationReused "incarnation-reused" Recovery Swarm
        "Each start has a number of its own.";
    RevocationNotRecovered "revocation-not-recovered" Recovery Rule
        "What operators ended stays ended after a restart.";
    TrustNotRecovered "trust-not-recovered" Recovery Swarm
        "All that is trusted is trusted after a restart too.";

    CertificateOfAnother "certificate-of-another" Verify Swarm
        "A root's certificate is for its own collection.";
    DelegationPathIgnored "delegation-path-ignored" Verify Swarm
        "A delegation names tags within its paths only.";
    DelegationUnsigned "delegation-unsigned" Verify Swarm
        "A delegation is signed by the keys that its parent lists.";
    DigestFromRequest "digest-from-request" Verify Swarm
        "The digest that may run is the signed one, whatever the image reference says.";
    EquivocationAccepted "equivocation-accepted" Verify Rule
        "Of one version of a role there is one document.";
    ExpiryIgnored "expiry-ignored" Verify Swarm
        "An expired document is not believed.";
    FirstSignerOnly "first-signer-only" Verify Swarm
        "Every required signer must have signed.";
    FirstUseHidden "first-use-hidden" Verify Rule
        "A root that nothing but its being first speaks for is called so.";
    KeyCountedTwice "key-counted-twice" Verify Swarm
        "One key under two ids is one signature.";
    PinsIgnored "pins-ignored" Verify Swarm
        "A root is carried by the keys that are pinned.";
    PolicyPinsIgnored "policy-pins-ignored" Verify Swarm
        "The pins of a policy are held against the root.";
    ReleasesIgnored "releases-ignored" Verify Swarm
        "Where targets/releases names a tag, it is followed.";
    RootUnsigned "root-unsigned" Verify Swarm
        "A root is signed by as many of its own keys as it asks for.";
    RotationUnsigned "rotation-unsigned" Verify Swarm
        "A newer root is signed as the one before it asks.";
    SignerDigestIgnored "signer-digest-ignored" Verify Swarm
        "Each required signer names the digest that is released.";
    SignerKeyNotCompared "signer-key-not-compared" Verify Swarm
        "A required signer's own key has signed its role.";
    SnapshotRollback "snapshot-rollback" Verify Rule
        "A snapshot is not older than one seen before.";
    SnapshotUnsigned "snapshot-unsigned" Verify Swarm
        "A snapshot is signed by the keys that the root lists for it.";
    TargetsRollback "targets-rollback" Verify Swarm
        "Targets and delegations are not older than those seen before.";
    TargetsUnsigned "targets-unsigned" Verify Swarm
        "Targets are signed by the keys that the root lists for them.";
    ThresholdOne "threshold-one" Verify Swarm
        "A role is signed by as many keys as its threshold says.";
    ThresholdZero "threshold-zero" Verify Swarm
        "No document is believed without a valid signature.";
    TimestampRollback "timestamp-rollback" Verify Swarm
        "A timestamp is not older than one seen before.";
    TimestampUnsigned "timestamp-unsigned" Verify Swarm
        "A timestamp is signed by the keys that the root lists for it.";
    WithdrawalAccepted "withdrawal-accepted" Verify Rule
        "The role targets/releases does not vanish once it was verified.";
}

/// Has this bug act in the thread that calls, from now on and alone; none for `None`.
///
/// The count of [`Bug::HiddenInput`] goes on where it was: nobody can set a hidden input.
#[cfg(feature = "planted-bugs")]
pub fn choose(bug: Option<Bug>) {
    CHOSEN.set(bug);
}

/// Whether `rule`, a test that passes where no bug acts, fails where `bug` does.
#[cfg(feature = "planted-bugs")]
#[must_use]
pub fn breaks(bug: Bug, rule: fn()) -> bool {
    choose(None);
    rule();
    choose(Some(bug));
    let broken = std::panic::catch_unwind(rule).is_err();
    choose(None);
    broken
}

/// Whether the line that asks is to do wrong.
#[cfg(feature = "planted-bugs")]
#[must_use]
pub fn is(bug: Bug) -> bool {
    let chosen = CHOSEN.get() == Some(bug);
    if chosen && bug == Bug::HiddenInput {
        let asked = ASKED.get().wrapping_add(1);
        ASKED.set(asked);
        return asked.is_multiple_of(EVERY);
    }
    chosen
}

/// Whether the line that asks is to do wrong: never, for no bugs are compiled in.
#[cfg(not(feature = "planted-bugs"))]
#[inline]
#[must_use]
pub const fn is(_: Bug) -> bool {
    false
}

#[cfg(feature = "planted-bugs")]
thread_local! {
    /// The bug that acts.
    static CHOSEN: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
    /// How often it was asked whether the hidden input acts.
    static ASKED: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_bug_has_a_name_of_its_own_and_says_which_rule_it_breaks() {
        let names: BTreeSet<_> = Bug::ALL.iter().map(|bug| bug.id()).collect();
        assert_eq!(names.len(), Bug::ALL.len());
        let rules: BTreeSet<_> = Bug::ALL.iter().map(|bug| bug.rule()).collect();
        assert_eq!(rules.len(), Bug::ALL.len());
        for bug in Bug::ALL {
            assert!(bug.rule().ends_with('.') && !bug.rule().contains(". "), "{bug:?}");
            assert_eq!(Bug::from_id(bug.id()), Some(*bug));
            assert_eq!(bug.id().replace('-', ""), format!("{bug:?}").to_lowercase());
        }
        assert_eq!(Bug::from_id("none-of-them"), None);
    }

    #[test]
    fn of_every_machine_the_swarm_is_to_catch_three_bugs_at_least() {
        for seat in Bug::ALL.iter().map(|bug| bug.machine()) {
            let of = |bug: &&Bug| bug.machine() == seat && bug.catcher() == Catcher::Swarm;
            assert!(Bug::ALL.iter().filter(of).count() >= 3, "{}", seat.name());
        }
    }

    #[cfg(not(feature = "planted-bugs"))]
    #[test]
    fn no_bug_acts_where_none_is_compiled_in() {
        const { assert!(!is(Bug::AnswerBeforeDurable) && !COMPILED) };
        assert!(!Bug::ALL.iter().any(|bug| is(*bug)));
    }

    #[cfg(feature = "planted-bugs")]
    #[test]
    fn the_bug_that_was_chosen_acts_and_no_other() {
        assert!(COMPILED && !Bug::ALL.iter().any(|bug| is(*bug)));
        for chosen in Bug::ALL {
            choose(Some(*chosen));
            let asked = if *chosen == Bug::HiddenInput { EVERY } else { 1 };
            let acts = |bug: &&Bug| (0..asked).fold(false, |acted, _| acted | is(**bug));
            let acting: Vec<_> = Bug::ALL.iter().filter(acts).collect();
            assert_eq!(acting, [chosen]);
        }
        choose(None);
        assert!(!Bug::ALL.iter().any(|bug| is(*bug)));
    }
}
