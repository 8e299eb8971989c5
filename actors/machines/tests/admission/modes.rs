//! Modes, dry runs, the clock, and trust that was forgotten.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use portreeve_protocol::messages::admission::{
    AcknowledgeClock, AdmissionInput, Forgotten, OwnerOutcome, ResolutionOutcome, ReviewFacts,
};
use portreeve_protocol::policy::{Mode, Rule, TrustRequirement};
use portreeve_protocol::{Admitted, Decision, Denial, DenyCode, Verdict, Wall, limits};

use crate::seals::{GUN, TAG, at, child, found, sealed};
use crate::world::{
    EXPIRES, SERVER, World, answer, answers, code, digest, pod, policy, questions, resolution,
    rule, signed, trust, verified,
};

fn mode(mode: Mode, trust: Option<TrustRequirement>) -> Rule {
    Rule { mode, ..rule("*", trust) }
}

fn image() -> ResolutionOutcome {
    verified(signed(GUN, "1", digest("image"), &[]))
}

fn under(rules: Vec<Rule>, outcome: ResolutionOutcome) -> Decision {
    let mut world = World::with(vec![policy("default", rules)]);
    world.pod(&[TAG]);
    answer(&world.tell(GUN, "1", outcome))
}

fn by_alice() -> Option<TrustRequirement> {
    trust(&[("alice", digest("alice"))])
}

#[test]
fn warn_allows_what_is_not_signed_with_a_warning_and_no_patch() {
    let decision = under(vec![mode(Mode::Warn, trust(&[]))], ResolutionOutcome::Absent);
    assert_eq!((decision.allowed, &decision.patch()), (true, &None));
    assert!(decision.warnings[0].contains("would be denied"), "{:?}", decision.warnings);
    assert_eq!(decision.audit["would-deny"], "c0=not-signed");
    let signed = under(vec![mode(Mode::Warn, trust(&[]))], image());
    assert!(signed.patch().unwrap().contains(&at(TAG, "image")), "what verified is pinned");
}

#[test]
fn audit_never_patches_and_never_warns_and_records_what_would_be() {
    let decision = under(vec![mode(Mode::Audit, trust(&[]))], ResolutionOutcome::Absent);
    assert_eq!((decision.allowed, decision.patch(), decision.warnings.len()), (true, None, 0));
    assert_eq!(decision.audit["would-deny"], "c0=not-signed");
    let signed = under(vec![mode(Mode::Audit, trust(&[]))], image());
    assert_eq!((signed.allowed, signed.patch()), (true, None));
}

#[test]
pub fn the_strictest_failing_rule_counts() {
    for (one, other, allowed) in [
        (Mode::Enforce, Mode::Warn, false),
        (Mode::Warn, Mode::Enforce, false),
        (Mode::Enforce, Mode::Audit, false),
        (Mode::Warn, Mode::Audit, true),
        (Mode::Audit, Mode::Warn, true),
    ] {
        let rules = vec![mode(one, trust(&[])), mode(other, by_alice())];
        let decision = under(rules, ResolutionOutcome::Absent);
        assert_eq!(decision.allowed, allowed, "{one:?} {other:?}");
        assert_eq!(decision.warnings.len(), usize::from(allowed), "{one:?} {other:?}");
    }
}

#[test]
fn what_an_enforcing_rule_verified_is_pinned_also_where_a_milder_rule_fails() {
    for milder in [Mode::Warn, Mode::Audit] {
        let failing = || mode(milder, by_alice());
        let enforced = || mode(Mode::Enforce, trust(&[]));
        for rules in [vec![enforced(), failing()], vec![failing(), enforced()]] {
            let decision = under(rules, image());
            assert!(decision.allowed);
            assert!(decision.patch().is_some_and(|patch| patch.contains(&at(TAG, "image"))));
            let warned = decision.warnings.iter().any(|it| it.contains("would be denied"));
            assert_eq!(warned, milder == Mode::Warn);
            assert_eq!(decision.audit["would-deny"], "c0=signer-missing");
            let verdict = &decision.verdicts[0].verdict;
            assert!(matches!(verdict, Verdict::Allowed(Admitted::Verified(_))));
            assert_eq!(decision.seal, None);
        }
    }
}

#[test]
fn a_rule_that_only_records_takes_no_pin_from_one_that_enforces_and_every_pin_from_one_that_warns()
{
    for (other, pinned) in [(Mode::Enforce, true), (Mode::Warn, false)] {
        let rules = vec![mode(Mode::Audit, trust(&[])), mode(other, trust(&[]))];
        let decision = under(rules, image());
        assert_eq!((decision.allowed, decision.patch().is_some()), (true, pinned), "{other:?}");
    }
}

#[test]
pub fn a_deadline_and_an_unreachable_server_are_tolerated_by_a_warning_rule() {
    let rules = || vec![mode(Mode::Warn, trust(&[]))];
    let why = Denial::new(DenyCode::Unreachable, "no route");
    assert!(under(rules(), ResolutionOutcome::Unavailable(why)).allowed);
    let mut world = World::with(vec![policy("default", rules())]);
    world.pod(&[TAG]);
    let review = world.last();
    let decision = answer(&world.deadline(&review));
    assert_eq!((decision.allowed, decision.patch()), (true, None));
    assert_eq!(decision.audit["would-deny"], "c0=deadline");
}

fn dry() -> ReviewFacts {
    ReviewFacts { dry_run: true, ..pod(&[TAG]) }
}

#[test]
pub fn a_dry_run_decides_the_same_and_is_asked_for_as_one() {
    let mut world = World::with_rule("*", trust(&[]));
    assert!(questions(&world.review(&dry()))[0].1.dry_run);
    let decision = answer(&world.tell(GUN, "1", image()));
    assert!(decision.patch().unwrap().contains(&at(TAG, "image")));
}

#[test]
pub fn what_is_tentative_serves_dry_runs_only_and_is_not_remembered() {
    let mut world = World::with_rule("*", trust(&[]));
    world.review(&dry());
    world.pod(&[TAG]);
    let mut tentative = resolution(GUN, "1", world.now.mono, image());
    tentative.tentative = true;
    let effects = world.resolution(tentative);
    assert_eq!(answers(&effects).len(), 1, "the real review goes on waiting");
    assert_eq!(questions(&world.pod(&[TAG])).len(), 1, "nothing is remembered");
    assert_eq!(answers(&world.tell(GUN, "1", image())).len(), 2);
}

fn step(world: &mut World, micros: u64) {
    world.now.wall.0 -= i64::try_from(micros).unwrap();
}

#[test]
fn a_clock_that_steps_back_far_denies_what_requires_trust_until_it_returns() {
    let mut world = World::with_rule("*", trust(&[]));
    world.pod(&[TAG]);
    world.tell(GUN, "1", image());
    assert!(world.decide(&[TAG]).allowed);
    step(&mut world, limits::CLOCK_STEP + 1);
    assert_eq!(code(&world.decide(&[TAG])), Some(DenyCode::ClockSteppedBack));
    let owner = OwnerOutcome::Found(Box::new(found(&sealed(&[TAG]))));
    assert!(answer(&world.with_owner(&child(&[TAG]), owner)).allowed, "a seal needs no clock");
    world.now.wall.0 += i64::try_from(limits::CLOCK_STEP).unwrap() + 1;
    assert!(world.decide(&[TAG]).allowed);
    step(&mut world, limits::CLOCK_STEP);
    assert!(world.decide(&[TAG]).allowed, "a small step is judged by the highest time seen");
}

#[test]
fn an_operator_may_believe_the_clock_and_what_needs_no_trust_needs_no_clock() {
    let rules = vec![rule("*", trust(&[])), rule("free.example/*", None)];
    let mut world = World::with(vec![policy("default", rules)]);
    step(&mut world, limits::CLOCK_STEP + 1);
    assert!(world.decide(&["free.example/app"]).allowed);
    assert_eq!(code(&world.decide(&[TAG])), Some(DenyCode::ClockSteppedBack));
    let reason = "set right".to_owned();
    world.deliver(&AdmissionInput::AcknowledgeClock(AcknowledgeClock { reason }));
    assert_eq!(questions(&world.pod(&[TAG])).len(), 1);
}

#[test]
pub fn a_review_that_waits_while_the_clock_steps_back_far_is_denied() {
    let mut world = World::with_rule("*", trust(&[]));
    world.pod(&[TAG]);
    step(&mut world, limits::CLOCK_STEP + 1);
    let decision = answer(&world.tell(GUN, "1", image()));
    assert_eq!(code(&decision), Some(DenyCode::ClockSteppedBack));
}

fn forget(world: &mut World) -> Vec<portreeve_protocol::messages::admission::AdmissionEffect> {
    let (gun, server) = (GUN.to_owned(), SERVER.to_owned());
    world.deliver(&AdmissionInput::Forgotten(Forgotten { gun, server }))
}

#[test]
pub fn after_a_trust_reset_nothing_remembered_serves() {
    let mut world = World::with_rule("*", trust(&[]));
    world.pod(&[TAG]);
    world.tell(GUN, "1", image());
    assert!(world.decide(&[TAG]).allowed);
    forget(&mut world);
    assert_eq!(questions(&world.pod(&[TAG])).len(), 1);
}

#[test]
fn after_a_trust_reset_a_review_that_waits_rests_on_nothing_from_before() {
    let mut world = World::with_rule("*", trust(&[]));
    world.pod(&[TAG, "registry.example/other:1"]);
    world.tell(GUN, "1", image());
    let asked = questions(&forget(&mut world));
    assert_eq!(asked[0].1.gun, GUN, "it is asked anew");
    let other = "registry.example/other";
    let told = world.tell(other, "1", verified(signed(other, "1", digest("x"), &[])));
    assert!(answers(&told).is_empty());
    let decision = answer(&world.tell(GUN, "1", ResolutionOutcome::Absent));
    assert_eq!(code(&decision), Some(DenyCode::NotSigned));
    assert!(matches!(decision.verdicts[1].verdict, Verdict::Allowed(Admitted::Verified(_))));
}

#[test]
pub fn a_clock_that_goes_back_a_little_makes_nothing_young_again() {
    let mut world = World::with_rule("*", trust(&[]));
    world.now.wall = Wall(EXPIRES.0 + 1_000_000);
    world.pod(&["registry.example/other:1"]);
    world.now.wall = Wall(EXPIRES.0 - 1_000_000);
    world.pod(&[TAG]);
    assert_eq!(code(&answer(&world.tell(GUN, "1", image()))), Some(DenyCode::Expired));
}
