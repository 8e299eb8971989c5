//! All that was handed over is durable.

use portreeve_protocol::Outbox;
use portreeve_protocol::messages::journal::{JournalEffect, Release};
use portreeve_protocol::planted::{self, Bug};

use super::JournalGate;

impl JournalGate {
    /// Lets every waiting answer go as decided. Nothing waits while the journal is degraded, so a
    /// late word of durability releases nothing then.
    pub(super) fn synced(&mut self, out: &mut Outbox<JournalEffect>) {
        let most = if planted::is(Bug::FirstAnswerOnly) { 1 } else { usize::MAX };
        for (review, _) in self.take_pending().into_iter().take(most) {
            out.push(JournalEffect::Release(Release { instead: None, review }));
        }
    }
}
