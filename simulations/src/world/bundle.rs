//! The looks of replicas at the trust bundle.

use std::sync::Arc;

use portreeve_protocol::messages::admission::{AdmissionInput, BundleFailed, BundleLoaded};
use portreeve_protocol::time::SECOND;
use portreeve_protocol::{ActorId, Cause, Input, Mono, Outside};

use super::{Happening, World};
use crate::SimulationError;
use crate::fault::BundleLook;
use crate::history::Sight;
use crate::node::Envelope;
use crate::scenario::{BundleEdition, Scenario};

/// From one look of a replica to its next.
const LOOKS_APART: u64 = 20 * SECOND;

impl World<'_> {
    /// Has a replica that begins look at the bundle, if there is one.
    pub(super) fn look_for_bundle(&mut self, replica: usize) {
        if self.scenario.bundle.is_some() {
            let (at, life) = (self.scheduler.now(), self.replicas[replica].life);
            self.scheduler.schedule(at, Happening::BundleLook { life, replica });
        }
    }

    /// A replica looks at the bundle. It is told of what it finds, if it was not before.
    pub(super) fn bundle_look(&mut self, replica: usize) -> Result<(), SimulationError> {
        let at = self.scheduler.now();
        let life = self.replicas[replica].life;
        if at < self.horizon() {
            let next = Happening::BundleLook { life, replica };
            self.scheduler.schedule(at.plus(LOOKS_APART), next);
        }
        let mut look = BundleLook::Finds { behind: 0 };
        self.bend(&mut look, |influence, rng, look| influence.bundle(at, replica, rng, look));
        let Some(told) = self.found(at, look) else { return Ok(()) };
        if self.replicas[replica].bundle.as_ref() == Some(&told) {
            return Ok(());
        }
        self.replicas[replica].bundle = Some(told.clone());
        let input = Arc::new(Input::Admission(told));
        self.see(replica, Sight::Bundle(Arc::clone(&input)));
        let (cause, to) = (Cause::Outside(Outside::Host), ActorId::Admission);
        self.deliver(replica, Envelope { cause, input, lamport: 0, root: None, to })
    }

    /// Until when replicas go on looking.
    fn horizon(&self) -> Mono {
        let reviews = self.scenario.reviews.iter().map(|review| review.at);
        let last = reviews.chain(self.scenario.heal).max().unwrap_or_default();
        Mono(last).plus(20 * LOOKS_APART)
    }

    /// What a look finds; nothing where nothing was published yet and nothing fails.
    fn found(&self, at: Mono, look: BundleLook) -> Option<AdmissionInput> {
        let behind = match look {
            BundleLook::Fails(code) => {
                let detail = format!("the trust bundle cannot be taken: {}", code.meaning());
                return Some(AdmissionInput::BundleFailed(BundleFailed { code, detail }));
            }
            BundleLook::Finds { behind } => behind,
        };
        let published = self.bundles.iter().filter(|(since, _)| *since <= at).count();
        let place = published.checked_sub(1)?.saturating_sub(behind);
        let (_, loaded) = self.bundles.get(place)?;
        Some(AdmissionInput::BundleLoaded(Box::new(loaded.clone())))
    }
}

/// The publications of the trust bundle, in order of time.
pub(super) fn editions(scenario: &Scenario) -> Result<Vec<(Mono, BundleLoaded)>, SimulationError> {
    let Some(plan) = &scenario.bundle else { return Ok(Vec::new()) };
    let plans = scenario.servers.iter().flat_map(|server| &server.collections);
    let guns: Vec<String> = plans.map(|plan| plan.gun.clone()).collect();
    let (start, signed) = (scenario.start, scenario.published);
    let load =
        |edition: &BundleEdition| Ok((Mono(edition.at), edition.loaded(&guns, start, signed)?));
    plan.editions.iter().map(load).collect()
}
