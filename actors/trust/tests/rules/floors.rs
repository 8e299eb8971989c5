//! What was believed once is the least that is believed from then on.

use portreeve_protocol::DenyCode;
use portreeve_protocol::evidence::Floors;
use portreeve_protocol::limits::FLOORS_PER_GUN;
use serde_json::{Value, json};

use crate::forge::{Collection, GUN, Signer, refused, verified};

/// A collection at version 5 throughout, and the floors it leaves behind.
fn at_five() -> (Collection, Floors) {
    let mut collection = Collection::new();
    collection.set_versions(5);
    let floors = verified(&collection.request()).floors;
    (collection, floors)
}

/// What `role` signs.
fn signed<'a>(collection: &'a mut Collection, role: &str) -> &'a mut Value {
    match role {
        "timestamp" => &mut collection.timestamp.signed,
        "snapshot" => &mut collection.snapshot.signed,
        "targets" => &mut collection.targets.signed,
        other => &mut collection.delegations.get_mut(other).unwrap().signed,
    }
}

const ROLES: [&str; 5] = ["timestamp", "snapshot", "targets", "targets/releases", "targets/alice"];

#[test]
pub fn a_lower_version_of_any_role_is_a_rollback() {
    for role in ROLES {
        let (mut collection, floors) = at_five();
        collection.set_versions(6);
        signed(&mut collection, role)["version"] = json!(4);
        assert_eq!(refused(&collection.request_with(&floors)), DenyCode::Rollback, "{role}");
    }
}

#[test]
pub fn the_same_version_of_another_document_is_an_equivocation() {
    for role in ROLES {
        let (mut collection, floors) = at_five();
        collection.set_versions(6);
        let signed = signed(&mut collection, role);
        signed["version"] = json!(5);
        signed["note"] = json!("another document");
        assert_eq!(refused(&collection.request_with(&floors)), DenyCode::Equivocation, "{role}");
    }
}

/// ECDSA signatures differ each time, so the delegation of the second request is another document.
#[test]
fn the_same_content_signed_again_is_no_equivocation() {
    let (mut collection, floors) = at_five();
    collection.set_versions(6);
    signed(&mut collection, "targets/alice")["version"] = json!(5);
    let found = verified(&collection.request_with(&floors));
    assert_eq!(found.floors["targets/alice"], floors["targets/alice"]);
    assert_eq!(found.floors["root"], floors["root"]);
}

#[test]
fn higher_versions_raise_the_floors() {
    let (mut collection, floors) = at_five();
    collection.set_versions(6);
    let raised = verified(&collection.request_with(&floors)).floors;
    for role in ROLES {
        assert_eq!(raised[role].version, 6, "{role}");
    }
}

#[test]
fn a_floor_outlives_the_role_it_belongs_to() {
    let (mut collection, floors) = at_five();
    collection.set_versions(6);
    collection.delegations.remove("targets/alice");
    collection.targets.signed["delegations"]["roles"].as_array_mut().unwrap().pop();
    let after = verified(&collection.request_with(&floors)).floors;
    assert_eq!(after["targets/alice"], floors["targets/alice"]);
}

/// The collection with a root of version 2, which lists a new key for this role.
fn rekeyed(collection: &Collection, role: &str) -> Collection {
    let mut next = collection.clone();
    let key = Signer::bare();
    match role {
        "timestamp" => {
            next.keys.timestamp = key.clone();
            next.timestamp.signers = vec![key];
        }
        "snapshot" => {
            next.keys.snapshot = key.clone();
            next.snapshot.signers = vec![key];
        }
        "targets" => {
            next.keys.targets = key.clone();
            next.targets.signers = vec![key];
        }
        other => panic!("a root lists no {other}"),
    }
    next.roots.push(next.keys.root(2));
    next
}

#[test]
pub fn a_newer_root_that_changes_a_roles_keys_forgets_its_floor_and_no_other() {
    for role in ["timestamp", "snapshot", "targets"] {
        let (collection, floors) = at_five();
        let mut next = rekeyed(&collection, role);
        next.set_versions(6);
        signed(&mut next, role)["version"] = json!(1);
        let after = verified(&next.request_with(&floors)).floors;
        assert_eq!(after[role].version, 1, "{role}");
        for other in ["timestamp", "snapshot", "targets"].into_iter().filter(|one| *one != role) {
            let mut bad = next.clone();
            signed(&mut bad, other)["version"] = json!(4);
            assert_eq!(refused(&bad.request_with(&floors)), DenyCode::Rollback, "{role} {other}");
        }
    }
}

#[test]
fn floors_of_delegations_go_with_those_of_targets_only() {
    let (collection, floors) = at_five();
    for (role, forgets) in [("timestamp", false), ("snapshot", false), ("targets", true)] {
        let mut next = rekeyed(&collection, role);
        next.set_versions(6);
        signed(&mut next, "targets/releases")["version"] = json!(1);
        let request = next.request_with(&floors);
        if forgets {
            assert_eq!(verified(&request).floors["targets/releases"].version, 1);
        } else {
            assert_eq!(refused(&request), DenyCode::Rollback, "{role}");
        }
    }
}

#[test]
fn a_newer_root_with_the_same_keys_forgets_nothing() {
    let (mut collection, floors) = at_five();
    collection.roots.push(collection.keys.root(2));
    collection.set_versions(4);
    assert_eq!(refused(&collection.request_with(&floors)), DenyCode::Rollback);
}

#[test]
fn a_root_that_does_not_follow_forgets_nothing() {
    let (collection, mut floors) = at_five();
    // Without a floor of the root's own, which would refuse it first.
    floors.remove("root");
    let mut next = rekeyed(&collection, "timestamp");
    let stranger = Signer::certified(GUN);
    next.keys.root = stranger;
    next.roots = vec![next.keys.root(2)];
    next.set_versions(4);
    // Even a caller that would take it for a first use keeps its floors.
    let mut request = next.request_with(&floors);
    request.trusted_root = false;
    assert_eq!(refused(&request), DenyCode::Rollback);
    // Nor does a chain of roots of which none was verified before.
    let mut before = next.clone();
    before.keys.timestamp = Signer::bare();
    next.roots.insert(0, before.keys.root(1));
    let mut request = next.request_with(&floors);
    request.trusted_root = false;
    assert_eq!(refused(&request), DenyCode::Rollback);
}

#[test]
pub fn releases_that_were_verified_before_and_are_gone_count_as_withdrawn() {
    let (collection, floors) = at_five();
    let mut gone = collection.clone();
    gone.set_versions(6);
    gone.delegations.remove("targets/releases");
    let mut expired = collection.clone();
    expired.set_versions(6);
    signed(&mut expired, "targets/releases")["expires"] = json!(crate::forge::EARLIER);
    for changed in [gone, expired] {
        let found = verified(&changed.request_with(&floors));
        let [dropped] = found.evidence.dropped.as_slice() else { panic!("nothing dropped") };
        assert_eq!(dropped.role, "targets/releases");
        assert_eq!(dropped.why.code, DenyCode::RoleWithdrawn);
        assert_eq!(found.floors["targets/releases"], floors["targets/releases"]);
    }
}

#[test]
fn no_more_roles_are_remembered_than_there_is_room_for() {
    let (mut collection, mut floors) = at_five();
    collection.set_versions(6);
    let floor = floors["targets/alice"].clone();
    // With the root there are six roles of its own.
    for number in 0..FLOORS_PER_GUN - 6 {
        floors.insert(format!("targets/old{number}"), floor.clone());
    }
    let full = verified(&collection.request_with(&floors)).floors;
    assert_eq!(full.len(), FLOORS_PER_GUN);
    floors.insert("targets/one-more".to_owned(), floor);
    assert_eq!(refused(&collection.request_with(&floors)), DenyCode::Capacity);
}
