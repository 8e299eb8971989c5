//! Bare public keys: one accepted encoding for each, so that one key has one fingerprint.

use portreeve_protocol::Sha256;

/// Smallest modulus of an RSA key (Notary `tuf/signed/verifiers.go:verifyPSS`).
const RSA_BITS: usize = 2_048;

/// Why a smaller one is not usable.
pub(crate) const SMALL_RSA: &str = "an RSA key has less than 2048 bits";

/// AlgorithmIdentifiers and BIT STRING heads before the raw key, for keys of one length.
const P256: &[u8] = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\
    \x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";
const P384: &[u8] = b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\
    \x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00";
const ED25519: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";
const RSA_ALGORITHM: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";

/// The kinds of key that can verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
    /// Ed25519.
    Ed25519,
    /// RSA of at least 2048 bits.
    Rsa,
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicKey {
    /// What it is.
    pub(crate) algorithm: Algorithm,
    /// The uncompressed point, the 32 bytes, or the DER RSAPublicKey.
    pub(crate) raw: Vec<u8>,
    /// SHA-256 of its one DER SubjectPublicKeyInfo.
    pub(crate) spki: Sha256,
}

impl PublicKey {
    /// Reads a DER SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7).
    ///
    /// # Errors
    /// Why it is not a usable key.
    pub(crate) fn from_spki(der: &[u8]) -> Result<Self, &'static str> {
        let of =
            |algorithm, raw: &[u8]| Self { algorithm, raw: raw.to_vec(), spki: Sha256::of(der) };
        for (head, length, algorithm) in [(P256, 65, Algorithm::P256), (P384, 97, Algorithm::P384)]
        {
            if let Some(point) = der.strip_prefix(head) {
                return match point {
                    [4, ..] if point.len() == length => Ok(of(algorithm, point)),
                    _ => Err("the elliptic curve point is not an uncompressed one"),
                };
            }
        }
        if let Some(raw) = der.strip_prefix(ED25519) {
            return match raw.len() {
                32 => Ok(of(Algorithm::Ed25519, raw)),
                _ => Err("an Ed25519 key has 32 bytes"),
            };
        }
        rsa(der).map(|raw| of(Algorithm::Rsa, raw))
    }

    /// Takes the 32 bytes of an Ed25519 key.
    ///
    /// # Errors
    /// If there are not 32.
    pub(crate) fn from_ed25519(raw: &[u8]) -> Result<Self, &'static str> {
        Self::from_spki(&[ED25519, raw].concat())
    }
}

/// The RSAPublicKey within an SPKI of an RSA key of sufficient size.
fn rsa(der: &[u8]) -> Result<&[u8], &'static str> {
    const OTHER: &str = "the public key is neither ECDSA on P-256 or P-384, RSA, nor Ed25519";
    const BAD: &str = "the RSA key is not encoded as DER wants it";
    let (body, rest) = tlv(der, 0x30).ok_or(OTHER)?;
    let (algorithm, bits) = tlv(body, 0x30).ok_or(OTHER)?;
    if algorithm != RSA_ALGORITHM || !rest.is_empty() {
        return Err(OTHER);
    }
    let (bits, after) = tlv(bits, 0x03).ok_or(BAD)?;
    let key = bits.strip_prefix(&[0]).filter(|_| after.is_empty()).ok_or(BAD)?;
    let (numbers, after) = tlv(key, 0x30).ok_or(BAD)?;
    let (modulus, exponent) = tlv(numbers, 0x02).ok_or(BAD)?;
    let (exponent, end) = tlv(exponent, 0x02).ok_or(BAD)?;
    if !after.is_empty() || !end.is_empty() {
        return Err(BAD);
    }
    let modulus = positive(modulus).ok_or(BAD)?;
    positive(exponent).ok_or(BAD)?;
    let spare = modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
    if modulus.len() * 8 - spare < RSA_BITS {
        return Err(SMALL_RSA);
    }
    Ok(key)
}

/// The magnitude of a positive DER INTEGER in its one shortest form.
fn positive(content: &[u8]) -> Option<&[u8]> {
    match content {
        [0, 0x80..=0xff, ..] => Some(&content[1..]),
        [1..=0x7f, ..] => Some(content),
        _ => None,
    }
}

/// Content and rest of a DER element with this tag and a length in its one shortest form.
fn tlv(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (length, body) = match der {
        [found, short @ 0..=0x7f, body @ ..] if *found == tag => (usize::from(*short), body),
        [found, 0x81, length @ 0x80..=0xff, body @ ..] if *found == tag => {
            (usize::from(*length), body)
        }
        [found, 0x82, high @ 1..=0xff, low, body @ ..] if *found == tag => {
            (usize::from(*high) << 8 | usize::from(*low), body)
        }
        _ => return None,
    };
    body.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    /// A DER element.
    fn der(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        let head = match length {
            [0, short @ 0..=0x7f] => vec![tag, short],
            [0, length] => vec![tag, 0x81, length],
            [high, low] => vec![tag, 0x82, high, low],
        };
        [head.as_slice(), content].concat()
    }

    /// An RSA key with these contents of its two INTEGERs.
    fn rsa_key(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
        let numbers = [der(2, modulus), der(2, exponent)].concat();
        let bits = [&[0], der(0x30, &numbers).as_slice()].concat();
        der(0x30, &[der(0x30, RSA_ALGORITHM), der(3, &bits)].concat())
    }

    fn modulus(first: &[u8], bytes: usize) -> Vec<u8> {
        [first, &vec![7; bytes - first.len()]].concat()
    }

    const EXPONENT: &[u8] = &[1, 0, 1];

    #[test]
    fn an_rsa_key_has_2048_bits_at_least() {
        let key = |modulus: &[u8]| PublicKey::from_spki(&rsa_key(modulus, EXPONENT));
        assert_eq!(key(&modulus(&[0, 0x80], 257)).unwrap().algorithm, Algorithm::Rsa);
        assert_eq!(key(&modulus(&[0x7f], 257)).unwrap().algorithm, Algorithm::Rsa);
        assert_eq!(key(&modulus(&[0x7f], 256)), Err(SMALL_RSA));
        assert_eq!(key(&modulus(&[0, 0x80], 129)), Err(SMALL_RSA));
        assert_eq!(key(&[3]), Err(SMALL_RSA));
    }

    #[test]
    fn a_key_has_one_encoding_only() {
        let good = rsa_key(&modulus(&[0, 0x80], 257), EXPONENT);
        assert!(PublicKey::from_spki(&good).is_ok());
        for bad in [
            rsa_key(&modulus(&[0, 0, 0x80], 258), EXPONENT),
            rsa_key(&modulus(&[0x80], 256), EXPONENT),
            rsa_key(&modulus(&[0, 0x80], 257), &[0, 1, 0, 1]),
            rsa_key(&modulus(&[0, 0x80], 257), &[0x81]),
            rsa_key(&modulus(&[0, 0x80], 257), &[]),
            [good.as_slice(), &[0]].concat(),
            good[..good.len() - 1].to_vec(),
            vec![],
        ] {
            assert!(PublicKey::from_spki(&bad).is_err());
        }
    }

    #[test]
    fn lengths_are_written_as_short_as_they_go() {
        assert_eq!(tlv(&[2, 1, 5, 6], 2), Some((&[5][..], &[6][..])));
        for bad in
            [&[2, 0x81, 1, 5][..], &[2, 0x82, 0, 1, 5], &[2, 0x80, 5, 0, 0], &[2, 2, 5], &[3, 1, 5]]
        {
            assert_eq!(tlv(bad, 2), None, "{bad:?}");
        }
    }

    #[test]
    fn points_are_uncompressed_and_of_the_length_of_their_curve() {
        for (head, length) in [(P256, 65), (P384, 97)] {
            let point = |first: u8, length: usize| {
                let mut point = vec![1; length];
                point[0] = first;
                PublicKey::from_spki(&[head, point.as_slice()].concat())
            };
            assert!(point(4, length).is_ok());
            assert!(point(2, length).is_err() && point(4, length - 1).is_err());
            assert!(point(4, length + 1).is_err());
        }
        assert!(PublicKey::from_ed25519(&[1; 32]).is_ok());
        assert!(PublicKey::from_ed25519(&[1; 31]).is_err());
    }
}
