//! What is allowed unseen, and what is denied before any image is looked at.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use portreeve_protocol::messages::admission::{AdmissionInput, Operation, ReviewFacts, ReviewPath};
use portreeve_protocol::{Admitted, DenyCode, Settings, Verdict, limits};

use crate::world::{
    World, answer, answers, code, codes, kind, pod, policy, questions, rule, trust,
};

fn denying() -> World {
    World::with(vec![policy("nothing", Vec::new())])
}

#[test]
fn deletion_and_connection_are_allowed_and_recorded() {
    for (operation, why) in [(Operation::Delete, "delete"), (Operation::Connect, "connect")] {
        let mut facts = pod(&["anything"]);
        facts.operation = operation;
        facts.malformed = Some("there is no object".to_owned());
        let decision = answer(&denying().review(&facts));
        assert!(decision.allowed);
        assert_eq!(decision.audit.get("exempt").map(String::as_str), Some(why));
        assert_eq!(decision.patch(), None);
    }
}

#[test]
fn where_clients_must_be_known_a_stranger_is_refused_even_what_is_allowed_unseen() {
    let mut settings = Settings { client_required: true, ..Settings::default() };
    for (authenticated, required, refused) in
        [(false, true, true), (true, true, false), (false, false, false)]
    {
        settings.client_required = required;
        let mut facts = pod(&["nginx"]);
        facts.operation = Operation::Delete;
        facts.peer.authenticated = authenticated;
        let decision = answer(&World::new(settings.clone()).review(&facts));
        let expected = refused.then_some(DenyCode::ClientUnauthenticated);
        assert_eq!(code(&decision), expected, "{authenticated} {required}");
    }
}

#[test]
pub fn subresources_without_images_are_allowed_and_recorded() {
    for (group, name, sub) in [
        ("autoscaling", "Scale", "scale"),
        ("policy", "Eviction", "eviction"),
        ("", "Binding", "binding"),
        ("apps", "Deployment", "status"),
    ] {
        let mut facts = pod(&[]);
        facts.kind = kind(group, name);
        facts.sub_resource = Some(sub.to_owned());
        facts.operation = Operation::Update;
        let decision = answer(&denying().review(&facts));
        assert!(decision.allowed, "{name}/{sub}");
        assert_eq!(decision.audit.get("exempt").map(String::as_str), Some("no-image"));
    }
}

#[test]
fn a_malformed_review_is_not_taken_for_one_without_images() {
    for (name, sub) in [("Deployment", "status"), ("", "status"), ("Eviction", "eviction")] {
        let mut facts = pod(&[]);
        facts.kind = kind(if name == "Eviction" { "policy" } else { "apps" }, name);
        facts.sub_resource = Some(sub.to_owned());
        facts.malformed = Some("`request.operation` stands twice".to_owned());
        let decision = answer(&denying().review(&facts));
        assert_eq!(code(&decision), Some(DenyCode::ReviewMalformed), "{name}/{sub}");
        facts.operation = Operation::Delete;
        assert!(answer(&denying().review(&facts)).allowed, "deletions are never in the way");
    }
}

#[test]
pub fn ephemeral_containers_are_judged_as_others_are() {
    let mut facts = pod(&["nginx"]);
    facts.sub_resource = Some("ephemeralcontainers".to_owned());
    facts.operation = Operation::Update;
    for name in ["Pod", "EphemeralContainers"] {
        facts.kind = kind("", name);
        assert!(!answer(&denying().review(&facts)).allowed, "{name}");
    }
}

#[test]
fn exemptions_hold_while_draining_and_before_policies_are_loaded() {
    let mut facts = pod(&["nginx"]);
    facts.operation = Operation::Delete;
    let mut world = World::new(Settings::default());
    assert!(answer(&world.review(&facts)).allowed);
    world.deliver(&AdmissionInput::Drain);
    assert!(answer(&world.review(&facts)).allowed);
}

#[test]
pub fn objects_of_unknown_kind_are_denied() {
    let mut facts = pod(&["nginx"]);
    facts.kind = kind("example.com", "Widget");
    let decision = answer(&World::with_rule("*", None).review(&facts));
    assert_eq!(code(&decision), Some(DenyCode::UnknownKind));
    assert!(decision.message.contains("Widget"), "{}", decision.message);
    let mut facts = pod(&["nginx"]);
    facts.sub_resource = Some("novelty".to_owned());
    let decision = answer(&World::with_rule("*", None).review(&facts));
    assert_eq!(code(&decision), Some(DenyCode::UnknownKind));
}

#[test]
fn a_malformed_object_is_denied_with_what_is_wrong() {
    let mut facts = pod(&["nginx"]);
    facts.malformed = Some("`request.object.spec.containers` is not a list".to_owned());
    let decision = answer(&World::with_rule("*", None).review(&facts));
    assert_eq!(code(&decision), Some(DenyCode::ReviewMalformed));
    assert!(decision.message.contains("spec.containers"), "{}", decision.message);
}

#[test]
fn before_policies_are_read_nothing_is_allowed() {
    let mut world = World::new(Settings::default());
    assert_eq!(code(&world.decide(&["nginx"])), Some(DenyCode::PoliciesNotLoaded));
}

#[test]
fn a_blank_image_may_be_filled_in_later_and_is_denied_if_it_is_not() {
    let mut world = World::with_rule("*", None);
    let decision = world.decide(&["nginx", "", " "]);
    assert!(decision.allowed && decision.patch().is_none());
    assert_eq!(decision.verdicts[1].verdict, Verdict::Allowed(Admitted::Blank));
    assert_eq!(decision.verdicts[2].verdict, Verdict::Allowed(Admitted::Blank));
    let stored = ReviewFacts { path: ReviewPath::Validate, ..pod(&["nginx", "", " "]) };
    let decision = answer(&world.review(&stored));
    let missing = Some(DenyCode::ImageMissing);
    assert_eq!(codes(&decision), [None, missing, missing]);
    assert_eq!(code(&decision), missing);
}

#[test]
fn a_reference_that_cannot_be_understood_is_denied_even_where_all_is_allowed() {
    let mut world = World::with_rule("*", None);
    let sha512 = format!("nginx@sha512:{}", "ab".repeat(64));
    let decision = world.decide(&["Nginx", sha512.as_str(), "nginx@sha256:12"]);
    let invalid = Some(DenyCode::ReferenceInvalid);
    assert_eq!(codes(&decision), [invalid, Some(DenyCode::DigestUnsupported), invalid]);
}

#[test]
fn more_images_than_one_review_may_name_are_denied() {
    let mut world = World::with_rule("*", None);
    let images = vec!["nginx"; limits::REVIEW_IMAGES];
    assert!(world.decide(&images).allowed);
    let images = vec!["nginx"; limits::REVIEW_IMAGES + 1];
    let decision = world.decide(&images);
    assert_eq!(code(&decision), Some(DenyCode::TooManyImages));
    assert!(decision.verdicts.is_empty());
    let mut facts = pod(&["nginx"]);
    facts.old_images = pod(&images).images;
    assert_eq!(code(&answer(&world.review(&facts))), Some(DenyCode::TooManyImages));
}

#[test]
pub fn reviews_beyond_the_bound_are_denied_and_those_that_need_no_waiting_are_not() {
    let signed = rule("registry.example/*", trust(&[]));
    let mut world = World::with(vec![policy("default", vec![signed, rule("*", None)])]);
    for _ in 0..limits::REVIEWS_IN_FLIGHT {
        assert!(answers(&world.pod(&["registry.example/a"])).is_empty());
    }
    let effects = world.pod(&["registry.example/a"]);
    assert_eq!(code(&answer(&effects)), Some(DenyCode::Overloaded));
    assert!(questions(&effects).is_empty());
    assert!(world.decide(&["nginx"]).allowed);
}

#[test]
fn a_workload_without_images_has_nothing_to_be_denied_for() {
    let decision = denying().decide(&[]);
    assert!(decision.allowed && decision.verdicts.is_empty());
}

#[test]
fn a_template_is_judged_when_it_is_written_and_not_when_it_first_runs() {
    // The facts do not say how many replicas there are: zero proves nothing, scaling comes later.
    for (group, name) in [("apps", "Deployment"), ("batch", "CronJob"), ("apps", "StatefulSet")] {
        let mut facts = pod(&["nginx"]);
        facts.kind = kind(group, name);
        assert_eq!(code(&answer(&denying().review(&facts))), Some(DenyCode::NoPolicy), "{name}");
    }
}
