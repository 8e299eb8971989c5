//! What of a journal lies on its volume.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use portreeve_protocol::Sha256;

use super::layout;
use super::reader::begins;
use super::retention::{Named, of};
use super::stored::Stored;
use crate::HostError;

/// What of a journal lies on its volume.
#[derive(Debug, Default)]
pub(super) struct Stock {
    /// The blobs and their bytes.
    pub(super) blobs: BTreeMap<Sha256, u64>,
    /// The blobs that stay whatever else does.
    pub(super) kept: BTreeSet<Sha256>,
    /// Files of no further use.
    pub(super) leftovers: Vec<Leftover>,
    /// The segments, oldest first.
    pub(super) segments: Vec<Segment>,
}

/// A segment.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) length: u64,
    pub(super) number: u32,
    /// Whether it is beyond the age that segments may have.
    pub(super) old: bool,
    pub(super) path: PathBuf,
}

/// A file that a crash left.
#[derive(Debug)]
pub(super) struct Leftover {
    pub(super) length: u64,
    /// The segment it was cut off; `None` for half a blob.
    of: Option<u32>,
    pub(super) path: PathBuf,
}

impl Leftover {
    /// Whether nothing that is kept has to do with it, if that begins with segment `first`.
    pub(super) fn is_of_before(&self, first: u32) -> bool {
        self.of.is_none_or(|of| of < first)
    }
}

impl Stock {
    /// Takes stock of the journal in `dir`.
    ///
    /// # Errors
    /// `File` if a directory cannot be listed.
    pub(super) fn of(
        dir: &Path,
        max_age: Option<Duration>,
        now: SystemTime,
    ) -> Result<Self, HostError> {
        let mut stock = Self::default();
        for (number, path) in layout::list(dir)? {
            // One that goes meanwhile is none of ours, and of no length.
            let Ok(found) = fs::metadata(&path) else { continue };
            let age = found.modified().ok().and_then(|at| now.duration_since(at).ok());
            let old = max_age.zip(age).is_some_and(|(most, age)| age > most);
            stock.segments.push(Segment { length: found.len(), number, old, path });
        }
        let failed = |source| HostError::File {
            what: "cannot list the files of",
            path: dir.to_owned(),
            source,
        };
        let shelves = dir.join("blobs").join("sha256");
        for shelf in entries(&shelves).map_err(failed)? {
            for path in entries(&shelf).map_err(failed)? {
                stock.blob(path);
            }
        }
        for path in entries(&layout::aside(dir)).map_err(failed)? {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let of = name.split('.').next().and_then(|digits| digits.parse().ok());
            stock.leave(path.clone(), Some(of.unwrap_or(u32::MAX)));
        }
        Ok(stock)
    }

    fn blob(&mut self, path: PathBuf) {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        match (name.parse::<Sha256>(), fs::metadata(&path)) {
            (Ok(digest), Ok(found)) => {
                self.blobs.insert(digest, found.len());
            }
            (Err(_), Ok(_)) if name.ends_with(".tmp") => self.leave(path, None),
            // Nothing that the journal put there, or nothing any more.
            (Ok(_) | Err(_), _) => {}
        }
    }

    fn leave(&mut self, path: PathBuf, of: Option<u32>) {
        let Ok(found) = fs::metadata(&path) else { return };
        self.leftovers.push(Leftover { length: found.len(), of, path });
    }

    /// Whether the segment of this number is there.
    pub(super) fn has(&self, number: u32) -> bool {
        self.segments.binary_search_by_key(&number, |segment| segment.number).is_ok()
    }

    /// The blobs, to be looked for in texts.
    pub(super) fn stored(&self) -> Stored {
        self.blobs.keys().copied().collect()
    }

    /// Bytes of all of it.
    pub(super) fn bytes(&self) -> u64 {
        let segments = self.segments.iter().map(|segment| segment.length);
        let leftovers = self.leftovers.iter().map(|leftover| leftover.length);
        segments.chain(self.blobs.values().copied()).chain(leftovers).sum()
    }

    /// How many of the oldest segments go, so that the rest, with the blobs it names, has `most`
    /// bytes at most, and none but the newest is old. Segment `last` stays, and the first that
    /// stays is one with which the journal can be begun.
    pub(super) fn end(&self, last: usize, most: u64, named: &Named) -> usize {
        // From the newest to the oldest: the bytes of each with all that follows.
        let mut bytes = Vec::new();
        let (mut sum, mut counted) = (0_u64, BTreeSet::new());
        for segment in self.segments.iter().rev() {
            let own = of(named, segment.number).filter(|digest| counted.insert(**digest));
            let blobs = own.filter_map(|digest| self.blobs.get(digest)).sum::<u64>();
            sum = sum.saturating_add(segment.length).saturating_add(blobs);
            bytes.push(sum);
        }
        bytes.reverse();
        let beyond = self.segments.iter().zip(&bytes).take(last);
        let mut end = beyond.take_while(|(it, with)| it.old || **with > most).count();
        // Back to where the journal can be begun.
        while end > 0 && !self.segments.get(end).is_some_and(|segment| begins(&segment.path)) {
            end -= 1;
        }
        end
    }
}

/// What a directory holds; nothing, if it is none.
fn entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    if !directory.is_dir() {
        return Ok(Vec::new());
    }
    fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.path())).collect()
}
