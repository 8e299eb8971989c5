//! SHA-256 digests, the one name for content everywhere in Portreeve.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::ProtocolError;
use crate::json::Plain;
use crate::text::read_from_text;

/// A SHA-256 digest; written as 64 lower-case hexadecimal digits, without the `sha256:` prefix.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256([u8; 32]);

impl Sha256 {
    /// The digest of nothing, standing where a chain begins.
    pub const ZERO: Self = Self([0; 32]);

    /// Hashes `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
        let mut raw = [0; 32];
        raw.copy_from_slice(hash.as_ref());
        Self(raw)
    }

    /// Takes a raw 32-byte digest as it is; `None` for any other length.
    #[must_use]
    pub fn from_raw(raw: &[u8]) -> Option<Self> {
        raw.try_into().ok().map(Self)
    }

    /// The raw 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn to_hex(&self) -> String {
        str::from_utf8(&self.hex_digits()).unwrap_or_default().to_owned()
    }

    /// 64 lower-case hexadecimal digits, as ASCII bytes.
    #[must_use]
    pub fn hex_digits(&self) -> [u8; 64] {
        let mut text = [0; 64];
        for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(&self.0) {
            *pair = [digit(byte >> 4), digit(byte & 15)];
        }
        text
    }

    /// The form image references carry: `sha256:` and the hexadecimal digits.
    #[must_use]
    pub fn to_oci(&self) -> String {
        let mut text = String::with_capacity(71);
        text.push_str("sha256:");
        text.push_str(str::from_utf8(&self.hex_digits()).unwrap_or_default());
        text
    }
}

/// The digit of a number below 16. It is reckoned and not looked up, so that the compiler does many
/// at once.
const fn digit(number: u8) -> u8 {
    const BEHIND_NINE: u8 = b'a' - b'9' - 1;
    number + b'0' + if number > 9 { BEHIND_NINE } else { 0 }
}

impl FromStr for Sha256 {
    type Err = ProtocolError;

    fn from_str(text: &str) -> Result<Self, ProtocolError> {
        let malformed = || ProtocolError::Digest { text: text.chars().take(80).collect() };
        let digits: &[u8; 64] = text.as_bytes().try_into().map_err(|_| malformed())?;
        let mut raw = [0; 32];
        let mut all = 0;
        for (byte, pair) in raw.iter_mut().zip(digits.as_chunks::<2>().0) {
            let [high, low] = pair.map(|digit| NIBBLES[usize::from(digit)]);
            *byte = high << 4 | low & 15;
            all |= high | low;
        }
        if all > 15 { Err(malformed()) } else { Ok(Self(raw)) }
    }
}

/// The value of every byte that is a digit; more than 15 for every other.
const NIBBLES: [u8; 256] = {
    let mut nibbles = [u8::MAX; 256];
    let mut value = 0;
    while value < 16 {
        // Lossless: it is below 16.
        nibbles[digit(value as u8) as usize] = value as u8;
        value += 1;
    }
    nibbles
};

impl Serialize for Sha256 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let digits = self.hex_digits();
        Plain(str::from_utf8(&digits).unwrap_or_default()).serialize(serializer)
    }
}

read_from_text!(Sha256, "64 lower-case hexadecimal digits");

impl fmt::Display for Sha256 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(str::from_utf8(&self.hex_digits()).unwrap_or_default())
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(str::from_utf8(&self.hex_digits()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_back_what_it_wrote() {
        let digest = Sha256::of(b"abc");
        assert_eq!(
            digest.to_hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(digest.to_hex().parse::<Sha256>(), Ok(digest));
    }

    #[test]
    fn upper_case_or_short_digests_are_refused() {
        assert!("AB".repeat(32).parse::<Sha256>().is_err());
        assert!("ab".repeat(31).parse::<Sha256>().is_err());
    }
}
