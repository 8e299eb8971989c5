//! Collections in which one document, or one certificate, says whatever it is told to, and all is
//! signed as it should be. TEST ONLY: the private keys are a repeated byte.

use std::sync::LazyLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portreeve_protocol::evidence::{Floors, RootPins};
use portreeve_protocol::messages::verify::VerifyRequest;
use portreeve_protocol::{Blob, Sha256, Wall};
use portreeve_trust::canonical_json;
use serde_json::{Value, json};

/// The collection.
pub const GUN: &str = "registry.example/team/app";
/// When it is judged: 2030-01-01T00:00:00Z.
pub const NOW: Wall = Wall(1_893_456_000_000_000);
/// The tag that is signed unless a document says otherwise.
pub const TAG: &str = "1.0";
/// The certificate that the leaf's chain ends with.
pub const AUTHORITY: &str = include_str!("../../fuzz/certificates/authority.pem");
/// The certificate between the two.
pub const INTERMEDIATE: &str = include_str!("../../fuzz/certificates/intermediate.pem");
/// The certificate of the root's key.
pub const LEAF: &str = include_str!("../../fuzz/certificates/leaf.pem");
/// The root with the key of [`LEAF`] and [`INTERMEDIATE`], signed once: a signature on P-256 has
/// another value each time, so a snapshot could not name a root that is signed anew.
const ROOT_DOCUMENT: &str = include_str!("../../fuzz/certificates/root.json");
/// The public key of the root, as an uncompressed point on P-256.
const ROOT_POINT: &[u8; 65] = b"\x04\
    \x6f\xf0\x3b\x94\x92\x41\xce\x1d\xad\xd4\x35\x19\xe6\x96\x0e\x0a\
    \x85\xb4\x1a\x69\xa0\x5c\x32\x81\x03\xaa\x2b\xce\x15\x94\xca\x16\
    \x3c\x4f\x75\x3a\x55\xbf\x01\xdc\x53\xf6\xc0\xb0\xc7\xee\xe7\x8b\
    \x40\xc6\xff\x7d\x25\xa9\x6e\x22\x82\xb9\x89\xce\xf7\x1c\x14\x4a";

/// What of the collection is out of the ordinary.
#[derive(Debug, Clone)]
pub struct Forge<'a> {
    /// The certificates of the root's key.
    pub chain: &'a str,
    /// The operator's pins.
    pub pins: RootPins,
    /// A role, and what is signed in its place.
    pub replaced: Option<(&'static str, &'a [u8])>,
}

static BASE: LazyLock<Option<Ed25519KeyPair>> =
    LazyLock::new(|| Ed25519KeyPair::from_seed_unchecked(&[2; 32]).ok());

static ROOT: LazyLock<Option<EcdsaKeyPair>> = LazyLock::new(|| {
    let curve = &ECDSA_P256_SHA256_FIXED_SIGNING;
    EcdsaKeyPair::from_private_key_and_public_key(curve, &[1; 32], ROOT_POINT).ok()
});

impl Forge<'_> {
    /// Everything a verifier needs. `None` only if the cryptography fails.
    #[must_use]
    pub fn request(&self) -> Option<VerifyRequest> {
        let releases = self.document("targets/releases", &releases())?;
        let targets = self.document("targets", &targets(&base_key()?))?;
        let usual_root = self.replaced.is_none_or(|(role, _)| role != "root")
            && self.chain == [LEAF, INTERMEDIATE].concat();
        let root = if usual_root {
            Blob::new(ROOT_DOCUMENT.as_bytes().to_vec())
        } else {
            self.document("root", &root(&self.root_key(), &base_key()?))?
        };
        let described = [("root", &root), ("targets", &targets), ("targets/releases", &releases)];
        let snapshot = self.document("snapshot", &naming("Snapshot", &described))?;
        let named = naming("Timestamp", &[("snapshot", &snapshot)]);
        let timestamp = self.document("timestamp", &named)?;
        Some(VerifyRequest {
            documents: vec![snapshot, targets, releases],
            first_use: true,
            flight: 1,
            floors: Floors::new(),
            gun: GUN.to_owned(),
            pins: self.pins.clone(),
            roots: vec![root],
            server: "https://notary.example".to_owned(),
            tags: [TAG.to_owned()].into(),
            timestamp,
            trusted_root: false,
        })
    }

    /// The document of `role`, which says `usual` unless it is replaced, signed by its key.
    fn document(&self, role: &str, usual: &Value) -> Option<Blob> {
        let usual = usual.to_string();
        let replaced = self.replaced.filter(|(name, _)| *name == role);
        let signed = replaced.map_or(usual.as_bytes(), |(_, text)| text);
        // What has no canonical form cannot be signed; the signature is then of nothing.
        let message = canonical_json(signed).unwrap_or_default();
        let (key, method, sig) = if role == "root" {
            let sig = ROOT.as_ref()?.sign(&SystemRandom::new(), &message).ok()?.as_ref().to_vec();
            (self.root_key(), "ecdsa", sig)
        } else {
            (base_key()?, "eddsa", BASE.as_ref()?.sign(&message).as_ref().to_vec())
        };
        let sig = STANDARD.encode(sig);
        let signature = json!({"keyid": key_id(&key), "method": method, "sig": sig});
        let mut document = b"{\"signed\":".to_vec();
        document.extend_from_slice(signed);
        document.extend_from_slice(format!(",\"signatures\":[{signature}]}}").as_bytes());
        Some(Blob::new(document))
    }

    fn root_key(&self) -> Value {
        key("ecdsa-x509", self.chain.as_bytes())
    }
}

/// A key as documents list it.
fn key(keytype: &str, public: &[u8]) -> Value {
    let keyval = json!({"private": null, "public": STANDARD.encode(public)});
    json!({"keytype": keytype, "keyval": keyval})
}

fn base_key() -> Option<Value> {
    Some(key("ed25519", BASE.as_ref()?.public_key().as_ref()))
}

/// Notary's id of a key: the digest of its canonical form, which this is but for its order.
fn key_id(key: &Value) -> String {
    let canonical = canonical_json(key.to_string().as_bytes()).unwrap_or_default();
    Sha256::of(&canonical).to_hex()
}

/// SHA-256 of the SubjectPublicKeyInfo of the root's key.
#[must_use]
pub fn root_spki() -> Sha256 {
    const HEAD: &[u8] = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\
        \x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";
    Sha256::of(&[HEAD, ROOT_POINT].concat())
}

fn root(own: &Value, base: &Value) -> Value {
    let by = |key: &Value| json!({"keyids": [key_id(key)], "threshold": 1});
    let (own_role, base_role) = (by(own), by(base));
    json!({
        "_type": "Root",
        "consistent_snapshot": false,
        "expires": "2031-01-01T00:00:00Z",
        "keys": {key_id(own): own, key_id(base): base},
        "roles": {
            "root": own_role,
            "snapshot": base_role,
            "targets": base_role,
            "timestamp": base_role,
        },
        "version": 1,
    })
}

fn targets(base: &Value) -> Value {
    let role = json!({
        "keyids": [key_id(base)], "name": "targets/releases", "paths": [""], "threshold": 1,
    });
    json!({
        "_type": "Targets",
        "delegations": {"keys": {key_id(base): base}, "roles": [role]},
        "expires": "2031-01-01T00:00:00Z",
        "targets": {TAG: entry(b"base")},
        "version": 1,
    })
}

fn releases() -> Value {
    json!({
        "_type": "Targets",
        "delegations": {"keys": {}, "roles": []},
        "expires": "2031-01-01T00:00:00Z",
        "targets": {TAG: entry(b"released")},
        "version": 1,
    })
}

fn entry(manifest: &[u8]) -> Value {
    let sha256 = STANDARD.encode(Sha256::of(manifest).as_bytes());
    json!({"hashes": {"sha256": sha256}, "length": manifest.len()})
}

/// A timestamp or snapshot that names these documents.
fn naming(kind: &str, documents: &[(&str, &Blob)]) -> Value {
    let meta: serde_json::Map<String, Value> =
        documents.iter().map(|(role, blob)| ((*role).to_owned(), entry(blob.bytes()))).collect();
    json!({"_type": kind, "expires": "2031-01-01T00:00:00Z", "meta": meta, "version": 1})
}
