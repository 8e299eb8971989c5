//! What a collection publishes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use portreeve_lab::{BaseRole, Collection, Documents, KeyKind, KeyPlan, Keys, LabError};
use portreeve_protocol::{Sha256, Wall};
use serde_json::Value;

const GUN: &str = "registry.lab:5000/team/app";
const NOW: Wall = Wall(1_795_415_688_000_000);

fn read(documents: &Documents, name: &str) -> Value {
    serde_json::from_slice(&documents[name]).unwrap()
}

fn signed_by_alice(keys: Keys) -> Collection {
    let mut collection = Collection::new(GUN, keys, NOW).unwrap();
    collection.add_signer("alice", NOW).unwrap();
    collection.add_signer("bob", NOW).unwrap();
    collection.sign("v1", Sha256::of(b"image"), 401, &["alice"]).unwrap();
    collection.publish(NOW).unwrap();
    collection
}

#[test]
fn a_seed_gives_the_same_bytes_each_time_and_another_seed_gives_others() {
    let first = signed_by_alice(Keys::deterministic(7));
    let again = signed_by_alice(Keys::deterministic(7));
    let other = signed_by_alice(Keys::deterministic(8));
    assert_eq!(first.documents(), again.documents());
    assert_ne!(first.documents(), other.documents());
    assert_ne!(first.root_key().id(), other.root_key().id());
}

#[test]
fn kinds_with_random_signatures_are_refused_for_a_seed() {
    let plan = KeyPlan {
        base: KeyKind::Ed25519,
        root: KeyKind::Ecdsa,
        signer_certificates: false,
        signers: KeyKind::Ed25519,
    };
    let refused = Collection::new(GUN, Keys::deterministic_with(plan, 1), NOW);
    let Err(error) = refused else { panic!("an ECDSA root was made from a seed") };
    assert!(matches!(error, LabError::NotDeterministic { kind: KeyKind::Ecdsa }), "{error}");
}

#[test]
fn ed25519_has_no_certificate_form() {
    let plan = KeyPlan {
        base: KeyKind::Ed25519,
        root: KeyKind::Ed25519,
        signer_certificates: false,
        signers: KeyKind::Ed25519,
    };
    let Err(error) = Collection::new(GUN, Keys::deterministic_with(plan, 1), NOW) else {
        panic!("a root was made of a key that Notary cannot list in a certificate")
    };
    assert!(matches!(error, LabError::NoCertificateForm { .. }), "{error}");
}

#[test]
fn each_document_is_named_by_its_parent_with_hashes_and_length() {
    let collection = signed_by_alice(Keys::deterministic(7));
    let documents = collection.documents();
    let timestamp = read(documents, "timestamp.json");
    let snapshot_hash = &timestamp["signed"]["meta"]["snapshot"]["hashes"]["sha256"];
    let raw = STANDARD.decode(snapshot_hash.as_str().unwrap()).unwrap();
    let name = format!("snapshot.{}.json", Sha256::from_raw(&raw).unwrap());
    let snapshot = read(documents, &name);
    let meta = snapshot["signed"]["meta"].as_object().unwrap();
    let roles: Vec<_> = meta.keys().map(String::as_str).collect();
    assert_eq!(roles, ["root", "targets", "targets/alice", "targets/releases"]);
    for (role, stated) in meta {
        let raw = STANDARD.decode(stated["hashes"]["sha256"].as_str().unwrap()).unwrap();
        let name = format!("{role}.{}.json", Sha256::from_raw(&raw).unwrap());
        assert_eq!(stated["length"], documents[&name].len());
        assert_eq!(Sha256::of(&documents[&name]), Sha256::from_raw(&raw).unwrap());
    }
    assert_eq!(timestamp["signed"]["expires"], "2026-12-07T06:34:48Z");
    assert_eq!(timestamp["signed"]["_type"], "Timestamp");
}

#[test]
fn a_tag_is_signed_into_the_signers_role_and_released() {
    let collection = signed_by_alice(Keys::fresh());
    let documents = collection.documents();
    let expected = STANDARD.encode(Sha256::of(b"image").as_bytes());
    for role in ["targets/alice", "targets/releases"] {
        let file = read(documents, &format!("{role}.json"));
        assert_eq!(file["signed"]["targets"]["v1"]["hashes"]["sha256"], expected, "{role}");
        let alice = collection.signer_key("alice").unwrap();
        assert_eq!(file["signatures"][0]["keyid"], alice.id().to_hex());
    }
    assert!(!documents.contains_key("targets/bob.json"));
    let targets = read(documents, "targets.json");
    let roles = targets["signed"]["delegations"]["roles"].as_array().unwrap();
    let names: Vec<_> = roles.iter().map(|role| role["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["targets/alice", "targets/bob", "targets/releases"]);
    assert_eq!(roles[2]["keyids"].as_array().unwrap().len(), 2);
}

#[test]
fn versions_rise_only_for_what_changed_and_old_documents_stay() {
    let mut collection = signed_by_alice(Keys::deterministic(1));
    let before = collection.documents().clone();
    collection.remove("v1");
    collection.sign_base("v2", Sha256::of(b"other"), 7);
    collection.publish(Wall(NOW.0 + 1_500_000)).unwrap();
    let after = collection.documents();
    assert_eq!(after["root.json"], before["root.json"]);
    for (name, version) in [
        ("root.json", 1),
        ("targets.json", 2),
        ("targets/alice.json", 2),
        ("targets/releases.json", 2),
        ("snapshot.json", 2),
        ("timestamp.json", 2),
    ] {
        assert_eq!(read(after, name)["signed"]["version"], version, "{name}");
    }
    assert_eq!(read(after, "timestamp.json")["signed"]["expires"], "2026-12-07T06:34:49.5Z");
    assert_eq!(read(after, "targets/alice.json")["signed"]["targets"], serde_json::json!({}));
    assert!(before.iter().all(|(name, bytes)| {
        !name.contains(|first: char| first.is_ascii_digit()) || after[name] == *bytes
    }));
}

#[test]
fn a_rotated_root_is_signed_by_the_old_and_the_new_key() {
    let mut collection = signed_by_alice(Keys::deterministic(1));
    let old = collection.root_key().id();
    collection.rotate(BaseRole::Timestamp).unwrap();
    collection.rotate_root(NOW).unwrap();
    let new = collection.root_key().id();
    collection.publish(NOW).unwrap();
    let root = read(collection.documents(), "root.json");
    assert_eq!(root["signed"]["version"], 2);
    let signers: Vec<_> = root["signatures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|signature| signature["keyid"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(signers, [new.to_hex(), old.to_hex()]);
    assert_ne!(collection.documents()["1.root.json"], collection.documents()["2.root.json"]);
}

#[test]
fn signing_needs_a_known_signer_with_a_proper_name() {
    let mut collection = Collection::new(GUN, Keys::deterministic(1), NOW).unwrap();
    let image = Sha256::of(b"image");
    let unknown = collection.sign("v1", image, 1, &["mallory"]);
    assert!(matches!(unknown, Err(LabError::UnknownSigner { .. })));
    assert!(matches!(collection.sign("v1", image, 1, &[]), Err(LabError::NoSigner { .. })));
    for name in ["", "releases", "Alice", "a/b", ".."] {
        let refused = collection.add_signer(name, NOW);
        assert!(matches!(refused, Err(LabError::SignerName { .. })), "{name}");
    }
}

#[test]
fn a_time_beyond_the_year_9999_cannot_be_written() {
    let mut collection = Collection::new(GUN, Keys::deterministic(1), NOW).unwrap();
    let refused = collection.publish(Wall(i64::MAX));
    assert!(matches!(refused, Err(LabError::Time { .. })));
}

#[test]
fn a_stranger_has_none_of_the_keys_that_other_seeds_give() -> Result<(), LabError> {
    let mut known = Vec::new();
    for seed in 0..3 {
        for generation in 0..3 {
            let keys = Keys::deterministic(seed);
            known.push(keys.root(GUN, generation, NOW)?.spki());
            known.push(keys.base(GUN, "targets", generation)?.spki());
        }
        let stranger = Keys::stranger(seed);
        assert!(!known.contains(&stranger.root(GUN, 0, NOW)?.spki()));
        assert!(!known.contains(&stranger.base(GUN, "targets", 0)?.spki()));
    }
    Ok(())
}

#[test]
fn every_role_tells_the_keys_that_sign_it() -> Result<(), LabError> {
    let mut collection = Collection::new(GUN, Keys::deterministic(1), NOW)?;
    collection.add_signer("alice", NOW)?;
    collection.add_signer("bob", NOW)?;
    let ids = |role: &str| -> Result<Vec<_>, LabError> {
        Ok(collection.keys_of(role)?.iter().map(|key| key.id()).collect())
    };
    let (alice, bob) = (collection.signer_key("alice")?.id(), collection.signer_key("bob")?.id());
    assert_eq!(ids("root")?, [collection.root_key().id()]);
    assert_eq!(ids("targets/alice")?, [alice]);
    assert_eq!(ids("targets/releases")?, [alice, bob]);
    assert_eq!(ids("snapshot")?, [Keys::deterministic(1).base(GUN, "snapshot", 0)?.id()]);
    assert!(
        matches!(ids("targets/eve"), Err(LabError::UnknownSigner { signer, .. }) if signer == "eve")
    );
    Ok(())
}

#[test]
fn a_leap_raises_every_version_but_that_of_the_root() -> Result<(), LabError> {
    let mut collection = Collection::new(GUN, Keys::deterministic(1), NOW)?;
    collection.publish(NOW)?;
    collection.leap(10);
    let documents = collection.publish(NOW)?;
    for role in ["targets", "snapshot", "timestamp"] {
        assert_eq!(documents[&format!("12.{role}.json")], documents[&format!("{role}.json")]);
    }
    assert_eq!(documents["1.root.json"], documents["root.json"]);
    Ok(())
}
