//! Seals of controllers: what a child may rest on, and what proves nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;

use portreeve_protocol::decision::{SealOf, Sealed};
use portreeve_protocol::messages::admission::{
    AdmissionEffect, AdmissionInput, FoundOwner, OwnerFact, OwnerFound, OwnerOutcome, OwnerQuery,
    ResolutionOutcome, ReviewFacts, RevokeSeal,
};
use portreeve_protocol::policy::{Rule, TrustRequirement};
use portreeve_protocol::seal::{SealClaims, SealEntry, SealFact, SealFault};
use portreeve_protocol::{Admitted, Denial, DenyCode, Settings, Sha256, Verdict};

use crate::world::{
    World, answer, answers, code, digest, kind, owner, pod, policy, questions, rule, signed, trust,
    verified,
};

pub const GUN: &str = "registry.example/app";
pub const TAG: &str = "registry.example/app:1";

/// `image` at the digest of `what`.
pub fn at(image: &str, what: &str) -> String {
    format!("{image}@{}", digest(what).to_oci())
}

/// A workload of this kind with these images, where seals can be made.
pub fn workload(of: &str, images: &[&str]) -> ReviewFacts {
    let group = if of.ends_with("Job") { "batch" } else { "apps" };
    ReviewFacts {
        kind: kind(group, of),
        namespace: "shop".to_owned(),
        sealing: true,
        ..pod(images)
    }
}

/// A Pod of the ReplicaSet of [`owner`].
pub fn child(images: &[&str]) -> ReviewFacts {
    let owners = vec![owner()];
    ReviewFacts { namespace: "shop".to_owned(), owners, sealing: true, ..pod(images) }
}

/// The seal that a Deployment `web` is given under these rules for these images, which are signed.
pub fn sealed_under(rules: Vec<Rule>, images: &[&str]) -> SealClaims {
    let mut world = World::with(vec![policy("default", rules)]);
    let asked = world.review(&workload("Deployment", images));
    answer(&sign(&mut world, &asked, "image")).claims().unwrap()
}

pub fn sealed(images: &[&str]) -> SealClaims {
    sealed_under(vec![rule("*", trust(&[]))], images)
}

/// Answers every question: signed, with the digest of `what`.
pub fn sign(world: &mut World, effects: &[AdmissionEffect], what: &str) -> Vec<AdmissionEffect> {
    let mut all = Vec::new();
    for (_, asked) in questions(effects) {
        let tag = signed(&asked.gun, &asked.tag, digest(what), &[]);
        all.extend(world.tell(&asked.gun, &asked.tag, verified(tag)));
    }
    all
}

pub fn valid(claims: &SealClaims) -> SealFact {
    SealFact::Valid(Box::new(claims.clone()))
}

/// The ReplicaSet of [`owner`], with the copy of its Deployment's seal.
pub fn found(claims: &SealClaims) -> FoundOwner {
    let controller = OwnerFact {
        kind: "Deployment".to_owned(),
        name: "web".to_owned(),
        uid: "d".to_owned(),
        ..owner()
    };
    let seal = valid(claims);
    FoundOwner { controller: Some(controller), seal, uid: "f00d".to_owned() }
}

pub fn looks(effects: &[AdmissionEffect]) -> Vec<OwnerQuery> {
    let look = |effect: &AdmissionEffect| match effect {
        AdmissionEffect::LookUpOwner(query) => Some(query.clone()),
        AdmissionEffect::Answer(_)
        | AdmissionEffect::Arm(..)
        | AdmissionEffect::Disarm(_)
        | AdmissionEffect::Note(_)
        | AdmissionEffect::Resolve { .. } => None,
    };
    effects.iter().filter_map(look).collect()
}

impl World {
    /// Sends a review whose controller is looked for, and tells what was found.
    pub fn with_owner(
        &mut self,
        facts: &ReviewFacts,
        outcome: OwnerOutcome,
    ) -> Vec<AdmissionEffect> {
        let effects = self.review(facts);
        let looks = looks(&effects);
        assert_eq!((looks.len(), questions(&effects).len()), (1, 0), "{effects:?}");
        self.owner_found(&looks[0], outcome)
    }

    pub fn owner_found(
        &mut self,
        look: &OwnerQuery,
        outcome: OwnerOutcome,
    ) -> Vec<AdmissionEffect> {
        let review = look.review.clone();
        self.deliver(&AdmissionInput::OwnerFound(OwnerFound { micros: 1, outcome, review }))
    }
}

fn by_seal(effects: &[AdmissionEffect]) -> Sealed {
    let decision = answer(effects);
    let Verdict::Allowed(Admitted::Sealed(sealed)) = &decision.verdicts[0].verdict else {
        panic!("{decision:?}")
    };
    Sealed::clone(sealed)
}

fn world() -> World {
    World::with_rule("*", trust(&[]))
}

fn outcome(found: FoundOwner) -> OwnerOutcome {
    OwnerOutcome::Found(Box::new(found))
}

/// What becomes of a Pod with the sealed image, by what is found of its controller: whether it is
/// allowed by the seal; else the trust server must have been asked.
fn counts(found: FoundOwner) -> bool {
    counts_in(&mut world(), found)
}

fn counts_in(world: &mut World, found: FoundOwner) -> bool {
    let effects = world.with_owner(&child(&[&at(TAG, "image")]), outcome(found));
    if answers(&effects).is_empty() {
        assert_eq!(questions(&effects).len(), 1);
        return false;
    }
    assert_eq!(by_seal(&effects).by, SealOf::Owner("ReplicaSet".to_owned(), "web-1".to_owned()));
    true
}

#[test]
fn a_child_whose_genuine_controller_is_sealed_is_allowed_without_a_question() {
    let facts = child(&[&at(TAG, "image")]);
    let effects = world().with_owner(&facts, outcome(found(&sealed(&[TAG]))));
    assert_eq!(by_seal(&effects).digest, digest("image"));
    assert!(questions(&effects).is_empty());
    assert_eq!(answer(&effects).patch(), None);
}

#[test]
fn the_look_names_the_controller_in_the_childs_own_namespace() {
    let look = looks(&world().review(&child(&[TAG]))).remove(0);
    assert_eq!((look.api_version.as_str(), look.kind.as_str()), ("apps/v1", "ReplicaSet"));
    assert_eq!((look.namespace.as_str(), look.name.as_str()), ("shop", "web-1"));
}

#[test]
fn a_child_that_names_the_submitted_tag_gets_the_sealed_digest() {
    let effects = world().with_owner(&child(&[TAG]), outcome(found(&sealed(&[TAG]))));
    let patch = answer(&effects).patch().unwrap();
    assert!(patch.contains(&at(TAG, "image")), "{patch}");
}

#[test]
pub fn another_tag_or_digest_or_repository_than_the_sealed_one_is_decided_by_policy() {
    let other = at("registry.example/other:1", "image");
    for image in ["registry.example/app:2", &at(TAG, "other"), &other] {
        let effects = world().with_owner(&child(&[image]), outcome(found(&sealed(&[TAG]))));
        assert_eq!((answers(&effects).len(), questions(&effects).len()), (0, 1), "{image}");
    }
}

#[test]
fn containers_not_in_the_seal_are_decided_by_policy() {
    let mut world = world();
    let facts = child(&[TAG, "registry.example/sidecar:1"]);
    let effects = world.with_owner(&facts, outcome(found(&sealed(&[TAG]))));
    assert_eq!(questions(&effects)[0].1.gun, "registry.example/sidecar");
    let effects = world.tell("registry.example/sidecar", "1", ResolutionOutcome::Absent);
    let decision = answer(&effects);
    assert_eq!(code(&decision), Some(DenyCode::NotSigned));
    assert!(matches!(decision.verdicts[0].verdict, Verdict::Allowed(Admitted::Sealed(_))));
    assert_eq!(decision.patch(), None, "nothing is changed in what does not enter");
}

#[test]
pub fn the_seal_of_an_object_of_another_kind_proves_nothing() {
    let of = OwnerFact { kind: "StatefulSet".to_owned(), name: "web".to_owned(), ..owner() };
    let facts = ReviewFacts { owners: vec![of], ..child(&[&at(TAG, "image")]) };
    let found = FoundOwner { controller: None, ..found(&sealed(&[TAG])) };
    let effects = world().with_owner(&facts, outcome(found));
    assert_eq!((answers(&effects).len(), questions(&effects).len()), (0, 1));
}

#[test]
pub fn a_forged_owner_uid_proves_nothing() {
    assert!(counts(found(&sealed(&[TAG]))));
    assert!(!counts(FoundOwner { uid: "another".to_owned(), ..found(&sealed(&[TAG])) }));
}

#[test]
fn an_edited_owner_proves_nothing() {
    for fault in [SealFault::Malformed, SealFault::NoKey, SealFault::NotGenuine] {
        assert!(!counts(FoundOwner { seal: SealFact::Invalid(fault), ..found(&sealed(&[TAG])) }));
    }
    assert!(!counts(FoundOwner { seal: SealFact::Absent, ..found(&sealed(&[TAG])) }));
}

#[test]
pub fn a_copied_seal_proves_nothing() {
    let seal = sealed(&[TAG]);
    assert!(!counts(found(&SealClaims { name: "other".to_owned(), ..seal.clone() })));
    assert!(!counts(found(&SealClaims { namespace: "other".to_owned(), ..seal.clone() })));
    assert!(!counts(found(&SealClaims { kind: "StatefulSet".to_owned(), ..seal })));
}

#[test]
fn a_replicaset_counts_by_the_copy_of_its_deployments_seal() {
    let genuine = found(&sealed(&[TAG]));
    assert!(counts(genuine.clone()));
    assert!(!counts(FoundOwner { controller: None, ..genuine.clone() }));
    let above = genuine.controller.clone().unwrap();
    for above in [
        OwnerFact { controller: false, ..above.clone() },
        OwnerFact { kind: "DaemonSet".to_owned(), ..above.clone() },
        OwnerFact { api_version: "evil.example/v1".to_owned(), ..above.clone() },
        OwnerFact { name: "other".to_owned(), ..above },
    ] {
        assert!(!counts(FoundOwner { controller: Some(above), ..genuine.clone() }));
    }
}

#[test]
fn a_replicaset_without_controller_counts_by_its_own_seal() {
    let (kind, name) = ("ReplicaSet".to_owned(), "web-1".to_owned());
    let own = SealClaims { kind, name, ..sealed(&[TAG]) };
    assert!(counts(FoundOwner { controller: None, ..found(&own) }));
}

#[test]
fn only_the_copy_in_a_replicaset_may_be_a_deployments() {
    let of = |kind: &str| {
        let owners = vec![OwnerFact { kind: kind.to_owned(), ..owner() }];
        let facts = ReviewFacts { owners, ..child(&[TAG]) };
        let effects = world().with_owner(&facts, outcome(found(&sealed(&[TAG]))));
        !answers(&effects).is_empty()
    };
    assert!(of("ReplicaSet"));
    assert!(!of("StatefulSet"));
}

#[test]
pub fn a_seal_of_another_requirement_proves_nothing() {
    let base = || trust(&[("alice", digest("alice"))]).unwrap();
    let with = |change: &dyn Fn(&mut TrustRequirement)| {
        let mut requirement = base();
        change(&mut requirement);
        requirement
    };
    let entry = |digest: Sha256| SealClaims {
        generations: vec![vec![SealEntry { requirement: digest, ..sample() }]],
        ..sealed(&[TAG])
    };
    let by = |requirement: TrustRequirement, settings: Settings, found: FoundOwner| {
        let mut world = World::new(settings);
        world.policies(vec![policy("default", vec![rule("*", Some(requirement))])]);
        counts_in(&mut world, found)
    };
    let genuine = found(&entry(requirement_of(base())));
    assert!(by(base(), Settings::default(), genuine.clone()));
    let others = [
        with(&|it| it.server = Some("https://other.example".to_owned())),
        trust(&[("bob", digest("alice"))]).unwrap(),
        trust(&[("alice", digest("other"))]).unwrap(),
        trust(&[]).unwrap(),
        with(&|it| it.pins = BTreeSet::from([digest("pin")])),
        with(&|it| it.strict_roles = true),
    ];
    for other in others {
        assert!(!by(other.clone(), Settings::default(), genuine.clone()), "{other:?}");
    }
    let patient = with(&|it| it.max_staleness = Some(1));
    assert!(by(patient, Settings::default(), genuine), "how old data may be is not sealed");
}

/// An entry of the seal of [`sealed`].
pub fn sample() -> SealEntry {
    sealed(&[TAG]).generations[0][0].clone()
}

/// The digest of what one rule asks, as the machine writes it into seals.
fn requirement_of(requirement: TrustRequirement) -> Sha256 {
    let keys: Vec<(&str, Sha256)> = vec![("alice", digest("alice"))];
    let mut world = World::with_rule("*", Some(requirement));
    world.review(&workload("Deployment", &[TAG]));
    let tag = signed(GUN, "1", digest("image"), &keys);
    let decision = answer(&world.tell(GUN, "1", verified(tag)));
    decision.claims().unwrap().generations[0][0].requirement
}

#[test]
fn a_revoked_entry_counts_nowhere() {
    let revoke = |gun: &str, what: &str| {
        let mut world = world();
        let (digest, gun, reason) = (digest(what), gun.to_owned(), "leaked".to_owned());
        world.deliver(&AdmissionInput::RevokeSeal(RevokeSeal { digest, gun, reason }));
        counts_in(&mut world, found(&sealed(&[TAG])))
    };
    assert!(!revoke(GUN, "image"));
    assert!(revoke(GUN, "other"));
    assert!(revoke("registry.example/other", "image"));
}

#[test]
fn a_controller_that_is_not_seen_leaves_the_child_to_its_policy() {
    let why = Denial::new(DenyCode::Unreachable, "no word of the API server");
    for outcome in [OwnerOutcome::Absent, OwnerOutcome::Unavailable(why)] {
        let mut world = world();
        let effects = world.with_owner(&child(&[TAG]), outcome);
        let decision = answer(&sign(&mut world, &effects, "image"));
        assert!(matches!(decision.verdicts[0].verdict, Verdict::Allowed(Admitted::Verified(_))));
        assert!(decision.audit["seal"].contains("ReplicaSet web-1"), "{:?}", decision.audit);
    }
}

#[test]
fn a_controller_that_is_late_is_named_in_the_denial() {
    let mut world = world();
    world.review(&child(&[TAG]));
    let review = world.last();
    world.pass(9_000_000);
    let decision = answer(&world.deadline(&review));
    assert_eq!(code(&decision), Some(DenyCode::Deadline));
    assert!(decision.message.contains("ReplicaSet web-1"), "{}", decision.message);
}

#[test]
fn a_word_of_a_controller_that_comes_twice_or_too_late_changes_nothing() {
    let mut world = world();
    let look = looks(&world.review(&child(&[TAG]))).remove(0);
    assert!(answers(&world.owner_found(&look, OwnerOutcome::Absent)).is_empty());
    let again = world.owner_found(&look, outcome(found(&sealed(&[TAG]))));
    assert!(answers(&again).is_empty() && questions(&again).is_empty());
    answer(&world.tell(GUN, "1", ResolutionOutcome::Absent));
    assert!(world.owner_found(&look, OwnerOutcome::Absent).is_empty());
}

#[test]
fn owners_that_carry_no_seal_or_are_no_controllers_are_not_looked_up() {
    for one in [
        OwnerFact { controller: false, ..owner() },
        OwnerFact { kind: "Widget".to_owned(), ..owner() },
        OwnerFact { api_version: "evil.example/v1".to_owned(), ..owner() },
        OwnerFact { api_version: "v1".to_owned(), kind: "Node".to_owned(), ..owner() },
    ] {
        let facts = ReviewFacts { owners: vec![one], ..child(&[TAG]) };
        let effects = world().review(&facts);
        assert_eq!((looks(&effects).len(), questions(&effects).len()), (0, 1));
    }
    let effects = world().review(&ReviewFacts { sealing: false, ..child(&[TAG]) });
    assert!(looks(&effects).is_empty(), "without a key no seal can be genuine");
}

#[test]
fn an_owner_is_not_looked_up_for_what_needs_no_trust() {
    let mut world = World::with_rule("*", None);
    assert!(answer(&world.review(&child(&[TAG]))).allowed);
}
