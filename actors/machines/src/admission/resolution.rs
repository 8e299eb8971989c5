//! A trust server's state of a tag became known.

use std::sync::Arc;

use portreeve_protocol::messages::admission::{AdmissionEffect, Resolution, ResolutionOutcome};
use portreeve_protocol::messages::notary::Resolve;
use portreeve_protocol::{Delivery, EventId, Outbox};

use super::known::Question;
use super::{Admission, image};

impl Admission {
    /// Remembers it, and decides the reviews that waited for it.
    pub(super) fn resolution(
        &mut self,
        delivery: &Delivery,
        resolution: &Arc<Resolution>,
        out: &mut Outbox<AdmissionEffect>,
    ) {
        self.known.learn(resolution);
        let question = Question::answered_by(resolution);
        let Some(events) = self.waiting.get(&question).cloned() else { return };
        for event in events {
            let Some(pending) = self.pending.get_mut(&event) else { continue };
            match &resolution.outcome {
                ResolutionOutcome::Unavailable(why) => {
                    // The failure of an older attempt does not answer a newer question.
                    if pending.asked_since(&question) > Some(resolution.checked_at) {
                        continue;
                    }
                    pending.fail(&question, image::naming(&question.server, why));
                }
                ResolutionOutcome::Absent
                | ResolutionOutcome::Refused(_)
                | ResolutionOutcome::Verified(_) => pending.answer(&question, resolution),
            }
            self.settle(delivery, &event, &question, out);
        }
    }

    /// Judges again the images of a review that depend on `question`; asks again where needed, and
    /// answers the review when nothing is open any more.
    pub(super) fn settle(
        &mut self,
        delivery: &Delivery,
        event: &EventId,
        question: &Question,
        out: &mut Outbox<AdmissionEffect>,
    ) {
        let Some(pending) = self.pending.get_mut(event) else { return };
        for (question, not_before) in pending.judge(question, delivery.now.wall, &self.settings) {
            out.push(AdmissionEffect::Resolve {
                server: question.server,
                resolve: Resolve {
                    credentials: Default::default(),
                    gun: question.gun,
                    namespace: String::new(),
                    not_before,
                    tag: question.tag,
                },
            });
        }
        if pending.is_settled() {
            self.finish(delivery, event, true, out);
        }
    }
}
