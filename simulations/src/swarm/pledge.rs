//! The trust bundle of a run, which few have: what it pins, and how it is published anew.

use std::collections::{BTreeMap, BTreeSet};

use portreeve_protocol::settings::BundleExpired;

use super::estate::{Estate, KEYS, OTHER_KEYS, SIGNERS};
use crate::rng::Streams;
use crate::scenario::{BundleEdition, BundlePlan, Change, Publication};

/// How many runs have a bundle, in parts of a thousand.
const RUNS: u64 = 200;
const DAY: u64 = 86_400_000_000;

/// The bundle of a run, if it has one.
pub(super) fn draw(streams: &Streams, estate: &Estate) -> Option<BundlePlan> {
    let rng = &mut streams.stream("swarm/bundle");
    if !rng.chance(RUNS) {
        return None;
    }
    let (mut ahead, mut anchors) = (BTreeSet::new(), BTreeMap::new());
    for collection in estate.servers.iter().flat_map(|server| &server.collections) {
        if rng.chance(600) {
            anchors.insert(collection.gun.clone(), collection.keys);
            if rng.chance(60) {
                ahead.insert(collection.gun.clone());
            }
        }
    }
    let first_use = rng.chance(500);
    let at = if rng.chance(700) { 0 } else { rng.below(estate.lasts) };
    // Some expire during the run, and are published anew or not.
    let lifetime = if rng.chance(800) { 30 * DAY } else { rng.below(estate.lasts) };
    let signers = SIGNERS.iter().filter(|_| rng.chance(120)).map(|&name| (name.to_owned(), KEYS));
    let signers = signers.collect();
    let first = BundleEdition { ahead, anchors, at, first_use, lifetime, signers, version: 1 };
    let mut editions = vec![first.clone()];
    for version in 2..3 + rng.below(3) {
        let last = editions.last().map_or(0, |edition| edition.at);
        let at = last + rng.below(estate.lasts / 2);
        let lifetime = 30 * DAY;
        let mut next = BundleEdition { at, lifetime, version, ..first.clone() };
        // Now and then a pin is wrong, or a floor, until it is published anew.
        if rng.chance(600) {
            let gun = estate.repository(rng).gun.clone();
            if rng.chance(500) {
                next.ahead.insert(gun.clone());
                next.anchors.entry(gun).or_insert(KEYS);
            } else {
                next.anchors.insert(gun, OTHER_KEYS);
            }
        }
        editions.push(next);
    }
    let expired = if rng.chance(500) { BundleExpired::Deny } else { BundleExpired::Keep };
    Some(BundlePlan { editions, expired })
}

/// Leaves out what publishers of pinned collections do not do before the pin is changed: another
/// root key would be refused, as it should.
pub(super) fn keep_pledges(bundle: Option<&BundlePlan>, changes: &mut Vec<Change>) {
    let Some(bundle) = bundle else { return };
    changes.retain(|change| {
        let new_root =
            matches!(change.what, Publication::Publish(_) | Publication::RotateRoot { .. });
        !(new_root && bundle.pins(change.what.gun()))
    });
}
