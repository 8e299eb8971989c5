//! Old segments go, whole ones and the oldest first, and with them the blobs that nothing names any
//! more, so that a journal keeps within its bounds.
//!
//! What is left always begins with a start or a checkpoint, so that it can be run again, and holds
//! every blob that it names. Segments go for good before the first blob does: a crash in between
//! leaves blobs that nobody names, which the next removal takes, and never a name without a blob.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use portreeve_protocol::{Sha256, limits};

use super::disk::Room;
use super::layout;
use super::reader::begins;
use super::shelf::Shelf;
use super::stock::{Stock, names};
use crate::HostError;

/// How much of a journal is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Time after which a segment goes, from when it was last written; `None` for never.
    pub max_age: Option<Duration>,
    /// Bytes of all segments and blobs together; the newest segments are kept whatever they have.
    pub max_bytes: u64,
    /// Free bytes of the volume below which segments go before their time; at most a quarter of
    /// the volume counts. Below an eighth of that nothing is written. 0 for neither.
    pub min_free: u64,
}

impl Default for Retention {
    fn default() -> Self {
        let (max_bytes, min_free) = (limits::JOURNAL_BYTES, limits::JOURNAL_FREE);
        Self { max_age: None, max_bytes, min_free }
    }
}

impl Retention {
    /// Free bytes of a volume below which segments go before their time.
    #[must_use]
    pub fn floor(&self, room: Room) -> u64 {
        self.min_free.min(room.total / 4)
    }

    /// Free bytes of a volume below which nothing is written.
    #[must_use]
    pub fn last_floor(&self, room: Room) -> u64 {
        self.floor(room) / 8
    }

    /// Bytes that a journal may have which has `used` now.
    fn most(&self, used: u64, room: Option<Room>) -> u64 {
        let Some(room) = room else { return self.max_bytes };
        let floor = self.floor(room);
        if room.free >= floor {
            return self.max_bytes;
        }
        self.max_bytes.min(used.saturating_sub(floor - room.free))
    }
}

/// What was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Trimmed {
    pub(super) blobs: usize,
    pub(super) segments: usize,
}

/// The blobs that segments name which are not written any more, by number.
pub(super) type Named = BTreeMap<u32, BTreeSet<Sha256>>;

/// One removal of what is beyond the bounds; it was announced to the shelf.
pub(super) struct Removal<'a> {
    pub(super) bounds: Retention,
    pub(super) now: SystemTime,
    pub(super) shelf: &'a Shelf,
    /// Set to end it early, between two files.
    pub(super) stop: &'a AtomicBool,
}

impl Removal<'_> {
    /// Removes what is beyond the bounds. The last segment with which the journal can be begun,
    /// what follows it, and all that these name, stays.
    ///
    /// # Errors
    /// `File` for what cannot be listed, read or removed; what went before is gone.
    pub(super) fn run(&self, named: &mut Named) -> Result<Trimmed, HostError> {
        let mut stock = Stock::of(self.shelf.dir(), self.bounds.max_age, self.now)?;
        let room = self.shelf.disk().room(self.shelf.dir()).ok();
        let used = stock.bytes();
        let most = self.bounds.most(used, room);
        if used <= most && !stock.segments.iter().any(|segment| segment.old) {
            return Ok(Trimmed::default());
        }
        let Some(last) = stock.segments.iter().rposition(|segment| begins(&segment.path)) else {
            return Ok(Trimmed::default());
        };
        if !self.learn(&stock, named)? {
            return Ok(Trimmed::default());
        }
        let end = stock.end(last, most, named);
        let segments = self.segments(&stock, end)?;
        let gone: Vec<_> = stock.segments.drain(..segments).collect();
        stock.segments.iter().for_each(|segment| stock.kept.extend(of(named, segment.number)));
        let blobs = self.blobs(&stock)?;
        for segment in gone {
            named.remove(&segment.number);
        }
        Ok(Trimmed { blobs, segments })
    }

    /// Learns what each segment names; false if it was stopped. The newest may still be written,
    /// so what it names is looked up each time.
    fn learn(&self, stock: &Stock, named: &mut Named) -> Result<bool, HostError> {
        let newest = stock.segments.last().map(|segment| segment.number);
        for segment in &stock.segments {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(false);
            }
            if Some(segment.number) == newest || !named.contains_key(&segment.number) {
                let found = names(&segment.path, &stock.blobs)
                    .map_err(|source| file("cannot read", &segment.path, source))?;
                named.insert(segment.number, found);
            }
        }
        Ok(true)
    }

    /// Removes the first `end` segments for good; how many went.
    fn segments(&self, stock: &Stock, end: usize) -> Result<usize, HostError> {
        let directory = layout::segments(self.shelf.dir());
        let mut removed = 0;
        for segment in stock.segments.iter().take(end) {
            // In order and each for good, so that what is left never has a hole.
            let (disk, path) = (self.shelf.disk(), &segment.path);
            disk.remove(path)
                .and_then(|()| disk.settle(&directory))
                .map_err(|source| file("cannot remove", path, source))?;
            self.shelf.shrank(segment.length);
            removed += 1;
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
        }
        Ok(removed)
    }

    /// Removes the blobs that nothing names, and what crashes left; how many blobs went.
    fn blobs(&self, stock: &Stock) -> Result<usize, HostError> {
        let dir = self.shelf.dir();
        let first = stock.segments.first().map_or(0, |segment| segment.number);
        for leftover in stock.leftovers.iter().filter(|leftover| leftover.is_of_before(first)) {
            self.shelf
                .remove_leftover(&leftover.path)
                .map_err(|source| file("cannot remove", &leftover.path, source))?;
            self.shelf.shrank(leftover.length);
        }
        let mut removed = 0;
        for (digest, bytes) in stock.blobs.iter().filter(|(digest, _)| !stock.kept.contains(digest))
        {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            let gone = self.shelf.remove(digest);
            if gone.map_err(|source| file("cannot remove", &layout::blob(dir, digest), source))? {
                self.shelf.shrank(*bytes);
                removed += 1;
            }
        }
        Ok(removed)
    }
}

/// What the segment of this number names.
pub(super) fn of(named: &Named, number: u32) -> impl Iterator<Item = &Sha256> {
    named.get(&number).into_iter().flatten()
}

fn file(what: &'static str, path: &Path, source: std::io::Error) -> HostError {
    HostError::File { what, path: path.to_owned(), source }
}
