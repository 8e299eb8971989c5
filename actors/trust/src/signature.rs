//! Single signatures (Notary `tuf/signed/verifiers.go`): always over SHA-256 of the message but for
//! Ed25519, and in the one form that goes with the key.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};

use portreeve_protocol::Sha256;

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

/// The claim that a key signed a message.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    pub(crate) key: &'a PublicKey,
    pub(crate) message: &'a [u8],
    pub(crate) method: Method,
    pub(crate) signature: &'a [u8],
}

/// Says of a claim whether it holds: [`Claim::holds`], or what was found of the same claim before.
pub type Judge<'a> = &'a dyn Fn(&Claim<'_>) -> bool;

/// Looks at every claim anew.
pub(crate) const ANEW: Judge<'static> = &|claim: &Claim<'_>| claim.holds();

impl Claim<'_> {
    /// Whether the signature is valid.
    #[must_use]
    pub fn holds(&self) -> bool {
        valid(self.method, self.key, self.message, self.signature)
    }

    /// A digest of all that its validity hangs on: claims of one digest hold alike.
    #[must_use]
    pub fn digest(&self) -> Sha256 {
        let method: &[u8] = match self.method {
            Method::Ecdsa => b"c",
            Method::Eddsa => b"d",
            Method::RsaPkcs1 => b"1",
            Method::RsaPss => b"p",
            Method::Unknown => b"?",
        };
        // All but the last are of one length each.
        let (key, message) = (self.key.spki, Sha256::of(self.message));
        Sha256::of(&[method, key.as_bytes(), message.as_bytes(), self.signature].concat())
    }
}

/// Whether `signature` of `message` by `key` is valid.
fn valid(method: Method, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    /// A signature that OpenSSL made over `portreeve` with SHA-256 and a P-384 key.
    const P384_SPKI: &str = "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEbslxw5g1GLAklv0rHuxcQt2KvcBJAiaXUrR\
        PjTyrPJgH9JvbiVNjkv6RgRheQnzg6ksM6u5Inza28k/evA+aH0orTzuHZJvU/Lavc/D7ibUk61erI9pk41BLG9w\
        J3oDR";
    const P384_SIGNATURE: &str = "zX+DauIeID2SFJ78fv4C0LM7Zry6UbhCrswH8Pq4T1UT5EdPzrt++8zVCUfOV+\
        DF91jXs8mfXdJa7YTBqYd3gx85+IG5WEDhBeBl/ac1byf9o1Lc/fNH+OX7qzhCSbsZ";

    fn p384() -> (PublicKey, Vec<u8>) {
        let key = PublicKey::from_spki(&STANDARD.decode(P384_SPKI).unwrap()).unwrap();
        (key, STANDARD.decode(P384_SIGNATURE).unwrap())
    }

    #[test]
    fn ecdsa_on_p384_is_over_sha256_and_of_fixed_length() {
        let (key, signature) = p384();
        assert!(valid(Method::Ecdsa, &key, b"portreeve", &signature));
        assert!(!valid(Method::Ecdsa, &key, b"portreve", &signature));
        assert!(!valid(Method::Ecdsa, &key, b"portreeve", &signature[1..]));
        assert!(!valid(Method::Ecdsa, &key, b"portreeve", &der_of_fixed(&signature)));
        assert!(!valid(Method::Ecdsa, &key, b"portreeve", &[0; 96]));
        let padded = [&[0], &signature[..48], &[0], &signature[48..]].concat();
        assert!(!valid(Method::Ecdsa, &key, b"portreeve", &padded));
    }

    #[test]
    fn a_claim_about_anything_else_has_another_digest() {
        let (key, signature) = p384();
        let mut other = key.clone();
        other.spki = Sha256::of(b"another key");
        let method = Method::Ecdsa;
        let claim = Claim { key: &key, message: b"portreeve", method, signature: &signature };
        assert!(claim.holds());
        let others = [
            Claim { key: &other, ..claim },
            Claim { message: b"portreve", ..claim },
            Claim { method: Method::Eddsa, ..claim },
            Claim { signature: &signature[1..], ..claim },
        ];
        assert!(others.iter().all(|other| other.digest() != claim.digest()));
    }

    #[test]
    fn a_method_that_does_not_go_with_the_key_never_verifies() {
        let (key, signature) = p384();
        for method in [Method::Eddsa, Method::RsaPkcs1, Method::RsaPss, Method::Unknown] {
            assert!(!valid(method, &key, b"portreeve", &signature), "{method:?}");
        }
    }

    #[test]
    fn names_of_methods_are_read_without_regard_to_case() {
        assert_eq!(Method::named("ECDSA"), Method::Ecdsa);
        assert_eq!(Method::named("RSAPKCS1v15"), Method::RsaPkcs1);
        assert_eq!(Method::named("pycrypto-pkcs#1 pss"), Method::Unknown);
        assert_eq!(Method::named(""), Method::Unknown);
    }

    #[test]
    fn numbers_are_written_in_der_as_short_as_they_go() {
        let mut fixed = [0; 96];
        (fixed[46], fixed[47], fixed[48]) = (0x80, 1, 0x7f);
        let der = der_of_fixed(&fixed);
        assert_eq!(der[..7], [0x30, 55, 0x02, 3, 0, 0x80, 1]);
        assert_eq!(der[7..10], [0x02, 48, 0x7f]);
        assert_eq!(der_of_fixed(&[0; 96]), [0x30, 6, 2, 1, 0, 2, 1, 0]);
    }
}
