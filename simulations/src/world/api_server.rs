//! What the API server holds: policies, signer Secrets and workloads, and how that was before.

use std::collections::{BTreeMap, BTreeSet};

use portreeve_protocol::messages::admission::{
    FoundOwner, ImageFact, OwnerFact, OwnerOutcome, OwnerQuery, ReviewFacts,
};
use portreeve_protocol::messages::policy::{
    Applied, Deleted, ObjectRef, PolicyInput, SourceObject,
};
use portreeve_protocol::{Mono, SealFact};

use super::call::{Call, Intent};
use crate::SimulationError;
use crate::scenario::{PolicyEvent, Scenario};

/// The API server.
#[derive(Debug)]
pub(super) struct ApiServer<'a> {
    pub(super) calls: Vec<Call>,
    pub(super) intents: Vec<Intent<'a>>,
    /// What it held from each instant on.
    held: Vec<(Mono, BTreeMap<ObjectRef, SourceObject>)>,
    /// Probes that were allowed: the replica, and the place of what is asked for.
    pub(super) settled: BTreeSet<(usize, usize)>,
    /// Namespace, kind and name to the workload.
    workloads: BTreeMap<(String, String, String), Workload>,
}

/// A workload that was admitted.
#[derive(Debug, Clone)]
pub(super) struct Workload {
    pub(super) controller: Option<OwnerFact>,
    pub(super) images: Vec<ImageFact>,
    pub(super) seal: SealFact,
    pub(super) uid: String,
}

impl ApiServer<'_> {
    pub(super) fn new(scenario: &Scenario) -> Result<Self, SimulationError> {
        let objects = scenario.objects()?.into_iter().map(|one| (key(&one), one));
        Ok(Self {
            calls: Vec::new(),
            intents: Vec::new(),
            held: vec![(Mono(0), objects.collect())],
            settled: BTreeSet::new(),
            workloads: BTreeMap::new(),
        })
    }

    /// Makes a change at `at`; gives what the watches tell of it.
    pub(super) fn change(
        &mut self,
        at: Mono,
        what: &PolicyEvent,
        scenario: &Scenario,
    ) -> Result<PolicyInput, SimulationError> {
        let mut objects = self.held.last().map(|(_, last)| last.clone()).unwrap_or_default();
        let told = match what {
            PolicyEvent::Apply(plan) => applied(SourceObject::Policy(plan.object())),
            PolicyEvent::ApplySigner(plan) => {
                applied(SourceObject::SignerSecret(plan.object(scenario.published)?))
            }
            PolicyEvent::Delete(id) => deleted(ObjectRef::Policy(id.clone())),
            PolicyEvent::DeleteSigner { namespace, secret } => {
                let (namespace, secret) = (namespace.clone(), secret.clone());
                deleted(ObjectRef::SignerSecret { namespace, secret })
            }
        };
        match &told {
            PolicyInput::Applied(applied) => {
                objects.insert(key(&applied.object), applied.object.clone());
            }
            PolicyInput::Deleted(deleted) => drop(objects.remove(&deleted.object)),
            PolicyInput::Relisted(_) | PolicyInput::WatchLost(_) | PolicyInput::WatchRestored => {}
        }
        self.held.push((at, objects));
        Ok(told)
    }

    /// What it held at an instant.
    pub(super) fn objects(&self, at: Mono) -> Vec<SourceObject> {
        let held = self.held.iter().rev().find(|(since, _)| *since <= at);
        let held = held.or_else(|| self.held.first());
        held.map(|(_, objects)| objects.values().cloned().collect()).unwrap_or_default()
    }

    /// What is found of an owner.
    pub(super) fn owner(&self, query: &OwnerQuery) -> OwnerOutcome {
        let place = (query.namespace.clone(), query.kind.clone(), query.name.clone());
        match self.workloads.get(&place) {
            None => OwnerOutcome::Absent,
            Some(workload) => OwnerOutcome::Found(Box::new(FoundOwner {
                controller: workload.controller.clone(),
                seal: workload.seal.clone(),
                uid: workload.uid.clone(),
            })),
        }
    }

    /// The workload that a review speaks of, as it is.
    pub(super) fn workload(&self, facts: &ReviewFacts) -> Option<&Workload> {
        self.workloads.get(&place(facts))
    }

    /// The seal of any workload of that name in a namespace.
    pub(super) fn seal(&self, namespace: &str, name: &str) -> Option<&SealFact> {
        let named = self.workloads.iter().filter(|((of, _, called), workload)| {
            of == namespace && called == name && workload.seal != SealFact::Absent
        });
        named.map(|(_, workload)| &workload.seal).next()
    }

    /// Stores a workload that was admitted.
    pub(super) fn store(&mut self, facts: &ReviewFacts, uid: String, seal: SealFact) {
        let controller = facts.owners.iter().find(|owner| owner.controller).cloned();
        let images = facts.images.clone();
        self.workloads.insert(place(facts), Workload { controller, images, seal, uid });
    }

    /// Removes a workload.
    pub(super) fn remove(&mut self, facts: &ReviewFacts) {
        self.workloads.remove(&place(facts));
    }
}

fn place(facts: &ReviewFacts) -> (String, String, String) {
    (facts.namespace.clone(), facts.kind.kind.clone(), facts.name.clone())
}

const fn applied(object: SourceObject) -> PolicyInput {
    PolicyInput::Applied(Applied { object })
}

const fn deleted(object: ObjectRef) -> PolicyInput {
    PolicyInput::Deleted(Deleted { object })
}

fn key(object: &SourceObject) -> ObjectRef {
    match object {
        SourceObject::Policy(policy) => ObjectRef::Policy(policy.id.clone()),
        SourceObject::SignerSecret(signer) => ObjectRef::SignerSecret {
            namespace: signer.namespace.clone(),
            secret: signer.secret.clone(),
        },
    }
}
