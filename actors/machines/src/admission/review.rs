//! A review came.

use std::sync::Arc;

use portreeve_protocol::messages::admission::{
    AdmissionEffect, AdmissionTimer, GroupKind, Operation, ReviewFacts,
};
use portreeve_protocol::policy::PolicySnapshot;
use portreeve_protocol::workload::{Carrier, carrier};
use portreeve_protocol::{Delivery, Denial, DenyCode, Outbox, limits};

use super::Admission;
use super::answer;
use super::drain::draining;
use super::image::ImageCase;
use super::pending::Pending;
use super::select::Scope;

impl Admission {
    /// Answers the review if that needs no trust server or all answers are fresh; else asks.
    pub(super) fn review(
        &mut self,
        delivery: &Delivery,
        facts: &ReviewFacts,
        out: &mut Outbox<AdmissionEffect>,
    ) {
        let revision = self.policies.as_ref().map_or(0, |policies| policies.revision);
        if self.settings.client_required && !facts.peer.authenticated {
            answer::denied(delivery, facts, revision, stranger(), out);
            return;
        }
        if let Some(why) = exempt(facts) {
            answer::exempt(delivery, facts, revision, why, out);
            return;
        }
        let policies = match self.gate(facts) {
            Ok(policies) => policies,
            Err(denial) => {
                answer::denied(delivery, facts, revision, denial, out);
                return;
            }
        };
        let scope = Scope::of(&policies, &facts.namespace);
        let judged = |image| ImageCase::new(image, &scope, &self.settings);
        let images: Vec<ImageCase> = facts.images.iter().map(judged).collect();
        let now = delivery.now;
        let mut pending =
            Pending::new(facts.clone(), images, Arc::clone(&policies), now, &self.settings);
        let questions = pending.questions();
        for question in &questions {
            if let Some(known) = self.known.get(question) {
                pending.answer(question, known);
            }
        }
        let mut asks = Vec::new();
        for question in &questions {
            asks.extend(pending.judge(question, now, &self.settings));
        }
        if pending.is_settled() {
            answer::decided(delivery, &delivery.event, pending, out);
            return;
        }
        if self.pending.len() >= limits::REVIEWS_IN_FLIGHT {
            let detail = format!("{} reviews wait for trust servers", self.pending.len());
            let denial = Denial::new(DenyCode::Overloaded, detail);
            answer::denied(delivery, facts, revision, denial, out);
            return;
        }
        let budget = facts.budget.min(limits::LONGEST_TIMEOUT);
        let timer = AdmissionTimer::Deadline(delivery.event.clone());
        out.push(AdmissionEffect::Arm(now.mono.plus(budget), timer));
        for question in questions {
            self.waiting.entry(question).or_default().insert(delivery.event.clone());
        }
        for (question, not_before) in asks {
            out.push(pending.resolve(&question, not_before));
        }
        self.pending.insert(delivery.event.clone(), pending);
    }

    /// Whether the review can be judged at all, and by which policies.
    fn gate(&self, facts: &ReviewFacts) -> Result<Arc<PolicySnapshot>, Denial> {
        let GroupKind { group, kind, version } = &facts.kind;
        // A body so odd that not even a kind could be read is not of an unknown kind.
        if let Some(why) = facts.malformed.as_ref().filter(|_| kind.is_empty()) {
            return Err(Denial::new(DenyCode::ReviewMalformed, why.clone()));
        }
        if carrier(group, kind, facts.sub_resource.as_deref()) == Carrier::Unknown {
            let under = facts.sub_resource.as_deref().unwrap_or_default();
            let slash = if under.is_empty() { "" } else { "/" };
            let group = if group.is_empty() { "the core group" } else { group };
            let detail = format!("{kind}{slash}{under} of {group} {version} is not a known kind");
            return Err(Denial::new(DenyCode::UnknownKind, detail));
        }
        if let Some(why) = &facts.malformed {
            return Err(Denial::new(DenyCode::ReviewMalformed, why.clone()));
        }
        if self.draining {
            return Err(draining());
        }
        for images in [facts.images.len(), facts.old_images.len()] {
            if images > limits::REVIEW_IMAGES {
                let detail = format!("it names {images} images, {} may be", limits::REVIEW_IMAGES);
                return Err(Denial::new(DenyCode::TooManyImages, detail));
            }
        }
        self.policies.clone().ok_or_else(|| {
            Denial::new(DenyCode::PoliciesNotLoaded, "the policies have not been read yet")
        })
    }
}

/// The refusal of a caller who could be anyone. Even what is otherwise allowed unseen is refused:
/// a stranger learns nothing, and whoever configured the API server wrongly notices at once.
fn stranger() -> Denial {
    let detail = "the review came without a certificate of the client CA";
    Denial::new(DenyCode::ClientUnauthenticated, detail)
}

/// Why a review is allowed unseen, if it is: nothing that it does can make an image run.
fn exempt(facts: &ReviewFacts) -> Option<&'static str> {
    let GroupKind { group, kind, .. } = &facts.kind;
    match facts.operation {
        Operation::Delete => Some("delete"),
        Operation::Connect => Some("connect"),
        Operation::Create | Operation::Update => {
            match carrier(group, kind, facts.sub_resource.as_deref()) {
                Carrier::NoImage => Some("no-image"),
                Carrier::PodSpec(_) | Carrier::EphemeralContainers | Carrier::Unknown => None,
            }
        }
    }
}
