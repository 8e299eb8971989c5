//! Old segments go, whole ones and the oldest first, and with them the blobs that nothing names any
//! more, so that a journal keeps within its bounds.
//!
//! What is left always begins with a start or a checkpoint, so that it can be run again, and holds
//! every blob that it names. Segments go for good before the first blob does: a crash in between
//! leaves blobs that nobody names, which the next removal takes, and never a name without a blob.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use portreeve_protocol::{Sha256, limits};

use super::disk::Room;
use super::layout;
use super::names::Names;
use super::reader::begins;
use super::shelf::Shelf;
use super::stock::{Segment, Stock};
use super::stored::Stored;
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

/// Segments that are read before it must be known what they name, at each look.
const AHEAD: usize = 2;

/// The blobs that segments name, by number.
pub(super) type Named = BTreeMap<u32, Names>;

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
        // First, so that none of these segments is one that the stock has not seen.
        named.append(&mut self.shelf.take_ended());
        let mut stock = Stock::of(self.shelf.dir(), self.bounds.max_age, self.now)?;
        // Of those that a removal took, or that were cut back to nothing after an error.
        named.retain(|number, _| stock.has(*number));
        let room = self.shelf.disk().room(self.shelf.dir()).ok();
        let used = stock.bytes();
        let most = self.bounds.most(used, room);
        if used <= most && !stock.segments.iter().any(|segment| segment.old) {
            if used > most / 2 {
                self.learn_ahead(&stock, named)?;
            }
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
        stock.segments.drain(..segments);
        stock.segments.iter().for_each(|segment| stock.kept.extend(of(named, segment.number)));
        let blobs = self.blobs(&stock)?;
        Ok(Trimmed { blobs, segments })
    }

    /// Learns what each segment names; false if it was stopped. What was noted when it was written,
    /// or read before, is not read again, but a segment that was written since is read on.
    fn learn(&self, stock: &Stock, named: &mut Named) -> Result<bool, HostError> {
        let stored = stock.stored();
        for segment in &stock.segments {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(false);
            }
            learn_one(&stored, segment, named)?;
        }
        Ok(true)
    }

    /// Learns what a few more segments name before it must be known, so that not all of them are
    /// read in one go when the first is to be removed.
    fn learn_ahead(&self, stock: &Stock, named: &mut Named) -> Result<(), HostError> {
        let unread = stock.segments.iter().filter(|segment| !named.contains_key(&segment.number));
        let next: Vec<_> = unread.take(AHEAD).collect();
        let stored = stock.stored();
        next.into_iter().try_for_each(|segment| learn_one(&stored, segment, named))
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

/// Learns what one segment names, as far as that is not known.
fn learn_one(stored: &Stored, segment: &Segment, named: &mut Named) -> Result<(), HostError> {
    let names = named.entry(segment.number).or_default();
    names
        .read_on(&segment.path, stored)
        .map_err(|source| file("cannot read", &segment.path, source))
}

/// What the segment of this number names.
pub(super) fn of(named: &Named, number: u32) -> impl Iterator<Item = &Sha256> {
    named.get(&number).into_iter().flat_map(Names::iter)
}

fn file(what: &'static str, path: &Path, source: std::io::Error) -> HostError {
    HostError::File { what, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;
    use std::sync::Arc;

    use portreeve_protocol::entry::{Restored, Started};
    use portreeve_protocol::{Blob, Entry, Settings, Wall, codec};

    use super::*;
    use crate::journal::FileSystem;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    /// A journal written by hand, of which nothing is removed but blobs that nobody names.
    struct Bench {
        dir: tempfile::TempDir,
        named: Named,
        shelf: Shelf,
    }

    impl Bench {
        fn new() -> std::io::Result<Self> {
            let dir = tempfile::tempdir()?;
            std::fs::create_dir_all(layout::segments(dir.path()))?;
            let shelf = Shelf::new(dir.path(), Arc::new(FileSystem));
            Ok(Self { dir, named: Named::new(), shelf })
        }

        fn begin(&self, segment: u32) -> Outcome {
            let started = Started {
                build: "test".to_owned(),
                incarnation: 1,
                jitter_seed: 0,
                node: "node-1".parse()?,
                restored: Restored::default(),
                rules: 1,
                settings: Settings::default(),
                settings_digest: Sha256::ZERO,
                wall: Wall(0),
            };
            let mut line = Vec::new();
            codec::write_line(&Entry::Started(Arc::new(started)), Sha256::ZERO, &mut line)?;
            Ok(self.open(segment)?.write_all(&line)?)
        }

        fn name(&self, segment: u32, blob: &Blob) -> std::io::Result<()> {
            writeln!(self.open(segment)?, "{{\"document\":\"{}\"}}", blob.digest())
        }

        fn open(&self, segment: u32) -> std::io::Result<File> {
            let path = layout::segment(self.dir.path(), segment);
            File::options().append(true).create(true).open(path)
        }

        fn store(&self, text: &'static str) -> std::io::Result<Blob> {
            let blob = Blob::new(text.as_bytes());
            self.shelf.store(&blob)?;
            self.shelf.settle()?;
            Ok(blob)
        }

        fn stores(&self, blob: &Blob) -> bool {
            layout::blob(self.dir.path(), &blob.digest()).exists()
        }

        /// Removes what one byte less than all there is asks for: a blob that nobody names does.
        fn remove(&mut self) -> Result<Trimmed, HostError> {
            let now = SystemTime::now();
            let used = Stock::of(self.dir.path(), None, now)?.bytes();
            let bounds = Retention { max_bytes: used - 1, max_age: None, min_free: 0 };
            assert!(self.shelf.announce());
            let stop = &AtomicBool::new(false);
            let trimmed = Removal { bounds, now, shelf: &self.shelf, stop }.run(&mut self.named);
            self.shelf.done();
            trimmed
        }
    }

    #[test]
    fn segments_are_read_a_few_at_a_time_before_the_bounds_are_met() -> Outcome {
        let mut bench = Bench::new()?;
        for segment in 1..=5 {
            bench.begin(segment)?;
        }
        let used = Stock::of(bench.dir.path(), None, SystemTime::now())?.bytes();
        let mut look = |max_bytes| {
            let bounds = Retention { max_bytes, max_age: None, min_free: 0 };
            let (shelf, stop) = (&bench.shelf, &AtomicBool::new(false));
            let removal = Removal { bounds, now: SystemTime::now(), shelf, stop };
            let trimmed = removal.run(&mut bench.named);
            trimmed.map(|trimmed| (trimmed, bench.named.keys().copied().collect::<Vec<_>>()))
        };
        assert_eq!(look(used * 2)?, (Trimmed::default(), vec![]), "less than half is used");
        assert_eq!(look(used)?, (Trimmed::default(), vec![1, 2]));
        assert_eq!(look(used)?, (Trimmed::default(), vec![1, 2, 3, 4]));
        assert_eq!(look(used)?, (Trimmed::default(), vec![1, 2, 3, 4, 5]));
        Ok(())
    }

    #[test]
    fn what_a_segment_names_is_forgotten_with_the_segment() -> Outcome {
        let mut bench = Bench::new()?;
        bench.begin(3)?;
        bench.store("nobody names it")?;
        for segment in [1, 3] {
            let mut names = Names::default();
            names.note(1, []);
            bench.shelf.ended(segment, names);
        }
        bench.remove()?;
        assert_eq!(bench.named.keys().collect::<Vec<_>>(), [&3]);
        bench.shelf.ended(4, Names::default());
        assert_eq!(bench.shelf.take_ended(), Named::new(), "nothing was written to it");
        Ok(())
    }

    #[test]
    fn what_a_segment_names_after_a_removal_has_read_it_stays_at_the_next() -> Outcome {
        let mut bench = Bench::new()?;
        bench.begin(1)?;
        let early = bench.store("named before the first removal")?;
        bench.name(1, &early)?;
        let first = bench.store("nobody names it")?;
        assert_eq!(bench.remove()?, Trimmed { blobs: 1, segments: 0 });
        assert!(bench.stores(&early) && !bench.stores(&first));
        let late = bench.store("named after the first removal")?;
        bench.name(1, &late)?;
        bench.begin(2)?;
        let second = bench.store("nobody names this one, either")?;
        assert_eq!(bench.remove()?, Trimmed { blobs: 1, segments: 0 });
        assert!(bench.stores(&early) && bench.stores(&late) && !bench.stores(&second));
        Ok(())
    }
}
