//! Keeps the account of what is under way, and writes checkpoints of it, as the host's journal
//! thread does. Where nobody audits the journal, only what a restart needs is written, and only
//! behind a gap: what was learned while nothing could be written must outlive the process.

use std::sync::Arc;

use portreeve_protocol::entry::{Answered, Checkpoint, Delivered, Panicked, Started};
use portreeve_protocol::{ActorId, Effect, Kept};
use portreeve_replay::{Ledger, cut};

use super::Journal;

/// Records of a segment, before the next is begun with a checkpoint.
const SEGMENT_RECORDS: u64 = 400;
/// Segments that are kept.
const SEGMENTS: usize = 4;

/// Keeps account of what is under way.
#[derive(Debug, Default)]
pub(super) struct Scribe {
    audited: bool,
    ledger: Ledger,
    /// Records in the segment that is written.
    records: u64,
    /// Whether records were lost that only a checkpoint makes up for.
    wanted: bool,
}

impl Scribe {
    pub(super) fn new(audited: bool) -> Self {
        Self { audited, ..Self::default() }
    }

    /// Whether somebody audits the journal.
    pub(super) const fn audited(&self) -> bool {
        self.audited
    }

    pub(super) fn delivered(&mut self, delivered: &Delivered, effects: &[Effect]) {
        if !self.audited {
            return;
        }
        self.ledger.delivered(delivered, effects);
        self.records += 1;
    }

    pub(super) fn panicked(&mut self, panicked: &Panicked) {
        if !self.audited {
            return;
        }
        self.ledger.panicked(panicked);
        self.records += 1;
    }

    pub(super) fn answered(&mut self, answered: &Answered) {
        if self.audited {
            self.ledger.answered(answered);
            self.records += 1;
        }
    }

    /// Records were lost. What is under way is known all the same.
    pub(super) const fn lost(&mut self) {
        self.wanted = true;
    }

    /// Whether it is time for a checkpoint.
    pub(super) const fn full(&self) -> bool {
        self.wanted || self.records >= SEGMENT_RECORDS
    }

    /// A checkpoint of machines that know what is `kept`; the blobs it names go to the journal.
    pub(super) fn checkpoint(
        &mut self,
        started: &Started,
        kept: Vec<(ActorId, Kept)>,
        journal: &mut Journal,
    ) -> Checkpoint {
        journal.keep(kept.iter().flat_map(|(_, kept)| &kept.blobs));
        let (mut started, states) = cut(started, kept);
        journal.keep(started.restored.blobs_mut().into_iter().map(|blob| &*blob));
        journal.retain(SEGMENTS);
        self.records = 0;
        self.wanted = false;
        self.ledger.checkpoint(Arc::new(started), states)
    }
}
