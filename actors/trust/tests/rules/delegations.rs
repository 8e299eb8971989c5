//! Delegations: who may speak for which tags, and which faults merely leave one out.

use portreeve_protocol::DenyCode;
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};

use crate::forge::{
    Collection, Document, EARLIER, Signer, dated, delegated, entry, listed, refused, targets,
    verified,
};

/// Gives the delegation number `place` of targets other paths.
fn set_paths(collection: &mut Collection, place: usize, paths: Value) {
    collection.targets.signed["delegations"]["roles"][place]["paths"] = paths;
}

/// The roles whose entry of `tag` counts.
fn speakers(collection: &Collection, tag: &str) -> Vec<String> {
    verified(&collection.request()).tags[tag].entries.keys().cloned().collect()
}

#[test]
pub fn paths_are_prefixes_and_none_is_nothing() {
    for (paths, speaks) in [
        (json!([""]), true),
        (json!(["v"]), true),
        (json!(["v1"]), true),
        (json!(["x", "v1"]), true),
        (json!(["v1.0"]), false),
        (json!(["V"]), false),
        (json!([]), false),
        (json!(null), false),
    ] {
        let mut collection = Collection::new();
        set_paths(&mut collection, 0, paths.clone());
        let found = speakers(&collection, "v1");
        assert_eq!(found.contains(&"targets/releases".to_owned()), speaks, "{paths}");
    }
}

/// Adds `targets/releases/sub` with these paths, which lists `v1` and `x1`.
fn with_grandchild(paths: &[&str]) -> Collection {
    let mut collection = Collection::new();
    let key = Signer::bare();
    let releases = &mut collection.delegations.get_mut("targets/releases").unwrap().signed;
    releases["delegations"] = json!({
        "keys": listed(&[&key]),
        "roles": [delegated("targets/releases/sub", &[&key], 1, paths)],
    });
    let below = targets(json!({"v1": entry("v1"), "base": entry("x")}));
    let below = Document::new(below, &[&key]);
    collection.delegations.insert("targets/releases/sub".to_owned(), below);
    collection
}

#[test]
fn paths_narrow_from_parent_to_child() {
    let sub = "targets/releases/sub".to_owned();
    let mut collection = with_grandchild(&[""]);
    assert!(speakers(&collection, "base").contains(&sub));
    set_paths(&mut collection, 0, json!(["v"]));
    // "" does not begin with "v": the child's path is outside and gone.
    assert!(!speakers(&collection, "v1").contains(&sub));
    let mut collection = with_grandchild(&["v1", "b"]);
    set_paths(&mut collection, 0, json!(["v"]));
    assert!(speakers(&collection, "v1").contains(&sub));
    assert!(!speakers(&collection, "base").contains(&sub));
}

#[test]
pub fn a_delegation_that_is_expired_or_under_threshold_is_left_out_with_all_below_it() {
    let expired = |document: &mut Document| document.signed["expires"] = json!(EARLIER);
    let unsigned = |document: &mut Document| document.signers = vec![Signer::bare()];
    type Fault<'a> = &'a dyn Fn(&mut Document);
    let faults = [(&expired as Fault<'_>, DenyCode::Expired), (&unsigned, DenyCode::Signature)];
    for (fault, code) in faults {
        let mut collection = with_grandchild(&[""]);
        fault(collection.delegations.get_mut("targets/releases").unwrap());
        let found = verified(&collection.request());
        let [dropped] = found.evidence.dropped.as_slice() else { panic!("nothing dropped") };
        assert_eq!((dropped.role.as_str(), dropped.why.code), ("targets/releases", code));
        let roles: Vec<_> = found.evidence.roles.keys().cloned().collect();
        assert_eq!(roles, ["root", "snapshot", "targets", "targets/alice", "timestamp"]);
        assert_eq!(found.tags["v1"].entries.len(), 1);
        assert!(!found.floors.contains_key("targets/releases"));
    }
}

#[test]
fn any_other_fault_of_a_delegation_refuses_the_collection() {
    let change = |change: &dyn Fn(&mut Document)| {
        let mut collection = Collection::new();
        change(collection.delegations.get_mut("targets/alice").unwrap());
        refused(&collection.request())
    };
    assert_eq!(change(&|document| document.signers.clear()), DenyCode::Signature);
    let bad = change(&|document| document.signed["targets"] = json!([]));
    assert_eq!(bad, DenyCode::InvalidMetadata);
    let bad = change(&|document| document.signed["_type"] = json!("Root"));
    assert_eq!(bad, DenyCode::InvalidMetadata);
    let bad = change(&|document| document.signed["custom"] = json!(0.5));
    assert_eq!(bad, DenyCode::UnsupportedForm);
}

#[test]
fn a_published_role_that_nobody_delegates_to_is_fetched_but_not_believed() {
    let mut collection = Collection::new();
    let ghost = targets(json!({"v1": entry("ghost")}));
    let ghost = Document::new(ghost, &[&Signer::bare()]);
    collection.delegations.insert("targets/ghost".to_owned(), ghost);
    let found = verified(&collection.request());
    assert!(!found.evidence.roles.contains_key("targets/ghost"));
    assert!(found.evidence.dropped.is_empty());
}

#[test]
fn a_delegated_role_that_is_not_published_is_passed_over() {
    let mut collection = Collection::new();
    collection.delegations.remove("targets/alice");
    let found = verified(&collection.request());
    assert!(found.evidence.dropped.is_empty());
    assert!(!found.evidence.roles.contains_key("targets/alice"));
}

#[test]
fn releases_that_are_delegated_but_not_published_are_reported() {
    let mut collection = Collection::new();
    collection.delegations.remove("targets/releases");
    let found = verified(&collection.request());
    let [dropped] = found.evidence.dropped.as_slice() else { panic!("nothing reported") };
    assert_eq!(
        (dropped.role.as_str(), dropped.why.code),
        ("targets/releases", DenyCode::NotReleased)
    );
}

#[test]
fn names_of_delegations_are_clean_paths_directly_below_their_parent() {
    for name in [
        "targets",
        "targets/",
        "targets/Carol",
        "targets/../root",
        "targets/.",
        "targets//x",
        "targets/x/",
        "targets/x/y",
        "root",
        "snapshot/x",
        "targets/x.y",
    ] {
        let mut collection = Collection::new();
        collection.targets.signed["delegations"]["roles"][1]["name"] = json!(name);
        assert_eq!(refused(&collection.request()), DenyCode::InvalidMetadata, "{name}");
    }
}

#[test]
fn delegating_to_one_role_twice_is_refused() {
    let mut collection = Collection::new();
    collection.targets.signed["delegations"]["roles"][1]["name"] = json!("targets/releases");
    assert_eq!(refused(&collection.request()), DenyCode::UnsupportedForm);
}

#[test]
fn more_delegations_than_a_collection_may_have_are_refused() {
    let mut collection = Collection::new();
    for number in 0..255 {
        let meta = json!({"hashes": entry("x")["hashes"], "length": 1});
        collection.snapshot.signed["meta"][format!("targets/x{number}")] = meta;
    }
    assert_eq!(refused(&collection.request()), DenyCode::Oversize);
}

/// A collection in which alice's key comes in this certificate.
fn certified(params: &CertificateParams) -> Collection {
    let alice = Signer::with_certificate(&KeyPair::generate().unwrap(), params);
    let mut collection = Collection::new();
    let delegations = &mut collection.targets.signed["delegations"];
    delegations["keys"] = listed(&[&collection.keys.releases, &alice]);
    delegations["roles"][1] = delegated("targets/alice", &[&alice], 1, &[""]);
    collection.delegations.get_mut("targets/alice").unwrap().signers = vec![alice];
    collection
}

#[test]
fn an_expired_certificate_of_a_delegation_counts_as_the_role_has_an_expiry_of_its_own() {
    let old = dated("alice", -20, -10);
    let found = verified(&certified(&old).request());
    assert!(found.evidence.roles.contains_key("targets/alice"));
}

#[test]
fn a_certificate_of_a_delegation_that_ends_before_it_begins_refuses_the_collection() {
    let never = dated("alice", 20, 10);
    assert_eq!(refused(&certified(&never).request()), DenyCode::Certificate);
}

#[test]
fn more_signatures_than_a_collection_may_have_are_refused() {
    let mut collection = Collection::new();
    let extra = vec![Signer::bare(); 255];
    let keys = listed(&[&extra[0]]);
    collection.targets.signed["delegations"] = json!({"keys": keys, "roles": []});
    for number in 0..9 {
        let name = format!("targets/x{number}");
        let roles = &mut collection.targets.signed["delegations"]["roles"];
        roles.as_array_mut().unwrap().push(delegated(&name, &[&extra[0]], 1, &[""]));
        let document = Document { signed: targets(json!({})), signers: extra.clone() };
        collection.delegations.insert(name, document);
        if number == 7 {
            assert_eq!(verified(&collection.request()).evidence.roles.len(), 12);
        }
    }
    assert_eq!(refused(&collection.request()), DenyCode::UnsupportedForm);
    let one = collection.delegations.get_mut("targets/x0").unwrap();
    one.signers.extend(vec![extra[0].clone(); 2]);
    assert_eq!(refused(&collection.request()), DenyCode::InvalidMetadata);
}
