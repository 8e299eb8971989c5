//! The policies to start from are understood, to the last signer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use portreeve_protocol::messages::policy::{PolicyObject, SourceObject};
use portreeve_protocol::policy::{Policy, PolicyGroup, PolicyRef, PolicyState, Rule, SignerKey};
use serde_json::Value;

use crate::world::{World, secret, snapshot};

const EXAMPLES: [(&str, &str); 4] = [
    ("allow-kube-system", include_str!("../../../../deploy/policies/allow-kube-system.yaml")),
    ("require-signer", include_str!("../../../../deploy/policies/require-signer.yaml")),
    ("require-trust", include_str!("../../../../deploy/policies/require-trust.yaml")),
    ("seed-format", include_str!("../../../../deploy/policies/seed-format.yaml")),
];

/// The object of one YAML document, as an adapter would reduce it.
fn object(document: &Value) -> SourceObject {
    let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str);
    let name = text("/metadata/name").unwrap();
    let namespace = text("/metadata/namespace");
    let group = match text("/apiVersion").unwrap() {
        "v1" => {
            let value = |member: &str| text(&format!("/stringData/{member}")).unwrap();
            return secret(namespace.unwrap(), name, value("name"), value("publicKey"));
        }
        "portieris.cloud.ibm.com/v1" => PolicyGroup::Portieris,
        "securityenforcement.admission.cloud.ibm.com/v1beta1" => PolicyGroup::SecurityEnforcement,
        other => panic!("{other} is not the API version of a policy"),
    };
    assert_eq!(namespace.is_none(), text("/kind") == Some("ClusterImagePolicy"));
    SourceObject::Policy(PolicyObject {
        id: PolicyRef { group, name: name.to_owned(), namespace: namespace.map(str::to_owned) },
        resource_version: None,
        spec: document["spec"].to_string(),
    })
}

fn policies(text: &str) -> Vec<Policy> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).unwrap();
    let (_, effects) = World::listed(documents.iter().map(object).collect());
    let found = snapshot(&effects);
    found.cluster.iter().chain(found.namespaces.values().flatten()).cloned().collect()
}

fn rules(policy: &Policy) -> &[Rule] {
    match &policy.rules {
        PolicyState::Valid(rules) => rules,
        PolicyState::Invalid(why) => panic!("{}: {why}", policy.id),
    }
}

#[test]
pub fn every_example_is_understood_and_its_signers_have_keys() {
    for (name, text) in EXAMPLES {
        let found = policies(text);
        assert!(!found.is_empty(), "{name}");
        for policy in &found {
            assert!(!rules(policy).is_empty(), "{name}");
            let trust = rules(policy).iter().filter_map(|rule| rule.trust.as_ref());
            let signers = trust.flat_map(|trust| &trust.signers);
            for signer in signers {
                let usable = matches!(signer.key, SignerKey::Usable { .. });
                assert!(usable, "{name}: {signer:?}");
            }
        }
    }
}

#[test]
fn the_examples_show_every_kind_of_rule() {
    let all: Vec<Policy> = EXAMPLES.iter().flat_map(|(_, text)| policies(text)).collect();
    let shown: Vec<Rule> = all.iter().flat_map(|policy| rules(policy).to_vec()).collect();
    assert!(shown.iter().any(|rule| rule.trust.is_none()));
    assert!(shown.iter().any(|rule| !rule.mutate_image));
    let trust: Vec<_> = shown.iter().filter_map(|rule| rule.trust.as_ref()).collect();
    assert!(trust.iter().any(|trust| trust.server.is_none()));
    assert!(trust.iter().any(|trust| trust.strict_roles && trust.signers.len() == 2));
    for group in [PolicyGroup::Portieris, PolicyGroup::SecurityEnforcement] {
        for cluster in [true, false] {
            let mut ids = all.iter().map(|policy| &policy.id);
            assert!(ids.any(|id| id.group == group && id.namespace.is_none() == cluster));
        }
    }
}
