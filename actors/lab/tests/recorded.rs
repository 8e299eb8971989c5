//! The lab's forms against metadata recorded from the real notary client and server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::PathBuf;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use portreeve_lab::canonical::canonical;
use portreeve_lab::{KeyKind, KeyPlan, Keys, pem};
use portreeve_protocol::{Sha256, Wall};
use serde_json::Value;
use x509_parser::prelude::{FromDer, X509Certificate};

fn recorded(path: &str) -> Value {
    let corpus = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus/notary-v1");
    serde_json::from_slice(&std::fs::read(corpus.join(path)).unwrap()).unwrap()
}

fn bare_key(listing: &Value) -> Vec<u8> {
    let public = STANDARD.decode(listing["keyval"]["public"].as_str().unwrap()).unwrap();
    if !listing["keytype"].as_str().unwrap().ends_with("-x509") {
        return public;
    }
    let der = pem::decode("CERTIFICATE", std::str::from_utf8(&public).unwrap()).unwrap();
    let (_, certificate) = X509Certificate::from_der(&der).unwrap();
    certificate.public_key().raw.to_vec()
}

fn verifies(file: &Value, keys: &Value) -> usize {
    let message = canonical(&file["signed"]).unwrap();
    let signatures = file["signatures"].as_array().unwrap();
    for signature in signatures {
        let algorithm: &'static dyn VerificationAlgorithm = match signature["method"].as_str() {
            Some("ecdsa") => &ECDSA_P256_SHA256_FIXED,
            Some("rsapss") => &RSA_PSS_2048_8192_SHA256,
            other => panic!("method {other:?}"),
        };
        let key = bare_key(&keys[signature["keyid"].as_str().unwrap()]);
        let bytes = STANDARD.decode(signature["sig"].as_str().unwrap()).unwrap();
        UnparsedPublicKey::new(algorithm, &key).verify(&message, &bytes).unwrap();
    }
    signatures.len()
}

#[test]
fn recorded_key_ids_are_the_digests_of_our_canonical_form() {
    let mut seen = 0;
    for (path, keys) in [
        ("plain-ecdsa/srv/root.json", "/signed/keys"),
        ("rsa-root/srv/root.json", "/signed/keys"),
        ("signers-alice-bob/srv/targets.json", "/signed/delegations/keys"),
        ("delegation-raw-ed25519-key/srv/targets.json", "/signed/delegations/keys"),
    ] {
        let file = recorded(path);
        for (id, listing) in file.pointer(keys).unwrap().as_object().unwrap() {
            assert_eq!(Sha256::of(&canonical(listing).unwrap()).to_hex(), *id, "{path}");
            seen += 1;
        }
    }
    assert!(seen > 10, "{seen} keys");
}

#[test]
fn recorded_signatures_verify_over_our_canonical_form() {
    for case in ["plain-ecdsa", "signers-alice-bob", "rsa-root"] {
        let root = recorded(&format!("{case}/srv/root.json"));
        for role in ["root", "timestamp", "snapshot", "targets"] {
            let file = recorded(&format!("{case}/srv/{role}.json"));
            assert!(verifies(&file, &root["signed"]["keys"]) >= 1, "{case} {role}");
        }
    }
}

#[test]
fn keys_of_the_lab_are_listed_in_the_form_of_recorded_ones() {
    let now = Wall(1_795_415_688_000_000);
    let recorded_root = recorded("plain-ecdsa/srv/root.json");
    let recorded_key = recorded_root["signed"]["keys"]
        .as_object()
        .unwrap()
        .values()
        .find(|key| key["keytype"] == "ecdsa-x509")
        .unwrap();
    let key = Keys::fresh().root("registry.lab:5000/team/app", 0, now).unwrap();
    assert_eq!(members(key.listing()), members(recorded_key));
    assert_eq!(key.listing()["keytype"], "ecdsa-x509");
    assert_eq!(key.spki(), Sha256::of(&bare_key(key.listing())));

    let der = pem::decode("CERTIFICATE", &key.public_pem()).unwrap();
    let (_, certificate) = X509Certificate::from_der(&der).unwrap();
    assert_eq!(certificate.subject().to_string(), "CN=registry.lab:5000/team/app");
    assert_eq!(certificate.validity().not_before.timestamp(), now.0 / 1_000_000);
    assert!(!certificate.is_ca());
}

/// Names of the members, in depth, and nothing of their values.
fn members(value: &Value) -> Vec<String> {
    value
        .as_object()
        .into_iter()
        .flatten()
        .flat_map(|(name, inner)| {
            std::iter::once(name.clone()).chain(members(inner)).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn every_kind_of_key_makes_signatures_of_its_own_method_and_length() {
    for (kind, method, length) in [
        (KeyKind::Ecdsa, "ecdsa", 64),
        (KeyKind::Ed25519, "eddsa", 64),
        (KeyKind::RsaPkcs1v15, "rsapkcs1v15", 256),
        (KeyKind::RsaPss, "rsapss", 256),
    ] {
        let plan = KeyPlan { base: kind, root: kind, signer_certificates: false, signers: kind };
        let key = Keys::fresh_with(plan).base("host/app", "targets", 0).unwrap();
        let signature = key.signature(b"message").unwrap();
        assert_eq!(signature["method"], method);
        let bytes = STANDARD.decode(signature["sig"].as_str().unwrap()).unwrap();
        assert_eq!(bytes.len(), length, "{kind:?}");
        assert_eq!(signature["keyid"], key.id().to_hex());
    }
}
