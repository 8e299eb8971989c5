//! Reads a journal from its directory: lines in order, and blobs by digest. What they mean is
//! judged by `portreeve-replay`, which opens no file.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use portreeve_protocol::{BlobSource, Entry, ProtocolError, Sha256, codec, limits};
use portreeve_replay::{Line, ReplayError};

use super::layout;
use crate::HostError;

/// A journal on disk, opened for reading. It may be read while a node writes it: then its last line
/// may be cut off.
#[derive(Debug, Clone)]
pub struct Journal {
    dir: PathBuf,
    segments: Vec<PathBuf>,
}

impl Journal {
    /// The journal in `dir`, or in the `journal` below it. A directory without segments is a
    /// journal without lines.
    ///
    /// # Errors
    /// `File` if the directory cannot be read.
    pub fn open(dir: &Path) -> Result<Self, HostError> {
        let dir = layout::find(dir);
        let segments = layout::list(&dir)?.into_iter().map(|(_, path)| path).collect();
        Ok(Self { dir, segments })
    }

    /// The directory that holds the segments' directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The segments' files, in order.
    #[must_use]
    pub fn segments(&self) -> &[PathBuf] {
        &self.segments
    }

    /// The journal without the segments before number `first`.
    #[must_use]
    pub fn since(mut self, first: u32) -> Self {
        self.segments.retain(|segment| layout::number(segment) >= Some(first));
        self
    }

    /// The journal from the last segment on with which it can be begun: one that opens with an
    /// intact start or checkpoint. All of it, if there is none.
    #[must_use]
    pub fn tail(mut self) -> Self {
        let last = self.segments.iter().rposition(|segment| begins(segment)).unwrap_or(0);
        self.segments.drain(..last);
        self
    }

    /// Whether the first line is an intact record with which no journal can be begun, so that what
    /// it follows would have to be read before.
    #[must_use]
    pub fn opens_midway(&self) -> bool {
        let first = self.segments.first().and_then(|segment| opening(segment));
        first.is_some_and(|entry| !entry.is_beginning())
    }

    /// All lines, segment by segment. After an error there are no more.
    #[must_use]
    pub fn lines(&self) -> Lines {
        Lines { begun: false, open: None, segments: self.segments.clone().into_iter() }
    }

    /// The blobs beside the segments.
    #[must_use]
    pub fn blobs(&self) -> FileBlobs {
        FileBlobs { dir: self.dir.clone() }
    }
}

/// The lines of a journal.
#[derive(Debug)]
pub struct Lines {
    /// Whether a segment was opened.
    begun: bool,
    open: Option<Open>,
    segments: std::vec::IntoIter<PathBuf>,
}

#[derive(Debug)]
struct Open {
    file: BufReader<File>,
    number: u64,
    segment: Arc<str>,
}

impl Iterator for Lines {
    type Item = Result<Line, ReplayError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some(open) = &mut self.open else {
                let path = self.segments.next()?;
                match open_segment(&path) {
                    Ok(open) => self.open = Some(open),
                    // Retention takes the oldest first: the journal begins with the next one now.
                    Err(error) if is_gone(&error) && !self.begun => continue,
                    Err(error) => return Some(Err(self.end(unreadable(&name(&path), &error)))),
                }
                self.begun = true;
                continue;
            };
            match open.line() {
                Ok(Some(line)) => return Some(Ok(line)),
                Ok(None) => self.open = None,
                Err(error) => return Some(Err(self.end(error))),
            }
        }
    }
}

impl Lines {
    fn end(&mut self, error: ReplayError) -> ReplayError {
        self.segments = Vec::new().into_iter();
        self.open = None;
        error
    }
}

impl Open {
    fn line(&mut self) -> Result<Option<Line>, ReplayError> {
        let bytes = line_of(&mut self.file).map_err(|error| unreadable(&self.segment, &error))?;
        if bytes.is_empty() {
            return Ok(None);
        }
        self.number += 1;
        Ok(Some(Line { bytes, number: self.number, segment: Arc::clone(&self.segment) }))
    }
}

/// The next line with its end, or what there is if it has none. It is what `read_until` of the
/// standard library does, with a quarter of its instructions: replay waits for this.
fn line_of(file: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
    line_within(limits::LINE_BYTES, file)
}

fn line_within(most: usize, file: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
    let mut line = Vec::new();
    loop {
        let ahead = match file.fill_buf() {
            Ok(ahead) => ahead,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let end = memchr::memchr(b'\n', ahead).map(|at| at + 1);
        let taken = end.unwrap_or(ahead.len());
        if line.len() + taken > most {
            let why = format!("a line has more than {most} bytes, which no record has");
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, why));
        }
        line.extend_from_slice(&ahead[..taken]);
        file.consume(taken);
        if end.is_some() || taken == 0 {
            return Ok(line);
        }
    }
}

/// Whether a journal can be begun with this segment.
pub(super) fn begins(segment: &Path) -> bool {
    opening(segment).is_some_and(|entry| entry.is_beginning())
}

/// The entry of a segment's first record, if that is intact.
fn opening(segment: &Path) -> Option<Entry> {
    let mut line = line_of(&mut BufReader::new(layout::open(segment).ok()?)).ok()?;
    line.pop().filter(|end| *end == b'\n')?;
    codec::read_line(&line).ok().map(|(record, _)| record.entry)
}

fn open_segment(path: &Path) -> std::io::Result<Open> {
    let file = BufReader::with_capacity(1 << 16, layout::open(path)?);
    Ok(Open { file, number: 0, segment: name(path).into() })
}

fn name(path: &Path) -> std::borrow::Cow<'_, str> {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy()
}

fn is_gone(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::NotFound
}

fn unreadable(segment: &str, error: &std::io::Error) -> ReplayError {
    let why = if is_gone(error) {
        "it was removed while the journal was being read; read it again".to_owned()
    } else {
        error.to_string()
    };
    ReplayError::Read { segment: segment.to_owned(), why }
}

/// The blobs in a journal's directory.
#[derive(Debug, Clone)]
pub struct FileBlobs {
    dir: PathBuf,
}

impl FileBlobs {
    /// The blobs in `dir`, laid out as a journal's.
    #[must_use]
    pub fn of(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }
}

impl BlobSource for FileBlobs {
    fn bytes(&self, digest: &Sha256) -> Result<Arc<[u8]>, ProtocolError> {
        let unreadable = |error: std::io::Error| ProtocolError::BlobUnreadable {
            digest: *digest,
            why: error.to_string(),
        };
        let file = match layout::open(&layout::blob(&self.dir, digest)) {
            Ok(file) => file,
            Err(error) if is_gone(&error) => {
                return Err(ProtocolError::BlobMissing { digest: *digest });
            }
            Err(error) => return Err(unreadable(error)),
        };
        let mut bytes = Vec::new();
        file.take(limits::RESOLVE_BYTES.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
        Ok(bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    #[test]
    fn a_line_ends_where_its_end_is_however_little_is_read_at_once() -> Outcome {
        let text = b"one\n\na longer line\nno end";
        for room in 1..=text.len() + 1 {
            let mut file = BufReader::with_capacity(room, &text[..]);
            for line in [&b"one\n"[..], b"\n", b"a longer line\n", b"no end", b"", b""] {
                assert_eq!(line_of(&mut file)?, line, "{room} bytes at once");
            }
        }
        Ok(())
    }

    #[test]
    fn a_line_longer_than_any_record_is_no_line_and_takes_no_more_room() -> Outcome {
        let text = b"12345678\n123456789";
        for room in 1..=text.len() + 1 {
            let mut file = BufReader::with_capacity(room, &text[..]);
            assert_eq!(line_within(9, &mut file)?, b"12345678\n");
            assert_eq!(line_within(9, &mut file)?, b"123456789");
            let mut file = BufReader::with_capacity(room, &text[..]);
            let error = line_within(8, &mut file).err().ok_or("it was read")?;
            assert!(error.to_string().contains("more than 8 bytes"), "{error}");
        }
        Ok(())
    }

    #[test]
    fn lines_come_in_order_of_segments_from_the_journal_below_the_directory() -> Outcome {
        let dir = tempfile::tempdir()?;
        let segments = layout::segments(&dir.path().join("journal"));
        std::fs::create_dir_all(&segments)?;
        std::fs::write(segments.join("00000010.ndjson"), "c\nd")?;
        std::fs::write(segments.join("00000002.ndjson"), "a\nb\n")?;
        std::fs::write(segments.join("00000003.ndjson"), "")?;
        std::fs::write(segments.join("notes.ndjson"), "z\n")?;
        std::fs::write(segments.join("00000004.ndjson.old"), "z\n")?;
        let journal = Journal::open(dir.path())?;
        assert_eq!(journal.dir(), dir.path().join("journal"));
        let lines: Vec<Line> = journal.lines().collect::<Result<_, _>>()?;
        let told: Vec<String> = lines
            .iter()
            .map(|line| {
                let text = String::from_utf8_lossy(&line.bytes);
                format!("{} {} {text:?}", line.segment, line.number)
            })
            .collect();
        assert_eq!(
            told,
            [
                "00000002.ndjson 1 \"a\\n\"",
                "00000002.ndjson 2 \"b\\n\"",
                "00000010.ndjson 1 \"c\\n\"",
                "00000010.ndjson 2 \"d\"",
            ]
        );
        Ok(())
    }

    #[test]
    fn a_segment_that_cannot_be_read_ends_the_lines_with_an_error() -> Outcome {
        let dir = tempfile::tempdir()?;
        let segments = layout::segments(dir.path());
        std::fs::create_dir_all(segments.join("00000001.ndjson"))?;
        std::fs::write(segments.join("00000002.ndjson"), "a\n")?;
        let lines: Vec<_> = Journal::open(dir.path())?.lines().collect();
        assert!(matches!(&lines[..], [Err(ReplayError::Read { segment, .. })]
            if segment == "00000001.ndjson"));
        Ok(())
    }

    #[test]
    fn a_segment_that_retention_removed_is_passed_over_before_the_first_and_an_error_after_it()
    -> Outcome {
        let dir = tempfile::tempdir()?;
        let segments = layout::segments(dir.path());
        std::fs::create_dir_all(&segments)?;
        for (number, text) in (1..).zip(["a\n", "b\n", "c\n", "d\n"]) {
            std::fs::write(layout::segment(dir.path(), number), text)?;
        }
        let mut lines = Journal::open(dir.path())?.lines();
        std::fs::remove_file(layout::segment(dir.path(), 1))?;
        assert_eq!(lines.next().ok_or("a line is left")??.bytes, b"b\n");
        std::fs::remove_file(layout::segment(dir.path(), 3))?;
        let error = lines.next().ok_or("the hole is told")?.err().ok_or("as an error")?;
        assert!(error.to_string().contains("read it again"), "{error}");
        assert!(lines.next().is_none());
        Ok(())
    }

    #[test]
    fn a_blob_that_is_not_there_is_missing() -> Outcome {
        let dir = tempfile::tempdir()?;
        let digest = Sha256::of(b"nothing");
        let missing = Journal::open(dir.path())?.blobs().bytes(&digest);
        assert_eq!(missing, Err(ProtocolError::BlobMissing { digest }));
        Ok(())
    }
}
