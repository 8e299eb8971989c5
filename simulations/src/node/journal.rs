//! A journal on a simulated disk: the same lines and blobs that the host writes, and what of them a
//! crash would leave.

use std::collections::BTreeMap;
use std::sync::Arc;

use portreeve_protocol::{Blob, BlobSource, Entry, ProtocolError, Sha256, codec};
use portreeve_replay::{Recovery, ReplayError, recover, split};

/// The lines written, and the blobs beside them.
#[derive(Debug)]
pub struct Journal {
    blobs: BTreeMap<Sha256, Arc<[u8]>>,
    /// Bytes that are durable, and the hash of the last of those records.
    durable: (usize, Sha256),
    lines: Vec<u8>,
    prev: Sha256,
    /// Deliveries whose records are not durable.
    undurable: u64,
    writable: bool,
}

impl Default for Journal {
    /// A journal without a line.
    fn default() -> Self {
        Self {
            blobs: BTreeMap::new(),
            durable: (0, Sha256::ZERO),
            lines: Vec::new(),
            prev: Sha256::ZERO,
            undurable: 0,
            writable: true,
        }
    }
}

impl Journal {
    /// The bytes written so far.
    #[must_use]
    pub fn lines(&self) -> &[u8] {
        &self.lines
    }

    /// The lines, and the blobs they name.
    #[must_use]
    pub fn into_parts(self) -> (Vec<u8>, BTreeMap<Sha256, Arc<[u8]>>) {
        (self.lines, self.blobs)
    }

    /// Whether entries can be written.
    #[must_use]
    pub const fn is_writable(&self) -> bool {
        self.writable
    }

    /// Writes an entry behind those before; while the disk is full it is lost.
    pub(super) fn write(&mut self, entry: Entry) -> Result<(), ProtocolError> {
        if self.writable {
            self.undurable += u64::from(matches!(entry, Entry::Delivered(_)));
            self.prev = codec::write_line(entry, self.prev, &mut self.lines)?;
        }
        Ok(())
    }

    /// Keeps the bytes of blobs that an entry names.
    pub(super) fn keep<'a>(&mut self, blobs: impl IntoIterator<Item = &'a Blob>) {
        for blob in blobs {
            if let Some(bytes) = blob.shared() {
                self.blobs.insert(blob.digest(), bytes);
            }
        }
    }

    /// All that was written is durable.
    pub fn sync(&mut self) {
        self.durable = (self.lines.len(), self.prev);
        self.undurable = 0;
    }

    /// Nothing can be written any more; gives how many deliveries are lost by it.
    pub fn fail(&mut self) -> u64 {
        self.lines.truncate(self.durable.0);
        self.prev = self.durable.1;
        self.writable = false;
        std::mem::take(&mut self.undurable)
    }

    /// There is room again.
    pub fn restore(&mut self) {
        self.writable = true;
    }

    /// Bytes that a crash could leave of what is not durable.
    #[must_use]
    pub const fn at_risk(&self) -> usize {
        self.lines.len() - self.durable.0
    }

    /// The replica is killed: of what is not durable, `left` bytes are there.
    pub fn crash(&mut self, left: usize) {
        self.lines.truncate(self.durable.0.saturating_add(left));
    }

    /// Finds what the next incarnation starts with, and cuts off a torn end, as the host does.
    ///
    /// # Errors
    /// A journal that no crash can have left so.
    pub fn recover(&mut self) -> Result<Recovery, ReplayError> {
        let found = recover(split("simulated", &self.lines), self)?;
        let end = found.last.as_ref().map_or(0, |last| last.end);
        self.lines.truncate(usize::try_from(end).unwrap_or(usize::MAX));
        self.prev = found.prev;
        self.writable = true;
        self.sync();
        Ok(found)
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
    use crate::SimulationError;

    fn gap(lost: u64) -> Entry {
        Entry::Gap(Gap { denied: 0, exempt: 0, lost, why: "test".to_owned() })
    }

    #[test]
    fn a_crash_leaves_what_is_durable_and_part_of_the_rest() -> Result<(), SimulationError> {
        let mut journal = Journal::default();
        journal.write(gap(1))?;
        let first = journal.lines().len();
        journal.sync();
        journal.write(gap(2))?;
        journal.crash(5);
        assert_eq!(journal.lines().len(), first + 5);
        let found = journal.recover()?;
        assert_eq!((found.records, journal.lines().len()), (1, first));
        Ok(())
    }

    #[test]
    fn a_full_disk_loses_what_is_not_durable_and_takes_nothing() -> Result<(), SimulationError> {
        let mut journal = Journal::default();
        journal.write(gap(1))?;
        journal.sync();
        let durable = journal.lines().to_vec();
        journal.write(gap(2))?;
        assert_eq!(journal.fail(), 0, "no delivery was written");
        journal.write(gap(3))?;
        assert_eq!(journal.lines(), durable);
        journal.restore();
        journal.write(gap(4))?;
        assert_eq!(journal.recover()?.records, 2);
        Ok(())
    }

    #[test]
    fn a_replica_does_not_start_from_a_journal_damaged_in_the_middle() -> Result<(), ProtocolError>
    {
        let mut journal = Journal::default();
        journal.write(gap(1))?;
        journal.write(gap(2))?;
        journal.lines[20] ^= 1;
        let error = journal.recover().map_err(SimulationError::from);
        assert!(matches!(error, Err(SimulationError::Recovery(_))), "{error:?}");
        Ok(())
    }
}
