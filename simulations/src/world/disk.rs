//! The disk of a journal: syncs, group commit, a disk that fails and works again.

use portreeve_protocol::messages::journal::{Appended, JournalInput, WriteFailed};
use portreeve_protocol::time::SECOND;

use super::{Happening, World};
use crate::SimulationError;
use crate::fault::Syncing;

/// After how long a replica looks whether its disk works again.
const RETRY: u64 = SECOND / 2;

impl World<'_> {
    /// Hands the gate what was appended: at once, or once the sync at work has ended.
    pub(super) fn appended(
        &mut self,
        replica: usize,
        appended: Appended,
    ) -> Result<(), SimulationError> {
        let process = &mut self.replicas[replica];
        let syncing = process.syncing;
        let Some(node) = process.node() else { return Ok(()) };
        let (answers, writable) = (!appended.answers.is_empty(), node.journal().is_writable());
        // A healthy gate has no use for records without answers; a degraded one counts them.
        if !answers && writable {
            return Ok(());
        }
        if answers && writable && syncing {
            process.unsynced.push_back(appended);
            return Ok(());
        }
        self.gate(replica, JournalInput::Appended(appended))?;
        if answers && writable {
            self.sync(replica)?;
        }
        Ok(())
    }

    /// Has the disk make durable what was written.
    fn sync(&mut self, replica: usize) -> Result<(), SimulationError> {
        let at = self.scheduler.now();
        let syncing = self.syncing(replica);
        if let Some(why) = syncing.error {
            return self.disk_failed(replica, why);
        }
        let process = &mut self.replicas[replica];
        process.syncing = true;
        let life = process.life;
        let Some(node) = process.node() else { return Ok(()) };
        let mark = node.journal().mark();
        let synced = Happening::Synced { life, mark, replica };
        self.scheduler.schedule(at.plus(syncing.micros), synced);
        Ok(())
    }

    /// How the disk would make a journal durable now, faults and all.
    fn syncing(&mut self, replica: usize) -> Syncing {
        let at = self.scheduler.now();
        let mut syncing = Syncing { error: None, micros: self.delays.sync() };
        self.bend(&mut syncing, |influence, rng, syncing| {
            influence.sync(at, replica, rng, syncing);
        });
        syncing
    }

    pub(super) fn synced(
        &mut self,
        replica: usize,
        mark: (u32, usize),
    ) -> Result<(), SimulationError> {
        let process = &mut self.replicas[replica];
        process.syncing = false;
        let Some(node) = process.node() else { return Ok(()) };
        if !node.journal().is_writable() {
            return Ok(());
        }
        node.journal_mut().sync_to(mark);
        let (segment, entries) = mark;
        let key = [&segment.to_be_bytes()[..], &entries.to_be_bytes()];
        self.mark('~', Some(replica), &key, || format!("durable up to {segment}/{entries}"));
        self.gate(replica, JournalInput::Synced)?;
        let waiting = std::mem::take(&mut self.replicas[replica].unsynced);
        let more = !waiting.is_empty();
        for appended in waiting {
            self.gate(replica, JournalInput::Appended(appended))?;
        }
        if more {
            return self.sync(replica);
        }
        self.checkpoint(replica)
    }

    /// Begins a segment with a checkpoint, if it is time.
    fn checkpoint(&mut self, replica: usize) -> Result<(), SimulationError> {
        let Some(node) = self.replicas[replica].node() else { return Ok(()) };
        if node.checkpoint()? {
            let segments = node.journal().segments();
            self.note('~', Some(replica), format!("checkpoint, {segments} segments"));
        }
        Ok(())
    }

    /// Nothing can be made durable: what was written since the last time is lost.
    fn disk_failed(&mut self, replica: usize, why: &str) -> Result<(), SimulationError> {
        let at = self.scheduler.now();
        let process = &mut self.replicas[replica];
        let waiting = std::mem::take(&mut process.unsynced);
        let life = process.life;
        let Some(node) = process.node() else { return Ok(()) };
        let lost = node.journal_mut().fail();
        self.note('!', Some(replica), format!("{why}, {lost} deliveries lost"));
        let failed = WriteFailed { lost, why: why.to_owned() };
        self.gate(replica, JournalInput::WriteFailed(failed))?;
        for appended in waiting {
            self.gate(replica, JournalInput::Appended(appended))?;
        }
        self.scheduler.schedule(at.plus(RETRY), Happening::Retry { life, replica });
        Ok(())
    }

    /// If the disk works again, what was lost is written down first of all, and made durable.
    pub(super) fn disk_restored(&mut self, replica: usize) -> Result<(), SimulationError> {
        let Some(node) = self.replicas[replica].node() else { return Ok(()) };
        if node.journal().is_writable() {
            return Ok(());
        }
        if self.syncing(replica).error.is_some() {
            let life = self.replicas[replica].life;
            let at = self.scheduler.now().plus(RETRY);
            self.scheduler.schedule(at, Happening::Retry { life, replica });
            return Ok(());
        }
        if let Some(node) = self.replicas[replica].node() {
            node.journal_mut().restore();
        }
        self.note('~', Some(replica), "the disk works again");
        self.gate(replica, JournalInput::WriteRestored)?;
        if let Some(node) = self.replicas[replica].node() {
            node.journal_mut().sync();
        }
        self.checkpoint(replica)
    }
}
