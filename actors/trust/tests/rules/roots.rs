//! Roots: whose certificates carry them, and how one follows another.

use portreeve_protocol::{DenyCode, Sha256};
use rcgen::{BasicConstraints, IsCa, Issuer, KeyPair};
use serde_json::json;

use crate::forge::{
    Collection, EARLIER, GUN, Keys, LATER, Signer, dated, listed, params, refused, role, verified,
};

/// A collection whose root key is this one.
fn rooted(root: std::rc::Rc<Signer>) -> Collection {
    let mut collection = Collection::new();
    collection.keys.root = root;
    collection.roots = vec![collection.keys.root(1)];
    collection
}

/// A collection with this common name in its root's certificate.
fn named(common_name: &str) -> Collection {
    rooted(Signer::certified(common_name))
}

#[test]
pub fn the_common_name_is_the_collection_or_a_wildcard_over_it() {
    for name in [GUN, "registry.example:5000/team/*", "registry.example:5000/*"] {
        assert!(verified(&named(name).request()).evidence.first_use, "{name}");
    }
    for name in ["registry.example:5000/team/other", "registry.example:5000/team", "*", "x/*"] {
        assert_eq!(refused(&named(name).request()), DenyCode::RootUntrusted, "{name}");
    }
}

#[test]
fn a_certificate_with_two_common_names_is_refused() {
    let key = KeyPair::generate().unwrap();
    let mut twice = params(GUN);
    twice.distinguished_name.push(rcgen::DnType::OrganizationName, "x");
    assert!(verified(&rooted(Signer::with_certificate(&key, &twice)).request()).evidence.first_use);
    let common_name = rcgen::DnType::CustomDnType(vec![2, 5, 4, 3]);
    twice.distinguished_name.push(common_name, "registry.example:5000/team/other");
    let collection = rooted(Signer::with_certificate(&key, &twice));
    assert_eq!(refused(&collection.request()), DenyCode::RootUntrusted);
}

#[test]
fn a_bare_key_carries_no_root() {
    let collection = rooted(Signer::bare());
    assert_eq!(refused(&collection.request()), DenyCode::RootUntrusted);
}

#[test]
fn a_certificate_counts_from_one_day_before_it_begins_until_it_ends() {
    let between = |from, to| {
        let key = KeyPair::generate().unwrap();
        rooted(Signer::with_certificate(&key, &dated(GUN, from, to))).request()
    };
    assert!(verified(&between(86_400, 100_000)).evidence.first_use);
    assert!(verified(&between(-100, 0)).evidence.first_use);
    assert_eq!(refused(&between(86_401, 100_000)), DenyCode::RootUntrusted);
    assert_eq!(refused(&between(-100, -1)), DenyCode::RootUntrusted);
    assert_eq!(refused(&between(20, 10)), DenyCode::RootUntrusted);
}

#[test]
fn a_bundle_is_one_leaf_and_then_its_authorities() {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = params("authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_pem = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::from_params(&authority, &authority_key);
    let key = KeyPair::generate().unwrap();
    let leaf = params(GUN).signed_by(&key, &issuer).unwrap().pem();
    let bundle = |parts: &[&str]| rooted(Signer::with_pem(&key, &parts.concat())).request();
    assert!(verified(&bundle(&[&leaf, &authority_pem])).evidence.first_use);
    for bad in [
        vec![authority_pem.as_str(), &leaf],
        vec![&leaf, &leaf],
        vec![&leaf, &authority_pem, "-----BEGIN X-----\nAAAA\n-----END X-----\n"],
        vec!["no certificate"],
        vec![],
    ] {
        assert_eq!(refused(&bundle(&bad)), DenyCode::RootUntrusted);
    }
    let mut leaf = params(GUN);
    leaf.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let collection = rooted(Signer::with_certificate(&key, &leaf));
    assert_eq!(refused(&collection.request()), DenyCode::RootUntrusted);
}

#[test]
fn a_root_below_its_own_threshold_is_refused() {
    let mut collection = Collection::new();
    let second = Signer::certified(GUN);
    let root = &mut collection.roots[0].signed;
    root["keys"][second.id.to_hex()] = listed(&[&second])[second.id.to_hex()].clone();
    root["roles"]["root"] = role(&[&collection.keys.root, &second], 2);
    assert_eq!(refused(&collection.request()), DenyCode::RootUntrusted);
    collection.roots[0].signers.push(second);
    assert_eq!(verified(&collection.request()).evidence.roles["root"].signed_by.len(), 2);
}

#[test]
fn a_root_without_one_of_the_base_roles_is_refused() {
    for role in ["root", "timestamp", "snapshot", "targets"] {
        let mut collection = Collection::new();
        collection.roots[0].signed["roles"].as_object_mut().unwrap().remove(role);
        assert_eq!(refused(&collection.request()), DenyCode::InvalidMetadata, "{role}");
    }
}

#[test]
fn no_root_at_all_is_refused() {
    let mut request = Collection::new().request();
    request.roots.clear();
    assert_eq!(refused(&request), DenyCode::UnsupportedForm);
}

/// A collection whose root key was changed at version 2, signed by both.
fn rotated() -> Collection {
    let mut collection = Collection::new();
    let old = collection.keys.root.clone();
    collection.keys.root = Signer::certified(GUN);
    let mut next = collection.keys.root(2);
    next.signers.push(old);
    collection.roots.push(next);
    collection
}

#[test]
fn a_root_signed_by_the_one_before_and_by_itself_follows() {
    let collection = rotated();
    let found = verified(&collection.request_with(&Default::default()));
    assert_eq!(found.evidence.roles["root"].version, 2);
    assert_eq!(found.evidence.roles["root"].signed_by[0].keyid, collection.keys.root.id);
    assert_eq!(found.floors["root"].version, 2);
}

#[test]
pub fn a_root_not_signed_by_the_one_before_does_not_follow() {
    let mut collection = rotated();
    collection.roots[1].signers.pop();
    assert_eq!(refused(&collection.request_with(&Default::default())), DenyCode::RootRotation);
}

#[test]
fn a_root_not_signed_by_itself_does_not_follow() {
    let mut collection = rotated();
    collection.roots[1].signers.remove(0);
    assert_eq!(refused(&collection.request_with(&Default::default())), DenyCode::RootUntrusted);
}

#[test]
fn a_root_follows_with_exactly_the_next_version() {
    for version in [1, 3] {
        let mut collection = rotated();
        collection.roots[1].signed["version"] = json!(version);
        let request = collection.request_with(&Default::default());
        assert_eq!(refused(&request), DenyCode::RootRotation, "{version}");
    }
}

#[test]
fn a_trusted_root_may_be_expired_if_it_has_successors_and_intermediates_always_may() {
    let mut collection = rotated();
    collection.roots[0].signed["expires"] = json!(EARLIER);
    assert_eq!(verified(&collection.request_with(&Default::default())).floors["root"].version, 2);
    assert_eq!(refused(&collection.request()), DenyCode::Expired);
    let mut third = collection.keys.root(3);
    third.signed["expires"] = json!(LATER);
    collection.roots[1].signed["expires"] = json!(EARLIER);
    collection.roots.push(third);
    assert_eq!(verified(&collection.request_with(&Default::default())).floors["root"].version, 3);
}

#[test]
fn the_last_root_may_not_be_expired() {
    let mut collection = rotated();
    collection.roots[1].signed["expires"] = json!(EARLIER);
    assert_eq!(refused(&collection.request_with(&Default::default())), DenyCode::Expired);
    collection.roots.pop();
    collection.roots[0].signed["expires"] = json!(EARLIER);
    assert_eq!(refused(&collection.request_with(&Default::default())), DenyCode::Expired);
}

#[test]
fn a_chain_longer_than_one_resolution_may_walk_is_refused() {
    let keys = Keys::new();
    let mut collection = Collection::new();
    collection.keys = keys;
    collection.roots = (1..=66).map(|version| collection.keys.root(version)).collect();
    let request = collection.request_with(&Default::default());
    assert_eq!(refused(&request), DenyCode::UnsupportedForm);
}

#[test]
fn evidence_says_whether_the_root_was_taken_on_first_use() {
    let mut request = Collection::new().request();
    request.first_use = false;
    assert!(!verified(&request).evidence.first_use);
}

#[test]
fn a_root_is_held_to_its_floor_like_any_role() {
    let mut request = Collection::new().request();
    request.floors = verified(&request).floors;
    request.trusted_root = true;
    assert_eq!(verified(&request).floors, request.floors);
    let floor = request.floors.get_mut("root").unwrap();
    floor.sha256 = Sha256::ZERO;
    assert_eq!(refused(&request), DenyCode::Equivocation);
    request.floors.get_mut("root").unwrap().version = 2;
    assert_eq!(refused(&request), DenyCode::Rollback);
}

#[test]
fn a_root_is_not_taken_on_first_use_where_another_was_verified_before() {
    let floors = verified(&Collection::new().request()).floors;
    let mut other = Collection::new();
    other.roots[0].signed["version"] = json!(7);
    let mut request = other.request_with(&floors);
    request.trusted_root = false;
    assert_eq!(refused(&request), DenyCode::RootChanged);
}

#[test]
fn a_chain_with_more_signatures_than_a_collection_may_have_is_refused() {
    let mut collection = Collection::new();
    let extra = vec![Signer::bare(); 255];
    collection.roots = (1..=9).map(|version| collection.keys.root(version)).collect();
    for root in &mut collection.roots {
        root.signers.extend(extra.clone());
    }
    let request = collection.request_with(&Default::default());
    assert_eq!(refused(&request), DenyCode::UnsupportedForm);
    collection.roots.pop();
    assert_eq!(verified(&collection.request_with(&Default::default())).floors["root"].version, 8);
}

#[test]
fn a_successor_in_an_expired_certificate_does_not_follow() {
    let mut collection = Collection::new();
    let first = collection.keys.root.clone();
    let key = KeyPair::generate().unwrap();
    collection.keys.root = Signer::with_certificate(&key, &dated(GUN, -20, -10));
    let mut second = collection.keys.root(2);
    second.signers.push(first);
    let expired = collection.keys.root.clone();
    collection.keys.root = Signer::certified(GUN);
    let mut third = collection.keys.root(3);
    third.signers.push(expired);
    collection.roots.extend([second, third]);
    assert_eq!(refused(&collection.request_with(&Default::default())), DenyCode::RootUntrusted);
    // Of a root that was verified before, only what it says of its successor still counts.
    collection.roots.remove(0);
    assert_eq!(verified(&collection.request_with(&Default::default())).floors["root"].version, 3);
}

/// ECDSA signatures differ each time, so the second root is another document.
#[test]
fn a_root_that_was_only_signed_again_is_the_same_root() {
    let mut collection = Collection::new();
    let before = collection.request();
    collection.set_versions(2);
    let mut request = collection.request_with(&verified(&before).floors);
    let again = std::mem::replace(&mut request.roots, before.roots.clone()).remove(0);
    assert_ne!(again, request.roots[0]);
    request.documents.push(again.clone());
    assert_eq!(verified(&request).evidence.roles["root"].sha256, again.digest());
}

#[test]
fn a_root_that_was_signed_again_must_carry_itself() {
    let mut collection = Collection::new();
    let before = collection.request();
    let stranger = Signer::certified(GUN);
    collection.roots[0].signers = vec![stranger];
    collection.set_versions(2);
    let mut request = collection.request_with(&verified(&before).floors);
    let again = std::mem::replace(&mut request.roots, before.roots.clone()).remove(0);
    request.documents.push(again);
    assert_eq!(refused(&request), DenyCode::RootUntrusted);
}
