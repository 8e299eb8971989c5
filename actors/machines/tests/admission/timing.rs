//! What is asked when, what may be answered from memory, and what happens when time runs out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use portreeve_protocol::messages::admission::{
    AdmissionEffect, AdmissionInput, AdmissionTimer, HopRefused, ResolutionOutcome,
};
use portreeve_protocol::time::SECOND;
use portreeve_protocol::{
    ActorId, Denial, DenyCode, EventId, Fact, Mono, Settings, Sha256, limits,
};

use crate::world::{
    SERVER, World, answer, answers, code, codes, digest, pod, policy, questions, resolution, rule,
    signed, trust, verified, warm, without_tag,
};

const GUN: &str = "registry.example/app";

fn strict() -> World {
    World::with_rule("*", trust(&[]))
}

fn image(name: &str) -> ResolutionOutcome {
    verified(signed(GUN, "latest", digest(name), &[]))
}

fn pinned(decision: &portreeve_protocol::Decision, to: Sha256) -> bool {
    decision.patch().as_deref().is_some_and(|patch| patch.contains(&to.to_hex()))
}

fn armed(effects: &[AdmissionEffect]) -> Vec<(Mono, EventId)> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            AdmissionEffect::Arm(at, AdmissionTimer::Deadline(event)) => Some((*at, event.clone())),
            AdmissionEffect::Answer(_)
            | AdmissionEffect::Disarm(_)
            | AdmissionEffect::LookUpOwner(_)
            | AdmissionEffect::Note(_)
            | AdmissionEffect::Resolve { .. } => None,
        })
        .collect()
}

#[test]
fn equal_images_are_asked_about_once_and_different_ones_in_parallel() {
    let mut world = strict();
    let effects = world.pod(&[GUN, GUN, "registry.example/app:1", "nginx", "docker.io/nginx"]);
    let asked: Vec<_> = questions(&effects).into_iter().map(|(_, it)| (it.gun, it.tag)).collect();
    let expected = [("docker.io/library/nginx", "latest"), (GUN, "1"), (GUN, "latest")];
    assert_eq!(asked, expected.map(|(gun, tag)| (gun.to_owned(), tag.to_owned())));
}

#[test]
fn a_first_question_takes_an_answer_within_freshness() {
    let mut world = strict();
    let asked = questions(&world.pod(&[GUN]));
    assert_eq!(asked[0].0, SERVER);
    assert_eq!(asked[0].1.not_before, world.now.mono.minus(30 * SECOND));
}

#[test]
fn a_fresh_answer_allows_at_once_and_an_old_one_is_asked_for_again() {
    let mut world = strict();
    world.pod(&[GUN]);
    world.tell(GUN, "latest", image("image"));
    world.pass(30 * SECOND);
    let effects = world.pod(&[GUN]);
    assert!(pinned(&answer(&effects), digest("image")));
    assert!(warm(&effects) && armed(&effects).is_empty());
    world.pass(1);
    let effects = world.pod(&[GUN]);
    assert!(answers(&effects).is_empty());
    assert_eq!(questions(&effects)[0].1.not_before, world.now.mono.minus(30 * SECOND));
}

#[test]
fn without_freshness_every_review_is_asked_about() {
    let mut world = World::new(Settings { freshness: 0, ..Settings::default() });
    world.policies(vec![policy("default", vec![rule("*", trust(&[]))])]);
    world.pod(&[GUN]);
    world.tell(GUN, "latest", image("image"));
    world.pass(1);
    assert_eq!(questions(&world.pod(&[GUN])).len(), 1);
}

#[test]
fn a_denial_is_never_answered_from_freshness() {
    let stale = [
        without_tag(GUN, "latest"),
        ResolutionOutcome::Absent,
        ResolutionOutcome::Refused(Denial::new(DenyCode::Signature, "bad")),
    ];
    for outcome in stale {
        let mut world = strict();
        world.pod(&[GUN]);
        assert!(!answer(&world.tell(GUN, "latest", outcome)).allowed);
        world.pass(SECOND);
        let effects = world.pod(&[GUN]);
        assert!(answers(&effects).is_empty());
        assert_eq!(questions(&effects)[0].1.not_before, world.now.mono);
        world.pass(SECOND);
        assert!(answer(&world.tell(GUN, "latest", image("image"))).allowed);
    }
}

#[test]
fn a_named_digest_other_than_the_known_one_is_asked_about_again() {
    let mut world = strict();
    world.pod(&[GUN]);
    world.tell(GUN, "latest", image("old"));
    world.pass(SECOND);
    let named = format!("{GUN}:latest@{}", digest("new").to_oci());
    let effects = world.pod(&[&named]);
    assert_eq!(questions(&effects)[0].1.not_before, world.now.mono);
    world.pass(SECOND);
    assert!(answer(&world.tell(GUN, "latest", image("new"))).allowed);
}

#[test]
fn an_answer_from_before_the_review_that_would_deny_is_asked_for_again_once() {
    let mut world = strict();
    world.pass(SECOND);
    let arrival = world.now.mono;
    world.pod(&[GUN]);
    let before = arrival.minus(SECOND);
    let effects = world.resolution(resolution(GUN, "latest", before, ResolutionOutcome::Absent));
    assert!(answers(&effects).is_empty());
    assert_eq!(questions(&effects)[0].1.not_before, arrival);
    let effects = world.resolution(resolution(GUN, "latest", before, ResolutionOutcome::Absent));
    assert!(answers(&effects).is_empty() && questions(&effects).is_empty());
    let effects = world.resolution(resolution(GUN, "latest", arrival, ResolutionOutcome::Absent));
    assert_eq!(code(&answer(&effects)), Some(DenyCode::NotSigned));
}

#[test]
pub fn a_later_answer_that_would_deny_outweighs_an_earlier_one_while_the_review_waits() {
    let mut world = strict();
    let arrival = world.now.mono;
    let at =
        |seconds: u64, outcome| resolution(GUN, "latest", arrival.minus(seconds * SECOND), outcome);
    world.pod(&[GUN, "quay.io/a/b"]);
    assert!(questions(&world.resolution(at(10, image("image")))).is_empty());
    let effects = world.resolution(at(5, ResolutionOutcome::Absent));
    assert_eq!(questions(&effects)[0].1.not_before, arrival);
    let other = verified(signed("quay.io/a/b", "latest", digest("b"), &[]));
    assert!(answers(&world.tell("quay.io/a/b", "latest", other)).is_empty());
    let decision = answer(&world.resolution(at(0, ResolutionOutcome::Absent)));
    assert_eq!(codes(&decision), [Some(DenyCode::NotSigned), None]);
}

#[test]
fn an_answer_older_than_freshness_is_not_taken() {
    let mut world = strict();
    world.pod(&[GUN]);
    let old = world.now.mono.minus(31 * SECOND);
    assert!(answers(&world.resolution(resolution(GUN, "latest", old, image("image")))).is_empty());
}

#[test]
pub fn the_failure_of_an_older_attempt_does_not_answer_a_newer_question() {
    let mut world = strict();
    world.pod(&[GUN]);
    world.tell(GUN, "latest", ResolutionOutcome::Absent);
    let checked = world.now.mono;
    world.pass(SECOND);
    world.pod(&[GUN]);
    let down = || ResolutionOutcome::Unavailable(Denial::new(DenyCode::Unreachable, "down"));
    assert!(answers(&world.resolution(resolution(GUN, "latest", checked, down()))).is_empty());
    let decision = answer(&world.tell(GUN, "latest", down()));
    assert_eq!(code(&decision), Some(DenyCode::Unreachable));
    assert!(decision.message.contains(SERVER), "{}", decision.message);
}

#[test]
fn an_unreachable_server_does_not_take_back_what_it_said_within_freshness() {
    let mut world = strict();
    world.pod(&[GUN]);
    world.tell(GUN, "latest", image("image"));
    world.pass(SECOND);
    let down = Denial::new(DenyCode::Unreachable, "down");
    world.tell(GUN, "latest", ResolutionOutcome::Unavailable(down));
    assert!(world.decide(&[GUN]).allowed);
}

#[test]
fn a_refusal_takes_the_place_of_an_older_verified_answer() {
    let mut world = strict();
    world.pod(&[GUN]);
    world.tell(GUN, "latest", image("image"));
    let checked = world.now.mono;
    world.pass(SECOND);
    let bad = Denial::new(DenyCode::Rollback, "older");
    world.tell(GUN, "latest", ResolutionOutcome::Refused(bad));
    world.resolution(resolution(GUN, "latest", checked, image("image")));
    world.pass(SECOND);
    assert_eq!(questions(&world.pod(&[GUN])).len(), 1, "the older answer does not come back");
}

#[test]
fn evidence_that_expired_since_is_asked_about_again() {
    let mut world = strict();
    let mut found = signed(GUN, "latest", digest("image"), &[]);
    found.evidence.expires.0 = world.now.wall.0 + 1_000_000;
    world.pod(&[GUN]);
    assert!(answer(&world.tell(GUN, "latest", verified(found))).allowed);
    world.pass(2 * SECOND);
    let effects = world.pod(&[GUN]);
    assert!(answers(&effects).is_empty());
    assert_eq!(questions(&effects)[0].1.not_before, world.now.mono);
}

#[test]
fn evidence_that_expires_while_a_review_waits_for_another_image_lets_nothing_in() {
    let mut world = strict();
    let mut found = signed(GUN, "latest", digest("image"), &[]);
    found.evidence.expires.0 = world.now.wall.0 + 1_000_000;
    let other = format!("{GUN}-other");
    world.pod(&[GUN, &other]);
    assert!(answers(&world.tell(GUN, "latest", verified(found))).is_empty());
    world.pass(2 * SECOND);
    let found = verified(signed(&other, "latest", digest("other"), &[]));
    let decision = answer(&world.tell(&other, "latest", found));
    assert_eq!(decision.denial.map(|denial| denial.code), Some(DenyCode::Expired));
}

#[test]
fn one_answer_serves_every_review_that_waits_for_it() {
    let mut world = strict();
    for _ in 0..12 {
        assert!(answers(&world.pod(&[GUN])).is_empty());
    }
    let decisions = answers(&world.tell(GUN, "latest", image("image")));
    assert_eq!(decisions.len(), 12);
    let distinct: std::collections::BTreeSet<_> =
        decisions.iter().map(|it| (it.allowed, it.patch(), it.message.clone())).collect();
    assert_eq!(distinct.len(), 1, "twelve equal requests, twelve equal answers");
    let reviews: std::collections::BTreeSet<_> =
        decisions.iter().map(|it| it.review.clone()).collect();
    assert_eq!(reviews.len(), 12);
}

#[test]
fn containers_of_one_review_with_one_tag_get_one_digest() {
    let mut world = strict();
    world.pod(&[GUN]);
    world.tell(GUN, "latest", image("old"));
    world.pass(SECOND);
    let named = format!("{GUN}@{}", digest("new").to_oci());
    let effects = world.pod(&[GUN, &named]);
    assert_eq!(questions(&effects).len(), 1);
    let decision = answer(&world.tell(GUN, "latest", image("new")));
    assert!(decision.allowed, "{}", decision.message);
    assert!(pinned(&decision, digest("new")) && !pinned(&decision, digest("old")));
}

#[test]
fn a_waiting_review_is_denied_in_time_and_the_slow_step_is_named() {
    let mut world = strict();
    let effects = world.pod(&["quay.io/a/b", GUN]);
    let event = world.last();
    let due = world.now.mono.plus(9 * SECOND);
    assert_eq!(armed(&effects), [(due, event.clone())]);
    world.tell(
        "quay.io/a/b",
        "latest",
        verified(signed("quay.io/a/b", "latest", digest("b"), &[])),
    );
    world.now.mono = due;
    let effects = world.deadline(&event);
    let decision = answer(&effects);
    assert_eq!(codes(&decision), [None, Some(DenyCode::Deadline)]);
    for part in [SERVER, GUN, "9000 ms"] {
        assert!(decision.message.contains(part), "{}", decision.message);
    }
    assert!(!warm(&effects));
    assert!(world.deadline(&event).is_empty(), "it is answered once");
    assert!(answers(&world.tell(GUN, "latest", image("image"))).is_empty());
    assert!(world.decide(&[GUN]).allowed, "the late answer serves the next review");
}

#[test]
pub fn the_step_named_is_one_that_was_slow_and_not_one_that_was_answered() {
    let mut second = trust(&[]).unwrap();
    second.server = Some("https://slow.example".to_owned());
    for rules in [
        vec![rule("*", trust(&[])), rule("*", Some(second.clone()))],
        vec![rule("*", Some(second)), rule("*", trust(&[]))],
    ] {
        let mut world = World::with(vec![policy("default", rules)]);
        world.pod(&[GUN]);
        let event = world.last();
        assert!(answers(&world.tell(GUN, "latest", image("image"))).is_empty());
        let decision = answer(&world.deadline(&event));
        assert_eq!(code(&decision), Some(DenyCode::Deadline));
        assert!(decision.message.contains("https://slow.example"), "{}", decision.message);
        assert!(!decision.message.contains(SERVER), "{}", decision.message);
    }
}

#[test]
fn no_caller_can_keep_a_review_waiting_for_ever() {
    let mut world = strict();
    let mut facts = pod(&[GUN]);
    facts.budget = u64::MAX;
    let effects = world.review(&facts);
    assert_eq!(armed(&effects)[0].0, world.now.mono.plus(limits::LONGEST_TIMEOUT));
}

#[test]
fn the_timer_is_disarmed_when_the_review_is_decided() {
    let mut world = strict();
    world.pod(&[GUN]);
    let event = world.last();
    let effects = world.tell(GUN, "latest", image("image"));
    assert!(effects.contains(&AdmissionEffect::Disarm(AdmissionTimer::Deadline(event))));
    let fact = effects.iter().any(|it| {
        matches!(it, AdmissionEffect::Note(Fact::ReviewDecided { allowed: true, warm: false, .. }))
    });
    assert!(fact, "{effects:?}");
}

#[test]
fn a_refused_hop_denies_the_images_of_that_server_only() {
    let mut world = strict();
    world.pod(&[GUN]);
    world.pass(1);
    let refused = |to| {
        let why = Denial::new(DenyCode::Capacity, "too many trust servers");
        AdmissionInput::HopRefused(HopRefused { to, why })
    };
    let other = ActorId::Notary("https://other.example".to_owned());
    assert!(world.deliver(&refused(other)).is_empty());
    let effects = world.deliver(&refused(ActorId::Notary(SERVER.to_owned())));
    let decision = answer(&effects);
    assert_eq!(code(&decision), Some(DenyCode::Capacity));
    assert!(decision.message.contains(SERVER), "{}", decision.message);
    let effects = world.deliver(&refused(ActorId::Policy));
    assert!(matches!(effects[..], [AdmissionEffect::Note(Fact::Unexpected { .. })]));
}

#[test]
pub fn draining_denies_what_waits_and_what_comes() {
    let mut world = strict();
    world.pod(&[GUN]);
    world.pod(&["nginx"]);
    let decisions = answers(&world.deliver(&AdmissionInput::Drain));
    assert_eq!(decisions.len(), 2);
    assert!(decisions.iter().all(|it| code(it) == Some(DenyCode::Draining)));
    assert_eq!(code(&world.decide(&[GUN])), Some(DenyCode::Draining));
}

#[test]
fn a_review_is_decided_by_the_policies_it_came_under() {
    let mut world = strict();
    world.pod(&[GUN]);
    world.policies(vec![policy("none", Vec::new())]);
    assert!(answer(&world.tell(GUN, "latest", image("image"))).allowed);
    assert_eq!(code(&world.decide(&[GUN])), Some(DenyCode::NoPolicy));
}

#[test]
fn a_slow_trust_server_does_not_delay_what_needs_no_trust() {
    let rules = vec![rule("*", None), rule("registry.example/*", trust(&[]))];
    let mut world = World::with(vec![policy("default", rules)]);
    assert!(answers(&world.pod(&[GUN])).is_empty());
    assert!(world.decide(&["nginx"]).allowed);
}

#[test]
fn remembered_answers_are_bounded_and_the_oldest_goes_first() {
    let mut world = strict();
    let tell = |world: &mut World, tag: &str| {
        let found = verified(signed(GUN, tag, digest("image"), &[]));
        world.tell(GUN, tag, found);
        world.pass(1);
    };
    for index in 0..=limits::RESOLUTIONS {
        tell(&mut world, &format!("t{index}"));
    }
    assert_eq!(questions(&world.pod(&[&format!("{GUN}:t0")])).len(), 1);
    assert!(world.decide(&[&format!("{GUN}:t1")]).allowed);
}
