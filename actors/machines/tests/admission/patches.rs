//! Patches.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use portreeve_protocol::messages::admission::{ContainerList, ReviewFacts};
use portreeve_protocol::{Admitted, Decision, Verdict};
use serde_json::{Value, json};

use crate::world::{
    World, answer, digest, kind, owner, pod, policy, rule, signed, trust, verified,
};

/// What is decided of images all of which are signed with the digest of `image`.
fn decide(world: &mut World, facts: &ReviewFacts) -> Decision {
    let effects = world.review(facts);
    let mut last = effects.clone();
    for (_, question) in crate::world::questions(&effects) {
        let found = signed(&question.gun, &question.tag, digest("image"), &[]);
        last = world.tell(&question.gun, &question.tag, verified(found));
    }
    answer(&last)
}

fn strict() -> World {
    World::with_rule("*", trust(&[]))
}

fn patch(decision: &Decision) -> Value {
    decision.patch().as_deref().map_or(Value::Null, |text| serde_json::from_str(text).unwrap())
}

#[test]
fn references_are_pinned_in_the_users_spelling() {
    let at = digest("image").to_oci();
    for (image, pinned) in [
        ("nginx", format!("nginx:latest@{at}")),
        ("nginx:1.2", format!("nginx:1.2@{at}")),
        ("library/nginx", format!("library/nginx:latest@{at}")),
        ("index.docker.io/nginx:1", format!("index.docker.io/nginx:1@{at}")),
        ("Registry.example:443/a/b:x", format!("Registry.example:443/a/b:x@{at}")),
        ("registry.example:5000/a", format!("registry.example:5000/a:latest@{at}")),
    ] {
        let decision = decide(&mut strict(), &pod(&[image]));
        assert_eq!(
            patch(&decision),
            json!([{"op": "replace", "path": "/spec/containers/0/image", "value": pinned}])
        );
    }
}

#[test]
fn a_pinned_reference_is_not_patched_again() {
    let decision = decide(&mut strict(), &pod(&["nginx:1"]));
    let pinned = patch(&decision)[0]["value"].as_str().unwrap().to_owned();
    let again = decide(&mut strict(), &pod(&[&pinned]));
    assert!(again.allowed, "{}", again.message);
    assert_eq!(again.patch(), None);
}

#[test]
fn every_list_of_containers_is_patched_at_its_own_pointer() {
    let mut facts = pod(&["nginx", "nginx", "team/app:1"]);
    facts.images[0].list = ContainerList::Init;
    facts.images[0].pointer = "/spec/template/spec/initContainers/0/image".into();
    facts.images[2].list = ContainerList::Ephemeral;
    facts.images[2].pointer = "/spec/template/spec/a~1b/2/image".into();
    let patch = patch(&decide(&mut strict(), &facts));
    let paths: Vec<_> = patch.as_array().unwrap().iter().map(|op| op["path"].clone()).collect();
    let pointers: Vec<_> = facts.images.iter().map(|image| json!(image.pointer)).collect();
    assert_eq!(paths, pointers);
}

#[test]
fn applying_the_patch_gives_the_pinned_object() {
    let decision = decide(&mut strict(), &pod(&["nginx", "team/app:1"]));
    let mut object = json!({"spec": {"containers": [{"image": "nginx"}, {"image": "team/app:1"}]}});
    let patch: json_patch::Patch =
        serde_json::from_str(decision.patch().as_deref().unwrap()).unwrap();
    json_patch::patch(&mut object, &patch).unwrap();
    let at = digest("image").to_oci();
    let first = format!("nginx:latest@{at}");
    assert_eq!(object["spec"]["containers"][0]["image"], json!(first));
    assert_eq!(object["spec"]["containers"][1]["image"], json!(format!("team/app:1@{at}")));
}

#[test]
fn any_winning_rule_that_forbids_mutation_forbids_the_patch() {
    let mut fixed = rule("*", trust(&[]));
    fixed.mutate_image = false;
    for rules in [vec![fixed.clone()], vec![rule("*", trust(&[])), fixed]] {
        let mut world = World::with(vec![policy("default", rules)]);
        let decision = decide(&mut world, &pod(&["nginx"]));
        assert!(decision.allowed);
        assert_eq!(decision.patch(), None);
        assert!(matches!(
            &decision.verdicts[0].verdict,
            Verdict::Allowed(Admitted::Verified(found)) if !found.pinned
        ));
    }
}

#[test]
pub fn the_template_of_a_workload_with_a_controller_is_judged_but_never_patched() {
    for (group, name, owned, patched) in [
        ("apps", "ReplicaSet", true, false),
        ("apps", "ReplicaSet", false, true),
        ("apps", "Deployment", false, true),
        ("batch", "Job", true, false),
        ("", "Pod", true, true),
    ] {
        let mut facts = pod(&["nginx"]);
        facts.kind = kind(group, name);
        if owned {
            facts.owners = vec![owner()];
        }
        let decision = decide(&mut strict(), &facts);
        assert!(decision.allowed);
        assert_eq!(decision.patch().is_some(), patched, "{name} {owned}");
    }
}

#[test]
fn an_owner_that_is_no_controller_does_not_forbid_the_patch() {
    let mut facts = pod(&["nginx"]);
    facts.kind = kind("apps", "Deployment");
    facts.owners = vec![owner()];
    facts.owners[0].controller = false;
    assert!(decide(&mut strict(), &facts).patch().is_some());
}

#[test]
fn nothing_is_patched_in_what_is_denied() {
    let rules = vec![rule("docker.io/*", trust(&[]))];
    let mut world = World::with(vec![policy("default", rules)]);
    let decision = decide(&mut world, &pod(&["nginx", "quay.io/x/y"]));
    assert!(!decision.allowed);
    assert_eq!(decision.patch(), None);
    assert!(matches!(
        &decision.verdicts[0].verdict,
        Verdict::Allowed(Admitted::Verified(found)) if !found.pinned
    ));
}

#[test]
fn only_images_that_verified_are_patched() {
    let rules = vec![rule("docker.io/*", trust(&[])), rule("*", None)];
    let mut world = World::with(vec![policy("default", rules)]);
    let decision = decide(&mut world, &pod(&["quay.io/x/y", "nginx"]));
    assert_eq!(patch(&decision).as_array().map(Vec::len), Some(1));
    assert_eq!(patch(&decision)[0]["path"], json!("/spec/containers/1/image"));
}
