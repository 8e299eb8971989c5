//! A review came.

use std::sync::Arc;

use portreeve_protocol::messages::admission::{
    AdmissionEffect, AdmissionTimer, GroupKind, ImageFact, Operation, ReviewFacts,
};
use portreeve_protocol::planted::{self, Bug};
use portreeve_protocol::policy::PolicySnapshot;
use portreeve_protocol::workload::{Carrier, carrier};
use portreeve_protocol::{Delivery, Denial, DenyCode, Mono, Now, Outbox, limits};

use super::Admission;
use super::answer;
use super::bundle::Standing;
use super::drain::draining;
use super::image::ImageCase;
use super::known::Question;
use super::owner::{OwnerLook, query};
use super::pending::Pending;
use super::seals::{self, controller};
use super::select::Scope;

impl Admission {
    /// Answers the review if that needs no trust server or all answers are fresh; else asks.
    pub(super) fn review(
        &mut self,
        delivery: &Delivery,
        now: Now,
        facts: &Arc<ReviewFacts>,
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
        let same = |image: &ImageFact| seals::unchanged(facts, image);
        let all_same = !facts.images.is_empty() && facts.images.iter().all(same);
        let policies = match self.gate(facts, all_same) {
            Ok(policies) => policies,
            Err(denial) => {
                answer::denied(delivery, facts, revision, denial, out);
                return;
            }
        };
        let bundle = self.bundle.standing(self.settings.bundle.as_ref(), now.wall);
        let images = self.cases(facts, &policies, &bundle);
        let under = (Arc::clone(&policies), bundle.name());
        let mut pending = Pending::new(Arc::clone(facts), images, under, now);
        pending.consult(&self.revoked);
        let owner = controller(facts).filter(|_| facts.sealing && !pending.is_settled());
        let asks = if owner.is_some() { Vec::new() } else { self.ask(&mut pending, now) };
        if pending.is_settled() {
            pending.go_on(&self.revoked);
            let ahead = self.ask_ahead(&pending);
            answer::decided(delivery, &delivery.event, pending, out);
            ahead.into_iter().for_each(|ask| out.push(ask));
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
        if let Some(owner) = owner {
            out.push(AdmissionEffect::LookUpOwner(query(&delivery.event, facts, owner)));
            pending.owner = OwnerLook::Awaited(owner.clone());
        }
        for question in pending.questions() {
            self.waiting.entry(question).or_default().insert(delivery.event.clone());
        }
        for (question, not_before) in asks {
            out.push(pending.resolve(&question, not_before));
        }
        self.pending.insert(delivery.event.clone(), pending);
    }

    /// How the case of each image begins: as it is known under these policies, or planned anew.
    fn cases(
        &mut self,
        facts: &ReviewFacts,
        policies: &PolicySnapshot,
        bundle: &Standing,
    ) -> Vec<ImageCase> {
        let scope = Scope::of(policies, &facts.namespace);
        let by = (&self.settings, bundle);
        let (plans, requirements) = (&mut self.plans, &mut self.requirements);
        // A bundle that denies says why, and that changes with the time.
        let lasts = !matches!(bundle, Standing::Denies(_));
        let begun = |image: &ImageFact| {
            if seals::unchanged(facts, image) {
                return ImageCase::unchanged(image);
            }
            let lasts = lasts && !ImageCase::is_blank(image);
            if let Some(known) = plans.find(&facts.namespace, image).filter(|_| lasts) {
                return known;
            }
            let case = ImageCase::new(image, facts.path, &scope, by, requirements);
            if lasts {
                plans.keep(&facts.namespace, image, &case);
            }
            case
        };
        facts.images.iter().map(begun).collect()
    }

    /// Judges what is open by what is remembered. Gives the questions that must be asked, and since
    /// when the answer must hold.
    pub(super) fn ask(&self, pending: &mut Pending, now: Now) -> Vec<(Arc<Question>, Mono)> {
        if let Some(fault) = self.clock.fault() {
            pending.give_up(|_| fault.clone());
        }
        pending.ask_for_open(&self.settings);
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
        asks
    }

    /// Asks anew for answers that will soon be too old, so that what is in steady use is there when
    /// the next review comes, though its server should be slow or away for a moment. Anything newer
    /// than what is known will do: all tags of a collection share one look at its timestamp.
    fn ask_ahead(&mut self, pending: &Pending) -> Vec<AdmissionEffect> {
        if pending.facts.dry_run {
            return Vec::new();
        }
        let ageing = pending.ageing().filter(|(question, _)| self.known.renew(question));
        ageing.map(|(question, checked)| pending.resolve(question, checked.plus(1))).collect()
    }

    /// Whether the review can be judged at all, and by which policies.
    ///
    /// An update that leaves all images as they are waits for nothing, not even for policies.
    fn gate(&self, facts: &ReviewFacts, all_same: bool) -> Result<Arc<PolicySnapshot>, Denial> {
        let GroupKind { group, kind, version } = &facts.kind;
        // A body so odd that not even a kind could be read is not of an unknown kind.
        if let Some(why) = facts.malformed.as_ref().filter(|_| kind.is_empty()) {
            return Err(Denial::new(DenyCode::ReviewMalformed, why.clone()));
        }
        let unknown = carrier(group, kind, facts.sub_resource.as_deref()) == Carrier::Unknown;
        if unknown && !planted::is(Bug::UnknownKindAllowed) {
            let under = facts.sub_resource.as_deref().unwrap_or_default();
            let slash = if under.is_empty() { "" } else { "/" };
            let group = if group.is_empty() { "the core group" } else { group };
            let detail = format!("{kind}{slash}{under} of {group} {version} is not a known kind");
            return Err(Denial::new(DenyCode::UnknownKind, detail));
        }
        if let Some(why) = &facts.malformed {
            return Err(Denial::new(DenyCode::ReviewMalformed, why.clone()));
        }
        if self.draining && !all_same && !planted::is(Bug::DrainingAllows) {
            return Err(draining());
        }
        for images in [facts.images.len(), facts.old_images.len()] {
            if images > limits::REVIEW_IMAGES {
                let detail = format!("it names {images} images, {} may be", limits::REVIEW_IMAGES);
                return Err(Denial::new(DenyCode::TooManyImages, detail));
            }
        }
        let none = || Arc::new(PolicySnapshot { watched: true, ..PolicySnapshot::default() });
        let policies = self.policies.clone().filter(|_| !planted::is(Bug::HiddenInput));
        let policies = policies.or_else(|| all_same.then(none));
        policies.ok_or_else(|| {
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
        Operation::Update if planted::is(Bug::UpdateUnseen) => Some("update"),
        Operation::Create | Operation::Update => {
            if facts.sub_resource.is_some() && planted::is(Bug::EphemeralUnseen) {
                return Some("no-image");
            }
            // Of what cannot be read, nobody knows what it is.
            let legible = facts.malformed.is_none();
            match carrier(group, kind, facts.sub_resource.as_deref()) {
                Carrier::NoImage => legible.then_some("no-image"),
                Carrier::PodSpec(_) | Carrier::EphemeralContainers | Carrier::Unknown => None,
            }
        }
    }
}
