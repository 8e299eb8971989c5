//! What holds of every document, and what evidence a verified collection comes with.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portreeve_protocol::evidence::{SigningKey, TargetEntry};
use portreeve_protocol::messages::notary::VerifyOutcome;
use portreeve_protocol::{Blob, DenyCode, Sha256, Wall};
use portreeve_trust::{canonical_json, verify};
use serde_json::{Value, json};

use crate::forge::{
    Collection, EARLIER, NOW, Signer, entry, image, listed, refused, role, verified,
};

#[test]
pub fn a_sound_collection_is_verified_with_complete_evidence() {
    let collection = Collection::new();
    let request = collection.request();
    let found = verified(&request);
    let evidence = &found.evidence;
    assert_eq!(evidence.gun, request.gun);
    assert!(evidence.first_use && evidence.dropped.is_empty());
    assert_eq!(evidence.expires, Wall(NOW.0 + 86_400_000_000));
    let keys = &collection.keys;
    for (role, key, blob) in [
        ("root", &keys.root, &request.roots[0]),
        ("timestamp", &keys.timestamp, &request.timestamp),
        ("snapshot", &keys.snapshot, &request.documents[0]),
        ("targets", &keys.targets, &request.documents[1]),
        ("targets/alice", &keys.alice, &request.documents[2]),
        ("targets/releases", &keys.releases, &request.documents[3]),
    ] {
        let of = &evidence.roles[role];
        assert_eq!(of.signed_by, [SigningKey { keyid: key.id, spki: key.spki }], "{role}");
        assert_eq!((of.threshold, of.version, of.sha256), (1, 1, blob.digest()), "{role}");
        let floor = &found.floors[role];
        let signed = serde_json::from_slice::<Value>(blob.bytes()).unwrap()["signed"].to_string();
        let content = Sha256::of(&canonical_json(signed.as_bytes()).unwrap());
        assert_eq!((floor.version, floor.sha256), (1, content), "{role}");
        assert_eq!(floor.keys, [key.id], "{role}");
    }
    assert_eq!(evidence.roles.len(), 6);
    let entry = TargetEntry::Image { length: 401, sha256: image("v1") };
    assert_eq!(found.tags["v1"].entries["targets/releases"], entry);
    assert_eq!(found.tags["v1"].entries.len(), 2);
    assert!(found.tags["unknown"].entries.is_empty());
}

#[test]
fn what_is_not_at_hand_is_asked_for_all_at_once_with_its_length() {
    let request = Collection::new().request();
    let with = |documents: &[Blob]| {
        let mut request = request.clone();
        request.documents = documents.to_vec();
        match verify(&request, NOW) {
            VerifyOutcome::Missing(missing) => missing,
            other @ (VerifyOutcome::Refused(_) | VerifyOutcome::Verified(_)) => {
                panic!("nothing is missing: {other:?}")
            }
        }
    };
    let [snapshot, ..] = request.documents.as_slice() else { panic!("no snapshot") };
    let [wanted] = with(&[]).try_into().unwrap();
    assert_eq!((wanted.role.as_str(), wanted.sha256), ("snapshot", snapshot.digest()));
    assert_eq!(wanted.length, snapshot.length());
    let roles: Vec<_> = with(&request.documents[..1]).into_iter().map(|one| one.role).collect();
    assert_eq!(roles, ["targets", "targets/alice", "targets/releases"]);
    let roles: Vec<_> = with(&request.documents[..3]).into_iter().map(|one| one.role).collect();
    assert_eq!(roles, ["targets/releases"]);
}

#[test]
fn a_document_without_its_bytes_is_not_at_hand() {
    let mut request = Collection::new().request();
    let text = serde_json::to_string(&request.documents[3]).unwrap();
    request.documents[3] = serde_json::from_str(&text).unwrap();
    assert!(matches!(verify(&request, NOW), VerifyOutcome::Missing(missing) if missing.len() == 1));
}

/// Changes what each of the roles signs, one at a time, and expects the refusal.
fn every_role_refuses(change: impl Fn(&mut Value), code: DenyCode) {
    let sound = Collection::new();
    for role in ["root", "timestamp", "snapshot", "targets", "targets/alice"] {
        let mut collection = sound.clone();
        let document = match role {
            "root" => &mut collection.roots[0],
            "timestamp" => &mut collection.timestamp,
            "snapshot" => &mut collection.snapshot,
            "targets" => &mut collection.targets,
            other => collection.delegations.get_mut(other).unwrap(),
        };
        change(&mut document.signed);
        assert_eq!(refused(&collection.request()), code, "{role}");
    }
}

#[test]
fn a_version_below_one_is_refused_in_every_role() {
    for version in [json!(0), json!(-1), json!(null), json!("1")] {
        every_role_refuses(|signed| signed["version"] = version.clone(), DenyCode::InvalidMetadata);
    }
}

#[test]
fn another_type_is_refused_in_every_role() {
    every_role_refuses(|signed| signed["_type"] = json!("Mirrors"), DenyCode::InvalidMetadata);
    let lower = |signed: &mut Value| {
        signed["_type"] = json!(signed["_type"].as_str().unwrap().to_lowercase());
    };
    every_role_refuses(lower, DenyCode::InvalidMetadata);
}

#[test]
fn an_expiry_that_is_no_instant_is_refused_in_every_role() {
    for expires in [json!("2030-01-02"), json!(null), json!(1_893_456_000)] {
        every_role_refuses(|signed| signed["expires"] = expires.clone(), DenyCode::InvalidMetadata);
    }
}

#[test]
fn a_member_that_differs_from_a_known_one_by_case_is_refused_in_every_role() {
    // Go folds the Kelvin sign and the long s into ASCII letters, too.
    for name in ["Expires", "VERSION", "expire\u{17f}"] {
        every_role_refuses(|signed| signed[name] = json!(1), DenyCode::UnsupportedForm);
    }
    let root = |signed: &mut Value| signed["\u{212a}eys"] = json!({});
    let mut collection = Collection::new();
    root(&mut collection.roots[0].signed);
    assert_eq!(refused(&collection.request()), DenyCode::UnsupportedForm);
}

#[test]
fn a_number_without_canonical_form_is_refused_in_every_role() {
    for number in [json!(1.5), json!(9_007_199_254_740_993_u64), json!(-0.0)] {
        every_role_refuses(|signed| signed["extra"] = number.clone(), DenyCode::UnsupportedForm);
    }
}

#[test]
fn unknown_members_are_signed_and_passed_over() {
    let mut collection = Collection::new();
    collection.targets.signed["spec_version"] = json!("1.0 \"\\ <é>\n");
    assert_eq!(verified(&collection.request()).evidence.roles.len(), 6);
}

#[test]
fn base_documents_past_their_expiry_are_refused() {
    let expire = |document: &mut Value| document["expires"] = json!(EARLIER);
    let mut collection = Collection::new();
    expire(&mut collection.targets.signed);
    assert_eq!(refused(&collection.request()), DenyCode::Expired);
    let mut collection = Collection::new();
    expire(&mut collection.snapshot.signed);
    assert_eq!(refused(&collection.request()), DenyCode::Expired);
    let mut collection = Collection::new();
    expire(&mut collection.timestamp.signed);
    assert_eq!(refused(&collection.request()), DenyCode::Expired);
}

#[test]
fn the_instant_of_expiry_itself_is_not_past_it() {
    let mut collection = Collection::new();
    collection.timestamp.signed["expires"] = json!("2030-01-01T02:00:00+02:00");
    let request = collection.request();
    assert_eq!(verified(&request).evidence.expires, NOW);
    let after = verify(&request, Wall(NOW.0 + 1));
    assert!(matches!(after, VerifyOutcome::Refused(denial) if denial.code == DenyCode::Expired));
}

#[test]
fn a_document_without_signatures_is_refused() {
    let mut collection = Collection::new();
    collection.timestamp.signers.clear();
    assert_eq!(refused(&collection.request()), DenyCode::Signature);
}

#[test]
pub fn a_document_that_only_a_stranger_signed_is_refused_in_every_base_role() {
    let sound = Collection::new();
    let stranger = vec![Signer::bare()];
    for role in ["timestamp", "snapshot", "targets"] {
        let mut collection = sound.clone();
        let document = match role {
            "timestamp" => &mut collection.timestamp,
            "snapshot" => &mut collection.snapshot,
            _ => &mut collection.targets,
        };
        document.signers = stranger.clone();
        assert_eq!(refused(&collection.request()), DenyCode::Signature, "{role}");
    }
}

#[test]
pub fn one_public_key_under_two_ids_counts_once() {
    let mut collection = Collection::new();
    let key = rcgen::KeyPair::generate().unwrap();
    let one = Signer::with_certificate(&key, &crate::forge::params("one"));
    let other = Signer::with_certificate(&key, &crate::forge::params("other"));
    assert!(one.id != other.id && one.spki == other.spki);
    let root = &mut collection.roots[0].signed;
    for (id, listed) in listed(&[&one, &other]).as_object().unwrap() {
        root["keys"][id] = listed.clone();
    }
    root["roles"]["targets"] = role(&[&one, &other], 2);
    collection.targets.signers = vec![one.clone(), other];
    assert_eq!(refused(&collection.request()), DenyCode::Signature);
    collection.roots[0].signed["roles"]["targets"] = role(&[&one], 1);
    assert_eq!(verified(&collection.request()).evidence.roles["targets"].threshold, 1);
}

#[test]
fn a_key_under_an_id_not_its_own_is_refused_even_if_no_role_uses_it() {
    let stranger = Signer::bare();
    let mut collection = Collection::new();
    let key = listed(&[&stranger])[stranger.id.to_hex()].clone();
    collection.roots[0].signed["keys"]["00".repeat(32)] = key.clone();
    assert_eq!(refused(&collection.request()), DenyCode::KeyId);
    let mut collection = Collection::new();
    collection.targets.signed["delegations"]["keys"]["00".repeat(32)] = key;
    assert_eq!(refused(&collection.request()), DenyCode::KeyId);
}

#[test]
fn a_key_that_is_not_of_the_type_it_is_listed_as_verifies_nothing() {
    let mut collection = Collection::new();
    let key = Signer::mislabelled();
    collection.keys.targets = key.clone();
    collection.roots = vec![collection.keys.root(1)];
    collection.targets.signers = vec![key];
    assert_eq!(refused(&collection.request()), DenyCode::Signature);
}

#[test]
fn a_published_private_key_is_refused() {
    let mut collection = Collection::new();
    let id = collection.keys.targets.id.to_hex();
    collection.roots[0].signed["keys"][id]["keyval"]["private"] = json!("c2VjcmV0");
    assert_eq!(refused(&collection.request()), DenyCode::InvalidMetadata);
}

#[test]
fn a_document_that_its_parent_names_otherwise_is_refused() {
    let sound = Collection::new();
    let blob = sound.targets.blob();
    let named = |change: &dyn Fn(&mut Value)| {
        let mut collection = sound.clone();
        let mut meta = crate::forge::meta_of(&blob);
        change(&mut meta);
        // The document itself is signed with Ed25519, so that it is the same each time.
        collection.snapshot.signed["meta"]["targets"] = meta;
        refused(&collection.request())
    };
    let other = STANDARD.encode([7; 64]);
    assert_eq!(named(&|meta| meta["hashes"]["sha512"] = json!(other)), DenyCode::Checksum);
    let length = blob.length();
    assert_eq!(named(&|meta| meta["length"] = json!(length + 1)), DenyCode::Oversize);
    assert_eq!(named(&|meta| meta["length"] = json!(length - 1)), DenyCode::Oversize);
    assert_eq!(named(&|meta| meta["length"] = json!(0)), DenyCode::Oversize);
    assert_eq!(named(&|meta| meta["length"] = json!(-1)), DenyCode::Oversize);
    assert_eq!(named(&|meta| meta["length"] = json!(17 << 20)), DenyCode::Oversize);
    assert_eq!(named(&|meta| meta["hashes"]["sha256"] = json!("AA")), DenyCode::InvalidMetadata);
    let sha512_only = |meta: &mut Value| meta["hashes"]["sha256"] = json!(null);
    assert_eq!(named(&sha512_only), DenyCode::InvalidMetadata);
}

#[test]
fn documents_that_are_too_large_together_are_refused_before_they_are_asked_for() {
    let mut collection = Collection::new();
    for name in ["one", "two", "three"] {
        let meta = json!({"hashes": entry(name)["hashes"], "length": 15 << 20});
        collection.snapshot.signed["meta"][format!("targets/{name}")] = meta;
    }
    assert_eq!(refused(&collection.request()), DenyCode::Oversize);
}

#[test]
fn a_timestamp_larger_than_allowed_is_refused() {
    let mut request = Collection::new().request();
    request.timestamp = Blob::new(vec![b' '; (1 << 20) + 1]);
    assert_eq!(refused(&request), DenyCode::Oversize);
}

#[test]
fn text_that_is_not_json_is_refused() {
    for text in ["", "<html>", "{}x", "\u{feff}{}", "{\"signed\":{}", "[1,]", "{\"a\":01}"] {
        let mut request = Collection::new().request();
        request.timestamp = Blob::new(text.as_bytes());
        assert_eq!(refused(&request), DenyCode::Malformed, "{text}");
    }
}

#[test]
fn an_entry_that_names_no_image_is_kept_as_unusable() {
    let null = Value::Null;
    let short = json!({"hashes": {"sha256": "AAAA"}, "length": 1});
    let sha512 = json!({"hashes": {"sha512": STANDARD.encode([0; 64])}, "length": 1});
    let mut empty = entry("empty");
    empty["length"] = json!(0);
    for bad in [null, short, sha512, empty, json!({})] {
        let mut collection = Collection::new();
        collection.targets.signed["targets"]["v1"] = bad.clone();
        let found = verified(&collection.request());
        let entry = &found.tags["v1"].entries["targets"];
        assert!(matches!(entry, TargetEntry::Unusable(_)), "{bad}: {entry:?}");
    }
}

#[test]
fn an_entry_of_another_shape_refuses_the_whole_document() {
    for bad in [json!([]), json!({"hashes": {"sha256": "?"}}), json!({"length": "401"})] {
        let mut collection = Collection::new();
        collection.targets.signed["targets"]["other"] = bad;
        assert_eq!(refused(&collection.request()), DenyCode::InvalidMetadata);
    }
}

#[test]
fn a_snapshot_for_another_root_is_told_apart_so_that_newer_roots_are_looked_for() {
    let mut collection = Collection::new();
    let root = collection.keys.root(2).blob();
    collection.snapshot.signed["meta"]["root"] = crate::forge::meta_of(&root);
    let mut request = collection.request();
    let VerifyOutcome::Missing(missing) = verify(&request, NOW) else {
        panic!("it might be the same root, signed again")
    };
    assert_eq!((missing[0].role.as_str(), missing[0].sha256), ("root", root.digest()));
    request.documents.push(root);
    assert_eq!(refused(&request), DenyCode::RootChanged);
}

#[test]
fn tags_that_nobody_asked_about_are_not_reported() {
    let mut request = Collection::new().request();
    request.tags = BTreeSet::from(["base".to_owned()]);
    let found = verified(&request);
    assert_eq!(found.tags.keys().collect::<Vec<_>>(), ["base"]);
}
