//! What the lab publishes is believed by the verifier that judges real collections.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};

use portreeve_lab::{BaseRole, Collection, Documents, KeyKind, KeyPlan, Keys};
use portreeve_protocol::evidence::TargetEntry;
use portreeve_protocol::messages::notary::{VerifiedCollection, VerifyOutcome};
use portreeve_protocol::messages::verify::VerifyRequest;
use portreeve_protocol::{Blob, Denial, DenyCode, Sha256, Wall};
use portreeve_trust::verify;

const GUN: &str = "registry.lab:5000/team/app";
const NOW: Wall = Wall(1_795_415_688_000_000);
const LATER: Wall = Wall(NOW.0 + 60_000_000);

/// Verifies as a fetcher would: hands over what is asked for until there is a conclusion.
fn conclude(documents: &Documents, roots: &[&str]) -> Result<Box<VerifiedCollection>, Denial> {
    let blob = |name: &str| Blob::new(documents[name].clone());
    let mut request = VerifyRequest {
        documents: Vec::new(),
        first_use: true,
        floors: BTreeMap::new(),
        flight: 1,
        gun: GUN.to_owned(),
        pins: Default::default(),
        roots: roots.iter().map(|name| blob(name)).collect(),
        server: "https://notary.example".to_owned(),
        tags: BTreeSet::from(["v1".to_owned()]),
        timestamp: blob("timestamp.json"),
        trusted_root: false,
    };
    for _ in 0..8 {
        match verify(&request, LATER) {
            VerifyOutcome::Missing(wanted) => request.documents.extend(
                wanted
                    .iter()
                    .map(|wanted| blob(&format!("{}.{}.json", wanted.role, wanted.sha256))),
            ),
            VerifyOutcome::Refused(denial) => return Err(denial),
            VerifyOutcome::Verified(collection) => return Ok(collection),
        }
    }
    panic!("the verifier goes on asking for documents")
}

fn signed(keys: Keys) -> Collection {
    let mut collection = Collection::new(GUN, keys, NOW).unwrap();
    collection.add_signer("alice", NOW).unwrap();
    collection.add_signer("bob", NOW).unwrap();
    collection.sign("v1", Sha256::of(b"image"), 401, &["alice", "bob"]).unwrap();
    collection.publish(NOW).unwrap();
    collection
}

#[test]
fn collections_of_every_kind_of_key_verify_and_name_who_signed() {
    let mut sources = vec![Keys::fresh(), Keys::deterministic(1)];
    for kind in [KeyKind::Ecdsa, KeyKind::RsaPss, KeyKind::RsaPkcs1v15] {
        sources.push(Keys::fresh_with(KeyPlan {
            base: kind,
            root: kind,
            signer_certificates: true,
            signers: kind,
        }));
    }
    for keys in sources {
        let collection = signed(keys.clone());
        let verified = conclude(collection.documents(), &["root.json"]).unwrap();
        let image = TargetEntry::Image { length: 401, sha256: Sha256::of(b"image") };
        for role in ["targets/releases", "targets/alice", "targets/bob"] {
            assert_eq!(verified.tags["v1"].entries[role], image, "{keys:?}");
        }
        let alice = collection.signer_key("alice").unwrap();
        let by = &verified.evidence.roles["targets/alice"].signed_by;
        assert_eq!(by.len(), 1);
        assert_eq!((by[0].keyid, by[0].spki), (alice.id(), alice.spki()));
        assert_eq!(verified.evidence.dropped, []);
    }
}

#[test]
fn a_chain_of_rotated_roots_verifies_from_its_beginning() {
    let mut collection = signed(Keys::deterministic(1));
    collection.rotate_root(NOW).unwrap();
    collection.publish(NOW).unwrap();
    collection.rotate(BaseRole::Targets).unwrap();
    collection.rotate(BaseRole::Timestamp).unwrap();
    collection.publish(NOW).unwrap();
    let roots = ["1.root.json", "2.root.json", "3.root.json"];
    let verified = conclude(collection.documents(), &roots).unwrap();
    assert_eq!(verified.evidence.roles["root"].version, 3);
}

#[test]
fn an_impostors_root_under_another_key_is_no_successor() {
    let genuine = signed(Keys::deterministic(1));
    let mut impostor = signed(Keys::deterministic(2));
    impostor.rotate(BaseRole::Targets).unwrap();
    impostor.publish(NOW).unwrap();
    let mut documents = impostor.documents().clone();
    documents.insert("1.root.json".to_owned(), genuine.documents()["1.root.json"].clone());
    let refused = conclude(&documents, &["1.root.json", "2.root.json"]);
    assert_eq!(refused.unwrap_err().code, DenyCode::RootRotation);
}
