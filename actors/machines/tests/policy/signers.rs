//! Where signers' keys come from.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use portreeve_protocol::messages::policy::ObjectRef;
use portreeve_protocol::policy::{Policy, PolicyState, SignerKey, SignerRequirement};
use portreeve_trust::signer::public_key_fingerprint;

use crate::world::{ALICE, BOB, World, policy, secret, snapshot, snapshots};

const SPEC: &str = r#"{"repositories":[{"name":"*","policy":{"trust":{
    "enabled":true,"signerSecrets":[{"name":"signer"}]}}}]}"#;

fn signer(policy: &Policy) -> SignerRequirement {
    match &policy.rules {
        PolicyState::Valid(rules) => rules[0].trust.as_ref().unwrap().signers[0].clone(),
        PolicyState::Invalid(why) => panic!("{why}"),
    }
}

fn usable(name: &str, pem: &str) -> SignerKey {
    SignerKey::Usable { name: name.to_owned(), spki: public_key_fingerprint(pem).unwrap() }
}

#[test]
fn a_cluster_policy_takes_its_signers_from_the_operators_namespace_only() {
    let (_, effects) = World::listed(vec![
        policy("p", None, SPEC),
        secret("apps", "signer", "mallory", BOB),
        secret("portreeve", "signer", "alice", ALICE),
    ]);
    let found = signer(&snapshot(&effects).cluster[0]);
    assert_eq!(found.secret, "portreeve/signer");
    assert_eq!(found.key, usable("alice", ALICE));
}

#[test]
fn a_namespaced_policy_takes_its_signers_from_its_own_namespace_only() {
    let (_, effects) = World::listed(vec![
        policy("p", Some("apps"), SPEC),
        secret("apps", "signer", "bob", BOB),
        secret("portreeve", "signer", "alice", ALICE),
    ]);
    let found = signer(&snapshot(&effects).namespaces["apps"][0]);
    assert_eq!((found.secret.as_str(), found.key), ("apps/signer", usable("bob", BOB)));
}

#[test]
pub fn a_signer_without_secret_is_missing_until_the_secret_comes() {
    let (mut world, effects) = World::listed(vec![policy("p", None, SPEC)]);
    assert_eq!(signer(&snapshot(&effects).cluster[0]).key, SignerKey::Missing);
    let effects = world.apply(secret("portreeve", "signer", "alice", ALICE));
    assert_eq!(signer(&snapshot(&effects).cluster[0]).key, usable("alice", ALICE));
    let effects = world.apply(secret("portreeve", "signer", "alice", BOB));
    assert_eq!(signer(&snapshot(&effects).cluster[0]).key, usable("alice", BOB));
    let object =
        ObjectRef::SignerSecret { namespace: "portreeve".to_owned(), secret: "signer".to_owned() };
    let effects = world.delete(object);
    assert_eq!(signer(&snapshot(&effects).cluster[0]).key, SignerKey::Missing);
}

#[test]
fn a_secret_nobody_names_changes_nothing() {
    let (mut world, _) = World::listed(vec![policy("p", None, SPEC)]);
    assert!(snapshots(&world.apply(secret("apps", "signer", "alice", ALICE))).is_empty());
}

#[test]
fn a_secret_with_an_unfit_name_or_key_is_invalid() {
    for (name, key) in [
        (".", ALICE),
        ("..", ALICE),
        ("../x", ALICE),
        ("", ALICE),
        ("a//b", ALICE),
        ("A", ALICE),
        ("a/", ALICE),
        ("alice", ""),
        ("alice", "not a key"),
    ] {
        let (_, effects) =
            World::listed(vec![policy("p", None, SPEC), secret("portreeve", "signer", name, key)]);
        let SignerKey::Invalid(why) = signer(&snapshot(&effects).cluster[0]).key else {
            panic!("`{name}` is taken for a signer")
        };
        assert!(!why.contains("not a key"), "the Secret's value stays out of messages: {why}");
    }
}
