//! Which blobs are stored, and which of them a text names: found by their look, so that nothing
//! needs to know every place of a record that can name one.

use std::collections::BTreeSet;

use portreeve_protocol::Sha256;

/// Digits of a digest, as text.
const DIGITS: usize = 64;
/// From the quote before a digest to the quote after it.
pub(super) const SPAN: usize = DIGITS + 1;
/// Of so many bytes one is looked at first.
const STRIDE: usize = 16;

/// The digests of the blobs that are stored.
#[derive(Debug, Default)]
pub(super) struct Stored {
    begins: Begins,
    digests: BTreeSet<Sha256>,
}

impl Stored {
    /// Adds one.
    pub(super) fn insert(&mut self, digest: Sha256) {
        self.begins.insert(&digest);
        self.digests.insert(digest);
    }

    /// Takes one away.
    pub(super) fn remove(&mut self, digest: &Sha256) {
        self.digests.remove(digest);
    }

    /// Those that `bytes` names. Whatever looks like the digest of a stored blob counts as its
    /// name: too many are kept rather than too few.
    pub(super) fn named_in(&self, bytes: &[u8]) -> Vec<Sha256> {
        let mut named = Vec::new();
        // A digest lies over four of the places that are looked at, whichever they are, and little
        // else has digits at four of them in a row.
        let mut digits = 0;
        for (block, first) in bytes.iter().step_by(STRIDE).enumerate() {
            digits = if is_digit(*first) { digits + 1 } else { 0 };
            if digits >= DIGITS / STRIDE {
                let over = (block + 1) * STRIDE - DIGITS;
                named.extend(self.named_over(bytes, over));
            }
        }
        named
    }

    /// The one whose digits begin at most [`STRIDE`] bytes before the byte `at`, if one is.
    fn named_over(&self, bytes: &[u8], at: usize) -> Option<Sha256> {
        let before = at.saturating_sub(STRIDE);
        let quote = bytes.get(before..at)?.iter().rposition(|byte| *byte == b'"')?;
        let rest = bytes.get(before + quote + 1..)?;
        if rest.get(DIGITS) != Some(&b'"') || !self.begins.holds(rest) {
            return None;
        }
        let digest = std::str::from_utf8(rest.get(..DIGITS)?).ok()?.parse().ok()?;
        self.digests.contains(&digest).then_some(digest)
    }
}

impl FromIterator<Sha256> for Stored {
    fn from_iter<T: IntoIterator<Item = Sha256>>(digests: T) -> Self {
        let mut stored = Self::default();
        digests.into_iter().for_each(|digest| stored.insert(digest));
        stored
    }
}

/// The first two bytes of digests. Most of what looks like a digest is none of a blob, and does not
/// begin like one; what begins like one that is gone only costs another look.
#[derive(Debug)]
struct Begins(Box<[u64; 1 << 10]>);

impl Default for Begins {
    fn default() -> Self {
        Self(Box::new([0; 1 << 10]))
    }
}

impl Begins {
    fn insert(&mut self, digest: &Sha256) {
        let [first, second, ..] = *digest.as_bytes();
        let (word, bit) = place((first, second));
        self.0[word] |= bit;
    }

    /// Whether one begins as these hexadecimal digits say.
    fn holds(&self, digits: &[u8]) -> bool {
        let digit = |at: usize| char::from(*digits.get(at)?).to_digit(16);
        let byte = |at: usize| u8::try_from(digit(at)? << 4 | digit(at + 1)?).ok();
        let Some((word, bit)) = byte(0).zip(byte(2)).map(place) else { return false };
        self.0[word] & bit != 0
    }
}

/// The word and the bit of it that stand for the first two bytes of a digest.
fn place((first, second): (u8, u8)) -> (usize, u64) {
    (usize::from(first) << 2 | usize::from(second >> 6), 1 << (second & 63))
}

/// Whether digests are written with it.
const fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit() | matches!(byte, b'a'..=b'f')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same by the plain way: what lies between one quote and the next.
    fn plainly(bytes: &[u8]) -> Vec<Sha256> {
        let texts: Vec<_> = bytes.split(|byte| *byte == b'"').collect();
        let inner = texts.iter().skip(1).take(texts.len().saturating_sub(2));
        let digits = inner.filter(|text| text.len() == 64);
        digits.filter_map(|text| std::str::from_utf8(text).ok()?.parse().ok()).collect()
    }

    fn piece() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            Just(b"\"".to_vec()),
            any::<[u8; 1]>().prop_map(|text| Sha256::of(&text).to_hex().into_bytes()),
            proptest::collection::vec(any::<u8>(), 0..130),
            "[0-9a-f]{60,68}".prop_map(String::into_bytes),
            "\"[0-9a-f]{63,65}\"".prop_map(String::into_bytes),
        ]
    }

    proptest! {
        #[test]
        fn what_stands_between_quotes_as_a_digest_is_found_and_nothing_else(
            pieces in proptest::collection::vec(piece(), 0..12)
        ) {
            let bytes = pieces.concat();
            let all = plainly(&bytes);
            let stored: Stored = all.iter().copied().collect();
            prop_assert_eq!(stored.named_in(&bytes), all.clone());
            let even = |digest: &Sha256| digest.as_bytes()[31].is_multiple_of(2);
            let some: Stored = all.iter().copied().filter(even).collect();
            let kept: Vec<_> = all.into_iter().filter(even).collect();
            prop_assert_eq!(some.named_in(&bytes), kept);
        }
    }

    #[test]
    fn what_is_stored_no_more_is_not_named_and_what_begins_like_it_is() {
        let [one, other] = [0, 1].map(|last| {
            let mut raw = [7; 32];
            raw[31] = last;
            raw
        });
        let [one, other] = [one, other].map(|raw| Sha256::from_raw(&raw).unwrap_or(Sha256::ZERO));
        let text = format!("{{\"a\":\"{one}\",\"b\":\"{other}\"}}");
        let mut stored: Stored = [one, other].into_iter().collect();
        assert_eq!(stored.named_in(text.as_bytes()), [one, other]);
        stored.remove(&one);
        assert_eq!(stored.named_in(text.as_bytes()), [other]);
    }
}
