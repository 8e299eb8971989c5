//! What the answer tells.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use portreeve_protocol::evidence::TargetEntry;
use portreeve_protocol::messages::admission::{AdmissionEffect, ContainerList, ResolutionOutcome};
use portreeve_protocol::policy::{Mode, Rule};
use portreeve_protocol::{DenyCode, Fact, limits};

use crate::world::{
    World, answer, digest, pod, policy, questions, rule, signed, trust, verified, warm,
};

#[test]
fn a_denial_says_which_container_image_rule_code_and_what_to_do() {
    let mut world = World::with_rule("registry.example/*", trust(&[]));
    world.pod(&["registry.example/app:1"]);
    let decision = answer(&world.tell("registry.example/app", "1", ResolutionOutcome::Absent));
    for part in [
        "container `c0`",
        "image `registry.example/app:1`",
        "(not-signed)",
        "ClusterImagePolicy default",
        "rule `registry.example/*`",
        DenyCode::NotSigned.advice(),
    ] {
        assert!(decision.message.contains(part), "{part} in {}", decision.message);
    }
    assert_eq!(decision.audit["codes"], "c0=not-signed");
    assert_eq!(
        decision.annotations()["policy"],
        "ClusterImagePolicy default (portieris.cloud.ibm.com)"
    );
}

#[test]
pub fn a_message_says_of_an_image_what_was_found_and_no_more() {
    let decision = World::with_rule("quay.io/*", None).decide(&["nginx"]);
    let found = &decision.denial.as_ref().unwrap().detail;
    let said = format!("container `c0`, image `nginx`: {found} (no-policy). ");
    assert!(decision.message.starts_with(&said), "{}", decision.message);
}

#[test]
fn what_is_said_of_the_image_of_a_volume_speaks_of_a_volume() {
    let mut facts = pod(&["nginx", "nginx"]);
    let volume = &mut facts.images[1];
    volume.container = "models".into();
    volume.list = ContainerList::Volume;
    volume.pointer = "/spec/volumes/0/image/reference".into();
    let decision = answer(&World::with_rule("quay.io/*", None).review(&facts));
    assert!(decision.message.starts_with("container `c0`, image"), "{}", decision.message);
    assert!(decision.message.contains("denied: volume `models`, image"), "{}", decision.message);
    let mut world = World::with_rule("*", trust(&[]));
    facts.images.remove(0);
    facts.images[0].image = "registry.example/app".into();
    world.review(&facts);
    let mut found = signed("registry.example/app", "latest", digest("image"), &[]);
    let other = TargetEntry::Image { length: 1, sha256: digest("other") };
    found.view.entries.insert("targets".to_owned(), other);
    let decision = answer(&world.tell("registry.example/app", "latest", verified(found)));
    assert!(decision.warnings[0].starts_with("volume `models`: "), "{:?}", decision.warnings);
}

#[test]
pub fn nothing_is_kept_of_a_review_that_was_answered() {
    let mut world = World::with_rule("*", trust(&[]));
    world.pod(&["registry.example/app:1"]);
    assert_ne!(world.state()["waiting"], serde_json::json!([]));
    answer(&world.tell("registry.example/app", "1", ResolutionOutcome::Absent));
    let state = world.state();
    assert_eq!(state["waiting"], serde_json::json!([]));
    assert_eq!(state["pending"], serde_json::json!({}));
}

#[test]
fn every_denied_container_is_listed_and_the_first_one_leads() {
    let decision = World::with_rule("quay.io/*", None).decide(&["quay.io/x/y", "nginx", "A", "B"]);
    assert_eq!(decision.denial.as_ref().map(|it| it.code), Some(DenyCode::NoPolicy));
    let places: Vec<_> =
        ["`c1`", "`c2`", "`c3`"].iter().map(|it| decision.message.find(it)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{}", decision.message);
    assert!(!decision.message.contains("`c0`"));
}

#[test]
pub fn messages_are_bounded_and_say_what_they_leave_out() {
    let long = format!("registry.example/{}", "a".repeat(250));
    let images = vec![long.as_str(); 100];
    let decision = World::with(Vec::new()).decide(&images);
    assert!(decision.message.len() <= limits::MESSAGE_BYTES);
    assert!(decision.message.ends_with("more are denied."), "{}", decision.message);
    assert!(decision.audit["codes"].len() <= limits::MESSAGE_BYTES);
    let mut facts = pod(&["ü\u{7}"]);
    facts.images[0].container = "é".repeat(3_000).into();
    let decision = answer(&World::with(Vec::new()).review(&facts));
    assert!(decision.message.len() <= limits::MESSAGE_BYTES);
    assert!(!decision.message.contains('\u{7}'));
}

#[test]
fn warnings_are_bounded_and_say_how_many_were_left_out() {
    let warns = Rule { mode: Mode::Warn, ..rule("*", trust(&[])) };
    let images: Vec<String> =
        (0..60).map(|at| format!("registry.example/{}{at}", "a".repeat(200))).collect();
    let images: Vec<&str> = images.iter().map(String::as_str).collect();
    for (few, left_out) in [(&images[..1], false), (&images[..], true)] {
        let mut world = World::with(vec![policy("default", vec![warns.clone()])]);
        world.pod(few);
        let review = world.last();
        let warnings = answer(&world.deadline(&review)).warnings;
        assert!(warnings.iter().map(String::len).sum::<usize>() <= limits::MESSAGE_BYTES);
        let last = warnings.last().unwrap();
        let said = format!("{} more did not fit here", few.len() + 1 - warnings.len());
        assert_eq!(*last == said, left_out, "{warnings:?}");
    }
}

#[test]
fn an_allow_without_remarks_says_nothing() {
    let decision = World::with_rule("*", None).decide(&["nginx"]);
    assert_eq!((decision.message.as_str(), decision.warnings.len()), ("", 0));
}

#[test]
fn decisions_by_policies_that_are_not_watched_say_so() {
    let mut world = World::with(Vec::new());
    world.publish(vec![policy("default", vec![rule("*", None)])], false);
    let decision = world.decide(&["nginx"]);
    assert!(decision.allowed);
    assert!(decision.warnings[0].contains("not being watched"), "{:?}", decision.warnings);
}

#[test]
fn remarks_of_the_trust_data_are_passed_on_with_the_container() {
    let mut world = World::with_rule("*", trust(&[]));
    world.pod(&["registry.example/app"]);
    let mut found = signed("registry.example/app", "latest", digest("image"), &[]);
    let other = TargetEntry::Image { length: 1, sha256: digest("other") };
    found.view.entries.insert("targets".to_owned(), other);
    let decision = answer(&world.tell("registry.example/app", "latest", verified(found)));
    assert!(decision.allowed);
    assert!(decision.warnings[0].starts_with("container `c0`: "), "{:?}", decision.warnings);
    assert!(decision.warnings[0].contains(&digest("other").to_hex()));
}

#[test]
fn latency_is_counted_from_the_reviews_arrival() {
    let mut world = World::with_rule("*", trust(&[]));
    let effects = world.pod(&["nginx"]);
    assert_eq!(questions(&effects).len(), 1);
    let review = world.last();
    world.pass(1_234);
    let effects = world.tell("docker.io/library/nginx", "latest", ResolutionOutcome::Absent);
    let fact = Fact::ReviewDecided {
        allowed: false,
        code: Some(DenyCode::NotSigned),
        images: 1,
        micros: 1_234,
        review,
        warm: false,
    };
    assert!(effects.contains(&AdmissionEffect::Note(fact)), "{effects:?}");
    assert!(!warm(&effects));
}

#[test]
fn the_answer_carries_uid_review_and_revision() {
    let mut world = World::with_rule("*", None);
    let mut facts = pod(&["nginx"]);
    facts.uid = "1-2-3".to_owned();
    let decision = answer(&world.review(&facts));
    assert_eq!((decision.uid.as_str(), decision.policy_revision), ("1-2-3", 7));
    assert_eq!(decision.review, world.last());
    assert_eq!(decision.verdicts[0].pointer, "/spec/containers/0/image".into());
    assert_eq!(decision.verdicts[0].rules[0].pattern, "*");
}
