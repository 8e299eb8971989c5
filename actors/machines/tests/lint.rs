//! What `policy lint` finds, and what it lets be.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;

use portreeve_machines::lint::{Finding, LintCode, Severity, lint};
use portreeve_protocol::messages::policy::{PolicyObject, SignerSecret, SourceObject};
use portreeve_protocol::policy::{PolicyGroup, PolicyRef};
use portreeve_protocol::{Settings, Sha256};
use serde_json::{Value, json};

fn policy(namespace: Option<&str>, name: &str, repositories: &Value) -> SourceObject {
    let group = PolicyGroup::Portieris;
    let namespace = namespace.map(str::to_owned);
    let id = PolicyRef { group, name: name.to_owned(), namespace };
    let spec = json!({ "repositories": repositories }).to_string();
    SourceObject::Policy(PolicyObject { id, resource_version: None, spec })
}

fn secret(namespace: &str, name: &str, public_key: &str) -> SourceObject {
    SourceObject::SignerSecret(SignerSecret {
        name: "alice".to_owned(),
        namespace: namespace.to_owned(),
        public_key: public_key.to_owned(),
        resource_version: None,
        secret: name.to_owned(),
    })
}

fn pinned(mut trust: Value) -> Value {
    trust["enabled"] = true.into();
    trust["pins"] = json!([Sha256::of(b"root").to_string()]);
    json!({ "trust": trust })
}

/// A rule that asks for trust at a server of the registry's own.
fn trusted(name: &str) -> Value {
    json!({ "name": name, "policy": pinned(json!({ "trustServer": "https://n.example" })) })
}

fn looked(objects: &[SourceObject]) -> Vec<Finding> {
    lint(objects, &Settings::default())
}

/// The codes found in a ClusterImagePolicy of these rules, each with the place of its rule.
fn codes(repositories: &Value) -> Vec<(&'static str, u32)> {
    let findings = looked(&[policy(None, "all", repositories)]);
    let place = |finding: &Finding| finding.rule.as_ref().map_or(99, |rule| rule.index);
    findings.iter().map(|finding| (finding.code.code(), place(finding))).collect()
}

#[test]
fn policies_that_say_what_they_mean_are_left_alone() {
    let rules = json!([
        trusted("registry.example/shop/*"),
        trusted("registry.example/*"),
        trusted("*.registry.example/*"),
        trusted("registry.example/shop/web:1.*"),
        { "name": "registry.k8s.io/*" },
    ]);
    assert_eq!(codes(&rules), []);
}

#[test]
fn a_rule_whose_name_no_image_can_have_is_found() {
    let rules = json!([
        trusted("https://registry.example/*"),
        trusted("registry.example/Shop/*"),
        trusted("registry.example/"),
    ]);
    let findings = looked(&[policy(None, "all", &rules)]);
    assert!(findings.iter().all(|finding| finding.code == LintCode::CoversNothing));
    let messages: Vec<_> = findings.iter().map(|finding| finding.message.as_str()).collect();
    for (message, part) in messages.iter().zip(["scheme", "upper case", "`/*`"]) {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(findings.len(), 3);
}

#[test]
fn a_rule_that_others_always_beat_is_found_with_the_one_that_beats_it() {
    // The shorter spelling covers the same, and what is spelt counts in full either way.
    let rules =
        json!([trusted("a.example/x*"), trusted("a.example/x*y*"), trusted("*a.example/x*y*")]);
    assert!(!codes(&rules).iter().any(|(code, _)| *code == "never-wins"), "{:?}", codes(&rules));
    // Left to the host's `*` is less than the host, whatever follows.
    let rules = json!([trusted("*ample/shop/*"), trusted("*.example/*"), trusted("*.example/s*")]);
    assert!(!codes(&rules).contains(&("never-wins", 1)));
    let rules = json!([trusted("a.*/b"), trusted("*/b"), trusted("a.*/*")]);
    assert!(!codes(&rules).contains(&("never-wins", 0)));
}

#[test]
fn equal_rules_are_duplicates_and_unequal_demands_conflict() {
    let rules = json!([trusted("a.example/*"), trusted("a.example/*"), { "name": "A.example/*" }]);
    assert_eq!(codes(&rules), [("duplicate", 1), ("conflict", 2), ("conflict", 2)]);
    let rules = json!([trusted("nginx"), { "name": "docker.io/library/nginx:*" }]);
    assert_eq!(codes(&rules), [("conflict", 1)]);
}

#[test]
fn rules_of_which_neither_covers_the_other_conflict_where_they_meet() {
    let rules = json!([trusted("a.example/shop/*"), { "name": "a.example/*/web9" }]);
    assert_eq!(codes(&rules), [("conflict", 1)]);
    let rules = json!([trusted("a.example/shop/*"), { "name": "b.example/*/web9" }]);
    assert_eq!(codes(&rules), []);
}

#[test]
fn policies_of_different_scopes_do_not_stand_in_each_others_way() {
    let rules = json!([trusted("a.example/*")]);
    let objects = [
        policy(None, "all", &rules),
        policy(Some("shop"), "own", &rules),
        policy(Some("bank"), "own", &rules),
    ];
    assert_eq!(looked(&objects), []);
    let both = [policy(Some("shop"), "a", &rules), policy(Some("shop"), "b", &rules)];
    let findings = looked(&both);
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].code, LintCode::Duplicate);
    assert!(findings[0].message.contains("ImagePolicy shop/a"), "{}", findings[0].message);
}

#[test]
fn hosts_of_anybody_are_found() {
    let rules = json!([
        trusted("*/shop/web"),
        trusted("*example.com/x"),
        trusted("a.example*/x"),
        trusted("*:v1"),
        trusted("registry.example:5000"),
    ]);
    let expected = [
        ("unanchored-host", 0),
        ("unanchored-host", 1),
        ("unanchored-host", 2),
        ("unanchored-host", 3),
        ("host-without-path", 4),
    ];
    assert_eq!(codes(&rules), expected);
}

#[test]
fn policies_that_are_not_obeyed_are_found_with_the_reason() {
    let rules = json!([{ "name": "*", "policy": { "simple": { "requirements": [{}] } } }]);
    let objects = [
        policy(None, "simple", &rules),
        policy(None, "typo", &json!([{ "name": "*", "polcy": {} }])),
        policy(None, "empty", &json!([])),
    ];
    let findings = looked(&objects);
    let told: Vec<_> = findings
        .iter()
        .map(|finding| (finding.policy.as_ref().unwrap().name.as_str(), finding.code))
        .collect();
    let expected = [
        ("empty", LintCode::NoRules),
        ("simple", LintCode::NotSupported),
        ("typo", LintCode::PolicyInvalid),
    ];
    assert_eq!(told, expected);
    assert!(findings[2].message.contains("polcy"), "{}", findings[2].message);
}

#[test]
fn no_policy_at_all_is_found() {
    let findings = looked(&[]);
    assert_eq!(findings.len(), 1);
    assert_eq!((findings[0].code, &findings[0].policy), (LintCode::NoPolicies, &None));
}

#[test]
fn signers_whose_key_is_missing_or_unusable_are_found_where_they_are_asked_for() {
    let rule = |secret: &str| {
        let trust = json!({ "trustServer": "https://n.example",
            "signerSecrets": [{ "name": secret }] });
        json!([{ "name": "a.example/*", "policy": pinned(trust) }])
    };
    let objects = [
        policy(None, "cluster", &rule("alice")),
        policy(Some("shop"), "bad", &rule("alice")),
        policy(Some("bank"), "none", &rule("bob")),
        secret("shop", "alice", "no key"),
    ];
    let findings = looked(&objects);
    let codes: Vec<_> = findings.iter().map(|finding| finding.code).collect();
    let expected = [
        LintCode::ClusterSignerNamespace,
        LintCode::SignerSecretMissing,
        LintCode::SignerKeyInvalid,
    ];
    assert_eq!(codes, expected);
    assert!(findings[0].message.contains("is in shop"), "{}", findings[0].message);
}

#[test]
fn servers_that_are_not_known_retiring_or_not_approved_are_found() {
    let rules = json!([
        { "name": "a.example/*", "policy": pinned(json!({})) },
        { "name": "docker.io/*", "policy": pinned(json!({})) },
        { "name": "b.example/*",
          "policy": pinned(json!({ "trustServer": "https://notary.docker.io" })) },
        { "name": "quay.io/*", "policy": pinned(json!({})) },
        { "name": "*", "policy": pinned(json!({})) },
    ]);
    let expected = [("no-trust-server", 0), ("docker-hub-notary", 1), ("docker-hub-notary", 2)];
    assert_eq!(codes(&rules), expected);
    let settings = Settings { approved_only: true, ..Settings::default() };
    let findings = lint(&[policy(None, "all", &json!([trusted("a.example/*")]))], &settings);
    assert_eq!(findings[0].code, LintCode::ServerNotApproved);
}

#[test]
fn trust_that_no_pin_covers_is_noted_unless_the_operator_pins_it() {
    let trust = json!({ "trust": { "enabled": true, "trustServer": "https://n.example" } });
    let objects = [policy(None, "all", &json!([{ "name": "a.example/*", "policy": trust }]))];
    let findings = looked(&objects);
    assert_eq!(findings.iter().map(|it| it.code).collect::<Vec<_>>(), [LintCode::NoPin]);
    assert_eq!(findings[0].code.severity(), Severity::Note);
    let pins = [("a.example/*".to_owned(), BTreeSet::from([Sha256::of(b"root")]))].into();
    let settings = Settings { pins, ..Settings::default() };
    assert_eq!(lint(&objects, &settings), []);
}

#[test]
fn a_rule_that_lets_in_everything_is_noted() {
    assert_eq!(codes(&json!([{ "name": "*" }])), [("allows-everything", 0)]);
    assert_eq!(codes(&json!([trusted("*")])), []);
}

#[test]
fn many_rules_are_looked_at_in_time() {
    let rules: Vec<_> = (0..600).map(|number| trusted(&format!("r{number}.example/*"))).collect();
    let begun = std::time::Instant::now();
    assert_eq!(codes(&Value::from(rules)), []);
    let took = begun.elapsed();
    assert!(took < std::time::Duration::from_secs(30), "{took:?}");
}
