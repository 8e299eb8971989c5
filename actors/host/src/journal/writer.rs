//! Segments, chain and blobs: what is staged, what is written, what is durable.
//!
//! After an error of writing or syncing a segment is never written again. It is cut back to what
//! was durable, and the chain goes on from there in a fresh segment.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use portreeve_protocol::entry::{Checkpoint, Delivered};
use portreeve_protocol::{Blob, Effect, Entry, ProtocolError, Sha256, codec, limits};

use super::disk::{Disk, SegmentFile};
use super::keeper::Keeper;
use super::layout;
use super::names::Names;
use super::retention::Retention;
use super::shelf::Shelf;
use crate::node::Durability;
use crate::node::facts::Facts;

/// Writes the records of a journal; made for one thread.
pub(crate) struct Writer {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    durability: Durability,
    /// Number of the last segment that begins with a start or a checkpoint.
    entrance: u32,
    /// Bytes of the checkpoint that the segment begins with.
    checkpoint: u64,
    file: Option<Open>,
    next_segment: u32,
    retention: Retention,
    repair: Option<(PathBuf, u64)>,
    safe: Sha256,
    segment_bytes: u64,
    shelf: Arc<Shelf>,
    staged: Staged,
    unsynced: u64,
    unsynced_deliveries: u64,
    written: Sha256,
}

struct Open {
    file: Box<dyn SegmentFile>,
    length: u64,
    /// The blobs that the segment names.
    names: Names,
    number: u32,
    path: PathBuf,
    safe: u64,
}

#[derive(Default)]
struct Staged {
    deliveries: u64,
    lines: Vec<u8>,
    prev: Option<Sha256>,
    records: u64,
    /// Room for what is told of the effects of one delivery.
    told: codec::Told,
}

/// What was done by [`Writer::write`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written {
    pub(crate) bytes: u64,
    pub(crate) records: u64,
}

impl Writer {
    /// A writer whose first segment is yet to be opened: number `next_segment`, following the
    /// record that hashes to `prev`.
    pub(crate) fn new(
        dir: &Path,
        disk: Arc<dyn Disk>,
        durability: Durability,
        next_segment: u32,
        prev: Sha256,
    ) -> Self {
        Self {
            dir: dir.to_owned(),
            disk: Arc::clone(&disk),
            durability,
            entrance: next_segment,
            checkpoint: 0,
            file: None,
            next_segment,
            retention: Retention::default(),
            repair: None,
            safe: prev,
            segment_bytes: limits::SEGMENT_BYTES,
            shelf: Arc::new(Shelf::new(dir, disk)),
            staged: Staged::default(),
            unsynced: 0,
            unsynced_deliveries: 0,
            written: prev,
        }
    }

    /// The same with segments of another length.
    pub(crate) const fn with_segments(mut self, bytes: u64) -> Self {
        self.segment_bytes = bytes;
        self
    }

    /// The same within other bounds.
    pub(crate) const fn within(mut self, retention: Retention) -> Self {
        self.retention = retention;
        self
    }

    /// What keeps the journal within its bounds.
    pub(super) fn keeper(&self, facts: Arc<Facts>) -> Keeper {
        Keeper::new(Arc::clone(&self.shelf), self.retention, facts)
    }

    /// Mends what an error left behind and begins a fresh segment.
    pub(crate) fn open(&mut self) -> io::Result<()> {
        if let Some((path, safe)) = &self.repair {
            self.disk.cut(path, *safe)?;
            self.repair = None;
        }
        let number = self.next_segment;
        let path = layout::segment(&self.dir, number);
        // Even if it fails, the file may be there; its name is not used again.
        self.next_segment = self.next_segment.saturating_add(1);
        let file = self.disk.create(&path)?;
        let names = Names::default();
        self.end();
        self.file = Some(Open { file, length: 0, names, number, path, safe: 0 });
        Ok(())
    }

    /// Takes stock of the journal, so that it is known what its records name. Only before the first
    /// one is written.
    pub(crate) fn take_stock(&self) {
        self.shelf.take_stock();
    }

    /// Nothing is written any more to the segment that is open, if one is; where it lies and what
    /// of it is durable.
    fn end(&mut self) -> Option<(PathBuf, u64)> {
        let Open { names, number, path, safe, .. } = self.file.take()?;
        self.shelf.ended(number, names);
        Some((path, safe))
    }

    /// Ends the segment for good and begins the next one with a checkpoint.
    pub(crate) fn enter(&mut self, checkpoint: Checkpoint) -> io::Result<()> {
        self.sync()?;
        self.open()?;
        self.stage(Entry::Checkpoint(Box::new(checkpoint)))?;
        self.checkpoint = self.staged.lines.len() as u64;
        self.entrance = self.next_segment.saturating_sub(1);
        Ok(())
    }

    /// Whether a new segment should begin. A checkpoint that is large itself is not repeated for
    /// little.
    pub(crate) fn full(&self) -> bool {
        let most = self.segment_bytes.max(self.checkpoint.saturating_mul(4));
        self.file.as_ref().is_some_and(|open| open.length >= most)
    }

    /// Number of the last segment that begins with a start or a checkpoint.
    pub(crate) const fn entrance(&self) -> u32 {
        self.entrance
    }

    /// Has the bytes of a blob stored before the records that are staged, unless they are stored.
    pub(crate) fn blob(&self, blob: &Blob) -> io::Result<()> {
        self.shelf.store(blob)
    }

    /// Adds an entry to those that [`Writer::write`] will write; gives the hash of its record.
    pub(crate) fn stage(&mut self, entry: Entry) -> io::Result<Sha256> {
        let deliveries = u64::from(matches!(entry, Entry::Delivered(_)));
        self.stage_by(deliveries, |prev, lines| codec::write_line(&entry, prev, lines))
    }

    /// As [`Writer::stage`], for a delivery that led to `effects`.
    pub(crate) fn stage_delivered(
        &mut self,
        delivered: &Delivered,
        effects: &[Effect],
    ) -> io::Result<Sha256> {
        let mut told = std::mem::take(&mut self.staged.told);
        let staged = self.stage_by(1, |prev, lines| {
            told.tell(effects)?;
            codec::write_told(delivered, &told, prev, lines)
        });
        self.staged.told = told;
        staged
    }

    fn stage_by(
        &mut self,
        deliveries: u64,
        write: impl FnOnce(Sha256, &mut Vec<u8>) -> Result<Sha256, ProtocolError>,
    ) -> io::Result<Sha256> {
        let prev = self.staged.prev.unwrap_or(self.written);
        let hash = write(prev, &mut self.staged.lines)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
        self.staged.prev = Some(hash);
        self.staged.records += 1;
        self.staged.deliveries += deliveries;
        Ok(hash)
    }

    /// Writes what is staged, in one piece. If no checkpoint comes though the segment is long full,
    /// as when a machine is gone, a new one begins without.
    pub(crate) fn write(&mut self) -> io::Result<Written> {
        let most = self.segment_bytes.max(self.checkpoint).max(limits::SEGMENT_BYTES);
        let most = most.saturating_mul(4);
        if self.file.as_ref().is_some_and(|open| open.length >= most) {
            self.sync()?;
            self.open()?;
        }
        self.shelf.settle()?;
        let open = self.file.as_mut().ok_or_else(|| io::Error::other("no segment is open"))?;
        let named = self.shelf.named_by(&self.staged.lines);
        open.file.append(&self.staged.lines)?;
        let bytes = self.staged.lines.len() as u64;
        open.length += bytes;
        named.into_iter().for_each(|digests| open.names.note(bytes, digests));
        self.shelf.grew(bytes);
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
        if let Some(cut_back) = self.end() {
            self.repair = Some(cut_back);
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use portreeve_protocol::entry::Gap;

    use super::*;
    use crate::journal::{FileSystem, Journal};

    fn gap(why: String) -> Entry {
        Entry::Gap(Gap { denied: 0, exempt: 0, lost: 0, why })
    }

    fn writer(dir: &Path) -> io::Result<Writer> {
        std::fs::create_dir_all(layout::segments(dir))?;
        let disk = Arc::new(FileSystem);
        let mut writer = Writer::new(dir, disk, Durability::Group, 1, Sha256::ZERO);
        writer.open()?;
        Ok(writer)
    }

    /// Segment and hash of each line, each held against the one before.
    fn chain(dir: &Path) -> Result<Vec<(String, Sha256)>, Box<dyn std::error::Error>> {
        let mut prev = Sha256::ZERO;
        let mut found = Vec::new();
        for line in Journal::open(dir)?.lines() {
            let line = line?;
            let body = line.bytes.strip_suffix(b"\n").ok_or("a line without an end")?;
            let (record, hash) = codec::read_line(body)?;
            assert_eq!(record.prev, prev);
            prev = hash;
            found.push((line.segment.to_string(), hash));
        }
        Ok(found)
    }

    #[test]
    fn a_full_segment_is_followed_by_the_next_in_one_chain()
    -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let mut writer = writer(dir.path())?;
        writer.segment_bytes = 1_000;
        assert!(!writer.full());
        writer.stage(gap("x".repeat(1_000)))?;
        assert!(!writer.full());
        writer.write()?;
        assert!(writer.full());
        writer.sync()?;
        writer.open()?;
        writer.stage(gap("second".to_owned()))?;
        writer.write()?;
        writer.sync()?;
        let segments: Vec<String> =
            chain(dir.path())?.into_iter().map(|(segment, _)| segment).collect();
        assert_eq!(segments, ["00000001.ndjson", "00000002.ndjson"]);
        Ok(())
    }

    #[test]
    fn what_was_not_synced_before_an_error_is_cut_and_counted()
    -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let mut writer = writer(dir.path())?;
        writer.stage(gap("durable".to_owned()))?;
        writer.write()?;
        writer.sync()?;
        writer.stage(gap("written".to_owned()))?;
        writer.write()?;
        assert!(writer.dirty());
        writer.stage(gap("staged".to_owned()))?;
        assert_eq!(writer.fail(), 0, "gaps are not deliveries");
        writer.open()?;
        writer.stage(gap("afterwards".to_owned()))?;
        writer.write()?;
        writer.sync()?;
        let segments: Vec<String> =
            chain(dir.path())?.into_iter().map(|(segment, _)| segment).collect();
        assert_eq!(segments, ["00000001.ndjson", "00000002.ndjson"]);
        Ok(())
    }

    #[test]
    fn what_a_segment_names_is_noted_while_it_is_written_as_if_it_were_read()
    -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let earlier = Blob::new(&b"of an earlier incarnation"[..]);
        let mut before = writer(dir.path())?;
        before.blob(&earlier)?;
        before.write()?;
        let disk = Arc::new(FileSystem);
        let mut writer = Writer::new(dir.path(), disk, Durability::Group, 2, Sha256::ZERO);
        writer.take_stock();
        writer.open()?;
        let new = Blob::new(&b"new"[..]);
        writer.blob(&new)?;
        for why in [earlier.digest(), new.digest(), Sha256::of(b"nowhere")] {
            writer.stage(gap(why.to_string()))?;
            writer.write()?;
        }
        let [ended, next] = [2, 3].map(|number| layout::segment(dir.path(), number));
        writer.open()?;
        let mut read = Names::default();
        let stored = [earlier.digest(), new.digest()].into_iter().collect();
        read.read_on(&ended, &stored)?;
        assert_eq!(read.iter().count(), 2);
        assert_eq!(writer.shelf.take_ended(), BTreeMap::from([(2, read)]));
        writer.stage(gap(new.digest().to_string()))?;
        writer.write()?;
        let mut read = Names::default();
        read.read_on(&next, &stored)?;
        assert_eq!(writer.fail(), 0);
        assert_eq!(writer.shelf.take_ended(), BTreeMap::from([(3, read)]));
        Ok(())
    }

    #[test]
    fn a_blob_that_a_record_names_while_a_removal_is_under_way_stays()
    -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let mut writer = writer(dir.path())?;
        writer.take_stock();
        let [named, other] = [&b"named"[..], b"other"].map(Blob::new);
        [&named, &other].into_iter().try_for_each(|blob| writer.blob(blob))?;
        writer.shelf.settle()?;
        assert!(writer.shelf.announce());
        writer.stage(gap(named.digest().to_string()))?;
        writer.write()?;
        assert!(!writer.shelf.remove(&named.digest())?);
        assert!(writer.shelf.remove(&other.digest())?);
        Ok(())
    }

    #[test]
    fn a_blob_is_stored_once_and_mended_if_its_file_is_not_what_its_name_says()
    -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let blob = Blob::new(&b"signed"[..]);
        let path = layout::blob(dir.path(), &blob.digest());
        let mut first = writer(dir.path())?;
        first.blob(&blob)?;
        first.write()?;
        assert_eq!(std::fs::read(&path)?, b"signed");
        std::fs::write(&path, b"sig")?;
        let disk = Arc::new(FileSystem);
        let mut second = Writer::new(dir.path(), disk, Durability::Group, 2, Sha256::ZERO);
        second.open()?;
        second.blob(&blob)?;
        second.write()?;
        assert_eq!(std::fs::read(&path)?, b"signed");
        Ok(())
    }

    #[test]
    fn a_blob_without_bytes_is_an_error_unless_it_is_stored()
    -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let whole = Blob::new(&b"signed"[..]);
        let bare: Blob = serde_json::from_slice(&codec::canonical(&whole)?)?;
        let writer = writer(dir.path())?;
        assert!(writer.blob(&bare).is_err());
        writer.blob(&whole)?;
        assert!(writer.blob(&bare).is_ok());
        Ok(())
    }
}
