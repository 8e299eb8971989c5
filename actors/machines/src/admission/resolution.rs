//! A trust server's state of a tag became known.

use std::sync::Arc;

use portreeve_protocol::messages::admission::{
    AdmissionEffect, LastVerified, Resolution, ResolutionOutcome,
};
use portreeve_protocol::planted::{self, Bug};
use portreeve_protocol::{Delivery, EventId, Now, Outbox};

use super::Admission;
use super::demand::naming;
use super::known::Question;

impl Admission {
    /// Remembers it, and decides the reviews that waited for it.
    pub(super) fn resolution(
        &mut self,
        delivery: &Delivery,
        now: Now,
        resolution: &Arc<Resolution>,
        out: &mut Outbox<AdmissionEffect>,
    ) {
        // A root that only dry runs looked at is kept by nobody, so nobody else may rest on it.
        if !resolution.tentative || planted::is(Bug::DryRunBelieved) {
            self.known.learn(resolution);
        }
        let question = Question::answered_by(resolution);
        let Some(events) = self.waiting.get(&question).cloned() else { return };
        for event in events {
            let Some(pending) = self.pending.get_mut(&event) else { continue };
            if resolution.tentative && !pending.facts.dry_run {
                continue;
            }
            match &resolution.outcome {
                ResolutionOutcome::Unavailable(why) => {
                    // The failure of an older attempt does not answer a newer question.
                    let since = pending.asked_since(&question);
                    if since > Some(resolution.checked_at) && !planted::is(Bug::OlderFailureCounts)
                    {
                        continue;
                    }
                    if let Some(last) = last_verified(resolution) {
                        pending.remember(&question, &last);
                    }
                    pending.fail(&question, naming(&question.server, why));
                }
                ResolutionOutcome::Absent
                | ResolutionOutcome::Refused(_)
                | ResolutionOutcome::Verified(_) => pending.answer(&question, resolution),
            }
            self.settle(delivery, now, &event, &question, out);
        }
    }

    /// Judges again the images of a review that depend on `question`; asks again where needed, and
    /// answers the review when nothing is open any more.
    pub(super) fn settle(
        &mut self,
        delivery: &Delivery,
        now: Now,
        event: &EventId,
        question: &Question,
        out: &mut Outbox<AdmissionEffect>,
    ) {
        let Some(pending) = self.pending.get_mut(event) else { return };
        if let Some(fault) = self.clock.fault() {
            pending.give_up(|_| fault.clone());
            return self.finish(delivery, event, true, out);
        }
        for (question, not_before) in pending.judge(question, now, &self.settings) {
            out.push(pending.resolve(&question, not_before));
        }
        if pending.is_settled() {
            self.finish(delivery, event, true, out);
        }
    }
}

/// The last verified state that came with a failure, as an answer of its own age.
fn last_verified(resolution: &Resolution) -> Option<Arc<Resolution>> {
    let LastVerified { at, tag } = resolution.last_verified.as_deref()?;
    Some(Arc::new(Resolution {
        checked_at: *at,
        last_verified: None,
        outcome: ResolutionOutcome::Verified(Box::new(tag.clone())),
        ..resolution.clone()
    }))
}
