//! Writing works again.

use portreeve_protocol::messages::journal::JournalEffect;
use portreeve_protocol::planted::{self, Bug};
use portreeve_protocol::{Fact, Outbox};

use super::{JournalGate, unexpected};

impl JournalGate {
    /// Has the gap written down before anything else, and trusts the writer again.
    pub(super) fn write_restored(&mut self, out: &mut Outbox<JournalEffect>) {
        let Some(gap) = self.gap.take() else {
            unexpected("word that writing works again, though it never failed", out);
            return;
        };
        let denied = gap.denied;
        if !planted::is(Bug::GapNotRecorded) {
            out.push(JournalEffect::RecordGap(gap));
        }
        out.push(JournalEffect::Note(Fact::JournalRestored { denied }));
    }
}
