//! Seals of the workload itself: who gets one, what it says, and what an update may rest on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use portreeve_protocol::decision::SealOf;
use portreeve_protocol::messages::admission::{
    AdmissionEffect, AdmissionInput, ContainerList, ImageFact, Operation, OwnerFact, OwnerOutcome,
    ResolutionOutcome, ReviewFacts, ReviewPath, RevokeSeal,
};
use portreeve_protocol::policy::{Mode, Rule};
use portreeve_protocol::seal::{SealClaims, SealEntry, SealFact, SealFault};
use portreeve_protocol::{Admitted, Decision, Denial, DenyCode, Verdict, codec, limits};

use crate::seals::{
    GUN, TAG, at, found, looks, sample, sealed, sealed_under, sign, valid, workload,
};
use crate::world::{
    World, answer, answers, code, digest, kind, owner, pod, policy, questions, rule, signed, trust,
    verified,
};

fn world() -> World {
    World::with_rule("*", trust(&[]))
}

/// The update of a Deployment that ran `old` under `seal` to `new`; it carries `seal` still.
fn update(seal: &SealClaims, old: &[&str], new: &[&str]) -> ReviewFacts {
    ReviewFacts {
        old_images: workload("Deployment", old).images,
        old_seal: valid(seal),
        operation: Operation::Update,
        seal: valid(seal),
        ..workload("Deployment", new)
    }
}

/// A seal with one generation for each of these, the newest first.
fn generations(of: &[&str]) -> SealClaims {
    let one = |what: &&str| vec![SealEntry { digest: digest(what), ..sample() }];
    SealClaims { generations: of.iter().map(one).collect(), ..sealed(&[TAG]) }
}

fn signed_review(facts: &ReviewFacts) -> Decision {
    let mut world = world();
    let effects = world.review(facts);
    answer(&sign(&mut world, &effects, "image"))
}

#[track_caller]
fn by(decision: &Decision) -> SealOf {
    let Verdict::Allowed(Admitted::Sealed(sealed)) = &decision.verdicts[0].verdict else {
        panic!("{decision:?}")
    };
    sealed.by.clone()
}

#[test]
fn an_unchanged_reference_in_the_same_container_needs_no_trust_server_and_gets_no_patch() {
    let facts = update(&sealed(&[TAG]), &[TAG], &[TAG]);
    for path in [ReviewPath::Admit, ReviewPath::Validate] {
        for old_seal in [facts.old_seal.clone(), SealFact::Absent] {
            let facts = ReviewFacts { old_seal, path, ..facts.clone() };
            let decision = answer(&world().review(&facts));
            assert_eq!((decision.allowed, &decision.patch()), (true, &None));
        }
    }
}

#[test]
fn a_volume_named_as_a_container_keeps_its_own_entry_of_the_seal() {
    const SIDE: &str = "registry.example/side:1";
    let named_alike = |mut facts: ReviewFacts| {
        for (images, list) in [(&mut facts.images, 1), (&mut facts.old_images, 1)] {
            if let Some(volume) = images.get_mut(list) {
                volume.container = "c0".into();
                volume.list = ContainerList::Volume;
            }
        }
        facts
    };
    let mut world = world();
    let asked = world.review(&named_alike(workload("Deployment", &[TAG, SIDE])));
    let seal = answer(&sign(&mut world, &asked, "image")).claims().unwrap();
    let pinned = [at(TAG, "image"), at(SIDE, "image")];
    let pinned = pinned.each_ref().map(String::as_str);
    let decision = answer(&world.review(&named_alike(update(&seal, &pinned, &pinned))));
    assert_eq!((decision.allowed, decision.seal), (true, None));
}

#[test]
fn the_reference_of_another_container_or_of_a_creation_is_not_unchanged() {
    let facts =
        ReviewFacts { old_seal: SealFact::Absent, ..update(&sample_seal(), &[TAG], &[TAG]) };
    let mut renamed = facts.clone();
    renamed.old_images[0].container = "other".into();
    let created = ReviewFacts { operation: Operation::Create, ..facts };
    for facts in [renamed, created] {
        assert_eq!(questions(&world().review(&facts)).len(), 1);
    }
}

fn sample_seal() -> SealClaims {
    sealed(&[TAG])
}

#[test]
fn a_verified_workload_is_sealed_with_what_was_found() {
    let decision = signed_review(&workload("Deployment", &[TAG]));
    let seal = decision.claims().unwrap();
    assert!(seal.names("Deployment", "shop", "web"));
    let [entry] = seal.generations[0].as_slice() else { panic!("{seal:?}") };
    assert_eq!((&*entry.container, &*entry.reference), ("c0", TAG));
    assert_eq!((&*entry.repository, entry.digest), (GUN, digest("image")));
    assert_eq!(entry.root_keys, [digest("root")].into());
}

#[test]
fn every_kind_that_makes_others_is_sealed() {
    let kinds = ["Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "ReplicaSet"];
    for kind in kinds {
        assert!(signed_review(&workload(kind, &[TAG])).seal.is_some(), "{kind}");
    }
    let controller = kind("", "ReplicationController");
    let facts = ReviewFacts { kind: controller, ..workload("Deployment", &[TAG]) };
    assert!(signed_review(&facts).seal.is_some());
}

#[test]
fn pods_unnamed_objects_copies_and_the_validating_pass_get_no_seal() {
    let base = workload("Deployment", &[TAG]);
    let cases = [
        ReviewFacts { sealing: true, namespace: "shop".to_owned(), ..pod(&[TAG]) },
        ReviewFacts { name: "web-*".to_owned(), ..base.clone() },
        ReviewFacts { name: String::new(), ..base.clone() },
        ReviewFacts { sealing: false, ..base.clone() },
        ReviewFacts { path: ReviewPath::Validate, ..base },
    ];
    for facts in cases {
        let decision = signed_review(&facts);
        assert_eq!((decision.allowed, decision.seal), (true, None), "{facts:?}");
    }
    let copy = ReviewFacts { owners: vec![owner()], ..workload("ReplicaSet", &[TAG]) };
    let mut world = world();
    let effects = world.with_owner(&copy, OwnerOutcome::Absent);
    let decision = answer(&sign(&mut world, &effects, "image"));
    assert_eq!((decision.allowed, decision.patch(), decision.seal), (true, None, None));
}

#[test]
fn nothing_is_sealed_that_a_rule_does_not_enforce_and_pin() {
    let seal = |change: &dyn Fn(&mut Rule)| {
        let mut rule = rule("*", trust(&[]));
        change(&mut rule);
        let mut world = World::with(vec![policy("default", vec![rule])]);
        let effects = world.review(&workload("Deployment", &[TAG]));
        answer(&sign(&mut world, &effects, "image")).seal
    };
    assert!(seal(&|_| ()).is_some());
    assert_eq!(seal(&|rule| rule.mutate_image = false), None);
    assert_eq!(seal(&|rule| rule.mode = Mode::Warn), None);
    assert_eq!(seal(&|rule| rule.mode = Mode::Audit), None);
    let mut world = World::with_rule("*", None);
    assert_eq!(answer(&world.review(&workload("Deployment", &[TAG]))).seal, None);
}

#[test]
fn a_workload_that_is_denied_gets_no_seal() {
    let mut world = world();
    world.review(&workload("Deployment", &[TAG, "registry.example/other:1"]));
    let effects = world.tell("registry.example/other", "1", ResolutionOutcome::Absent);
    assert!(answers(&effects).is_empty());
    let effects = world.tell(GUN, "1", ResolutionOutcome::Absent);
    assert_eq!(answer(&effects).seal, None);
}

#[test]
fn a_fitting_seal_is_left_as_it_is() {
    let seal = sealed(&[TAG]);
    let pinned = at(TAG, "image");
    let facts = update(&seal, &[&pinned], &[&pinned]);
    assert_eq!(answer(&world().review(&facts)).seal, None);
    let again = update(&seal, &[&pinned], &[TAG]);
    let decision = signed_review(&again);
    assert_eq!(decision.seal, None, "the tag led to the same digest again");
    assert!(decision.patch().unwrap().contains(&pinned));
}

#[test]
fn a_dropped_seal_is_restored() {
    let seal = sealed(&[TAG]);
    let pinned = at(TAG, "image");
    let forged = SealFact::Invalid(SealFault::NotGenuine);
    let copied = valid(&SealClaims { name: "other".to_owned(), ..seal.clone() });
    for sent in [SealFact::Absent, forged, copied] {
        let facts = ReviewFacts { seal: sent, ..update(&seal, &[&pinned], &[&pinned]) };
        assert_eq!(answer(&world().review(&facts)).claims().as_ref(), Some(&seal));
    }
}

#[test]
fn the_seal_of_another_object_is_not_kept_as_the_old_ones() {
    let other = SealClaims { name: "other".to_owned(), ..sealed(&[TAG]) };
    let pinned = at(TAG, "image");
    let facts = update(&other, &[&at(TAG, "new")], &[&pinned]);
    assert_eq!(questions(&world().review(&facts)).len(), 1);
    let own = update(&sealed(&[TAG]), &[&at(TAG, "new")], &[&pinned]);
    assert!(answer(&world().review(&own)).allowed);
}

#[test]
pub fn a_new_image_puts_a_generation_before_the_old_ones() {
    let old = generations(&["old"]);
    let decision = signed_review(&update(&old, &[&at(TAG, "old")], &[TAG]));
    assert_eq!(decision.claims().unwrap(), generations(&["image", "old"]));
}

#[test]
fn going_back_is_allowed_with_a_warning() {
    let seal = generations(&["new", "old"]);
    let facts = update(&seal, &[&at(TAG, "new")], &[&at(TAG, "old")]);
    let decision = answer(&world().review(&facts));
    assert_eq!(by(&decision), SealOf::Earlier);
    assert!(decision.warnings[0].contains("earlier generation"), "{:?}", decision.warnings);
    assert_eq!(decision.claims().unwrap(), generations(&["old", "new"]), "it runs now");
}

#[test]
fn going_back_needs_a_digest_a_genuine_seal_and_an_entry_that_nobody_ended() {
    let seal = generations(&["new", "old"]);
    let facts = update(&seal, &[&at(TAG, "new")], &[&at(TAG, "old")]);
    let invalid = SealFact::Invalid(SealFault::NotGenuine);
    for old_seal in [SealFact::Absent, invalid] {
        let facts = ReviewFacts { old_seal, ..facts.clone() };
        assert_eq!(questions(&world().review(&facts)).len(), 1);
    }
    let mut ended = world();
    let (digest, reason) = (digest("old"), "leaked".to_owned());
    let revoke = RevokeSeal { digest, gun: GUN.to_owned(), reason };
    ended.deliver(&AdmissionInput::RevokeSeal(revoke));
    assert_eq!(questions(&ended.review(&facts)).len(), 1);
    let by_tag = update(&seal, &[&at(TAG, "new")], &[TAG]);
    assert_eq!(questions(&world().review(&by_tag)).len(), 1, "a tag is resolved anew");
}

#[test]
fn ten_generations_are_kept() {
    let names: Vec<String> = (0..limits::SEAL_GENERATIONS).map(|it| it.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let decision = signed_review(&update(&generations(&names), &[&at(TAG, "0")], &[TAG]));
    let kept = decision.claims().unwrap().generations;
    assert_eq!(kept.len(), limits::SEAL_GENERATIONS);
    assert_eq!(kept[0][0].digest, digest("image"));
    assert_eq!(kept[9][0].digest, digest("8"), "the oldest went");
}

#[test]
fn a_seal_is_no_larger_than_its_annotation_may_be() {
    let images: Vec<String> = (0..12).map(|it| format!("registry.example/app{it}:1")).collect();
    let images: Vec<&str> = images.iter().map(String::as_str).collect();
    let full = sealed(&images);
    let one = |what: usize| {
        let other =
            |entry: &SealEntry| SealEntry { digest: digest(&what.to_string()), ..entry.clone() };
        full.generations[0].iter().map(other).collect::<Vec<_>>()
    };
    let seal = SealClaims { generations: (0..10).map(one).collect(), ..full.clone() };
    let decision = signed_review(&update(&seal, &[], &images));
    let kept = decision.claims().unwrap();
    assert_eq!(kept.generations[0], full.generations[0]);
    assert!((2..10).contains(&kept.generations.len()), "{}", kept.generations.len());
    let bytes = codec::canonical(&kept).unwrap().len();
    assert!(bytes.div_ceil(3) * 4 < limits::SEAL_BYTES, "{bytes}");
}

#[test]
fn a_workload_with_too_many_containers_for_a_seal_gets_none_and_a_warning() {
    let decision = signed_review(&workload("Deployment", &[TAG; 60]));
    assert!(decision.allowed && decision.patch().is_some());
    assert_eq!(decision.seal, None);
    let told = |text: &String| text.contains("too many containers for a seal");
    assert_eq!(decision.warnings.iter().filter(|text| told(text)).count(), 1);
    let fits = signed_review(&workload("Deployment", &[TAG; 30]));
    assert!(fits.seal.is_some() && !fits.warnings.iter().any(told));
}

#[test]
fn reapplying_the_tag_resolves_anew() {
    let facts = update(&generations(&["old"]), &[&at(TAG, "old")], &[TAG]);
    let decision = signed_review(&facts);
    assert!(decision.patch().unwrap().contains(&at(TAG, "image")));
}

#[test]
fn reapplying_the_tag_goes_on_with_what_runs_while_the_server_is_unreachable() {
    let facts = update(&generations(&["old"]), &[&at(TAG, "old")], &[TAG]);
    let unreachable = || {
        let why = Denial::new(DenyCode::Unreachable, "no route");
        ResolutionOutcome::Unavailable(why)
    };
    let mut one = world();
    one.review(&facts);
    let decision = answer(&one.tell(GUN, "1", unreachable()));
    assert_eq!(by(&decision), SealOf::Running);
    assert!(decision.patch().unwrap().contains(&at(TAG, "old")));
    assert!(decision.warnings[0].contains("goes on"), "{:?}", decision.warnings);
    assert_eq!(decision.seal, None);
    let mut late = world();
    late.review(&facts);
    let review = late.last();
    assert_eq!(by(&answer(&late.deadline(&review))), SealOf::Running);
    let forged =
        ReviewFacts { old_seal: SealFact::Invalid(SealFault::NotGenuine), ..facts.clone() };
    let other_runs = update(&generations(&["old"]), &[&at(TAG, "x")], &[TAG]);
    let other_tag = update(&generations(&["old"]), &[&at(TAG, "old")], &["registry.example/app:2"]);
    for (facts, tag) in [(forged, "1"), (other_runs, "1"), (other_tag, "2")] {
        let mut world = world();
        world.review(&facts);
        let decision = answer(&world.tell(GUN, tag, unreachable()));
        assert_eq!(code(&decision), Some(DenyCode::Unreachable));
    }
}

#[test]
fn under_a_warning_rule_too_what_runs_goes_on_and_is_pinned_while_the_server_is_unreachable() {
    let facts = update(&generations(&["old"]), &[&at(TAG, "old")], &[TAG]);
    let under = |mode| {
        let rule = Rule { mode, ..rule("*", trust(&[])) };
        let mut world = World::with(vec![policy("default", vec![rule])]);
        world.review(&facts);
        let why = Denial::new(DenyCode::Unreachable, "no route");
        answer(&world.tell(GUN, "1", ResolutionOutcome::Unavailable(why)))
    };
    let warned = under(Mode::Warn);
    assert_eq!(by(&warned), SealOf::Running);
    assert!(warned.patch().unwrap().contains(&at(TAG, "old")));
    assert!(warned.warnings[0].contains("goes on"), "{:?}", warned.warnings);
    assert_eq!(warned.seal, None, "the seal that is there stays");
    let recorded = under(Mode::Audit);
    assert_eq!((recorded.allowed, recorded.patch()), (true, None), "audit never patches");
    assert_eq!(recorded.audit["would-deny"], "c0=trust-server-unreachable");
}

/// From the second of two generations back to the first, with a container beside it that is new.
fn going_back() -> ReviewFacts {
    let seal = generations(&["old", "image"]);
    update(&seal, &[&at(TAG, "old")], &[&at(TAG, "image"), "registry.example/x:1"])
}

fn revoke(world: &mut World, what: &str) -> Vec<AdmissionEffect> {
    let (digest, gun, reason) = (digest(what), GUN.to_owned(), "leaked".to_owned());
    world.deliver(&AdmissionInput::RevokeSeal(RevokeSeal { digest, gun, reason }))
}

#[test]
pub fn an_entry_that_ends_while_a_review_waits_counts_no_more_in_it() {
    let other = |world: &mut World| {
        let found = signed("registry.example/x", "1", digest("x"), &[]);
        world.tell("registry.example/x", "1", verified(found))
    };
    let mut world = world();
    let asked = questions(&world.review(&going_back()));
    assert_eq!(asked.len(), 1, "the seal stands for the other image: {asked:?}");
    assert!(questions(&revoke(&mut world, "another")).is_empty());
    let asked = questions(&revoke(&mut world, "image"));
    assert_eq!((asked.len(), asked[0].1.gun.as_str()), (1, GUN), "{asked:?}");
    assert!(answers(&other(&mut world)).is_empty());
    let decision = answer(&world.tell(GUN, "1", ResolutionOutcome::Absent));
    assert_eq!(code(&decision), Some(DenyCode::NotSigned));
    assert!(decision.warnings.is_empty(), "{:?}", decision.warnings);
}

#[test]
fn an_entry_that_ends_while_the_controller_is_looked_for_counts_no_more_after_it() {
    let facts = ReviewFacts { owners: vec![owner()], ..going_back() };
    let mut world = world();
    let look = looks(&world.review(&facts)).remove(0);
    assert!(questions(&revoke(&mut world, "image")).is_empty());
    let asked = questions(&world.owner_found(&look, OwnerOutcome::Absent));
    assert_eq!(asked.len(), 2, "{asked:?}");
}

#[test]
fn reapplying_the_tag_of_what_is_no_longer_signed_is_denied() {
    let refused = ResolutionOutcome::Refused(Denial::new(DenyCode::Rollback, "older"));
    for outcome in [ResolutionOutcome::Absent, refused] {
        let mut world = world();
        world.review(&update(&generations(&["old"]), &[&at(TAG, "old")], &[TAG]));
        assert!(!answer(&world.tell(GUN, "1", outcome)).allowed);
    }
}

#[test]
fn the_roots_that_seals_name_go_with_the_question() {
    let asked = |facts: &ReviewFacts| {
        let roots = questions(&world().review(facts)).remove(0).1.sealed_roots;
        roots.into_iter().collect::<Vec<_>>()
    };
    let seal = generations(&["old"]);
    let facts = update(&seal, &[&at(TAG, "old")], &[TAG]);
    assert_eq!(asked(&facts), [digest("root")]);
    assert_eq!(asked(&update(&seal, &[], &["registry.example/other:1"])), []);
    assert_eq!(asked(&ReviewFacts { old_seal: SealFact::Absent, ..facts }), []);
}

fn cron_job() -> (ReviewFacts, SealClaims) {
    let cron = OwnerFact {
        api_version: "batch/v1".to_owned(),
        kind: "CronJob".to_owned(),
        name: "night".to_owned(),
        ..owner()
    };
    let facts = ReviewFacts { owners: vec![cron], ..workload("Job", &[&at(TAG, "image")]) };
    let (kind, name) = ("CronJob".to_owned(), "night".to_owned());
    (facts, SealClaims { kind, name, ..sealed(&[TAG]) })
}

#[test]
fn a_job_of_a_sealed_cronjob_gets_a_seal_of_its_own() {
    let (facts, seal) = cron_job();
    let of_cron = found(&seal);
    let decision = answer(&world().with_owner(&facts, OwnerOutcome::Found(Box::new(of_cron))));
    assert_eq!(by(&decision), SealOf::Owner("CronJob".to_owned(), "night".to_owned()));
    let own = decision.claims().unwrap();
    assert!(own.names("Job", "shop", "web"));
    assert_eq!(own.generations, seal.generations);
    assert_eq!(decision.patch(), None, "the template of a controlled workload is never changed");
}

/// What the validating pass sees of a Deployment that carries `seal`.
fn validating(seal: SealFact, images: &[&str]) -> ReviewFacts {
    ReviewFacts { path: ReviewPath::Validate, seal, ..workload("Deployment", images) }
}

#[test]
fn the_validating_pass_takes_the_seal_of_the_mutating_pass_and_never_patches() {
    let seal = sealed(&[TAG]);
    let decision = answer(&world().review(&validating(valid(&seal), &[&at(TAG, "image")])));
    assert_eq!(by(&decision), SealOf::Own);
    assert_eq!((decision.patch(), decision.seal), (None, None));
    let decision = signed_review(&validating(SealFact::Absent, &[TAG]));
    assert_eq!((decision.allowed, decision.patch(), decision.seal), (true, None, None));
}

#[test]
pub fn the_validating_pass_takes_only_the_newest_generation_of_a_genuine_own_seal() {
    let old = at(TAG, "old");
    let seal = generations(&["new", "old"]);
    assert_eq!(questions(&world().review(&validating(valid(&seal), &[&old]))).len(), 1);
    let seal = generations(&["old"]);
    assert!(answer(&world().review(&validating(valid(&seal), &[&old]))).allowed);
    let other = SealClaims { name: "other".to_owned(), ..seal };
    for proves_nothing in [valid(&other), SealFact::Invalid(SealFault::NotGenuine)] {
        let facts = validating(proves_nothing, &[&old]);
        assert_eq!(questions(&world().review(&facts)).len(), 1);
    }
}

#[test]
fn the_mutating_pass_takes_no_seal_that_the_object_was_sent_with() {
    let seal = valid(&sealed(&[TAG]));
    let facts = ReviewFacts { seal, ..workload("Deployment", &[&at(TAG, "image")]) };
    assert_eq!(questions(&world().review(&facts)).len(), 1);
}

#[test]
fn the_validating_pass_refuses_an_image_that_a_later_webhook_changed() {
    let mut world = world();
    world.review(&validating(valid(&sealed(&[TAG])), &[&at(TAG, "evil")]));
    let tag = signed(GUN, "1", digest("image"), &[]);
    let decision = answer(&world.tell(GUN, "1", verified(tag)));
    assert_eq!(code(&decision), Some(DenyCode::DigestMismatch));
}

#[test]
fn the_validating_pass_follows_what_the_mutating_pass_let_go_back_or_go_on() {
    let seal = generations(&["new", "old"]);
    let old = at(TAG, "old");
    let admitted = answer(&world().review(&update(&seal, &[&at(TAG, "new")], &[&old])));
    let facts = ReviewFacts {
        path: ReviewPath::Validate,
        seal: valid(&admitted.claims().unwrap()),
        ..update(&seal, &[&at(TAG, "new")], &[&old])
    };
    assert!(answer(&world().review(&facts)).allowed);
}

#[test]
fn a_seal_stands_for_the_image_in_whatever_container_it_is() {
    let mut facts = update(&sealed(&[TAG]), &[&at(TAG, "image")], &[&at(TAG, "image")]);
    let moved = ImageFact { container: "renamed".into(), ..facts.images[0].clone() };
    facts.images = vec![moved];
    let decision = answer(&world().review(&facts));
    assert_eq!(by(&decision), SealOf::Running);
    assert_eq!(decision.claims().unwrap().generations[0][0].container, "renamed".into());
}

#[test]
fn an_update_that_needs_no_trust_server_waits_for_no_controller() {
    let pinned = at(TAG, "image");
    let facts = update(&sealed(&[TAG]), &[&pinned], &[&pinned]);
    let effects = world().review(&ReviewFacts { owners: vec![owner()], ..facts });
    assert!(looks(&effects).is_empty() && answer(&effects).allowed);
}

#[test]
fn a_seal_under_yesterdays_policy_proves_nothing_today() {
    let rules = vec![rule("*", trust(&[]))];
    let seal = sealed_under(rules, &[TAG]);
    let mut world = World::with_rule("*", trust(&[("alice", digest("alice"))]));
    let facts = update(&seal, &[&at(TAG, "x")], &[&at(TAG, "image")]);
    assert_eq!(questions(&world.review(&facts)).len(), 1);
}
