//! A review's time is up.

use portreeve_protocol::messages::admission::{AdmissionEffect, AdmissionTimer};
use portreeve_protocol::planted::{self, Bug};
use portreeve_protocol::{Delivery, Denial, DenyCode, Now, Outbox};

use super::Admission;

impl Admission {
    /// Denies the images still waiting, and says for what, unless an older state may serve. The
    /// question stays with the fetcher: its answer serves the next review. The timer of a decided
    /// review means nothing.
    pub(super) fn timer(
        &mut self,
        delivery: &Delivery,
        now: Now,
        timer: &AdmissionTimer,
        out: &mut Outbox<AdmissionEffect>,
    ) {
        let AdmissionTimer::Deadline(event) = timer;
        let waits = self.pending.get_mut(event).filter(|_| !planted::is(Bug::DeadlineIgnored));
        let Some(pending) = waits else { return };
        let waited = delivery.now.mono.since(pending.received.mono) / 1_000;
        let open = pending.open();
        for question in &open {
            let detail = format!(
                "the trust server {} has not said within {waited} ms what it knows of {}:{}",
                question.server, question.gun, question.tag
            );
            pending.fail(question, Denial::new(DenyCode::Deadline, detail));
        }
        for question in &open {
            pending.judge(question, now, &self.settings);
        }
        let owner = pending.owner.awaited();
        let owner = format!("the controller{owner} was not seen within {waited} ms");
        pending.give_up(|_| Denial::new(DenyCode::Deadline, owner.clone()));
        self.finish(delivery, event, false, out);
    }
}
