//! How a `spec` is read.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use portreeve_protocol::limits;
use portreeve_protocol::policy::{Mode, PolicyState, Rule};
use proptest::prelude::*;
use serde_json::json;

use crate::world::{World, parsed, policy, snapshots, why_invalid};

fn rules(spec: &str) -> Vec<Rule> {
    match parsed(spec).rules {
        PolicyState::Valid(rules) => rules,
        PolicyState::Invalid(why) => panic!("{spec}: {why}"),
    }
}

/// A `spec` with one rule of this `policy`.
fn with(policy: &serde_json::Value) -> String {
    json!({"repositories": [{"name": "*", "policy": policy}]}).to_string()
}

#[test]
fn a_rule_without_policy_or_with_trust_off_asks_for_nothing() {
    for spec in [
        r#"{"repositories":[{"name":"*"}]}"#,
        r#"{"repositories":[{"name":"*","policy":null}]}"#,
        r#"{"repositories":[{"name":"*","policy":{}}]}"#,
        r#"{"repositories":[{"name":"*","policy":{"trust":null}}]}"#,
        r#"{"repositories":[{"name":"*","policy":{"trust":{}}}]}"#,
        r#"{"repositories":[{"name":"*","policy":{"trust":{"enabled":false}}}]}"#,
        r#"{"repositories":[{"name":"*","policy":{"trust":{"trustServer":"http://a.b"}}}]}"#,
        r#"{"repositories":[{"name":"*","policy":{"trust":{"enabled":false,"pins":["x"]}}}]}"#,
        r#"{"repositories":[{"name":"*","policy":{"va":{"enabled":false}}}]}"#,
        r#"{"repositories":[{"name":"*","policy":{"vulnerability":{"IBMVA":{"account":"a"}}}}]}"#,
        r#"{"repositories":[{"name":"*","policy":{"simple":{"requirements":[]}}}]}"#,
        r#"{"repositories":[{"name":"*","policy":{"vulnerability":{"ICCRVA":{}}}}]}"#,
    ] {
        let expected =
            Rule { mode: Mode::Enforce, mutate_image: true, pattern: "*".to_owned(), trust: None };
        assert_eq!(rules(spec), [expected], "{spec}");
    }
}

#[test]
fn no_repositories_are_no_rules_which_denies_everything() {
    for spec in ["null", "{}", r#"{"repositories":null}"#, r#"{"repositories":[]}"#] {
        assert!(rules(spec).is_empty(), "{spec}");
    }
}

#[test]
fn a_demand_for_trust_is_read_whole() {
    let found = rules(&with(&json!({
        "mutateImage": false,
        "trust": {
            "enabled": true,
            "trustServer": "https://Notary.Example:4443/",
            "signerSecrets": [{"name": "bob"}, {"name": "alice"}, {"name": "bob"}],
            "strictRoles": true,
        },
    })));
    assert!(!found[0].mutate_image);
    let trust = found[0].trust.as_ref().unwrap();
    assert_eq!(trust.server.as_deref(), Some("https://notary.example:4443"));
    assert!(trust.strict_roles);
    let secrets: Vec<_> = trust.signers.iter().map(|signer| signer.secret.as_str()).collect();
    assert_eq!(secrets, ["portreeve/alice", "portreeve/bob"]);
}

#[test]
fn an_empty_trust_server_is_none() {
    for server in [json!(""), json!(null)] {
        let spec = with(&json!({"trust": {"enabled": true, "trustServer": server}}));
        assert_eq!(rules(&spec)[0].trust.as_ref().unwrap().server, None);
    }
}

#[test]
fn a_trust_server_is_an_https_url_or_this_machine_or_the_policy_is_invalid() {
    for server in [
        "http://notary.example",
        "http://127.0.0.1.example",
        "http://10.0.0.1",
        "notary.example",
        "https://",
        "https:///x",
        "ftp://notary.example",
        "https://user@notary.example",
        "https://notary.example?a",
        "https://notary.example#a",
        "https://notary.example:port",
        "https://notary.example:0",
        "https://notary example",
        "https://a/../b",
        "https://a//b",
        "https://a\\b",
        "https://[::1",
        "https://notary..example",
    ] {
        let trust = json!({"trust": {"enabled": true, "trustServer": server}});
        let why = why_invalid(&with(&trust));
        assert!(why.contains("trustServer") && why.contains("repositories[0]"), "{why}");
    }
    for (server, expected) in [
        ("https://notary.example/", "https://notary.example"),
        ("HTTPS://Notary.Example/base/Path//", "https://notary.example/base/Path"),
        ("https://[::1]:4443", "https://[::1]:4443"),
        ("http://LocalHost:4443/", "http://localhost:4443"),
        ("http://[::1]:80", "http://[::1]:80"),
    ] {
        let spec = with(&json!({"trust": {"enabled": true, "trustServer": server}}));
        assert_eq!(rules(&spec)[0].trust.as_ref().unwrap().server.as_deref(), Some(expected));
    }
}

#[test]
fn demands_that_are_not_supported_make_the_policy_invalid_and_are_never_passed_over() {
    for policy in [
        json!({"simple": {"requirements": [{"type": "signedBy", "keySecret": "k"}]}}),
        json!({"vulnerability": {"ICCRVA": {"enabled": true, "account": "a"}}}),
        json!({"vulnerability": {"IBMVA": {"enabled": true, "account": "a"}}}),
        json!({"va": {"enabled": true}}),
        json!({"va": {"enabled": true}, "trust": {"enabled": true}}),
    ] {
        let why = why_invalid(&with(&policy));
        assert!(why.contains("not supported"), "{why}");
    }
}

#[test]
fn a_member_nobody_knows_inside_a_rule_makes_the_policy_invalid() {
    for policy in [
        json!({"Trust": {"enabled": true}}),
        json!({"trust": {"enable": true}}),
        json!({"trust": {"enabled": true, "pin": []}}),
        json!({"trust": {"enabled": true, "signerSecrets": [{"name": "a", "namespace": "b"}]}}),
        json!({"simple": {"Requirements": [{}]}}),
        json!({"vulnerability": {"other": {"enabled": true}}}),
        json!({"modes": "enforce"}),
    ] {
        assert!(why_invalid(&with(&policy)).contains("unknown field"), "{policy}");
    }
    why_invalid(r#"{"repositories":[{"name":"*","Policy":{"trust":{"enabled":true}}}]}"#);
    why_invalid(r#"{"Repositories":[{"name":"*"}]}"#);
}

/// Portieris' own chart installed a policy with `policies:` for `policy:`, and nothing behind it.
#[test]
fn a_member_nobody_knows_asks_for_nothing_if_it_is_null() {
    for spec in [
        r#"{"repositories":[{"name":"*","policies":null}]}"#,
        r#"{"repositories":[{"name":"*","policy":{"rust":null}}]}"#,
    ] {
        assert_eq!(rules(spec)[0].trust, None, "{spec}");
    }
    why_invalid(r#"{"repositories":[{"name":"*","policies":{}}]}"#);
    why_invalid(r#"{"repositories":[{"name":"*","policies":false}]}"#);
}

#[test]
fn a_reason_names_the_member_as_the_author_wrote_it() {
    for (policy, expected) in [
        (
            json!({"trust": {"enabled": "true"}}),
            "`spec.repositories[0].policy.trust.enabled` is not understood: invalid type: string \
             \"true\", expected a boolean",
        ),
        (
            json!({"trust": true}),
            "`spec.repositories[0].policy.trust` is not understood: invalid type: boolean \
             `true`, expected an object such as `{enabled: true}`",
        ),
        (
            json!({"trust": {"signerSecrets": ["alice"]}}),
            "`spec.repositories[0].policy.trust.signerSecrets[0]` is not understood: invalid \
             type: string \"alice\", expected an object with the `name` of a Secret",
        ),
        (
            json!({"Trust": {}}),
            "`spec.repositories[0]`: `policy`: unknown field `Trust`, expected `mode`, \
             `mutateImage`, `simple`, `trust`, `va` or `vulnerability`",
        ),
    ] {
        assert_eq!(why_invalid(&with(&policy)), expected);
    }
}

#[test]
pub fn a_rule_has_its_own_mode_else_that_of_its_policy_else_it_enforces() {
    let modes = |spec: &str| rules(spec).iter().map(|rule| rule.mode).collect::<Vec<_>>();
    let own = r#"{"name":"a","policy":{"mode":"audit"}},{"name":"b"}"#;
    assert_eq!(modes(&format!(r#"{{"repositories":[{own}]}}"#)), [Mode::Audit, Mode::Enforce]);
    let common = format!(r#"{{"mode":"warn","repositories":[{own}]}}"#);
    assert_eq!(modes(&common), [Mode::Audit, Mode::Warn]);
    for spec in [
        r#"{"mode":"off","repositories":[{"name":"*"}]}"#,
        r#"{"Mode":"warn","repositories":[{"name":"*"}]}"#,
        r#"{"repositories":[{"name":"*","policy":{"mode":"Enforce"}}]}"#,
    ] {
        assert!(why_invalid(spec).contains("mode"), "{spec}");
    }
}

#[test]
fn a_member_nobody_knows_beside_the_rules_is_passed_over() {
    assert_eq!(rules(r#"{"repositories":[{"name":"*"}],"comment":{"any":1}}"#).len(), 1);
}

#[test]
fn what_is_no_policy_at_all_is_invalid() {
    for spec in [
        "",
        "{",
        "[]",
        "1",
        r#""text""#,
        r#"{"repositories":{}}"#,
        r#"{"repositories":["*"]}"#,
        r#"{"repositories":[{"policy":{}}]}"#,
        r#"{"repositories":[{"name":""}]}"#,
        r#"{"repositories":[{"name":" * "}]}"#,
        r#"{"repositories":[{"name":1}]}"#,
        r#"{"repositories":[],"repositories":[{"name":"*"}]}"#,
        r#"{"repositories":[{"name":"*","policy":{"trust":{"enabled":"true"}}}]}"#,
        r#"{"repositories":[{"name":"*","policy":{"trust":{"enabled":true,"enabled":false}}}]}"#,
        r#"{"repositories":[{"name":"*","policy":{"mutateImage":0}}]}"#,
        r#"{"repositories":[{"name":"*","policy":{"trust":{"signerSecrets":[{}]}}}]}"#,
    ] {
        assert!(!why_invalid(spec).is_empty(), "{spec}");
    }
}

#[test]
fn a_signers_secret_without_a_name_makes_the_policy_invalid() {
    let why =
        why_invalid(&with(&json!({"trust": {"enabled": true, "signerSecrets": [{"name": ""}]}})));
    assert!(why.contains("an empty `name`"), "{why}");
}

#[test]
fn policies_are_bounded_in_bytes_and_rules() {
    let large = format!(r#"{{"comment":"{}"}}"#, "a".repeat(limits::OBJECT_BYTES));
    assert!(why_invalid(&large).contains("larger"));
    let long = format!(r#"{{"repositories":[{{"name":"{}"}}]}}"#, "a".repeat(2_000));
    assert!(why_invalid(&long).contains("longer"));
    let many = |count| json!({"repositories": vec![json!({"name": "*"}); count]}).to_string();
    assert_eq!(rules(&many(limits::RULES)).len(), limits::RULES);
    assert!(why_invalid(&many(limits::RULES + 1)).contains("rules together"));
}

#[test]
fn why_a_policy_is_invalid_is_short_whatever_it_holds() {
    let name = "x".repeat(10_000);
    let spec = json!({"repositories": [{"name": "*", "policy": {name: 1}}]}).to_string();
    assert!(why_invalid(&spec).len() < 1_024);
}

proptest! {
    #[test]
    fn parsing_never_panics_and_always_publishes(spec in "\\PC{0,60}") {
        let (_, effects) = World::listed(vec![policy("p", None, &spec)]);
        prop_assert_eq!(snapshots(&effects).len(), 1);
    }
}

fn requirement(trust: &serde_json::Value) -> portreeve_protocol::policy::TrustRequirement {
    let spec = json!({"repositories": [{"name": "*", "policy": {"trust": trust}}]}).to_string();
    match parsed(&spec).rules {
        PolicyState::Valid(mut rules) => rules.remove(0).trust.unwrap(),
        PolicyState::Invalid(why) => panic!("{spec}: {why}"),
    }
}

#[test]
fn freshness_and_staleness_are_written_as_go_writes_durations_or_in_seconds() {
    let found = requirement(&json!({"enabled": true, "freshness": "1m30s", "maxStaleness": 600}));
    assert_eq!((found.freshness, found.max_staleness), (Some(90_000_000), Some(600_000_000)));
    let none = requirement(&json!({"enabled": true}));
    assert_eq!((none.freshness, none.max_staleness), (None, None));
}

#[test]
fn pins_are_the_ids_of_root_keys() {
    let id = "ab".repeat(32);
    let found = requirement(&json!({"enabled": true, "pins": [id]}));
    assert_eq!(found.pins, [id.parse().unwrap()].into());
}

#[test]
fn a_signers_key_may_stand_in_the_policy_itself() {
    let signers = json!([{"name": "alice", "publicKey": crate::world::ALICE}]);
    let found = requirement(&json!({"enabled": true, "signers": signers}));
    let [signer] = &found.signers[..] else { panic!("one signer") };
    assert_eq!(signer.secret, "");
    let key = portreeve_trust::signer::public_key_fingerprint(crate::world::ALICE).unwrap();
    let usable =
        portreeve_protocol::policy::SignerKey::Usable { name: "alice".to_owned(), spki: key };
    assert_eq!(signer.key, usable);
}

#[test]
pub fn a_duration_pin_or_inline_signer_that_is_none_makes_the_policy_invalid() {
    for trust in [
        json!({"enabled": true, "freshness": "soon"}),
        json!({"enabled": true, "maxStaleness": -1}),
        json!({"enabled": true, "maxStaleness": "721h"}),
        json!({"enabled": true, "pins": ["ab"]}),
        json!({"enabled": true, "signers": [{"name": "..", "publicKey": crate::world::ALICE}]}),
        json!({"enabled": true, "signers": [{"name": "alice", "publicKey": "garbage"}]}),
    ] {
        let spec = json!({"repositories": [{"name": "*", "policy": {"trust": trust}}]}).to_string();
        assert!(!why_invalid(&spec).is_empty());
    }
}
