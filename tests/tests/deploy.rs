//! What lies in `deploy`, held against the code it is about: definitions of policies, the values of
//! the chart.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;

use portreeve_host::{crds, yaml};
use portreeve_machines::PolicyCache;
use portreeve_protocol::entry::{Restored, Started};
use portreeve_protocol::messages::policy::{
    PolicyEffect, PolicyInput, PolicyObject, Relisted, SourceObject,
};
use portreeve_protocol::policy::{PolicyGroup, PolicyRef, PolicyState};
use portreeve_protocol::{
    ActorId, Delivery, EventId, Machine, NodeId, Now, Outbox, RULES_VERSION, Settings, Sha256, Wall,
};
use portreeve_tests::tidy::tree;
use serde_json::{Value, json};

/// What the actor that reads policies makes of a `spec`.
fn understood(spec: &Value) -> PolicyState {
    let node: NodeId = "node".parse().unwrap();
    let mut machine = PolicyCache::new(&Started {
        build: "test".to_owned(),
        incarnation: 1,
        jitter_seed: 1,
        node: node.clone(),
        restored: Restored::default(),
        rules: RULES_VERSION,
        settings: Settings::default(),
        settings_digest: Sha256::ZERO,
        wall: Wall(0),
    });
    let id =
        PolicyRef { group: PolicyGroup::Portieris, name: "policy".to_owned(), namespace: None };
    let policy = PolicyObject { id, resource_version: None, spec: spec.to_string() };
    let input = PolicyInput::Relisted(Relisted { objects: vec![SourceObject::Policy(policy)] });
    let event = EventId { actor: ActorId::Policy, incarnation: 1, node, seq: 1 };
    let delivery = Delivery { event: event.clone(), now: Now::default(), root: event };
    let mut out = Outbox::default();
    machine.handle(&delivery, &input, &mut out);
    let published = out.into_effects().into_iter().find_map(|effect| match effect {
        PolicyEffect::Publish(snapshot) => Some(snapshot),
        PolicyEffect::Note(_) => None,
    });
    published.unwrap().cluster.first().unwrap().rules.clone()
}

fn refusal(spec: &Value) -> String {
    match understood(spec) {
        PolicyState::Invalid(why) => why,
        PolicyState::Valid(rules) => panic!("{spec} is obeyed: {rules:?}"),
    }
}

/// `spec` with `value` at a path such as `repositories[].policy`.
fn at(path: &str, value: Value) -> Value {
    let mut made = value;
    for step in path.split('.').rev().filter(|step| !step.is_empty()) {
        if let Some(name) = step.strip_suffix("[]") {
            if name == "repositories" && made.get("name").is_none() {
                made["name"] = json!("*");
            }
            made = json!({name: [made]});
        } else {
            made = json!({step: made});
        }
    }
    made
}

/// The schema of a policy's `spec`, of every definition; they are the same.
fn spec_schema() -> Value {
    let mut schemas = crds::all().into_iter().map(|(_, definition)| {
        definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"].clone()
    });
    let first = schemas.next().unwrap();
    assert!(schemas.all(|other| other == first));
    first
}

/// The members of each object below `schema`, by its path.
fn members(path: &str, schema: &Value, found: &mut Vec<(String, BTreeSet<String>)>) {
    if let Some(properties) = schema["properties"].as_object() {
        found.push((path.to_owned(), properties.keys().cloned().collect()));
        for (name, property) in properties {
            let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            members(&below, property, found);
        }
    } else if let Some(items) = schema.get("items") {
        members(&format!("{path}[]"), items, found);
    }
}

#[test]
fn the_definitions_in_the_chart_are_those_of_the_types() {
    let root = tree::root();
    let directory = "deploy/portreeve/crds";
    let mut wanted = BTreeSet::new();
    for (name, definition) in crds::all() {
        let path = format!("{directory}/{name}.yaml");
        let text = format!("# Written by `portreeve crds`.\n{}", yaml::write(&definition));
        if std::env::var_os("PORTREEVE_BLESS").is_some() {
            std::fs::write(root.join(&path), &text).unwrap();
        }
        let found = tree::read(&root, &path).unwrap_or_default();
        assert!(found == text, "{path} is not what the types give; run with PORTREEVE_BLESS=1");
        wanted.insert(path);
    }
    let files = tree::files(&root).unwrap().into_iter();
    let found: BTreeSet<String> = files.filter(|path| path.starts_with(directory)).collect();
    assert_eq!(found, wanted);
}

/// A member that only the schema knew would be refused; one that only the parser knew would be
/// taken out by the API server before anyone sees it, and what it asks for with it.
#[test]
fn the_schema_and_the_reader_of_policies_know_the_same_members() {
    let mut all = Vec::new();
    members("", &spec_schema(), &mut all);
    let mut compared = 0;
    for (path, known) in &all {
        // Not looked into: simple signing is refused whatever it asks for.
        if path.is_empty() || path.contains("requirements") {
            continue;
        }
        let why = refusal(&at(path, json!({"nobody": {}})));
        let listed = why.split_once("unknown field `nobody`, expected ").expect(&why).1;
        let words = listed.split('`').skip(1).step_by(2);
        let understood: BTreeSet<String> = words.map(str::to_owned).collect();
        assert_eq!(&understood, known, "{path}: {why}");
        compared += 1;
    }
    assert_eq!(compared, 9, "{all:?}");
    assert_eq!(all[0].1, ["mode", "repositories"].map(str::to_owned).into());
}

#[test]
fn what_is_not_supported_passes_the_schema_and_is_refused_with_the_reason() {
    for (policy, words) in [
        (json!({"simple": {"requirements": [{"type": "signedBy"}]}}), "(simple signing)"),
        (json!({"vulnerability": {"ICCRVA": {"enabled": true}}}), "(Vulnerability Advisor)"),
        (json!({"va": {"enabled": true}}), "(Vulnerability Advisor)"),
    ] {
        let why = refusal(&at("repositories[].policy", policy));
        assert!(why.contains(words) && why.contains("not supported"), "{why}");
    }
}

/// What the schema takes for a time, a pin or a mode, the reader understands.
#[test]
fn the_schema_takes_what_the_reader_understands_and_no_other_form() {
    let schema = spec_schema();
    let trust = &schema["properties"]["repositories"]["items"]["properties"]["policy"]["properties"]
        ["trust"]["properties"];
    let span = trust["freshness"]["pattern"].as_str().unwrap();
    assert_eq!(trust["maxStaleness"]["pattern"].as_str(), Some(span));
    // The pattern, spelt out here once more for want of a matcher: each of these fits it or not.
    for (text, fits) in [
        ("0", true),
        ("30s", true),
        ("1m30s", true),
        ("1.5h", true),
        (".5s", true),
        ("1.s", true),
        ("500µs", true),
        ("30", false),
        ("s", false),
        ("", false),
        ("-1s", false),
        ("1d", false),
        ("1 s", false),
    ] {
        let spec = at("repositories[].policy.trust", json!({"freshness": text}));
        let obeyed = matches!(understood(&spec), PolicyState::Valid(_));
        assert_eq!(obeyed, fits, "{text}");
    }
    for mode in schema["properties"]["mode"]["enum"].as_array().unwrap() {
        assert!(matches!(understood(&json!({"mode": mode})), PolicyState::Valid(_)), "{mode}");
    }
    for (pin, fits) in [("ab".repeat(32), true), ("AB".repeat(32), false), ("ab".repeat(31), false)]
    {
        let spec = at("repositories[].policy.trust", json!({"pins": [pin]}));
        assert_eq!(matches!(understood(&spec), PolicyState::Valid(_)), fits, "{pin}");
    }
}
