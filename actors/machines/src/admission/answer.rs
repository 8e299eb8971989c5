//! The answer to a review.

use std::collections::BTreeMap;
use std::sync::Arc;

use portreeve_protocol::messages::admission::{AdmissionEffect, AdmissionTimer, ReviewFacts};
use portreeve_protocol::planted::{self, Bug};
use portreeve_protocol::shown::listed;
use portreeve_protocol::{
    ContainerVerdict, Decision, Delivery, Denial, EventId, Fact, Mono, Outbox, Verdict,
};

use super::image::{Concluded, ImageCase};
use super::pending::Pending;
use super::sealing::{self, Sealing};
use super::{Admission, message, patch};

impl Admission {
    /// Answers a review that waited, by the verdicts there are.
    pub(super) fn finish(
        &mut self,
        delivery: &Delivery,
        event: &EventId,
        disarm: bool,
        out: &mut Outbox<AdmissionEffect>,
    ) {
        let Some(mut pending) = self.pending.remove(event) else { return };
        pending.expire(self.clock.believed(delivery.now), &self.settings);
        pending.go_on(&self.revoked);
        for question in pending.questions() {
            if !planted::is(Bug::EndedReviewsKept)
                && let Some(events) = self.waiting.get_mut(&question)
            {
                events.remove(event);
                if events.is_empty() {
                    self.waiting.remove(&question);
                }
            }
        }
        if disarm {
            out.push(AdmissionEffect::Disarm(AdmissionTimer::Deadline(event.clone())));
        }
        decided(delivery, event, pending, out);
    }
}

/// Answers a review that is allowed unseen.
pub(super) fn exempt(
    delivery: &Delivery,
    facts: &ReviewFacts,
    revision: u64,
    why: &'static str,
    out: &mut Outbox<AdmissionEffect>,
) {
    let mut decision = empty(&delivery.event, facts, revision);
    decision.audit.insert("exempt".to_owned(), why.to_owned());
    send(delivery, delivery.now.mono, decision, true, out);
}

/// Answers a review that is denied as a whole, before any image was judged.
pub(super) fn denied(
    delivery: &Delivery,
    facts: &ReviewFacts,
    revision: u64,
    denial: Denial,
    out: &mut Outbox<AdmissionEffect>,
) {
    let mut decision = empty(&delivery.event, facts, revision);
    decision.allowed = false;
    decision.audit.insert("codes".to_owned(), denial.code.code().to_owned());
    decision.message = message::of_review(&denial);
    decision.denial = Some(denial);
    send(delivery, delivery.now.mono, decision, true, out);
}

/// Answers a review by the verdicts on its images: allowed only if every one is.
pub(super) fn decided(
    delivery: &Delivery,
    event: &EventId,
    pending: Pending,
    out: &mut Outbox<AdmissionEffect>,
) {
    let warm = !pending.has_asked();
    let received = pending.received.mono;
    let mut decision = empty(event, &pending.facts, pending.policies.revision);
    decision.bundle = pending.bundle;
    let may_patch = patch::may_patch(&pending.facts);
    let mut remarks = Vec::new();
    let mut stale = Vec::new();
    let mut concluded: Vec<Concluded> =
        pending.images.into_iter().map(ImageCase::conclude).collect();
    let denied = concluded.iter().any(|one| denial_of(&one.verdict).is_some());
    let seal = (!denied).then(|| sealing::seal(&pending.facts, &pending.seals, &mut concluded));
    let mut would_deny = Vec::new();
    for Concluded { mutate, overruled, stale: old, mut verdict, warnings, .. } in concluded {
        would_deny.extend(overruled.map(|denial| message::coded(&verdict, &denial)));
        stale.extend(old.into_iter().map(|one| message::remark(&verdict, &one)));
        if may_patch && mutate && !planted::is(Bug::PinLeftOut) {
            verdict.set_pinned(true);
        }
        remarks.extend(warnings.into_iter().map(|text| message::remark(&verdict, &text)));
        remarks.extend(message::tolerated(&verdict));
        decision.verdicts.push(verdict);
    }
    decision.denial = decision.verdicts.iter().find_map(|it| denial_of(it).cloned());
    decision.allowed = decision.denial.is_none();
    if decision.allowed {
        match seal {
            Some(Sealing::Given(seal)) => decision.seal = Some(seal),
            Some(Sealing::TooLarge) => remarks.push(message::SEAL_TOO_LARGE.to_owned()),
            Some(Sealing::Left) | None => {}
        }
    } else {
        // Nothing is changed in what does not enter.
        decision.verdicts.iter_mut().for_each(|verdict| verdict.set_pinned(false));
    }
    if pending.bundle.is_some_and(|bundle| bundle.expired) {
        remarks.insert(0, message::BUNDLE_EXPIRED.to_owned());
    }
    if !pending.policies.watched {
        remarks.insert(0, message::NOT_WATCHED.to_owned());
    }
    decision.warnings = message::bounded(remarks);
    decision.message = message::of_images(&decision.verdicts);
    decision.audit = message::audit(&decision.verdicts, would_deny);
    decision.audit.extend(message::seals(&pending.facts, pending.unproven, &decision));
    if let Some(bundle) = &decision.bundle {
        decision.audit.insert("bundle".to_owned(), message::bundle(bundle));
    }
    if !stale.is_empty() {
        decision.audit.insert("stale".to_owned(), listed(&stale));
    }
    send(delivery, received, decision, warm, out);
}

/// Why an image is denied, if it is.
pub(super) fn denial_of(verdict: &ContainerVerdict) -> Option<&Denial> {
    match &verdict.verdict {
        Verdict::Allowed(_) => None,
        Verdict::Denied(denial) => Some(denial),
    }
}

fn empty(review: &EventId, facts: &ReviewFacts, policy_revision: u64) -> Decision {
    Decision {
        allowed: true,
        audit: BTreeMap::new(),
        bundle: None,
        denial: None,
        message: String::new(),
        policy_revision,
        review: review.clone(),
        seal: None,
        uid: facts.uid.clone(),
        verdicts: Vec::new(),
        warnings: Vec::new(),
    }
}

fn send(
    delivery: &Delivery,
    received: Mono,
    decision: Decision,
    warm: bool,
    out: &mut Outbox<AdmissionEffect>,
) {
    let fact = Fact::ReviewDecided {
        allowed: decision.allowed,
        code: decision.denial.as_ref().map(|denial| denial.code),
        images: u32::try_from(decision.verdicts.len()).unwrap_or(u32::MAX),
        micros: delivery.now.mono.since(received),
        review: decision.review.clone(),
        warm,
    };
    out.push(AdmissionEffect::Answer(Arc::new(decision)));
    out.push(AdmissionEffect::Note(fact));
}
