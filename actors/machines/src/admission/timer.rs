//! A review's time is up.

use portreeve_protocol::messages::admission::{AdmissionEffect, AdmissionTimer};
use portreeve_protocol::{Delivery, Denial, DenyCode, Outbox};

use super::Admission;

impl Admission {
    /// Denies the images still waiting, and says for what. The question stays with the fetcher:
    /// its answer serves the next review. The timer of a decided review means nothing.
    pub(super) fn timer(
        &mut self,
        delivery: &Delivery,
        timer: &AdmissionTimer,
        out: &mut Outbox<AdmissionEffect>,
    ) {
        let AdmissionTimer::Deadline(event) = timer;
        let Some(pending) = self.pending.get_mut(event) else { return };
        let waited = delivery.now.mono.since(pending.received.mono) / 1_000;
        pending.give_up(|question| {
            let detail = format!(
                "the trust server {} has not said within {waited} ms what it knows of {}:{}",
                question.server, question.gun, question.tag
            );
            Denial::new(DenyCode::Deadline, detail)
        });
        self.finish(delivery, event, false, out);
    }
}
