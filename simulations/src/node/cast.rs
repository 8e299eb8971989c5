//! The machines of one incarnation.

use std::collections::BTreeMap;
use std::sync::Arc;

use portreeve_machines::verify::Judge;
use portreeve_machines::{Admission, JournalGate, NotaryFetcher, PolicyCache, Verifier};
use portreeve_protocol::entry::Started;
use portreeve_protocol::messages::notary::Verification;
use portreeve_protocol::messages::verify::{VerifyEffect, VerifyInput, VerifyRequest};
use portreeve_protocol::{ActorId, Delivery, Effect, Input, Kept, Machine, Outbox, ProtocolError};

use super::Memo;

/// The machines, made when they are first spoken to, as the host makes them; those of trust servers
/// of which something is known, at once.
#[derive(Debug)]
pub(super) struct Cast {
    admission: Admission,
    gate: JournalGate,
    notary: BTreeMap<String, NotaryFetcher>,
    policy: PolicyCache,
    started: Arc<Started>,
}

impl Cast {
    pub(super) fn new(started: Arc<Started>) -> Self {
        let known = started.restored.trust.iter().map(|trusted| trusted.server.clone());
        let make = |server: String| (server.clone(), NotaryFetcher::new(&started, &server));
        Self {
            admission: Admission::new(&started),
            gate: JournalGate::new(&started),
            notary: known.map(make).collect(),
            policy: PolicyCache::new(&started),
            started,
        }
    }

    /// Runs the machine that the delivery names.
    pub(super) fn run(
        &mut self,
        delivery: &Delivery,
        input: &Input,
        memo: &mut Memo,
    ) -> Result<Vec<Effect>, ProtocolError> {
        let started = &self.started;
        match &delivery.event.actor {
            ActorId::Admission => handle(&mut self.admission, delivery, input),
            ActorId::Journal => handle(&mut self.gate, delivery, input),
            ActorId::Notary(server) => {
                if let Some(fetcher) = self.notary.get_mut(server) {
                    return handle(fetcher, delivery, input);
                }
                let mut fetcher = NotaryFetcher::new(started, server);
                let effects = handle(&mut fetcher, delivery, input);
                self.notary.insert(server.clone(), fetcher);
                effects
            }
            ActorId::Policy => handle(&mut self.policy, delivery, input),
            ActorId::Verify(_) => {
                if let Some(VerifyInput::Verify(request)) = Verifier::accept(input) {
                    return Ok(vec![conclude(delivery, request, memo).into()]);
                }
                handle(&mut Verifier::new(started), delivery, input)
            }
        }
    }

    /// Runs the journal gate.
    pub(super) fn gate(
        &mut self,
        delivery: &Delivery,
        input: &Input,
    ) -> Result<Vec<Effect>, ProtocolError> {
        handle(&mut self.gate, delivery, input)
    }

    /// What the machines that keep something between deliveries know, of those that `heard` of
    /// anything.
    pub(super) fn keep(
        &self,
        heard: impl Fn(&ActorId) -> bool,
    ) -> Result<Vec<(ActorId, Kept)>, ProtocolError> {
        let mut kept = Vec::new();
        if heard(&ActorId::Admission) {
            kept.push((ActorId::Admission, self.admission.keep()?));
        }
        for (server, fetcher) in &self.notary {
            let actor = ActorId::Notary(server.clone());
            if heard(&actor) {
                kept.push((actor, fetcher.keep()?));
            }
        }
        if heard(&ActorId::Policy) {
            kept.push((ActorId::Policy, self.policy.keep()?));
        }
        Ok(kept)
    }
}

/// What the verifier concludes, with a verdict that may be remembered.
fn conclude(delivery: &Delivery, request: &VerifyRequest, memo: &mut Memo) -> VerifyEffect {
    let verify = |wall, judge: Judge<'_>| Verifier::verdict_by(request, wall, judge);
    VerifyEffect::Conclude {
        verification: Box::new(Verification {
            flight: request.flight,
            gun: request.gun.clone(),
            outcome: memo.verdict(request, delivery.now.wall, verify),
        }),
        server: request.server.clone(),
    }
}

fn handle<M: Machine>(
    machine: &mut M,
    delivery: &Delivery,
    input: &Input,
) -> Result<Vec<Effect>, ProtocolError> {
    let accepted = M::accept(input).ok_or_else(|| ProtocolError::WrongActor {
        expected: input.kind().name(),
        actor: delivery.event.actor.to_string(),
    })?;
    let mut out = Outbox::default();
    machine.handle(delivery, accepted, &mut out);
    Ok(out.into_effects().into_iter().map(Into::into).collect())
}
