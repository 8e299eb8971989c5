//! A question could not be delivered.

use portreeve_protocol::messages::admission::{AdmissionEffect, HopRefused};
use portreeve_protocol::{ActorId, Delivery, EventId, Fact, Now, Outbox};

use super::Admission;
use super::demand::naming;

impl Admission {
    /// Denies the images that wait for the fetcher that would not take a question.
    pub(super) fn hop_refused(
        &mut self,
        delivery: &Delivery,
        now: Now,
        refused: &HopRefused,
        out: &mut Outbox<AdmissionEffect>,
    ) {
        let ActorId::Notary(server) = &refused.to else {
            out.push(AdmissionEffect::Note(Fact::Unexpected {
                actor: ActorId::Admission,
                what: format!("a hop to {} was refused, to which nothing is sent", refused.to),
            }));
            return;
        };
        let denial = naming(server, &refused.why);
        let events: Vec<EventId> = self.pending.keys().cloned().collect();
        for event in events {
            let questions = self.pending.get_mut(&event).map(|it| it.fail_server(server, &denial));
            for question in questions.unwrap_or_default() {
                self.settle(delivery, now, &event, &question, out);
            }
        }
    }
}
