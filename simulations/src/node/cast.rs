//! The machines of one incarnation.

use std::collections::BTreeMap;
use std::sync::Arc;

use portreeve_machines::{Admission, JournalGate, NotaryFetcher, PolicyCache, Verifier};
use portreeve_protocol::entry::Started;
use portreeve_protocol::{ActorId, Delivery, Effect, Input, Machine, Outbox, ProtocolError};

/// The machines, made when they are first spoken to, as the host makes them.
#[derive(Debug)]
pub(super) struct Cast {
    admission: Admission,
    gate: JournalGate,
    notary: BTreeMap<String, NotaryFetcher>,
    policy: PolicyCache,
    started: Arc<Started>,
    verifiers: BTreeMap<u16, Verifier>,
}

impl Cast {
    pub(super) fn new(started: Arc<Started>) -> Self {
        Self {
            admission: Admission::new(&started),
            gate: JournalGate::new(&started),
            notary: BTreeMap::new(),
            policy: PolicyCache::new(&started),
            started,
            verifiers: BTreeMap::new(),
        }
    }

    /// Runs the machine that the delivery names.
    pub(super) fn run(
        &mut self,
        delivery: &Delivery,
        input: &Input,
    ) -> Result<Vec<Effect>, ProtocolError> {
        let started = &self.started;
        match &delivery.event.actor {
            ActorId::Admission => handle(&mut self.admission, delivery, input),
            ActorId::Journal => handle(&mut self.gate, delivery, input),
            ActorId::Notary(server) => {
                let make = || NotaryFetcher::new(started, server);
                handle(self.notary.entry(server.clone()).or_insert_with(make), delivery, input)
            }
            ActorId::Policy => handle(&mut self.policy, delivery, input),
            ActorId::Verify(member) => {
                let make = || Verifier::new(started);
                handle(self.verifiers.entry(*member).or_insert_with(make), delivery, input)
            }
        }
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
