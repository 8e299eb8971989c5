//! What is in steady use is asked for again before its answer is too old.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use portreeve_protocol::messages::admission::{AdmissionEffect, ResolutionOutcome, ReviewFacts};
use portreeve_protocol::messages::notary::Resolve;
use portreeve_protocol::time::SECOND;
use portreeve_protocol::{Denial, DenyCode, Mono};

use crate::world::{
    World, answer, answers, digest, pod, questions, resolution, signed, trust, verified, warm,
    without_tag,
};

const GUN: &str = "registry.example/app";

fn image(name: &str) -> ResolutionOutcome {
    verified(signed(GUN, "latest", digest(name), &[]))
}

/// A world in which the tag was looked up just now, and when that was.
fn looked_up() -> (World, Mono) {
    let mut world = World::with_rule("*", trust(&[]));
    world.pod(&[GUN]);
    world.tell(GUN, "latest", image("image"));
    let at = world.now.mono;
    (world, at)
}

/// What is asked beside an answer that needs none of it.
fn asked_beside(effects: &[AdmissionEffect]) -> Vec<Resolve> {
    assert!(answer(effects).allowed && warm(effects), "{effects:?}");
    questions(effects).into_iter().map(|(_, resolve)| resolve).collect()
}

#[test]
fn an_answer_in_the_last_third_of_its_time_allows_and_is_asked_for_again() {
    let (mut world, at) = looked_up();
    world.pass(20 * SECOND);
    assert_eq!(asked_beside(&world.pod(&[GUN])), []);
    world.pass(1);
    let asked = asked_beside(&world.pod(&[GUN]));
    assert_eq!(asked.len(), 1);
    assert_eq!((asked[0].gun.as_str(), asked[0].tag.as_str()), (GUN, "latest"));
    assert_eq!(asked[0].not_before, at.plus(1), "anything newer will do");
}

#[test]
fn the_review_is_answered_before_anything_is_asked_for_later_ones() {
    let (mut world, _) = looked_up();
    world.pass(25 * SECOND);
    let effects = world.pod(&[GUN]);
    let place = |wanted: fn(&AdmissionEffect) -> bool| effects.iter().position(wanted).unwrap();
    let answered = place(|effect| matches!(effect, AdmissionEffect::Answer(_)));
    assert!(answered < place(|effect| matches!(effect, AdmissionEffect::Resolve { .. })));
}

#[test]
fn whoever_comes_after_the_newer_answer_waits_for_nothing() {
    let (mut world, _) = looked_up();
    for _ in 0..5 {
        world.pass(25 * SECOND);
        assert_eq!(asked_beside(&world.pod(&[GUN])).len(), 1);
        assert!(answers(&world.tell(GUN, "latest", image("image"))).is_empty());
    }
}

#[test]
fn an_answer_is_asked_for_ahead_once_though_its_server_is_out_of_reach() {
    let (mut world, at) = looked_up();
    world.pass(21 * SECOND);
    assert_eq!(asked_beside(&world.pod(&[GUN])).len(), 1);
    assert_eq!(asked_beside(&world.pod(&[GUN])), []);
    let down = ResolutionOutcome::Unavailable(Denial::new(DenyCode::Unreachable, "down"));
    world.resolution(resolution(GUN, "latest", world.now.mono, down));
    world.pass(SECOND);
    assert_eq!(asked_beside(&world.pod(&[GUN])), []);
    world.pass(30 * SECOND);
    let effects = world.pod(&[GUN]);
    assert!(answers(&effects).is_empty(), "too old now, so that it waits");
    assert_eq!(questions(&effects)[0].1.not_before, world.now.mono.minus(30 * SECOND));
    assert!(at < world.now.mono.minus(30 * SECOND));
}

#[test]
fn what_was_signed_meanwhile_counts_as_soon_as_it_was_asked_for_ahead() {
    let (mut world, _) = looked_up();
    world.pass(21 * SECOND);
    world.pod(&[GUN]);
    world.tell(GUN, "latest", image("newer"));
    let patch = answer(&world.pod(&[GUN])).patch().unwrap();
    assert!(patch.contains(&digest("newer").to_hex()));
    world.pass(21 * SECOND);
    world.pod(&[GUN]);
    world.tell(GUN, "latest", without_tag(GUN, "latest"));
    world.pass(SECOND);
    assert!(answers(&world.pod(&[GUN])).is_empty(), "a denial is asked for anew");
}

#[test]
fn a_dry_run_has_nothing_asked_ahead() {
    let (mut world, _) = looked_up();
    world.pass(25 * SECOND);
    let dry = ReviewFacts { dry_run: true, ..pod(&[GUN]) };
    assert_eq!(asked_beside(&world.review(&dry)), []);
    assert_eq!(asked_beside(&world.pod(&[GUN])).len(), 1);
}

#[test]
fn the_strictest_freshness_says_when_an_answer_ages() {
    let mut strict = trust(&[]).unwrap();
    strict.freshness = Some(3 * SECOND);
    let mut world = World::with_rule("*", Some(strict));
    world.pod(&[GUN]);
    world.tell(GUN, "latest", image("image"));
    world.pass(2 * SECOND);
    assert_eq!(asked_beside(&world.pod(&[GUN])), []);
    world.pass(SECOND / 2);
    assert_eq!(asked_beside(&world.pod(&[GUN])).len(), 1);
}
