//! Which blobs a segment names: noted while it is written, or found by reading it.

use std::collections::BTreeSet;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use portreeve_protocol::Sha256;

use super::layout;
use super::stored::{SPAN, Stored};

/// Bytes that are read in one go.
const CHUNK: u64 = 1 << 18;

/// The blobs that a segment names, as far as that is known.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    digests: BTreeSet<Sha256>,
    /// Bytes of the segment whose names are known.
    known: u64,
}

impl Names {
    /// The digests of the blobs.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Sha256> {
        self.digests.iter()
    }

    /// Notes that the next `bytes` of the segment, which end with a line, name `digests`.
    pub(super) fn note(&mut self, bytes: u64, digests: impl IntoIterator<Item = Sha256>) {
        self.digests.extend(digests);
        self.known += bytes;
    }

    /// Reads what was added to the segment at `path`, and adds what of `stored` is named there.
    ///
    /// # Errors
    /// What reading the file ends with.
    pub(super) fn read_on(&mut self, path: &Path, stored: &Stored) -> io::Result<()> {
        let mut file = layout::open(path)?;
        // A name may have been cut in two by the end that was read last.
        self.known = file.seek(SeekFrom::Start(self.known.saturating_sub(SPAN as u64)))?;
        let mut bytes = Vec::new();
        loop {
            bytes.drain(..bytes.len().saturating_sub(SPAN));
            let read = file.by_ref().take(CHUNK).read_to_end(&mut bytes)?;
            if read == 0 {
                return Ok(());
            }
            self.known += read as u64;
            self.digests.extend(stored.named_in(&bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn names_are_found_wherever_a_segment_ended_when_it_was_read(
            mut ends in proptest::collection::vec(0_usize..600, 0..6)
        ) {
            let named: BTreeSet<_> = (0..9_u8).map(|number| Sha256::of(&[number])).collect();
            let stored = named.iter().copied().collect();
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
            prop_assert_eq!(names.known, text.len() as u64);
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
            names.read_on(file.path(), &Stored::from_iter([stored]))?;
            assert_eq!(names.iter().collect::<Vec<_>>(), [&stored], "after {before} bytes");
        }
        Ok(())
    }
}
