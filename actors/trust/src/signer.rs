//! Signers as policies name them.

use portreeve_protocol::Sha256;

/// Whether `name` may be a signer: `targets/<name>` must be a valid delegation name.
#[must_use]
pub fn valid_signer_name(_name: &str) -> bool {
    false
}

/// SHA-256 of the DER SubjectPublicKeyInfo of a PEM public key or certificate.
///
/// # Errors
/// A sentence that says why the text holds no usable key.
pub fn public_key_fingerprint(_pem: &str) -> Result<Sha256, String> {
    Err("no key is read yet".to_owned())
}
