//! Which policy decides.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use portreeve_protocol::{Admitted, DenyCode, Verdict};

use crate::world::{
    World, answers, code, codes, invalid, policy, policy_in, questions, rule, trust,
};

#[test]
fn an_image_no_rule_covers_is_denied() {
    let mut world = World::with_rule("registry.example/*", None);
    let decision = world.decide(&["nginx"]);
    assert_eq!(code(&decision), Some(DenyCode::NoPolicy));
    assert!(decision.message.contains("docker.io/library/nginx:latest"), "{}", decision.message);
}

#[test]
fn an_image_that_came_before_is_judged_by_the_policies_published_since() {
    let mut world = World::with_rule("*", None);
    assert!(world.decide(&["nginx", "nginx"]).allowed);
    assert!(world.decide(&["nginx"]).allowed);
    world.policies(vec![policy("strict", vec![rule("registry.example/*", None)])]);
    assert_eq!(code(&world.decide(&["nginx"])), Some(DenyCode::NoPolicy));
    world.policies(vec![policy("open", vec![rule("*", None)])]);
    let decision = world.decide(&["nginx"]);
    assert!(decision.allowed);
    assert_eq!(decision.verdicts[0].rules[0].policy.name, "open");
}

#[test]
fn an_image_that_came_before_keeps_its_place_in_each_object() {
    let mut world = World::with_rule("*", None);
    world.decide(&["nginx"]);
    let decision = world.decide(&["redis", "nginx"]);
    let places: Vec<_> = decision.verdicts.iter().map(|it| (&*it.image, &*it.pointer)).collect();
    let expected = [("redis", "/spec/containers/0/image"), ("nginx", "/spec/containers/1/image")];
    assert_eq!(places, expected);
}

#[test]
fn without_any_policy_everything_is_denied() {
    let decision = World::with(Vec::new()).decide(&["nginx"]);
    assert_eq!(code(&decision), Some(DenyCode::NoPolicy));
    assert!(decision.message.contains("there is no ImagePolicy"), "{}", decision.message);
}

#[test]
fn a_policy_without_repositories_denies_everything() {
    assert_eq!(
        code(&World::with(vec![policy("empty", Vec::new())]).decide(&["nginx"])),
        Some(DenyCode::NoPolicy)
    );
}

#[test]
fn a_rule_that_asks_for_no_trust_allows_without_patch() {
    let decision = World::with_rule("*", None).decide(&["nginx"]);
    assert!(decision.allowed);
    assert_eq!(decision.patch(), None);
    assert_eq!(decision.verdicts[0].verdict, Verdict::Allowed(Admitted::TrustNotRequired));
    assert_eq!(decision.policy_revision, 7);
    assert_eq!(decision.message, "");
}

#[test]
fn any_image_policy_in_the_namespace_means_only_those_count() {
    let cluster = policy("default", vec![rule("*", None)]);
    let own = policy_in("apps", "own", vec![rule("registry.example/*", None)]);
    let mut world = World::with(vec![cluster.clone(), own]);
    assert_eq!(code(&world.decide(&["nginx"])), Some(DenyCode::NoPolicy));
    assert!(world.decide(&["registry.example/a"]).allowed);
    let elsewhere = policy_in("other", "own", Vec::new());
    assert!(World::with(vec![cluster, elsewhere]).decide(&["nginx"]).allowed);
}

#[test]
fn the_most_specific_rule_decides_whichever_policy_holds_it() {
    let open = policy("open", vec![rule("*", None)]);
    let strict = policy("strict", vec![rule("registry.example/*", trust(&[]))]);
    for policies in [vec![open.clone(), strict.clone()], vec![strict.clone(), open.clone()]] {
        let mut world = World::with(policies);
        assert!(world.decide(&["nginx"]).allowed);
        assert_eq!(questions(&world.pod(&["registry.example/a"])).len(), 1);
    }
}

#[test]
fn rules_of_equal_specificity_must_all_hold() {
    let open = policy("open", vec![rule("registry.example/*", None)]);
    let strict = policy("strict", vec![rule("registry.example:443/*", trust(&[]))]);
    for policies in [vec![open.clone(), strict.clone()], vec![strict.clone(), open.clone()]] {
        let mut world = World::with(policies);
        let effects = world.pod(&["registry.example/a"]);
        assert!(answers(&effects).is_empty());
        assert_eq!(questions(&effects).len(), 1);
    }
}

#[test]
fn a_policy_that_is_not_understood_closes_its_scope_and_no_other() {
    let open = policy("open", vec![rule("*", None)]);
    let mut world = World::with(vec![open.clone(), invalid("broken", None)]);
    let decision = world.decide(&["nginx", "quay.io/x"]);
    assert_eq!(codes(&decision), [Some(DenyCode::PolicyInvalid); 2]);
    assert!(decision.message.contains("ClusterImagePolicy broken"), "{}", decision.message);

    let mut world = World::with(vec![open.clone(), invalid("broken", Some("other"))]);
    assert!(world.decide(&["nginx"]).allowed);
    let mut world = World::with(vec![open, invalid("broken", Some("apps"))]);
    assert_eq!(code(&world.decide(&["nginx"])), Some(DenyCode::PolicyInvalid));
}

#[test]
fn a_host_named_in_the_path_of_another_gets_no_trust_from_it() {
    let mut world = World::with_rule("*.trusted.example/*", None);
    assert!(world.decide(&["eu.trusted.example/app"]).allowed);
    let decision = world.decide(&["evil.example/x.trusted.example/app"]);
    assert_eq!(code(&decision), Some(DenyCode::NoPolicy));
}

#[test]
fn an_allowed_container_does_not_cover_a_later_one() {
    let mut world = World::with_rule("registry.example/*", None);
    for images in [["registry.example/a", "nginx"], ["nginx", "registry.example/a"]] {
        let decision = world.decide(&images);
        assert!(!decision.allowed);
        let mut found = codes(&decision);
        found.sort();
        assert_eq!(found, [None, Some(DenyCode::NoPolicy)]);
    }
}
