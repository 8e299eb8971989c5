//! The trust bundle, in the runs that have one.

use std::collections::BTreeMap;

use portreeve_protocol::settings::BundleExpired;

use super::estate::{Estate, KEYS, OTHER_KEYS};
use super::mix::{Mix, Odd};
use crate::rng::{Rng, Streams};
use crate::scenario::{BundleEdition, BundlePlan};

const SECOND: u64 = 1_000_000;
/// How often a run has a trust bundle, in parts of a thousand.
const BUNDLED: u64 = 300;

/// The trust bundle of a run; `None` if replicas are to have none.
pub(super) fn draw(streams: &Streams, mix: &Mix, estate: &Estate) -> Option<BundlePlan> {
    let rng = &mut streams.stream("swarm/bundle");
    if !rng.chance(BUNDLED) {
        return None;
    }
    let expired = if rng.chance(500) { BundleExpired::Deny } else { BundleExpired::Keep };
    let mut editions = Vec::new();
    let mut at = 0;
    for index in 0..rng.between(1, 3) {
        if index > 0 {
            at = rng.between(at + 1, estate.lasts.max(at + 1));
        }
        editions.push(edition(at, index + 1, mix, estate, rng));
    }
    // The last one stays, for after the heal all must come right.
    if let Some(last) = editions.last_mut() {
        last.lifetime = 30 * 86_400 * SECOND;
    }
    Some(BundlePlan { editions, expired })
}

fn edition(at: u64, version: u64, mix: &Mix, estate: &Estate, rng: &mut Rng) -> BundleEdition {
    let mut anchors = BTreeMap::new();
    for repository in &estate.repositories {
        let keys = if mix.now(Odd::WrongAnchor, rng) { OTHER_KEYS } else { KEYS };
        if rng.chance(500) {
            anchors.insert(repository.gun.clone(), keys);
        }
    }
    if rng.chance(200) {
        let registry = rng.pick(&estate.registries);
        anchors.extend(registry.map(|registry| (format!("{registry}/*"), KEYS)));
    }
    let lifetime = if rng.chance(500) { 30 * 86_400 * SECOND } else { rng.below(estate.lasts) };
    BundleEdition { anchors, at, first_use: rng.chance(800), lifetime, version }
}
