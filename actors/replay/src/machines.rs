//! The machines of one incarnation.

use std::collections::BTreeMap;
use std::sync::Arc;

use portreeve_machines::{Admission, NotaryFetcher, PolicyCache, Verifier};
use portreeve_protocol::entry::{Restored, Started};
use portreeve_protocol::{ActorId, Delivery, Effect, Input, Machine, Outbox};

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

    /// What the next incarnation is to start with.
    pub(crate) fn restored(&self) -> Restored {
        Restored {
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
