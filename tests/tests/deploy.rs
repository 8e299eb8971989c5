//! What lies in `deploy`, held against the code it is about: definitions of policies, the values of
//! the chart.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;

use portreeve_host::cluster::access::{Actor, Scope, TABLE};
use portreeve_host::config::{Config, Overrides};
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
    assert_eq!(compared, 10, "{all:?}");
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
        let spec = at("repositories[].policy.trust", json!({"enabled": true, "freshness": text}));
        let obeyed = matches!(understood(&spec), PolicyState::Valid(_));
        assert_eq!(obeyed, fits, "{text}");
    }
    for mode in schema["properties"]["mode"]["enum"].as_array().unwrap() {
        assert!(matches!(understood(&json!({"mode": mode})), PolicyState::Valid(_)), "{mode}");
    }
    for (pin, fits) in [("ab".repeat(32), true), ("AB".repeat(32), false), ("ab".repeat(31), false)]
    {
        let spec = at("repositories[].policy.trust", json!({"enabled": true, "pins": [pin]}));
        assert_eq!(matches!(understood(&spec), PolicyState::Valid(_)), fits, "{pin}");
    }
}

/// The documents of a template, with the lines that hold actions taken out.
fn without_actions(template: &str) -> Vec<Value> {
    let text = tree::read(&tree::root(), template).unwrap();
    let mut plain = String::new();
    let mut inside = false;
    for line in text.lines() {
        let ends = line.contains("}}");
        if !inside && !line.contains("{{") {
            plain.push_str(line);
            plain.push('\n');
        }
        inside = (inside || line.contains("{{")) && !ends;
    }
    plain
        .split("---\n")
        .filter_map(|document| serde_saphyr::from_str::<Value>(document).ok())
        .filter(Value::is_object)
        .collect()
}

type Right = (String, String, String);

fn granted<'a>(roles: impl Iterator<Item = &'a Value>) -> BTreeSet<Right> {
    let texts = |rule: &Value, member: &str| -> Vec<String> {
        let listed = rule[member].as_array().cloned().unwrap_or_default();
        listed.iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let mut found = BTreeSet::new();
    for rule in roles.flat_map(|role| role["rules"].as_array().unwrap()) {
        for group in texts(rule, "apiGroups") {
            for resource in texts(rule, "resources") {
                for verb in texts(rule, "verbs") {
                    found.insert((group.clone(), resource.clone(), verb));
                }
            }
        }
    }
    found
}

fn used(actor: Actor) -> BTreeSet<Right> {
    let rows = TABLE.iter().filter(|row| row.actor == actor);
    rows.map(|row| (row.group.to_owned(), row.resource.to_owned(), row.verb.name().to_owned()))
        .collect()
}

#[test]
fn the_roles_of_the_chart_grant_what_is_used_and_nothing_else() {
    let templates = "deploy/portreeve/templates";
    for (template, actor, count) in
        [("rbac.yaml", Actor::Server, 3), ("_gencerts.tpl", Actor::Gencerts, 2)]
    {
        let documents = without_actions(&format!("{templates}/{template}"));
        let roles: Vec<&Value> = documents.iter().filter(|it| it["rules"].is_array()).collect();
        assert_eq!(roles.len(), count, "{template}");
        assert_eq!(granted(roles.iter().copied()), used(actor), "{template}");
    }
}

/// A ClusterRole reaches into every namespace, so what only the operator's needs stands in a Role.
#[test]
fn secrets_of_the_operator_are_granted_in_its_namespace_alone() {
    for document in without_actions("deploy/portreeve/templates/_gencerts.tpl") {
        let secrets = granted(std::iter::once(&document).filter(|it| it["rules"].is_array()))
            .iter()
            .any(|(_, resource, _)| resource == "secrets");
        assert!(!secrets || document["kind"] == "Role", "{document}");
    }
    let narrow = TABLE.iter().filter(|row| row.actor == Actor::Server && row.resource == "secrets");
    assert!(narrow.into_iter().all(|row| row.scope == Scope::Namespaces));
}

/// Every setting of the file is either made by the chart or a value below `config`.
#[test]
fn the_values_below_config_are_settings_of_serve() {
    let schema = tree::read(&tree::root(), "deploy/portreeve/values.schema.json").unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let listed = &schema["properties"]["config"]["properties"];
    let values: BTreeSet<String> = listed.as_object().unwrap().keys().cloned().collect();
    let made = tree::read(&tree::root(), "deploy/portreeve/templates/_config.tpl").unwrap();
    let made: BTreeSet<String> = made
        .lines()
        .filter_map(|line| {
            let line = line.trim();
            let set = line.split_once("set $made \"").map(|(_, rest)| rest);
            set.or_else(|| line.strip_prefix('"')).and_then(|rest| rest.split('"').next())
        })
        .map(str::to_owned)
        .collect();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("portreeve.yaml");
    std::fs::write(&path, "nobody: 1\n").unwrap();
    let why = Config::load(Some(&path), Overrides::default()).unwrap_err().to_string();
    let listed = why.split_once("expected one of ").expect(&why).1;
    let listed = listed.split(" at line").next().unwrap();
    let word = |text: &str| text.chars().take_while(char::is_ascii_alphanumeric).collect();
    let settings: BTreeSet<String> = listed.split(", ").map(word).collect();
    assert!(settings.len() > 20, "{why}");
    // A replica's name is its pod's, and objects come from the API server of the pod.
    let left: BTreeSet<&str> = settings
        .iter()
        .filter(|name| !values.contains(*name) && !made.contains(*name))
        .map(String::as_str)
        .collect();
    assert_eq!(left, ["kubeconfig", "node", "objects"].into());
    let unknown: Vec<_> = values.union(&made).filter(|name| !settings.contains(*name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    assert_eq!(values.intersection(&made).next(), None);
}
