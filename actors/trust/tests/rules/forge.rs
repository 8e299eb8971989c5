//! A forge of collections: all keys in hand, every document open to change before it is signed.
//! Keys are made anew in each run; nothing here is a key of anything.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portreeve_protocol::evidence::Floors;
use portreeve_protocol::messages::notary::{VerifiedCollection, VerifyOutcome};
use portreeve_protocol::messages::verify::VerifyRequest;
use portreeve_protocol::{Blob, DenyCode, Sha256, Wall};
use portreeve_trust::verify;
use rcgen::{CertificateParams, DnType, DnValue, KeyPair};
use serde_json::{Value, json};
use time::OffsetDateTime;

/// The collection everything here is about.
pub const GUN: &str = "registry.example:5000/team/app";
/// When it is judged: 2030-01-01T00:00:00Z.
pub const NOW: Wall = Wall(1_893_456_000_000_000);
/// After that.
pub const LATER: &str = "2030-01-02T00:00:00Z";
/// Before that.
pub const EARLIER: &str = "2029-12-31T23:59:59Z";

/// A key that signs.
pub struct Signer {
    listed: Value,
    method: &'static str,
    secret: Secret,
    /// Its id as listed.
    pub id: Sha256,
    /// The fingerprint of the bare key.
    pub spki: Sha256,
}

enum Secret {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Signer {
    /// A bare Ed25519 key.
    pub fn bare() -> Rc<Self> {
        let secret = Ed25519KeyPair::generate().unwrap();
        let public = secret.public_key().as_ref().to_vec();
        let spki = [b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00", &public[..]].concat();
        Rc::new(Self::new("ed25519", &public, &spki, "eddsa", Secret::Ed25519(secret)))
    }

    /// An Ed25519 key that is listed as an ECDSA key and signs as the Ed25519 key it is.
    pub fn mislabelled() -> Rc<Self> {
        let secret = Ed25519KeyPair::generate().unwrap();
        let public = secret.public_key().as_ref().to_vec();
        let spki = [b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00", &public[..]].concat();
        Rc::new(Self::new("ecdsa", &spki, &spki, "eddsa", Secret::Ed25519(secret)))
    }

    /// A P-256 key in a self-signed certificate.
    pub fn certified(common_name: &str) -> Rc<Self> {
        let key = KeyPair::generate().unwrap();
        Self::with_certificate(&key, &params(common_name))
    }

    /// A key in a self-signed certificate of this description.
    pub fn with_certificate(key: &KeyPair, params: &CertificateParams) -> Rc<Self> {
        let pem = params.self_signed(key).unwrap().pem();
        Self::with_pem(key, &pem)
    }

    /// A key in this PEM text.
    pub fn with_pem(key: &KeyPair, pem: &str) -> Rc<Self> {
        let der = key.serialize_der();
        let secret = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).unwrap();
        let spki = rcgen::PublicKeyData::subject_public_key_info(key);
        let secret = Secret::Ecdsa(secret);
        Rc::new(Self::new("ecdsa-x509", pem.as_bytes(), &spki, "ecdsa", secret))
    }

    fn new(
        keytype: &str,
        public: &[u8],
        spki: &[u8],
        method: &'static str,
        secret: Secret,
    ) -> Self {
        let keyval = json!({"private": null, "public": STANDARD.encode(public)});
        let listed = json!({"keytype": keytype, "keyval": keyval});
        let id = Sha256::of(&canonical(&listed));
        Self { listed, method, secret, id, spki: Sha256::of(spki) }
    }

    fn sign(&self, message: &[u8]) -> Value {
        let signature = match &self.secret {
            Secret::Ecdsa(key) => {
                key.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
            }
            Secret::Ed25519(key) => key.sign(message).as_ref().to_vec(),
        };
        let sig = STANDARD.encode(signature);
        json!({"keyid": self.id.to_hex(), "method": self.method, "sig": sig})
    }
}

/// What a certificate says by default: valid from 1975 to 4096.
pub fn params(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, DnValue::Utf8String(common_name.to_owned()));
    params
}

/// What a certificate says that is valid between these times, in seconds after now.
pub fn dated(common_name: &str, from: i64, to: i64) -> CertificateParams {
    let at =
        |seconds: i64| OffsetDateTime::from_unix_timestamp(NOW.0 / 1_000_000 + seconds).unwrap();
    let mut params = params(common_name);
    (params.not_before, params.not_after) = (at(from), at(to));
    params
}

/// Something to be signed, and who signs it.
#[derive(Clone)]
pub struct Document {
    pub signed: Value,
    pub signers: Vec<Rc<Signer>>,
}

impl Document {
    pub fn new(signed: Value, signers: &[&Rc<Signer>]) -> Self {
        Self { signed, signers: signers.iter().map(|signer| Rc::clone(signer)).collect() }
    }

    /// The document as it is served.
    pub fn blob(&self) -> Blob {
        self.spelt(&plainly)
    }

    /// The document as it is served by someone who writes JSON like this.
    pub fn spelt(&self, spelling: &dyn Fn(&Value) -> Vec<u8>) -> Blob {
        let message = canonical(&self.signed);
        let signatures: Vec<_> = self.signers.iter().map(|signer| signer.sign(&message)).collect();
        let document = json!({"signed": self.signed, "signatures": signatures});
        Blob::new(spelling(&document))
    }
}

/// The usual spelling of JSON.
fn plainly(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).unwrap()
}

/// The keys of a collection.
#[derive(Clone)]
pub struct Keys {
    pub alice: Rc<Signer>,
    pub releases: Rc<Signer>,
    pub root: Rc<Signer>,
    pub snapshot: Rc<Signer>,
    pub targets: Rc<Signer>,
    pub timestamp: Rc<Signer>,
}

/// A collection before it is signed: base targets with the tag `base`, `targets/releases` and
/// `targets/alice` with the tag `v1`, all at version 1.
#[derive(Clone)]
pub struct Collection {
    pub delegations: BTreeMap<String, Document>,
    pub keys: Keys,
    pub roots: Vec<Document>,
    /// Its `meta` is filled in when the collection is signed, but for roles that are there.
    pub snapshot: Document,
    pub targets: Document,
    /// As the snapshot.
    pub timestamp: Document,
}

/// The digest of the image that stands behind a name here.
pub fn image(name: &str) -> Sha256 {
    Sha256::of(name.as_bytes())
}

/// An entry for that image.
pub fn entry(name: &str) -> Value {
    let sha256 = STANDARD.encode(image(name).as_bytes());
    json!({"hashes": {"sha256": sha256}, "length": 401})
}

/// `keys` of a document that lists these.
pub fn listed(signers: &[&Rc<Signer>]) -> Value {
    signers.iter().map(|signer| (signer.id.to_hex(), signer.listed.clone())).collect()
}

/// A role in a root.
pub fn role(signers: &[&Rc<Signer>], threshold: u32) -> Value {
    let ids: Vec<_> = signers.iter().map(|signer| signer.id.to_hex()).collect();
    json!({"keyids": ids, "threshold": threshold})
}

/// A role that targets delegate to.
pub fn delegated(name: &str, signers: &[&Rc<Signer>], threshold: u32, paths: &[&str]) -> Value {
    let mut role = role(signers, threshold);
    role["name"] = json!(name);
    role["paths"] = json!(paths);
    role
}

/// What a targets document says, without delegations.
pub fn targets(entries: Value) -> Value {
    json!({
        "_type": "Targets",
        "delegations": {"keys": {}, "roles": []},
        "expires": LATER,
        "targets": entries,
        "version": 1,
    })
}

impl Keys {
    pub fn new() -> Self {
        Self {
            alice: Signer::certified("alice"),
            releases: Signer::bare(),
            root: Signer::certified(GUN),
            snapshot: Signer::bare(),
            targets: Signer::bare(),
            timestamp: Signer::bare(),
        }
    }

    /// A root of this version that lists these keys and is signed by its own.
    pub fn root(&self, version: u64) -> Document {
        let Self { root, timestamp, snapshot, targets, .. } = self;
        let signed = json!({
            "_type": "Root",
            "consistent_snapshot": false,
            "expires": LATER,
            "keys": listed(&[root, timestamp, snapshot, targets]),
            "roles": {
                "root": role(&[root], 1),
                "snapshot": role(&[snapshot], 1),
                "targets": role(&[targets], 1),
                "timestamp": role(&[timestamp], 1),
            },
            "version": version,
        });
        Document::new(signed, &[root])
    }
}

impl Collection {
    pub fn new() -> Self {
        let keys = Keys::new();
        let mut base = targets(json!({"base": entry("base")}));
        base["delegations"] = json!({
            "keys": listed(&[&keys.releases, &keys.alice]),
            "roles": [
                delegated("targets/releases", &[&keys.releases], 1, &[""]),
                delegated("targets/alice", &[&keys.alice], 1, &[""]),
            ],
        });
        let v1 = targets(json!({"v1": entry("v1")}));
        let current =
            |kind: &str| json!({"_type": kind, "expires": LATER, "meta": {}, "version": 1});
        Self {
            delegations: BTreeMap::from([
                ("targets/releases".to_owned(), Document::new(v1.clone(), &[&keys.releases])),
                ("targets/alice".to_owned(), Document::new(v1, &[&keys.alice])),
            ]),
            roots: vec![keys.root(1)],
            snapshot: Document::new(current("Snapshot"), &[&keys.snapshot]),
            targets: Document::new(base, &[&keys.targets]),
            timestamp: Document::new(current("Timestamp"), &[&keys.timestamp]),
            keys,
        }
    }

    /// Signs everything into a request with all documents at hand, as at first contact.
    pub fn request(&self) -> VerifyRequest {
        self.request_spelt(&plainly)
    }

    /// As [`Self::request`], every document being written like this.
    pub fn request_spelt(&self, spelling: &dyn Fn(&Value) -> Vec<u8>) -> VerifyRequest {
        let roots: Vec<_> = self.roots.iter().map(|root| root.spelt(spelling)).collect();
        let targets = self.targets.spelt(spelling);
        let mut published = BTreeMap::from([("root", roots[roots.len() - 1].clone())]);
        published.insert("targets", targets.clone());
        let delegations: Vec<_> =
            self.delegations.iter().map(|(role, it)| (role, it.spelt(spelling))).collect();
        published.extend(delegations.iter().map(|(role, blob)| (role.as_str(), blob.clone())));
        let snapshot = filled(&self.snapshot, published, spelling);
        let named = BTreeMap::from([("snapshot", snapshot.clone())]);
        let timestamp = filled(&self.timestamp, named, spelling);
        let mut documents = vec![snapshot, targets];
        documents.extend(delegations.into_iter().map(|(_, blob)| blob));
        VerifyRequest {
            documents,
            first_use: true,
            floors: Floors::new(),
            flight: 7,
            gun: GUN.to_owned(),
            pins: portreeve_protocol::evidence::RootPins::default(),
            roots,
            server: "https://notary.example".to_owned(),
            tags: BTreeSet::from(["base", "v1", "unknown"].map(str::to_owned)),
            timestamp,
            trusted_root: false,
        }
    }

    /// The request of a reader that has these floors and the first of the roots from before.
    pub fn request_with(&self, floors: &Floors) -> VerifyRequest {
        VerifyRequest { floors: floors.clone(), trusted_root: true, ..self.request() }
    }

    /// Sets the version of every document but the roots.
    pub fn set_versions(&mut self, version: u64) {
        let base = [&mut self.targets, &mut self.snapshot, &mut self.timestamp];
        for document in base.into_iter().chain(self.delegations.values_mut()) {
            document.signed["version"] = json!(version);
        }
    }
}

/// Signs a document after entering what it names.
fn filled(
    document: &Document,
    published: BTreeMap<&str, Blob>,
    spelling: &dyn Fn(&Value) -> Vec<u8>,
) -> Blob {
    let mut document = document.clone();
    let meta = document.signed["meta"].as_object_mut().unwrap();
    for (role, blob) in published {
        meta.entry(role).or_insert_with(|| meta_of(&blob));
    }
    document.spelt(spelling)
}

/// How a parent names a document.
pub fn meta_of(blob: &Blob) -> Value {
    let sha512 = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA512, blob.bytes());
    json!({
        "hashes": {
            "sha256": STANDARD.encode(blob.digest().as_bytes()),
            "sha512": STANDARD.encode(sha512),
        },
        "length": blob.length(),
    })
}

/// The verified collection, or a failed test.
pub fn verified(request: &VerifyRequest) -> VerifiedCollection {
    match verify(request, NOW) {
        VerifyOutcome::Verified(collection) => *collection,
        other @ (VerifyOutcome::Missing(_) | VerifyOutcome::Refused(_)) => {
            panic!("not verified: {other:?}")
        }
    }
}

/// The code of the refusal, or a failed test.
pub fn refused(request: &VerifyRequest) -> DenyCode {
    match verify(request, NOW) {
        VerifyOutcome::Refused(denial) => {
            assert!(!denial.detail.ends_with('.'), "{}", denial.detail);
            denial.code
        }
        other @ (VerifyOutcome::Missing(_) | VerifyOutcome::Verified(_)) => {
            panic!("not refused: {other:?}")
        }
    }
}

/// Canonical JSON, written independently of the one under test.
pub fn canonical(value: &Value) -> Vec<u8> {
    match value {
        Value::Object(members) => {
            let sorted: BTreeMap<_, _> = members.iter().collect();
            let members = sorted
                .into_iter()
                .map(|(name, value)| [canonical(&json!(name)), canonical(value)].join(&b':'));
            let members: Vec<_> = members.collect();
            [b"{", members.join(&b',').as_slice(), b"}"].concat()
        }
        Value::Array(values) => {
            let values: Vec<_> = values.iter().map(canonical).collect();
            [b"[", values.join(&b',').as_slice(), b"]"].concat()
        }
        Value::String(text) => {
            let text = text.replace('\\', "\\\\").replace('"', "\\\"");
            format!("\"{text}\"").into_bytes()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string().into_bytes(),
    }
}
