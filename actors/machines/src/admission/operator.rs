//! What operators say: entries of seals end, the clock is right, trust was forgotten.

use portreeve_protocol::messages::admission::{
    AcknowledgeClock, AdmissionEffect, Forgotten, RevokeSeal,
};
use portreeve_protocol::planted::{self, Bug};
use portreeve_protocol::seal::RevokedSeal;
use portreeve_protocol::{ActorId, Delivery, EventId, Fact, Now, Outbox, limits};

use super::Admission;

impl Admission {
    /// Lets the entry count no more, wherever it stands, reviews that wait included.
    pub(super) fn revoke_seal(
        &mut self,
        delivery: &Delivery,
        now: Now,
        revoke: &RevokeSeal,
        out: &mut Outbox<AdmissionEffect>,
    ) {
        let RevokeSeal { digest, gun, reason } = revoke;
        let ended = RevokedSeal { digest: *digest, gun: gun.clone() };
        if self.revoked.len() >= limits::REVOKED_SEALS && !self.revoked.contains(&ended) {
            // Forgetting another one would let that count again.
            let what = format!("more than {} seal entries to be ended", limits::REVOKED_SEALS);
            let actor = ActorId::Admission;
            return out.push(AdmissionEffect::Note(Fact::Unexpected { actor, what }));
        }
        self.revoked.insert(ended.clone());
        let (digest, gun, reason) = (*digest, gun.clone(), reason.clone());
        out.push(AdmissionEffect::Note(Fact::SealRevoked { digest, gun, reason }));
        let mut opened = Vec::new();
        for (event, pending) in &mut self.pending {
            // Where the controller is still looked for, that goes on with the review.
            if pending.reopen(&ended) && !pending.owner.is_awaited() {
                opened.push(event.clone());
            }
        }
        for event in opened {
            self.proceed(delivery, now, &event, out);
        }
    }

    /// Judges by the clock as it is now.
    pub(super) fn acknowledge_clock(
        &mut self,
        now: Now,
        _acknowledge: &AcknowledgeClock,
        out: &mut Outbox<AdmissionEffect>,
    ) {
        if let Some(news) = self.clock.acknowledge(now) {
            out.push(AdmissionEffect::Note(news));
        }
    }

    /// Forgets what was resolved of a collection, so that no review rests on it: those that wait
    /// ask again.
    pub(super) fn forgotten(
        &mut self,
        delivery: &Delivery,
        now: Now,
        forgotten: &Forgotten,
        out: &mut Outbox<AdmissionEffect>,
    ) {
        let Forgotten { gun, server } = forgotten;
        if !planted::is(Bug::ForgottenRemembered) {
            self.known.forget(server, gun);
        }
        let events: Vec<EventId> = self.pending.keys().cloned().collect();
        for event in events {
            let questions = self.pending.get_mut(&event).map(|it| it.forget(server, gun));
            for question in questions.unwrap_or_default() {
                self.settle(delivery, now, &event, &question, out);
            }
        }
    }
}
