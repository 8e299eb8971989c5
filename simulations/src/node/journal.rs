//! A journal on a simulated disk: the same records and blobs that the host writes, and what of them
//! a crash or a bad disk would leave.
//!
//! Entries become bytes only when somebody reads them: an auditor, or whoever starts from a journal
//! that is audited or damaged. Other starts take the entries as they are, which gives the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use portreeve_protocol::codec::Told;
use portreeve_protocol::entry::Delivered;
use portreeve_protocol::{Blob, BlobSource, Entry, ProtocolError, Sha256, codec};
use portreeve_replay::{Recovery, ReplayError, Report, recover, recover_entries, split, verify};

use crate::SimulationError;

/// The entries written, and the blobs beside them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journal {
    /// Whether a start reads bytes, as a host does.
    as_bytes: bool,
    blobs: BTreeMap<Sha256, Arc<[u8]>>,
    /// How many entries of the last segment are durable.
    durable: usize,
    /// Segments from the oldest to the one that is written.
    segments: Vec<Segment>,
    /// Segments that were removed, from the oldest on.
    removed: Vec<Segment>,
    writable: bool,
}

/// A segment of a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Segment {
    entries: Vec<Entry>,
    number: u32,
    /// Its bytes, as far as they were asked for, and how many entries they are.
    written: Written,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Written {
    /// Hash of the record before the first.
    before: Sha256,
    /// Where each record ends, and its hash.
    ends: Vec<(usize, Sha256)>,
    lines: Vec<u8>,
}

impl Written {
    const NONE: Self = Self { before: Sha256::ZERO, ends: Vec::new(), lines: Vec::new() };

    fn append(&mut self, entry: &Entry) -> Result<(), ProtocolError> {
        self.append_by(|prev, lines| codec::write_line(entry, prev, lines))
    }

    /// Adds the line that `write` writes behind the record of a hash.
    fn append_by(
        &mut self,
        write: impl FnOnce(Sha256, &mut Vec<u8>) -> Result<Sha256, ProtocolError>,
    ) -> Result<(), ProtocolError> {
        let hash = write(self.prev(), &mut self.lines)?;
        self.ends.push((self.lines.len(), hash));
        Ok(())
    }

    /// Hash of the last record.
    fn prev(&self) -> Sha256 {
        self.ends.last().map_or(self.before, |(_, hash)| *hash)
    }
}

impl Default for Journal {
    /// A journal without a line.
    fn default() -> Self {
        Self {
            as_bytes: true,
            blobs: BTreeMap::new(),
            durable: 0,
            segments: vec![Segment::new(1, Sha256::ZERO)],
            removed: Vec::new(),
            writable: true,
        }
    }
}

impl Segment {
    const fn new(number: u32, before: Sha256) -> Self {
        let written = Written { before, ends: Vec::new(), lines: Vec::new() };
        Self { entries: Vec::new(), number, written }
    }

    /// Makes bytes of what is not yet.
    fn write(&mut self) -> Result<(), ProtocolError> {
        let behind = self.written.ends.len();
        self.entries.iter().skip(behind).try_for_each(|entry| self.written.append(entry))
    }

    /// Adds a delivery, and makes bytes of it from what there is to tell of its effects.
    fn push_told(&mut self, delivered: Delivered, told: &Told) -> Result<(), ProtocolError> {
        self.write()?;
        self.written.append_by(|prev, lines| codec::write_told(&delivered, told, prev, lines))?;
        self.entries.push(Entry::Delivered(delivered));
        Ok(())
    }

    /// The bytes of the entries behind the first `durable`; only how many they are is right.
    fn tail(&self, durable: usize) -> Result<Written, ProtocolError> {
        let mut tail = Written::NONE;
        self.entries.iter().skip(durable).try_for_each(|entry| tail.append(entry))?;
        Ok(tail)
    }

    fn name(&self) -> String {
        format!("{:08}.ndjson", self.number)
    }

    /// Bytes of the first `count` entries, as far as there are bytes.
    fn bytes(&self, count: usize) -> usize {
        let last = count.checked_sub(1).and_then(|last| self.written.ends.get(last));
        last.map_or(0, |(end, _)| *end)
    }

    /// Forgets all entries but the first `left`.
    fn truncate(&mut self, left: usize) {
        self.entries.truncate(left);
        if self.written.ends.len() > left {
            self.written.ends.truncate(left);
            self.written.lines.truncate(self.bytes(left));
        }
    }
}

impl Journal {
    /// Every entry that was ever written and is not lost, the oldest first; removed segments too.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.removed.iter().chain(&self.segments).flat_map(|segment| &segment.entries)
    }

    /// The entries that are durable, the oldest first; removed segments too.
    pub fn durable(&self) -> impl Iterator<Item = &Entry> {
        let pending = self.last().entries.len() - self.durable;
        let all = self.removed.iter().chain(&self.segments).map(|one| one.entries.len());
        self.entries().take(all.sum::<usize>() - pending)
    }

    /// Makes bytes of what is not yet, for an auditor.
    ///
    /// # Errors
    /// An entry that cannot be written.
    pub fn seal(&mut self) -> Result<(), ProtocolError> {
        self.segments.iter_mut().try_for_each(Segment::write)
    }

    /// The name and the bytes of each segment, as far as there are bytes: all of a sealed journal.
    pub fn lines(&self) -> impl Iterator<Item = (String, &[u8])> {
        self.segments.iter().map(|one| (one.name(), &*one.written.lines))
    }

    /// Runs the machines again on what a sealed journal holds.
    ///
    /// # Errors
    /// A journal that cannot be read.
    pub fn audit(&self) -> Result<Report, ReplayError> {
        let names: Vec<_> = self.lines().collect();
        verify(names.iter().flat_map(|(name, lines)| split(name, lines)), self, &mut |_| {})
    }

    /// Whether entries can be written.
    #[must_use]
    pub const fn is_writable(&self) -> bool {
        self.writable
    }

    /// How many segments there are.
    #[must_use]
    pub const fn segments(&self) -> usize {
        self.segments.len()
    }

    /// Writes an entry behind those before; while the disk is full it is lost.
    pub(crate) fn write(&mut self, entry: Entry) {
        if self.writable {
            self.last_mut().entries.push(entry);
        }
    }

    /// As [`Journal::write`], for a delivery that is read as bytes in any case.
    pub(super) fn write_told(
        &mut self,
        delivered: Delivered,
        told: &Told,
    ) -> Result<(), ProtocolError> {
        if self.writable { self.last_mut().push_told(delivered, told) } else { Ok(()) }
    }

    /// Begins a segment with `entry`; all before it is durable.
    pub(super) fn begin(&mut self, entry: Entry) -> Result<(), ProtocolError> {
        self.last_mut().write()?;
        let (number, before) = (self.last().number + 1, self.last().written.prev());
        let mut segment = Segment::new(number, before);
        segment.entries.push(entry);
        self.segments.push(segment);
        self.sync();
        Ok(())
    }

    /// Removes the oldest segments but `kept`. Nobody reads their bytes any more.
    pub(super) fn retain(&mut self, kept: usize) {
        let most = self.segments.len().saturating_sub(kept.max(1));
        let removed = self.segments.drain(..most);
        self.removed.extend(removed.map(|segment| Segment { written: Written::NONE, ..segment }));
    }

    /// Keeps the bytes of blobs that an entry names.
    pub(super) fn keep<'a>(&mut self, blobs: impl IntoIterator<Item = &'a Blob>) {
        for blob in blobs {
            if let Some(bytes) = blob.shared() {
                self.blobs.insert(blob.digest(), bytes);
            }
        }
    }

    /// How much was written: what a sync that begins now makes durable once it ends.
    #[must_use]
    pub fn mark(&self) -> (u32, usize) {
        (self.last().number, self.last().entries.len())
    }

    /// All that was written up to `mark` is durable.
    pub fn sync_to(&mut self, mark: (u32, usize)) {
        if mark.0 == self.last().number {
            self.durable = self.durable.max(mark.1.min(self.last().entries.len()));
        }
    }

    /// All that was written is durable.
    pub fn sync(&mut self) {
        self.durable = self.last().entries.len();
    }

    /// Nothing can be written any more; gives how many deliveries are lost by it.
    pub fn fail(&mut self) -> u64 {
        let durable = self.durable;
        let counts = |entry: &&Entry| matches!(entry, Entry::Delivered(_) | Entry::Panicked(_));
        let lost = self.last().entries.iter().skip(durable).filter(counts).count();
        self.last_mut().truncate(durable);
        self.writable = false;
        u64::try_from(lost).unwrap_or_default()
    }

    /// There is room again.
    pub const fn restore(&mut self) {
        self.writable = true;
    }

    /// Whether starts are to read bytes from now on; one from a journal that a bit flipped in does
    /// in any case.
    pub(super) const fn read_as_bytes(&mut self, audited: bool) {
        self.as_bytes = audited;
    }

    /// The replica is killed: `left` draws how many of the bytes that are not durable are there.
    /// Gives both numbers, the drawn one first.
    ///
    /// # Errors
    /// An entry that cannot be written.
    pub fn crash(
        &mut self,
        left: impl FnOnce(usize) -> usize,
    ) -> Result<(usize, usize), ProtocolError> {
        let durable = self.durable;
        if self.as_bytes {
            self.last_mut().write()?;
            let lines = self.last().bytes(durable);
            let at_risk = self.last().written.lines.len() - lines;
            let left = left(at_risk);
            self.last_mut().written.lines.truncate(lines.saturating_add(left));
            return Ok((left, at_risk));
        }
        let tail = self.last().tail(durable)?;
        let left = left(tail.lines.len());
        let whole = tail.ends.iter().take_while(|(end, _)| *end <= left).count();
        self.last_mut().truncate(durable + whole);
        Ok((left, tail.lines.len()))
    }

    /// Flips a bit of a record behind which there is a durable one: `at` names it, modulo their
    /// number. What a flip spoils at the very end cannot be told from what a crash tore off.
    /// Whether there was such a record.
    ///
    /// # Errors
    /// An entry that cannot be written.
    pub fn flip(&mut self, at: u64) -> Result<bool, ProtocolError> {
        self.seal()?;
        self.as_bytes = true;
        let last = self.last();
        let earlier = self.segments.iter().filter(|one| one.number != last.number);
        let bytes: usize = earlier.map(|one| one.written.lines.len()).sum();
        let bytes = bytes + last.bytes(self.durable.saturating_sub(1));
        let bits = u64::try_from(bytes).unwrap_or_default() * 8;
        let Some(at) = at.checked_rem(bits) else { return Ok(false) };
        let mut byte = usize::try_from(at / 8).unwrap_or_default();
        for segment in &mut self.segments {
            if let Some(found) = segment.written.lines.get_mut(byte) {
                *found ^= 1 << (at % 8);
                return Ok(true);
            }
            byte -= segment.written.lines.len();
        }
        Ok(false)
    }

    /// Finds what the next incarnation starts with, and cuts off a torn end, as the host does: from
    /// the last segment, which begins with a start or a checkpoint.
    ///
    /// # Errors
    /// A journal that no crash can have left so, an entry that cannot be written.
    pub fn recover(&mut self) -> Result<Recovery, SimulationError> {
        self.writable = true;
        if !self.as_bytes {
            self.sync();
            return Ok(recover_entries(&self.last().entries, self)?);
        }
        self.last_mut().write()?;
        let last = self.last();
        let found = recover(split(&last.name(), &last.written.lines), self)?;
        let end = found.last.as_ref().map_or(0, |last| last.end);
        let end = usize::try_from(end).unwrap_or(usize::MAX);
        let left = last.written.ends.iter().take_while(|(one, _)| *one <= end).count();
        self.last_mut().truncate(left);
        self.last_mut().written.lines.truncate(end);
        self.sync();
        Ok(found)
    }

    // There is always a segment that is written.
    fn last(&self) -> &Segment {
        &self.segments[self.segments.len() - 1]
    }

    fn last_mut(&mut self) -> &mut Segment {
        let last = self.segments.len() - 1;
        &mut self.segments[last]
    }
}

impl BlobSource for Journal {
    fn bytes(&self, digest: &Sha256) -> Result<Arc<[u8]>, ProtocolError> {
        let found = self.blobs.get(digest).cloned();
        found.ok_or(ProtocolError::BlobMissing { digest: *digest })
    }
}

#[cfg(test)]
mod tests {
    use portreeve_protocol::entry::Gap;

    use super::*;

    fn gap(lost: u64) -> Entry {
        Entry::Gap(Gap { denied: 0, exempt: 0, lost, why: "test".to_owned() })
    }

    fn bytes(journal: &mut Journal) -> Result<Vec<u8>, ProtocolError> {
        journal.seal()?;
        Ok(journal.lines().flat_map(|(_, lines)| lines.to_vec()).collect())
    }

    #[test]
    fn a_crash_leaves_what_is_durable_and_part_of_the_rest() -> Result<(), SimulationError> {
        let mut journal = Journal::default();
        journal.write(gap(1));
        let first = bytes(&mut journal)?.len();
        journal.sync();
        journal.write(gap(2));
        let second = bytes(&mut journal)?.len();
        journal.write(gap(3));
        let (left, at_risk) = (second - first + 5, (second - first) * 2);
        assert_eq!(journal.crash(|_| left)?, (left, at_risk));
        assert_eq!(bytes(&mut journal)?.len(), second + 5);
        let found = journal.recover()?;
        assert_eq!((found.records, bytes(&mut journal)?.len()), (2, second));
        assert_eq!(journal.entries().count(), 2);
        Ok(())
    }

    #[test]
    fn a_crash_leaves_the_same_whether_bytes_are_read_or_entries() -> Result<(), SimulationError> {
        let written = |as_bytes: bool| {
            let mut journal = Journal::default();
            journal.read_as_bytes(as_bytes);
            (1..=2).for_each(|lost| journal.write(gap(lost)));
            journal.sync();
            (3..=5).for_each(|lost| journal.write(gap(lost)));
            journal
        };
        let (_, at_risk) = written(true).crash(|_| 0)?;
        for left in 0..=at_risk {
            let (mut bytes, mut entries) = (written(true), written(false));
            assert_eq!(bytes.crash(|_| left)?, entries.crash(|_| left)?);
            let (read, taken) = (bytes.recover()?, entries.recover()?);
            assert_eq!((read.records, read.restored), (taken.records, taken.restored));
            assert!(bytes.durable().eq(entries.durable()), "{left} bytes left");
        }
        Ok(())
    }

    #[test]
    fn a_full_disk_loses_what_is_not_durable_and_takes_nothing() -> Result<(), SimulationError> {
        let mut journal = Journal::default();
        journal.write(gap(1));
        journal.sync();
        journal.write(gap(2));
        assert_eq!(journal.fail(), 0, "no delivery was written");
        journal.write(gap(3));
        assert_eq!(journal.entries().collect::<Vec<_>>(), [&gap(1)]);
        journal.restore();
        journal.write(gap(4));
        assert_eq!((journal.durable().count(), journal.entries().count()), (1, 2));
        assert_eq!(journal.recover()?.records, 2);
        Ok(())
    }

    #[test]
    fn a_replica_does_not_start_from_a_journal_that_is_damaged() -> Result<(), SimulationError> {
        let mut journal = Journal::default();
        journal.write(gap(1));
        journal.write(gap(2));
        journal.sync();
        assert!(journal.flip(20 * 8 + 1)?);
        let error = journal.recover();
        assert!(matches!(error, Err(SimulationError::Recovery(_))), "{error:?}");
        Ok(())
    }

    #[test]
    fn a_removed_segment_is_not_read_but_was_durable() -> Result<(), SimulationError> {
        let mut journal = Journal::default();
        journal.write(gap(1));
        journal.begin(gap(2))?;
        journal.retain(1);
        journal.write(gap(3));
        assert_eq!((journal.segments(), journal.durable().count()), (1, 2));
        assert_eq!(journal.lines().count(), 1);
        Ok(())
    }
}
