//! The machines of one incarnation.

use std::collections::BTreeMap;
use std::sync::Arc;

use portreeve_machines::{Admission, NotaryFetcher, PolicyCache, Verifier};
use portreeve_protocol::entry::{MachineState, Restored, Started};
use portreeve_protocol::{
    ActorId, BlobSource, Delivery, Effect, Input, Machine, Outbox, ProtocolError,
};
use serde_json::Value;

/// The machines of one incarnation, made as the host makes them.
pub(crate) struct Machines {
    admission: Admission,
    notary: BTreeMap<String, NotaryFetcher>,
    policy: PolicyCache,
    started: Arc<Started>,
    verifiers: BTreeMap<u16, Verifier>,
}

impl Machines {
    /// The machines as they are at the start of an incarnation whose blobs are filled in.
    pub(crate) fn new(started: Arc<Started>) -> Self {
        let servers = started.restored.trust.iter().map(|collection| collection.server.clone());
        let notary =
            servers.map(|server| (server.clone(), NotaryFetcher::new(&started, &server))).collect();
        Self {
            admission: Admission::new(&started),
            notary,
            policy: PolicyCache::new(&started),
            started,
            verifiers: BTreeMap::new(),
        }
    }

    /// Delivers `input`; `None` if it is not for this kind of actor.
    pub(crate) fn deliver(&mut self, delivery: &Delivery, input: &Input) -> Option<Vec<Effect>> {
        match &delivery.event.actor {
            ActorId::Admission => run(&mut self.admission, delivery, input),
            // The gate acts on the progress of the disk, which no journal can hold.
            ActorId::Journal => None,
            ActorId::Notary(server) => {
                let fetcher = self
                    .notary
                    .entry(server.clone())
                    .or_insert_with(|| NotaryFetcher::new(&self.started, server));
                run(fetcher, delivery, input)
            }
            ActorId::Policy => run(&mut self.policy, delivery, input),
            ActorId::Verify(member) => {
                let verifier =
                    self.verifiers.entry(*member).or_insert_with(|| Verifier::new(&self.started));
                run(verifier, delivery, input)
            }
        }
    }

    /// Puts an actor into the state of a checkpoint.
    pub(crate) fn resume(
        &mut self,
        actor: &ActorId,
        state: &Value,
        blobs: &dyn BlobSource,
    ) -> Result<(), ProtocolError> {
        match actor {
            ActorId::Admission => self.admission.resume(state, blobs),
            ActorId::Notary(server) => {
                let mut fetcher = NotaryFetcher::new(&self.started, server);
                fetcher.resume(state, blobs)?;
                self.notary.insert(server.clone(), fetcher);
                Ok(())
            }
            ActorId::Policy => self.policy.resume(state, blobs),
            ActorId::Journal | ActorId::Verify(_) => {
                Err(ProtocolError::Record { why: format!("{actor} keeps no state") })
            }
        }
    }

    /// The states of these actors.
    pub(crate) fn states<'a>(
        &self,
        actors: impl Iterator<Item = &'a ActorId>,
    ) -> Result<Vec<MachineState>, ProtocolError> {
        let mut states = Vec::new();
        for actor in actors {
            let kept = match actor {
                ActorId::Admission => Some(self.admission.keep()?),
                ActorId::Notary(server) => {
                    self.notary.get(server).map(Machine::keep).transpose()?
                }
                ActorId::Policy => Some(self.policy.keep()?),
                ActorId::Journal | ActorId::Verify(_) => None,
            };
            let state = kept.map(|kept| kept.state).unwrap_or_default();
            states.push(MachineState { actor: actor.clone(), state });
        }
        Ok(states)
    }

    /// What the next incarnation is to start with.
    pub(crate) fn restored(&self) -> Restored {
        Restored {
            bundle: self.admission.bundle().cloned().map(Box::new),
            revoked: self.admission.revoked().clone(),
            trust: self.notary.values().flat_map(NotaryFetcher::trusted).collect(),
        }
    }
}

fn run<M: Machine>(machine: &mut M, delivery: &Delivery, input: &Input) -> Option<Vec<Effect>> {
    let input = M::accept(input)?;
    let mut out = Outbox::default();
    machine.handle(delivery, input, &mut out);
    Some(out.into_effects().into_iter().map(Into::into).collect())
}
