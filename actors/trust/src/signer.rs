//! Signers as policies name them.

use portreeve_protocol::Sha256;

use crate::certificate::Certificate;
use crate::pem;
use crate::public_key::PublicKey;
use crate::role;

/// Whether `name` may be a signer: `targets/<name>` must be a valid delegation name.
/// A name is never used as a path: `.`, `..` and empty segments are refused.
/// Source: Notary `tuf/data/roles.go:IsDelegation`; Portieris joins names unchecked.
#[must_use]
pub fn valid_signer_name(name: &str) -> bool {
    role_of_signer(name).is_some()
}

/// The role of a signer, `targets/<name>`; `None` if no signer can have that name.
pub(crate) fn role_of_signer(name: &str) -> Option<String> {
    let role = ["targets/", name].concat();
    role::is_delegation(&role).then_some(role)
}

/// SHA-256 of the DER SubjectPublicKeyInfo of a PEM public key or certificate: `PUBLIC KEY` with or
/// without header lines, or `CERTIFICATE`, leaf first. Dates of the certificate are not judged.
/// Source: Portieris `pkg/verifier/trust/trust.go:getSignerSecret`, Notary `ParsePEMPublicKey`.
///
/// # Errors
/// A sentence that says why the text holds no usable key; it never quotes the text.
pub fn public_key_fingerprint(pem: &str) -> Result<Sha256, String> {
    let blocks = pem::blocks(pem)?;
    let [first, rest @ ..] = blocks.as_slice() else {
        return Err("there is no PEM block in it".to_owned());
    };
    match first.label.as_str() {
        "PUBLIC KEY" if rest.is_empty() => Ok(PublicKey::from_spki(&first.content)?.spki),
        "CERTIFICATE" if rest.iter().all(|block| block.label == "CERTIFICATE") => {
            Ok(Certificate::read(&first.content)?.public?.spki)
        }
        "PUBLIC KEY" | "CERTIFICATE" => Err("more than one key is in it".to_owned()),
        _ => Err("a PUBLIC KEY or CERTIFICATE block is needed".to_owned()),
    }
}
