//! Keys as documents list them (Notary `tuf/data/keys.go:TUFKey, typedPublicKey`).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portreeve_protocol::Sha256;

use crate::certificate::Certificate;
use crate::error::TrustError;
use crate::fields::Fields;
use crate::json::{Object, Value};
use crate::public_key::{Algorithm, PublicKey};
use crate::{canonical, pem};

/// A listed key.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    /// The certificates it comes in, leaf first; none for a bare key or unreadable ones.
    pub(crate) certificates: Vec<Certificate>,
    /// Its id: of the certificate text, where it comes in one.
    pub(crate) id: Sha256,
    /// The key itself, or why no signature of it can be judged.
    pub(crate) public: Result<PublicKey, &'static str>,
}

impl Key {
    /// Reads a key. One that cannot verify anything is no error: it matters only if it is needed.
    fn read(document: &str, value: &Value) -> Result<Self, TrustError> {
        let key = Fields::of(document, "a key", value, &["keytype", "keyval"])?;
        let keytype = key.text("keytype")?;
        let values = key.get("keyval").ok_or_else(|| key.invalid("keyval", "is missing"))?;
        let values = Fields::of(document, "a key", values, &["private", "public"])?;
        if values.get("private").is_some() {
            return Err(values.invalid("private", "must be null: a private key is published"));
        }
        let encoded = values.text("public")?;
        let bytes = STANDARD
            .decode(encoded)
            .map_err(|_| values.invalid("public", "must be padded standard base64"))?;
        let id = key_id(keytype, encoded);
        let (public, certificates) = match keytype {
            "ed25519" => (PublicKey::from_ed25519(&bytes), Vec::new()),
            "ecdsa" | "rsa" => (PublicKey::from_spki(&bytes), Vec::new()),
            "ecdsa-x509" | "rsa-x509" => match certificates(&bytes) {
                Ok(chain) => (chain[0].public.clone(), chain),
                Err(why) => (Err(why), Vec::new()),
            },
            _ => (Err("its type is not known"), Vec::new()),
        };
        let public = public.and_then(|public| match (keytype, public.algorithm) {
            ("ecdsa" | "ecdsa-x509", Algorithm::P256 | Algorithm::P384)
            | ("rsa" | "rsa-x509", Algorithm::Rsa)
            | ("ed25519", Algorithm::Ed25519) => Ok(public),
            _ => Err("it is not of the type it is listed as"),
        });
        Ok(Self { certificates, id, public })
    }
}

/// Reads `keys` of a document, holding every listed id against the key's own.
///
/// # Errors
/// `InvalidMetadata` for what is no key, `KeyId` for an id that is not the key's own. Notary looks
/// at ids of signing keys only (`tuf/signed/verify.go:VerifySignatures`).
pub(crate) fn read_keys(of: &Fields<'_>) -> Result<BTreeMap<Sha256, Key>, TrustError> {
    let mut keys = BTreeMap::new();
    for (id, value) in of.map("keys")? {
        let key = Key::read(of.document(), value)?;
        if key.id.to_hex() != *id {
            return Err(TrustError::KeyId { document: of.document().to_owned() });
        }
        keys.insert(key.id, key);
    }
    Ok(keys)
}

/// SHA-256 of the canonical form of the key without its private half.
/// Source: Notary `tuf/data/keys.go:TUFKey.ID`.
fn key_id(keytype: &str, public: &str) -> Sha256 {
    let text = |text: &str| Value::Text(text.to_owned());
    let keyval =
        Object::from([("private".to_owned(), Value::Null), ("public".to_owned(), text(public))]);
    let key = Object::from([
        ("keytype".to_owned(), text(keytype)),
        ("keyval".to_owned(), Value::Object(keyval)),
    ]);
    let mut bytes = Vec::new();
    // Nothing but null and strings is in it, and these always have a canonical form.
    let written = canonical::write(&Value::Object(key), &mut bytes);
    debug_assert!(written.is_ok(), "a key has a canonical form");
    Sha256::of(&bytes)
}

/// The certificates of an x509 key; at least one.
fn certificates(text: &[u8]) -> Result<Vec<Certificate>, &'static str> {
    let text = std::str::from_utf8(text).map_err(|_| "its certificates are not PEM text")?;
    let blocks = pem::blocks(text)?;
    if blocks.is_empty() || blocks.len() > CHAIN {
        return Err("it has no certificate, or too many");
    }
    blocks
        .iter()
        .map(|block| match (block.label.as_str(), block.headers) {
            ("CERTIFICATE", false) => Certificate::read(&block.content),
            _ => Err("something else than certificates is in its PEM text"),
        })
        .collect()
}

/// Certificates that may come with one key.
const CHAIN: usize = 16;
