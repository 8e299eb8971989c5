//! The controller of a workload was looked for.

use portreeve_protocol::messages::admission::{
    AdmissionEffect, OwnerFact, OwnerFound, OwnerOutcome, OwnerQuery, ReviewFacts,
};
use portreeve_protocol::shown::shown;
use portreeve_protocol::{ActorId, Delivery, EventId, Fact, Now, Outbox};
use serde::{Deserialize, Serialize};

use super::Admission;
use super::pending::Pending;

impl Admission {
    /// Settles what the controller's seal stands for; the rest goes the way of any image.
    pub(super) fn owner_found(
        &mut self,
        delivery: &Delivery,
        now: Now,
        found: &OwnerFound,
        out: &mut Outbox<AdmissionEffect>,
    ) {
        let event = &found.review;
        let Some(pending) = self.pending.get_mut(event) else { return };
        if !pending.take_owner(&found.outcome) {
            let what = format!("word of a controller that review {event} had not asked for");
            let actor = ActorId::Admission;
            out.push(AdmissionEffect::Note(Fact::Unexpected { actor, what }));
            return;
        }
        self.proceed(delivery, now, event, out);
    }

    /// Goes on with a review that waits for no controller: settles by seals what they stand for,
    /// asks about the rest, and answers if nothing is open.
    pub(super) fn proceed(
        &mut self,
        delivery: &Delivery,
        now: Now,
        event: &EventId,
        out: &mut Outbox<AdmissionEffect>,
    ) {
        let Some(mut pending) = self.pending.remove(event) else { return };
        pending.consult(&self.revoked);
        for (question, not_before) in self.ask(&mut pending, now) {
            out.push(pending.resolve(&question, not_before));
        }
        for question in pending.questions() {
            self.waiting.entry(question).or_default().insert(event.clone());
        }
        let settled = pending.is_settled();
        self.pending.insert(event.clone(), pending);
        if settled {
            self.finish(delivery, event, true, out);
        }
    }
}

/// The look at the controller that `owner` names.
pub(super) fn query(review: &EventId, facts: &ReviewFacts, owner: &OwnerFact) -> OwnerQuery {
    OwnerQuery {
        api_version: owner.api_version.clone(),
        kind: owner.kind.clone(),
        name: owner.name.clone(),
        namespace: facts.namespace.clone(),
        review: review.clone(),
    }
}

/// How far the look at the controller has come.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) enum OwnerLook {
    /// There was none, or it is over.
    #[default]
    Done,
    /// It is under way.
    Awaited(OwnerFact),
}

impl OwnerLook {
    /// Whether it is under way.
    pub(super) const fn is_awaited(&self) -> bool {
        matches!(self, Self::Awaited(_))
    }

    /// The controller still looked for, as words that may follow others.
    pub(super) fn awaited(&self) -> String {
        match self {
            Self::Done => String::new(),
            Self::Awaited(owner) => format!(" {} {}", shown(&owner.kind), shown(&owner.name)),
        }
    }
}

impl Pending {
    /// Takes what was found of the controller; `false` if nothing was looked for.
    fn take_owner(&mut self, outcome: &OwnerOutcome) -> bool {
        let OwnerLook::Awaited(owner) = std::mem::take(&mut self.owner) else { return false };
        let proven = match outcome {
            OwnerOutcome::Absent => Err("there is no such object".to_owned()),
            OwnerOutcome::Found(found) => self.seals.take_owner(&self.facts, &owner, found),
            OwnerOutcome::Unavailable(why) => Err(format!("it cannot be seen: {}", why.detail)),
        };
        if let Err(why) = proven {
            self.unproven = Some(format!("{} {}: {why}", shown(&owner.kind), shown(&owner.name)));
        }
        true
    }
}
