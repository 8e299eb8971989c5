//! With which credentials a server is asked, how old an answer may be, and what may still be said
//! when the server is out of reach.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;

use portreeve_protocol::messages::admission::{LastVerified, ResolutionOutcome, ReviewFacts};
use portreeve_protocol::messages::notary::Resolve;
use portreeve_protocol::policy::{Rule, TrustRequirement};
use portreeve_protocol::time::SECOND;
use portreeve_protocol::{CredentialRef, Decision, Denial, DenyCode, Mono, Settings, Sha256};

use crate::world::{
    EXPIRES, SERVER, World, answer, answers, code, digest, pod, policy, policy_in, questions,
    resolution, rule, signed, trust, verified,
};

const GUN: &str = "registry.example/app";

fn image(name: &str) -> ResolutionOutcome {
    verified(signed(GUN, "latest", digest(name), &[]))
}

fn unreachable() -> ResolutionOutcome {
    ResolutionOutcome::Unavailable(Denial::new(DenyCode::Unreachable, "no connection"))
}

fn secret(name: &str) -> CredentialRef {
    CredentialRef::PullSecret { name: name.to_owned(), namespace: "apps".to_owned() }
}

fn account(name: &str) -> CredentialRef {
    CredentialRef::ServiceAccount { name: name.to_owned(), namespace: "apps".to_owned() }
}

fn asked(world: &mut World, facts: &ReviewFacts) -> Resolve {
    questions(&world.review(facts)).remove(0).1
}

/// A rule that asks for trust from [`SERVER`], changed.
fn changed(change: impl FnOnce(&mut TrustRequirement)) -> Rule {
    let mut requirement = trust(&[]).unwrap();
    change(&mut requirement);
    rule("*", Some(requirement))
}

#[test]
fn the_pull_secrets_of_the_pod_are_the_credentials_else_those_of_its_service_account() {
    let with = |secrets: &[&str], account: &str| {
        let pull_secrets = secrets.iter().map(|it| (*it).to_owned()).collect();
        let facts =
            ReviewFacts { pull_secrets, service_account: account.to_owned(), ..pod(&[GUN]) };
        let resolve = asked(&mut World::with_rule("*", trust(&[])), &facts);
        assert_eq!(resolve.namespace, "apps");
        resolve.credentials
    };
    assert_eq!(with(&["b", "a"], "robot"), BTreeSet::from([secret("a"), secret("b")]));
    assert_eq!(with(&[], "robot"), BTreeSet::from([account("robot")]));
    assert_eq!(with(&[], ""), BTreeSet::from([account("default")]));
}

#[test]
pub fn a_namespaces_own_choice_of_server_is_asked_without_credentials_unless_approved() {
    let facts = ReviewFacts { pull_secrets: vec!["a".to_owned()], ..pod(&[GUN]) };
    let asked_by = |settings: Settings| {
        let mut world = World::new(settings);
        world.policies(vec![policy_in("apps", "own", vec![rule("*", trust(&[]))])]);
        asked(&mut world, &facts).credentials
    };
    assert_eq!(asked_by(Settings::default()), BTreeSet::new());
    let approved_servers = [SERVER.to_owned()].into();
    let approved = Settings { approved_servers, ..Settings::default() };
    assert_eq!(asked_by(approved), BTreeSet::from([secret("a")]));
}

#[test]
fn a_namespaces_policy_that_leaves_the_server_to_the_map_is_asked_with_credentials() {
    let facts = ReviewFacts { pull_secrets: vec!["a".to_owned()], ..pod(&["nginx"]) };
    let mut world = World::new(Settings::default());
    let own = changed(|requirement| requirement.server = None);
    world.policies(vec![policy_in("apps", "own", vec![own])]);
    assert_eq!(asked(&mut world, &facts).credentials, BTreeSet::from([secret("a")]));
}

#[test]
fn a_rule_may_ask_for_its_own_freshness_and_the_strictest_of_several_counts() {
    let fresh = |seconds: u64| changed(|it| it.freshness = Some(seconds * SECOND));
    for (rules, expected) in [
        (vec![fresh(5)], 5),
        (vec![fresh(60)], 60),
        (vec![fresh(60), fresh(10)], 10),
        (vec![rule("*", trust(&[])), fresh(60)], 30),
    ] {
        let mut world = World::new(Settings::default());
        world.policies(vec![policy("default", rules)]);
        let asked = asked(&mut world, &pod(&[GUN]));
        assert_eq!(asked.not_before, world.now.mono.minus(expected * SECOND), "{expected}");
    }
}

/// A world in which the image was verified once, `ago` seconds before a review that finds the
/// server out of reach; and the decision on that review.
fn after(settings: Settings, rules: Vec<Rule>, ago: u64) -> Decision {
    let mut world = World::new(settings);
    world.policies(vec![policy("default", rules)]);
    world.pod(&[GUN]);
    assert!(answer(&world.tell(GUN, "latest", image("image"))).allowed);
    world.pass(ago * SECOND);
    world.pod(&[GUN]);
    answer(&world.tell(GUN, "latest", unreachable()))
}

fn lenient(seconds: u64) -> Vec<Rule> {
    vec![changed(|it| it.max_staleness = Some(seconds * SECOND))]
}

#[test]
pub fn an_unreachable_server_denies_unless_a_rule_lets_the_last_state_serve() {
    let strict = after(Settings::default(), lenient(0), 60);
    assert_eq!(code(&strict), Some(DenyCode::Unreachable));
    let served = after(Settings::default(), lenient(600), 60);
    assert!(served.allowed && served.patch().is_some());
    assert!(served.warnings[0].contains("60 s ago"), "{:?}", served.warnings);
    assert_eq!(served.audit["stale"], format!("container `c0`: {SERVER} 60 s"));
    let aged = after(Settings::default(), lenient(600), 601);
    assert_eq!(code(&aged), Some(DenyCode::Unreachable));
}

#[test]
fn the_operators_staleness_counts_where_a_rule_names_none() {
    let settings = Settings { max_staleness: 600 * SECOND, ..Settings::default() };
    assert!(after(settings.clone(), vec![rule("*", trust(&[]))], 60).allowed);
    assert!(!after(settings, lenient(0), 60).allowed);
}

#[test]
pub fn an_old_state_never_serves_past_an_expiry() {
    let mut world = World::new(Settings::default());
    world.policies(vec![policy("default", lenient(600))]);
    world.pod(&[GUN]);
    world.tell(GUN, "latest", image("image"));
    world.pass(60 * SECOND);
    world.now.wall = EXPIRES;
    world.now.wall.0 += 1;
    world.pod(&[GUN]);
    let decision = answer(&world.tell(GUN, "latest", unreachable()));
    assert_eq!(code(&decision), Some(DenyCode::Unreachable));
}

#[test]
fn an_old_state_allows_or_says_nothing() {
    let mut world = World::new(Settings::default());
    world.policies(vec![policy("default", lenient(600))]);
    world.pod(&[GUN]);
    world.tell(GUN, "latest", image("image"));
    world.pass(60 * SECOND);
    let other = format!("{GUN}@{}", digest("other").to_oci());
    world.pod(&[&other]);
    let decision = answer(&world.tell(GUN, "latest", unreachable()));
    assert_eq!(code(&decision), Some(DenyCode::Unreachable));
}

#[test]
fn trust_data_that_is_refused_is_not_replaced_by_an_older_state() {
    let mut world = World::new(Settings::default());
    world.policies(vec![policy("default", lenient(600))]);
    world.pod(&[GUN]);
    world.tell(GUN, "latest", image("image"));
    world.pass(60 * SECOND);
    world.pod(&[GUN]);
    let refused = ResolutionOutcome::Refused(Denial::new(DenyCode::Rollback, "older"));
    assert_eq!(code(&answer(&world.tell(GUN, "latest", refused))), Some(DenyCode::Rollback));
}

#[test]
fn the_fetchers_last_state_serves_where_nothing_is_remembered() {
    let mut world = World::new(Settings::default());
    world.policies(vec![policy("default", lenient(600))]);
    world.pass(120 * SECOND);
    world.pod(&[GUN]);
    let mut failure = resolution(GUN, "latest", world.now.mono, unreachable());
    let at = Mono(world.now.mono.0 - 60 * SECOND);
    let tag = signed(GUN, "latest", digest("image"), &[]);
    failure.last_verified = Some(Box::new(LastVerified { at, tag }));
    assert!(answer(&world.resolution(failure)).allowed);
}

#[test]
pub fn a_timeout_is_never_a_success_but_by_a_state_that_may_serve() {
    for (rules, allowed) in [(lenient(0), false), (lenient(600), true)] {
        let mut world = World::new(Settings::default());
        world.policies(vec![policy("default", rules)]);
        world.pod(&[GUN]);
        world.tell(GUN, "latest", image("image"));
        world.pass(60 * SECOND);
        assert!(answers(&world.pod(&[GUN])).is_empty());
        let review = world.last();
        let decision = answer(&world.deadline(&review));
        assert_eq!(decision.allowed, allowed);
        assert_eq!(code(&decision), (!allowed).then_some(DenyCode::Deadline));
    }
}

#[test]
fn a_root_of_first_use_is_warned_about_in_the_decision_unless_the_rule_pins_it() {
    let first_use = || {
        let mut tag = signed(GUN, "latest", digest("image"), &[]);
        tag.evidence.first_use = true;
        verified(tag)
    };
    let decide = |rule: Rule| {
        let mut world = World::new(Settings::default());
        world.policies(vec![policy("default", vec![rule])]);
        world.pod(&[GUN]);
        answer(&world.tell(GUN, "latest", first_use()))
    };
    let warned = decide(changed(|_| {}));
    assert!(warned.allowed && warned.warnings[0].contains("first one seen"), "{warned:?}");
    let pinned = decide(changed(|it| it.pins = [digest("root")].into()));
    assert!(pinned.allowed && pinned.warnings.is_empty(), "{pinned:?}");
}

#[test]
fn a_rule_that_pins_a_root_denies_any_other_root() {
    let mut world = World::new(Settings::default());
    let pins = [Sha256::ZERO].into();
    world.policies(vec![policy("default", vec![changed(|it| it.pins = pins)])]);
    world.pod(&[GUN]);
    let decision = answer(&world.tell(GUN, "latest", image("image")));
    assert_eq!(code(&decision), Some(DenyCode::RootPinMismatch));
}

#[test]
fn twelve_equal_requests_give_twelve_equal_answers() {
    let mut world = World::with_rule("*", trust(&[]));
    for _ in 0..12 {
        assert!(answers(&world.pod(&[GUN])).is_empty());
    }
    let decisions = answers(&world.tell(GUN, "latest", image("image")));
    assert_eq!(decisions.len(), 12);
    for decision in &decisions {
        assert_eq!((decision.allowed, &decision.patch()), (true, &decisions[0].patch()));
        assert_eq!(decision.verdicts, decisions[0].verdicts);
    }
}

#[test]
fn a_cache_hit_never_pins_a_digest_other_than_the_verified_one() {
    let mut world = World::with_rule("*", trust(&[]));
    world.pod(&[GUN]);
    world.tell(GUN, "latest", image("first"));
    world.pass(SECOND);
    let newer = resolution(GUN, "latest", world.now.mono, image("second"));
    world.resolution(newer);
    let older = resolution(GUN, "latest", world.now.mono.minus(SECOND), image("first"));
    world.resolution(older);
    let patch = world.decide(&[GUN]).patch().unwrap();
    assert!(patch.contains(&digest("second").to_hex()), "{patch}");
    assert!(!patch.contains(&digest("first").to_hex()), "{patch}");
}
