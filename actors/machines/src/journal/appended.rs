//! A record was handed to the writer.

use portreeve_protocol::Outbox;
use portreeve_protocol::messages::journal::{Appended, JournalEffect};
use portreeve_protocol::planted::{self, Bug};

use super::{JournalGate, Waiting, release_unrecorded, unexpected};

impl JournalGate {
    /// Keeps the record's answers until it is durable. While the journal is degraded the record is
    /// lost, and its answers leave at once.
    pub(super) fn appended(&mut self, appended: &Appended, out: &mut Outbox<JournalEffect>) {
        if let Some(gap) = &mut self.gap {
            gap.lost = gap.lost.saturating_add(u64::from(!planted::is(Bug::LossNotCounted)));
        }
        for gated in &appended.answers {
            if self.pending.contains_key(&gated.review) {
                unexpected(&format!("a second answer to review {}", gated.review), out);
                continue;
            }
            let exempt = gated.exempt || planted::is(Bug::ExemptTooWide);
            let waiting = Waiting { allowed: gated.allowed, exempt, place: self.arrived };
            self.arrived = self.arrived.saturating_add(1);
            match &mut self.gap {
                Some(gap) => release_unrecorded(gap, gated.review.clone(), waiting, out),
                None => drop(self.pending.insert(gated.review.clone(), waiting)),
            }
        }
        if planted::is(Bug::AnswerBeforeDurable) {
            self.synced(out);
        }
    }
}
