//! Order never matters: of containers, of policies, of answers, of repeated deliveries.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::sync::Arc;

use portreeve_protocol::messages::admission::ResolutionOutcome;
use portreeve_protocol::policy::Policy;
use portreeve_protocol::{ContainerVerdict, Decision};
use proptest::prelude::*;

use crate::world::{
    World, answer, answers, digest, policy, questions, rule, signed, trust, verified, without_tag,
};

const IMAGES: [&str; 8] = [
    "nginx",
    "docker.io/library/nginx:latest",
    "team/app:1",
    "quay.io/a/b",
    "registry.example/app",
    "registry.example/gone:1",
    "Bad",
    "",
];

/// What the one trust server says, by repository alone.
fn says(gun: &str, tag: &str) -> ResolutionOutcome {
    match gun {
        "registry.example/gone" => ResolutionOutcome::Absent,
        "docker.io/team/app" => without_tag(gun, tag),
        _ => verified(signed(gun, tag, digest(gun), &[("alice", digest("alice"))])),
    }
}

/// Runs a review to its end, with the answers of the trust server in the order `turn` picks.
fn run(policies: Vec<Policy>, images: &[&str], turn: usize) -> Decision {
    let mut world = World::with(policies);
    let mut last = world.pod(images);
    let mut open = questions(&last);
    while answers(&last).is_empty() {
        assert!(!open.is_empty(), "a review waits for nothing");
        let (_, question) = open.remove(turn % open.len());
        last = world.tell(&question.gun, &question.tag, says(&question.gun, &question.tag));
        open.extend(questions(&last));
    }
    answer(&last)
}

/// Each image to what was said of it, container and pointer apart.
fn by_image(decision: &Decision) -> BTreeMap<Arc<str>, ContainerVerdict> {
    let stripped = decision.verdicts.iter().map(|verdict| {
        let mut verdict = verdict.clone();
        verdict.container = "".into();
        verdict.pointer = "".into();
        if let portreeve_protocol::Verdict::Allowed(portreeve_protocol::Admitted::Verified(found)) =
            &mut verdict.verdict
        {
            found.pinned = false;
        }
        (verdict.image.clone(), verdict)
    });
    stripped.collect()
}

fn policies() -> Vec<Policy> {
    vec![
        policy("a", vec![rule("*", None), rule("registry.example/*", trust(&[]))]),
        policy("b", vec![rule("docker.io/*", trust(&[("alice", digest("alice"))]))]),
        policy("c", vec![rule("registry.example:443/*", trust(&[("alice", digest("alice"))]))]),
        policy("d", vec![rule("quay.io/a/*", None), rule("team/*", trust(&[]))]),
    ]
}

fn shuffled<T: Clone + std::fmt::Debug + 'static>(items: Vec<T>) -> impl Strategy<Value = Vec<T>> {
    Just(items).prop_shuffle()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_order_of_containers_gives_the_same_verdicts(
        images in shuffled(IMAGES.to_vec()),
        turn in 0_usize..8,
    ) {
        let expected = run(policies(), &IMAGES, 0);
        let found = run(policies(), &images, turn);
        prop_assert_eq!(by_image(&found), by_image(&expected));
        prop_assert_eq!(found.allowed, expected.allowed);
    }

    #[test]
    fn any_order_of_answers_gives_the_same_decision(turn in 0_usize..1_000) {
        prop_assert_eq!(run(policies(), &IMAGES, turn), run(policies(), &IMAGES, 0));
    }

    #[test]
    fn a_container_is_judged_as_if_it_were_alone(index in 0_usize..IMAGES.len()) {
        let together = by_image(&run(policies(), &IMAGES, 0));
        let alone = by_image(&run(policies(), &IMAGES[index..=index], 0));
        prop_assert_eq!(alone.get(IMAGES[index]), together.get(IMAGES[index]));
    }

    #[test]
    fn any_order_of_policies_and_rules_gives_the_same_verdicts(
        mut listed in shuffled(policies()),
        reverse in any::<bool>(),
    ) {
        use portreeve_protocol::policy::PolicyState;
        if reverse {
            for policy in &mut listed {
                if let PolicyState::Valid(rules) = &mut policy.rules {
                    rules.reverse();
                }
            }
        }
        let verdicts = |decision: Decision| -> Vec<_> {
            decision.verdicts.into_iter().map(|it| (it.image, it.verdict)).collect()
        };
        let found = verdicts(run(listed, &IMAGES, 0));
        prop_assert_eq!(found, verdicts(run(policies(), &IMAGES, 0)));
    }

    #[test]
    fn a_review_is_allowed_only_if_every_image_alone_would_be(
        picks in proptest::collection::vec(0_usize..IMAGES.len(), 1..6),
    ) {
        let images: Vec<_> = picks.iter().map(|index| IMAGES[*index]).collect();
        let each = images.iter().all(|image| run(policies(), &[image], 0).allowed);
        prop_assert_eq!(run(policies(), &images, 0).allowed, each);
    }
}

#[test]
fn two_replicas_that_are_told_the_same_answer_the_same() {
    let one = run(policies(), &IMAGES, 3);
    let other = run(policies(), &IMAGES, 3);
    assert_eq!(one, other);
    assert!(!one.allowed && !one.message.is_empty());
}

#[test]
fn a_repeated_review_gets_the_same_verdicts() {
    let mut world = World::with(policies());
    let images = ["quay.io/a/b", "Bad"];
    let first = world.decide(&images);
    let second = world.decide(&images);
    assert_eq!(first.verdicts, second.verdicts);
    assert_ne!(first.review, second.review);
}
