//! What a trust directory of a Notary client is taken over as.

use std::collections::BTreeMap;

use portreeve_protocol::messages::notary::VerifyOutcome;
use portreeve_protocol::messages::verify::VerifyRequest;
use portreeve_protocol::{Blob, DenyCode};
use portreeve_trust::{adopt, verify};

use crate::forge::{Collection, GUN, NOW, Signer, verified};

const SERVER: &str = "https://notary.example";

/// The directory that a client leaves behind, with all documents at version 5.
fn directory() -> (Collection, BTreeMap<String, Blob>) {
    let mut collection = Collection::new();
    collection.set_versions(5);
    let request = collection.request();
    let roles = verified(&request).evidence.roles;
    let blobs = || request.roots.iter().chain(&request.documents).chain([&request.timestamp]);
    let file = |role: &String| {
        let blob = blobs().find(|blob| blob.digest() == roles[role].sha256).unwrap();
        (role.clone(), blob.clone())
    };
    let files = roles.keys().map(file).collect();
    (collection, files)
}

#[test]
fn a_sound_directory_sets_a_floor_for_every_role_and_spares_every_fetch() {
    let (_, files) = directory();
    let kept = adopt(GUN, SERVER, &files).unwrap().unwrap();
    assert_eq!(kept.floors.keys().collect::<Vec<_>>(), files.keys().collect::<Vec<_>>());
    assert!(kept.floors.values().all(|floor| [1, 5].contains(&floor.version)));
    let request = VerifyRequest {
        documents: kept.documents,
        floors: kept.floors,
        roots: vec![kept.root],
        timestamp: kept.timestamp.unwrap(),
        trusted_root: true,
        ..Collection::new().request()
    };
    assert!(matches!(verify(&request, NOW), VerifyOutcome::Verified(_)));
}

#[test]
fn without_a_root_nothing_is_taken_over() {
    let (_, mut files) = directory();
    files.remove("root");
    assert_eq!(adopt(GUN, SERVER, &files), Ok(None));
}

#[test]
pub fn a_spoilt_root_is_fatal_for_it_is_what_trust_rests_on() {
    let (_, sound) = directory();
    let altered = |root: &Blob| {
        let text = String::from_utf8(root.bytes().to_vec()).unwrap();
        Blob::new(text.replace("\"version\":1", "\"version\":2").into_bytes())
    };
    for bad in [Blob::new(&b"{"[..]), Blob::new(&b""[..]), altered(&sound["root"])] {
        let mut files = sound.clone();
        files.insert("root".to_owned(), bad);
        let denial = adopt(GUN, SERVER, &files).unwrap_err();
        assert_eq!(denial.code, DenyCode::StateSpoilt, "{}", denial.detail);
    }
    let other = adopt("registry.example:5000/another/app", SERVER, &sound).unwrap_err();
    assert_eq!(other.code, DenyCode::StateSpoilt);
}

#[test]
fn any_other_spoilt_file_is_as_good_as_lost() {
    let (_, sound) = directory();
    for role in sound.keys().filter(|role| *role != "root") {
        let mut files = sound.clone();
        files.insert(role.clone(), Blob::new(&b"{\"signed\":{}"[..]));
        let kept = adopt(GUN, SERVER, &files).unwrap().unwrap();
        assert!(!kept.floors.contains_key(role), "{role}");
        assert!(kept.floors.contains_key("root"), "{role}");
    }
}

#[test]
fn a_file_signed_by_strangers_sets_no_floor() {
    let (mut collection, mut files) = directory();
    collection.timestamp.signers = vec![Signer::bare()];
    files.insert("timestamp".to_owned(), collection.timestamp.blob());
    let kept = adopt(GUN, SERVER, &files).unwrap().unwrap();
    assert!(kept.timestamp.is_none() && !kept.floors.contains_key("timestamp"));
    assert!(kept.floors.contains_key("snapshot"), "each file is judged by itself");
}
