//! Segments, chain and blobs: what is staged, what is written, what is durable.
//!
//! After an error of writing or syncing a segment is never written again. It is cut back to what was
//! durable, and the chain goes on from there in a fresh segment.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use portreeve_protocol::{Blob, Entry, Sha256, codec, limits};

use super::disk::{Disk, SegmentFile};
use super::layout;
use crate::node::Durability;

/// Digests remembered as stored; beyond them the directory is asked again.
const KNOWN_BLOBS: usize = 65_536;

/// Writes the records of a journal; made for one thread.
pub(crate) struct Writer {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    durability: Durability,
    file: Option<Open>,
    known: BTreeSet<Sha256>,
    next_segment: u32,
    repair: Option<(PathBuf, u64)>,
    safe: Sha256,
    staged: Staged,
    unsynced: u64,
    unsynced_deliveries: u64,
    written: Sha256,
}

struct Open {
    file: Box<dyn SegmentFile>,
    length: u64,
    path: PathBuf,
    safe: u64,
}

#[derive(Default)]
struct Staged {
    deliveries: u64,
    lines: Vec<u8>,
    prev: Option<Sha256>,
    records: u64,
}

/// What was done by [`Writer::write`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written {
    pub(crate) bytes: u64,
    pub(crate) records: u64,
}

impl Writer {
    /// A writer whose first segment is yet to be opened: number `next_segment`, following the record
    /// that hashes to `prev`.
    pub(crate) fn new(
        dir: &Path,
        disk: Arc<dyn Disk>,
        durability: Durability,
        next_segment: u32,
        prev: Sha256,
    ) -> Self {
        Self {
            dir: dir.to_owned(),
            disk,
            durability,
            file: None,
            known: BTreeSet::new(),
            next_segment,
            repair: None,
            safe: prev,
            staged: Staged::default(),
            unsynced: 0,
            unsynced_deliveries: 0,
            written: prev,
        }
    }

    /// Mends what an error left behind and begins a fresh segment.
    pub(crate) fn open(&mut self) -> io::Result<()> {
        if let Some((path, safe)) = &self.repair {
            self.disk.cut(path, *safe)?;
            self.repair = None;
        }
        let path = layout::segment(&self.dir, self.next_segment);
        // Even if it fails, the file may be there; its name is not used again.
        self.next_segment = self.next_segment.saturating_add(1);
        let file = self.disk.create(&path)?;
        self.file = Some(Open { file, length: 0, path, safe: 0 });
        Ok(())
    }

    /// Stores the bytes of a blob unless they are stored already.
    pub(crate) fn blob(&mut self, blob: &Blob) -> io::Result<()> {
        let digest = blob.digest();
        if self.known.contains(&digest) {
            return Ok(());
        }
        let path = layout::blob(&self.dir, &digest);
        let stored = std::fs::read(&path).is_ok_and(|bytes| Sha256::of(&bytes) == digest);
        if !stored {
            let bytes = blob.shared().ok_or_else(|| {
                io::Error::new(io::ErrorKind::InvalidData, format!("blob {digest} has no bytes"))
            })?;
            self.disk.put(&path, &bytes, self.durability == Durability::Group)?;
        }
        if self.known.len() >= KNOWN_BLOBS {
            self.known.clear();
        }
        self.known.insert(digest);
        Ok(())
    }

    /// Adds an entry to those that [`Writer::write`] will write; gives the hash of its record.
    pub(crate) fn stage(&mut self, entry: Entry) -> io::Result<Sha256> {
        let prev = self.staged.prev.unwrap_or(self.written);
        let deliveries = u64::from(matches!(entry, Entry::Delivered(_)));
        let hash = codec::write_line(entry, prev, &mut self.staged.lines)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
        self.staged.prev = Some(hash);
        self.staged.records += 1;
        self.staged.deliveries += deliveries;
        Ok(hash)
    }

    /// Writes what is staged, in one piece, beginning a new segment if this one is full.
    pub(crate) fn write(&mut self) -> io::Result<Written> {
        if self.file.as_ref().is_some_and(|open| open.length >= limits::SEGMENT_BYTES) {
            self.sync()?;
            self.open()?;
        }
        let open = self.file.as_mut().ok_or_else(|| io::Error::other("no segment is open"))?;
        open.file.append(&self.staged.lines)?;
        let bytes = self.staged.lines.len() as u64;
        open.length += bytes;
        let records = self.staged.records;
        self.unsynced += records;
        self.unsynced_deliveries += self.staged.deliveries;
        self.written = self.staged.prev.unwrap_or(self.written);
        if self.durability == Durability::Process {
            open.safe = open.length;
            self.safe = self.written;
        }
        self.discard_staged();
        Ok(Written { bytes, records })
    }

    /// Ends when all that was written is durable.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        let open = self.file.as_mut().ok_or_else(|| io::Error::other("no segment is open"))?;
        open.file.sync()?;
        open.safe = open.length;
        self.safe = self.written;
        self.unsynced = 0;
        self.unsynced_deliveries = 0;
        Ok(())
    }

    /// Whether anything was written since the last sync.
    pub(crate) const fn dirty(&self) -> bool {
        self.unsynced > 0
    }

    /// Gives the segment up after an error; the number of deliveries that are lost by it.
    pub(crate) fn fail(&mut self) -> u64 {
        let group = self.durability == Durability::Group;
        let written = if group { self.unsynced_deliveries } else { 0 };
        let lost = written + self.staged.deliveries;
        if let Some(open) = self.file.take() {
            self.repair = Some((open.path, open.safe));
        }
        self.written = self.safe;
        self.unsynced = 0;
        self.unsynced_deliveries = 0;
        self.discard_staged();
        lost
    }

    fn discard_staged(&mut self) {
        self.staged.deliveries = 0;
        self.staged.lines.clear();
        self.staged.prev = None;
        self.staged.records = 0;
    }
}
