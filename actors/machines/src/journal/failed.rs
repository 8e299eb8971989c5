//! The writer failed.

use portreeve_protocol::entry::Gap;
use portreeve_protocol::messages::journal::{JournalEffect, WriteFailed};
use portreeve_protocol::planted::{self, Bug};
use portreeve_protocol::{Fact, Outbox};

use super::{JournalGate, release_unrecorded};

impl JournalGate {
    /// Releases what waits, allows as denials, and stays degraded until writing works again. A
    /// failure while degraded adds to what is lost; the first reason is kept.
    pub(super) fn write_failed(&mut self, failed: &WriteFailed, out: &mut Outbox<JournalEffect>) {
        let mut gap = self.gap.take().unwrap_or_else(|| {
            out.push(JournalEffect::Note(Fact::JournalDegraded { why: failed.why.clone() }));
            Gap { denied: 0, exempt: 0, lost: 0, why: failed.why.clone() }
        });
        gap.lost = gap.lost.saturating_add(failed.lost);
        let taken = !planted::is(Bug::WaitingOutliveFailure);
        for (review, waiting) in taken.then(|| self.take_pending()).into_iter().flatten() {
            release_unrecorded(&mut gap, review, waiting, out);
        }
        self.gap = Some(gap);
    }
}
