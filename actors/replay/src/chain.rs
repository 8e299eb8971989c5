//! From lines to records: every line is checked by itself and against the one before it.

use std::iter::Peekable;
use std::sync::Arc;

use portreeve_protocol::codec::Undecided;
use portreeve_protocol::{ProtocolError, Record, Sha256, codec};

use crate::{FindingKind, Line, ReplayError, TornTail};

/// Where a record stands.
#[derive(Debug, Clone)]
pub(crate) struct At {
    /// Bytes of the line, its newline included.
    pub(crate) bytes: u64,
    pub(crate) line: u64,
    pub(crate) segment: Arc<str>,
}

impl At {
    /// That the journal is damaged here, as `why` says.
    pub(crate) fn damaged(&self, why: String) -> ReplayError {
        ReplayError::Damaged { segment: self.segment.to_string(), line: self.line, why }
    }

    /// That the record here is of a newer schema, as `why` says.
    pub(crate) fn newer(&self, why: String) -> ReplayError {
        ReplayError::NewerSchema { segment: self.segment.to_string(), line: self.line, why }
    }
}

/// What the next line turned out to be.
pub(crate) enum Link {
    /// Something else than the next record of the chain.
    Broken { at: At, kind: FindingKind, text: String },
    /// The next record. Of a delivery, `decisions` may be the text of what is missing in it.
    Record { at: At, decisions: Option<Box<str>>, record: Box<Record> },
    /// The last line, cut off.
    Torn(TornTail),
}

/// A line that was read and checked by itself, but not against the one before.
///
/// That needs no other line and no machine, so it can be done ahead of them, for many lines at once
/// on threads of their own; see [`crate::verify_examined`].
pub struct Examined {
    at: At,
    /// `None` if the line has no end.
    read: Option<Result<Read, ProtocolError>>,
}

/// The record of a line.
struct Read {
    /// Of a delivery, the text of what is missing in the record.
    decisions: Option<Box<str>>,
    hash: Sha256,
    record: Box<Record>,
}

/// Reads a line and checks it by itself: its hash, its form. Decisions of deliveries are left as
/// text.
#[must_use]
pub fn examine(line: Line) -> Examined {
    Examined::of(line, codec::read_undecided)
}

impl Examined {
    fn of(line: Line, read: impl FnOnce(&[u8]) -> Result<Undecided, ProtocolError>) -> Self {
        let bytes = line.bytes.len() as u64;
        let boxed = |Undecided { decisions, hash, record }| {
            let record = Box::new(record);
            Read { decisions, hash, record }
        };
        let read = line.bytes.strip_suffix(b"\n").map(|body| read(body).map(boxed));
        Self { at: At { bytes, line: line.number, segment: line.segment }, read }
    }
}

/// What a chain is made of.
pub(crate) trait Examine {
    fn examine(self) -> Examined;
}

impl Examine for Examined {
    fn examine(self) -> Examined {
        self
    }
}

/// A line of which nobody has read anything yet; the decisions of deliveries are read, too.
impl Examine for Line {
    fn examine(self) -> Examined {
        let whole = |(record, hash)| Undecided { decisions: None, hash, record };
        Examined::of(self, |body| codec::read_line(body).map(whole))
    }
}

/// Reads records off lines. After a `Broken` or `Torn` it must not be asked for more records.
pub(crate) struct Chain<L: Examine, I: Iterator<Item = Result<L, ReplayError>>> {
    lines: Peekable<I>,
    prev: Option<Sha256>,
}

impl<L: Examine, I: Iterator<Item = Result<L, ReplayError>>> Chain<L, I> {
    pub(crate) fn new(lines: I) -> Self {
        Self { lines: lines.peekable(), prev: None }
    }

    /// The hash of the last good record.
    pub(crate) fn prev(&self) -> Sha256 {
        self.prev.unwrap_or(Sha256::ZERO)
    }

    /// The lines that were not read yet, as they are.
    pub(crate) fn rest(self) -> impl Iterator<Item = Result<L, ReplayError>> {
        self.lines
    }

    /// The next line; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Link>, ReplayError> {
        let Some(line) = self.lines.next().transpose()? else {
            return Ok(None);
        };
        let Examined { at, read } = line.examine();
        let Some(read) = read else {
            return Ok(Some(self.cut_off(at)));
        };
        Ok(Some(match read {
            Ok(Read { decisions, hash, record }) if self.goes_on_with(&record) => {
                self.prev = Some(hash);
                Link::Record { at, decisions, record }
            }
            Ok(Read { record, .. }) => {
                let text = format!(
                    "the record says it follows {}, but the record before it hashes to {}: \
                     records are missing here, or in another order",
                    record.prev,
                    self.prev()
                );
                Link::Broken { at, kind: FindingKind::BrokenChain, text }
            }
            Err(error) => Link::Broken { at, kind: kind_of(&error), text: error.to_string() },
        }))
    }

    /// Whether the record may come next. The first one follows nothing, unless the journal can be
    /// begun with it: then what it follows may have been removed.
    fn goes_on_with(&self, record: &Record) -> bool {
        let begins = record.entry.is_beginning();
        match self.prev {
            Some(prev) => record.prev == prev,
            None => begins || record.prev == Sha256::ZERO,
        }
    }

    fn cut_off(&mut self, at: At) -> Link {
        if self.lines.peek().is_none() {
            return Link::Torn(TornTail { bytes: at.bytes, line: at.line, segment: at.segment });
        }
        let text = "the line has no end, but the journal goes on behind it".to_owned();
        Link::Broken { at, kind: FindingKind::Unparsable, text }
    }
}

/// Whether what cannot be read is a whole record of a newer schema. Its hash was held against it
/// already.
pub(crate) const fn is_newer(error: &ProtocolError) -> bool {
    matches!(error, ProtocolError::Schema { version, known } if *version > *known)
}

fn kind_of(error: &ProtocolError) -> FindingKind {
    if is_newer(error) {
        FindingKind::NewerSchema
    } else if matches!(error, ProtocolError::RecordHash { .. }) {
        FindingKind::AlteredRecord
    } else {
        FindingKind::Unparsable
    }
}
