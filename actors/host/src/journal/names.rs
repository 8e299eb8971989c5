//! Which blobs a segment names, found by their look, so that nothing needs to know every place of a
//! record that can name one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use portreeve_protocol::Sha256;

/// From the quote before a digest to the quote after it: 64 digits lie between them.
const SPAN: usize = 65;
/// Places that are looked at in one go: the compiler makes a few wide comparisons of them.
const BLOCK: usize = 64;
/// Bytes that are read in one go.
const CHUNK: u64 = 1 << 18;

/// The blobs that a segment names, as far as it was read.
#[derive(Debug, Default)]
pub(super) struct Names {
    digests: BTreeSet<Sha256>,
    read: u64,
}

impl Names {
    /// The digests of the blobs.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Sha256> {
        self.digests.iter()
    }

    /// Reads what was added to the segment at `path`, and adds what of `stored` is named there.
    /// Whatever looks like the digest of a blob counts as its name: too many are kept rather than
    /// too few.
    ///
    /// # Errors
    /// What reading the file ends with.
    pub(super) fn read_on(
        &mut self,
        path: &Path,
        stored: &BTreeMap<Sha256, u64>,
    ) -> io::Result<()> {
        // Most of what looks like a digest is none of a blob, and does not begin like one.
        let mut first = [false; 256];
        stored.keys().for_each(|digest| first[usize::from(digest.as_bytes()[0])] = true);
        let mut file = File::open(path)?;
        // A name may have been cut in two by the end that was read last.
        self.read = file.seek(SeekFrom::Start(self.read.saturating_sub(SPAN as u64)))?;
        let mut bytes = Vec::new();
        loop {
            bytes.drain(..bytes.len().saturating_sub(SPAN));
            let read = file.by_ref().take(CHUNK).read_to_end(&mut bytes)?;
            if read == 0 {
                return Ok(());
            }
            self.read += read as u64;
            let found = digests(&bytes, &first);
            self.digests.extend(found.filter(|digest| stored.contains_key(digest)));
        }
    }
}

/// The digests in `bytes` whose first byte is one of `first`: 64 digits between quotes. Few of the
/// thousands of bytes of a record are a quote that is followed by another one at this distance.
fn digests(bytes: &[u8], first: &[bool; 256]) -> impl Iterator<Item = Sha256> {
    let closing = bytes.get(SPAN..).unwrap_or_default();
    let blocks = bytes.chunks(BLOCK).zip(closing.chunks(BLOCK)).enumerate();
    let blocks = blocks.filter(|(_, (opening, closing))| {
        opening
            .iter()
            .zip(*closing)
            .fold(false, |any, (opening, closing)| any | both(opening, closing))
    });
    let begins = blocks.flat_map(|(block, (opening, closing))| {
        let pairs = opening.iter().zip(closing).enumerate();
        pairs
            .filter(|(_, (opening, closing))| both(opening, closing))
            .map(move |(at, _)| block * BLOCK + at + 1)
    });
    let wanted = |digits: &[u8]| first_byte(digits).is_some_and(|byte| first[usize::from(byte)]);
    begins.filter_map(move |begin| {
        let digits = bytes.get(begin..begin + SPAN - 1).filter(|digits| wanted(digits))?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    })
}

/// The byte that the first two digits stand for.
fn first_byte(digits: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*digits.get(at)?).to_digit(16);
    u8::try_from(digit(0)? << 4 | digit(1)?).ok()
}

/// Whether both are quotes; without a branch, so that many are compared at once.
const fn both(opening: &u8, closing: &u8) -> bool {
    (*opening == b'"') & (*closing == b'"')
}

#[cfg(test)]
mod tests {
    use std::io::Write;

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
            prop_assert_eq!(digests(&bytes, &[true; 256]).collect::<Vec<_>>(), all.clone());
            let even: [bool; 256] = std::array::from_fn(|byte| byte % 2 == 0);
            let kept = all.into_iter().filter(|digest| digest.as_bytes()[0] % 2 == 0);
            prop_assert_eq!(digests(&bytes, &even).collect::<Vec<_>>(), kept.collect::<Vec<_>>());
        }

        #[test]
        fn names_are_found_wherever_a_segment_ended_when_it_was_read(
            mut ends in proptest::collection::vec(0_usize..600, 0..6)
        ) {
            let named: BTreeSet<_> = (0..9_u8).map(|number| Sha256::of(&[number])).collect();
            let stored = named.iter().map(|digest| (*digest, 0)).collect();
            let line = |digest: &Sha256| format!("{{\"a\":\"{digest}\"}}\n");
            let text: String = named.iter().map(line).collect();
            ends.push(text.len());
            ends.sort_unstable();
            let mut file = tempfile::NamedTempFile::new()?;
            let (mut names, mut begin) = (Names::default(), 0);
            for end in ends {
                file.write_all(&text.as_bytes()[begin..end])?;
                names.read_on(file.path(), &stored)?;
                begin = end;
            }
            prop_assert_eq!(names.digests, named);
            prop_assert_eq!(names.read, text.len() as u64);
        }
    }

    #[test]
    fn names_beyond_one_read_are_found_and_what_is_not_stored_is_none() -> io::Result<()> {
        let [stored, other] = [b"stored", b"others"].map(|text| Sha256::of(text));
        for before in [CHUNK - 70, CHUNK - 10, CHUNK - 1, CHUNK, 3 * CHUNK + 7] {
            let filler = " ".repeat(before as usize);
            let mut file = tempfile::NamedTempFile::new()?;
            write!(file, "\"{other}\"{filler}\"{stored}\"")?;
            let mut names = Names::default();
            names.read_on(file.path(), &BTreeMap::from([(stored, 6)]))?;
            assert_eq!(names.iter().collect::<Vec<_>>(), [&stored], "after {before} bytes");
        }
        Ok(())
    }
}
