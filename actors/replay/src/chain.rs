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

/// Reads records off lines. After a `Broken` or `Torn` it must not be asked for more records.
pub(crate) struct Chain<I: Iterator<Item = Result<Line, ReplayError>>> {
    lines: Peekable<I>,
    /// Whether the decisions of deliveries are left as text.
    undecided: bool,
    prev: Option<Sha256>,
}

impl<I: Iterator<Item = Result<Line, ReplayError>>> Chain<I> {
    pub(crate) fn new(lines: I) -> Self {
        Self { lines: lines.peekable(), undecided: false, prev: None }
    }

    /// The same, leaving decisions of deliveries as text.
    pub(crate) fn undecided(self) -> Self {
        Self { undecided: true, ..self }
    }

    /// The hash of the last good record.
    pub(crate) fn prev(&self) -> Sha256 {
        self.prev.unwrap_or(Sha256::ZERO)
    }

    /// The lines that were not read yet, as they are.
    pub(crate) fn rest(self) -> impl Iterator<Item = Result<Line, ReplayError>> {
        self.lines
    }

    /// The next line; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Link>, ReplayError> {
        let Some(line) = self.lines.next().transpose()? else {
            return Ok(None);
        };
        let bytes = line.bytes.len() as u64;
        let at = At { bytes, line: line.number, segment: line.segment };
        let Some(body) = line.bytes.strip_suffix(b"\n") else {
            return Ok(Some(self.cut_off(at)));
        };
        let read = if self.undecided {
            codec::read_undecided(body)
        } else {
            let whole = |(record, hash)| Undecided { decisions: None, hash, record };
            codec::read_line(body).map(whole)
        };
        Ok(Some(match read {
            Ok(Undecided { decisions, hash, record }) if self.goes_on_with(&record) => {
                self.prev = Some(hash);
                Link::Record { at, decisions, record: Box::new(record) }
            }
            Ok(Undecided { record, .. }) => {
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

/// A line that was read and checked by itself and against the one before: a record of the chain, or
/// what is wrong there.
pub struct Checked(pub(crate) Link);

/// What [`checked`] gives.
pub struct CheckedLines<I: Iterator<Item = Result<Line, ReplayError>>> {
    /// `None` behind the first thing that is wrong.
    chain: Option<Chain<I>>,
}

/// Reads and checks lines, up to the end or to the first thing that is wrong.
///
/// It is the part of a verification that needs no machines, so it can run ahead of them on a
/// thread of its own; see [`crate::verify_checked`].
pub fn checked<I: Iterator<Item = Result<Line, ReplayError>>>(lines: I) -> CheckedLines<I> {
    CheckedLines { chain: Some(Chain::new(lines).undecided()) }
}

impl<I: Iterator<Item = Result<Line, ReplayError>>> Iterator for CheckedLines<I> {
    type Item = Result<Checked, ReplayError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.chain.as_mut()?.next();
        if !matches!(next, Ok(Some(Link::Record { .. }))) {
            self.chain = None;
        }
        Some(next.transpose()?.map(Checked))
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
