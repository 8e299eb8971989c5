//! The keys that a bundle is signed with: PKCS#8 PEM files, and PEM public keys of those who sign
//! elsewhere.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};
use tough::async_trait;
use tough::key_source::KeySource;
use tough::schema::decoded::{Decoded, Hex};
use tough::schema::key::{Ed25519Key, Ed25519Scheme, Key};
use tough::sign::{Sign, SignKeyPair};

use crate::error::BundleError;

/// Bytes of a key file at most.
const FILE_BYTES: u64 = 64 << 10;
/// What stands before the 32 bytes of an Ed25519 key in its SubjectPublicKeyInfo (RFC 8410).
const ED25519: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";
/// What a key file is to hold.
const WANTED: &str = "it must hold a PKCS#8 `PRIVATE KEY` (Ed25519, ECDSA P-256 or RSA), such as \
    `openssl genpkey -algorithm ed25519` writes, or a `PUBLIC KEY`";

/// A key of the bundle. It shows its public half only.
#[derive(Clone)]
pub struct BundleKey {
    id: Decoded<Hex>,
    private: Option<Private>,
    public: Key,
}

/// The DER of a private key.
#[derive(Clone)]
struct Private(Arc<[u8]>);

impl BundleKey {
    /// Reads a PEM file with a private key, or with the public key of somebody who signs elsewhere.
    ///
    /// # Errors
    /// `File` if it cannot be read, `Key` if it holds no usable key.
    pub fn read(path: &Path) -> Result<Self, BundleError> {
        let file = |source| BundleError::File { what: "read", path: path.to_owned(), source };
        let mut text = Vec::new();
        let opened = fs::File::open(path).map_err(file)?;
        opened.take(FILE_BYTES).read_to_end(&mut text).map_err(file)?;
        let fault = |why: &str| BundleError::Key { path: path.to_owned(), why: why.to_owned() };
        if let Ok(private) = PrivatePkcs8KeyDer::from_pem_slice(&text) {
            let private = Private(private.secret_pkcs8_der().into());
            let public = private.pair().map_err(fault)?.tuf_key();
            return Self::of(public, Some(private)).ok_or_else(|| fault("it has no key id"));
        }
        let public = match SubjectPublicKeyInfoDer::from_pem_slice(&text) {
            Ok(der) => public(&der, &text).ok_or_else(|| fault(WANTED))?,
            Err(_) => return Err(fault(WANTED)),
        };
        Self::of(public, None).ok_or_else(|| fault("it has no key id"))
    }

    fn of(public: Key, private: Option<Private>) -> Option<Self> {
        let id = public.key_id().ok()?;
        Some(Self { id, private, public })
    }

    /// The key's id in TUF, in hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> String {
        hex(&self.id)
    }

    /// Its public half as PEM text, to be handed to whoever makes the root.
    #[must_use]
    pub fn public_pem(&self) -> String {
        let text = |value: Result<serde_json::Value, _>| match value {
            Ok(serde_json::Value::String(text)) => format!("{}\n", text.trim_end()),
            Ok(_) | Err(_) => String::new(),
        };
        match &self.public {
            Key::Ed25519 { keyval, .. } => pem("PUBLIC KEY", &[ED25519, &keyval.public].concat()),
            Key::Rsa { keyval, .. } => text(serde_json::to_value(&keyval.public)),
            Key::Ecdsa { keyval, .. } | Key::EcdsaOld { keyval, .. } => {
                text(serde_json::to_value(&keyval.public))
            }
        }
    }

    /// Whether its private half is at hand.
    #[must_use]
    pub const fn signs(&self) -> bool {
        self.private.is_some()
    }

    /// That it can sign.
    ///
    /// # Errors
    /// `Workshop` if only its public half is at hand.
    pub(crate) fn must_sign(&self) -> Result<(), BundleError> {
        if self.signs() {
            return Ok(());
        }
        let id = brief(&self.id);
        let why = format!("of the key {id} only the public half is given; its private half signs");
        Err(BundleError::Workshop(why))
    }

    pub(crate) const fn tuf_id(&self) -> &Decoded<Hex> {
        &self.id
    }

    pub(crate) const fn public(&self) -> &Key {
        &self.public
    }
}

impl fmt::Debug for BundleKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "BundleKey({})", self.id())
    }
}

impl fmt::Debug for Private {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Private")
    }
}

/// Those of `keys` whose private half is at hand, as `tough` signs with them.
pub(crate) fn signers(keys: &[BundleKey]) -> Vec<Box<dyn KeySource>> {
    let private = keys.iter().filter_map(|key| key.private.clone());
    private.map(|private| Box::new(private) as Box<dyn KeySource>).collect()
}

/// The beginning of a key id, as people are told of it.
pub(crate) fn brief(id: &[u8]) -> String {
    hex(id).chars().take(16).collect()
}

/// The beginnings of key ids.
pub(crate) fn short<'a>(ids: impl IntoIterator<Item = &'a Decoded<Hex>>) -> Vec<String> {
    ids.into_iter().map(|id| brief(id)).collect()
}

/// Hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Private {
    fn pair(&self) -> Result<SignKeyPair, &'static str> {
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8(&self.0) {
            return Ok(SignKeyPair::ED25519(pair));
        }
        if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &self.0) {
            return Ok(SignKeyPair::ECDSA(pair));
        }
        RsaKeyPair::from_pkcs8(&self.0).map(SignKeyPair::RSA).map_err(|_| WANTED)
    }
}

#[async_trait]
impl KeySource for Private {
    async fn as_sign(&self) -> Result<Box<dyn Sign>, Box<dyn Error + Send + Sync>> {
        Ok(Box::new(self.pair()?))
    }

    async fn write(&self, _: &str, _: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
        Err("keys are never written back".into())
    }
}

fn public(der: &[u8], text: &[u8]) -> Option<Key> {
    if let Some(raw) = der.strip_prefix(ED25519).filter(|raw| raw.len() == 32) {
        let keyval = Ed25519Key { public: raw.to_vec().into(), _extra: HashMap::new() };
        let scheme = Ed25519Scheme::Ed25519;
        return Some(Key::Ed25519 { keyval, scheme, _extra: HashMap::new() });
    }
    let text = std::str::from_utf8(text).ok()?.trim();
    // It is found out by the parser whether it is RSA or ECDSA on P-256.
    let key: Key = text.parse().ok()?;
    Some(key)
}

/// Makes a new Ed25519 key and writes it as PKCS#8 PEM into a file for its owner alone.
///
/// # Errors
/// `File` if the file exists already or cannot be written, `Key` if there is no randomness.
pub fn make_key(path: &Path) -> Result<BundleKey, BundleError> {
    let fault = |why: &str| BundleError::Key { path: path.to_owned(), why: why.to_owned() };
    // Version 1, without the public half: what every tool can read.
    let made = Ed25519KeyPair::generate().and_then(|pair| pair.to_pkcs8v1());
    let made = made.map_err(|_| fault("the system has no random numbers"))?;
    let text = pem("PRIVATE KEY", made.as_ref());
    let written = write_new(path, text.as_bytes());
    written.map_err(|source| BundleError::File { what: "write", path: path.to_owned(), source })?;
    BundleKey::read(path)
}

fn pem(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in STANDARD.encode(der).as_bytes().chunks(64) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
