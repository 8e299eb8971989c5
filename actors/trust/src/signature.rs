//! Single signatures (Notary `tuf/signed/verifiers.go`): always over SHA-256 of the message but for
//! Ed25519, and in the one form that goes with the key.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};

use crate::public_key::{Algorithm, PublicKey};

/// How a signature says it was made. The name itself is not signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// `ecdsa`: r and s, each padded to the length of the curve.
    Ecdsa,
    /// `eddsa`.
    Eddsa,
    /// `rsapkcs1v15`.
    RsaPkcs1,
    /// `rsapss`: MGF1 with SHA-256, 32 bytes of salt.
    RsaPss,
    /// Any other name; such a signature is never valid.
    Unknown,
}

impl Method {
    /// Reads a name without regard to case (`tuf/data/types.go:Signature.UnmarshalJSON`).
    pub(crate) fn named(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "ecdsa" => Self::Ecdsa,
            "eddsa" => Self::Eddsa,
            "rsapkcs1v15" => Self::RsaPkcs1,
            "rsapss" => Self::RsaPss,
            _ => Self::Unknown,
        }
    }
}

/// Whether `signature` of `message` by `key` is valid.
pub(crate) fn valid(method: Method, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
    let check = |algorithm: &'static dyn VerificationAlgorithm, signature: &[u8]| {
        UnparsedPublicKey::new(algorithm, &key.raw).verify(message, signature).is_ok()
    };
    match (method, key.algorithm) {
        (Method::Ecdsa, Algorithm::P256) => check(&ECDSA_P256_SHA256_FIXED, signature),
        // The library has this pair of curve and hash for DER signatures only.
        (Method::Ecdsa, Algorithm::P384) if signature.len() == 96 => {
            check(&ECDSA_P384_SHA256_ASN1, &der_of_fixed(signature))
        }
        (Method::Eddsa, Algorithm::Ed25519) => check(&ED25519, signature),
        (Method::RsaPkcs1, Algorithm::Rsa) => check(&RSA_PKCS1_2048_8192_SHA256, signature),
        (Method::RsaPss, Algorithm::Rsa) => check(&RSA_PSS_2048_8192_SHA256, signature),
        (
            Method::Ecdsa | Method::Eddsa | Method::RsaPkcs1 | Method::RsaPss | Method::Unknown,
            Algorithm::P256 | Algorithm::P384 | Algorithm::Ed25519 | Algorithm::Rsa,
        ) => false,
    }
}

/// SEQUENCE { r INTEGER, s INTEGER } of the two halves of `fixed`, at most 2 × 48 bytes.
fn der_of_fixed(fixed: &[u8]) -> Vec<u8> {
    let mut numbers = Vec::new();
    let (r, s) = fixed.split_at(fixed.len() / 2);
    for half in [r, s] {
        let zeros = half.iter().take_while(|byte| **byte == 0).count().min(half.len() - 1);
        let number = &half[zeros..];
        let sign = usize::from(number[0] >= 0x80);
        numbers.extend_from_slice(&[0x02, (number.len() + sign) as u8]);
        numbers.resize(numbers.len() + sign, 0);
        numbers.extend_from_slice(number);
    }
    // Two numbers of at most 2 + 49 bytes stay below 128: one length byte is enough.
    [&[0x30, numbers.len() as u8], numbers.as_slice()].concat()
}
