//! The node drains.

use portreeve_protocol::messages::admission::AdmissionEffect;
use portreeve_protocol::{Delivery, Denial, DenyCode, EventId, Outbox};

use super::Admission;

impl Admission {
    /// Denies what waits, and whatever comes later and cannot be allowed unseen.
    pub(super) fn drain(&mut self, delivery: &Delivery, out: &mut Outbox<AdmissionEffect>) {
        self.draining = true;
        let events: Vec<EventId> = self.pending.keys().cloned().collect();
        for event in events {
            if let Some(pending) = self.pending.get_mut(&event) {
                pending.give_up(|_| draining());
            }
            self.finish(delivery, &event, true, out);
        }
    }
}

/// The refusal of a replica that shuts down.
pub(super) fn draining() -> Denial {
    Denial::new(DenyCode::Draining, "this replica is shutting down")
}
