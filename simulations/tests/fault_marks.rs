//! Every class of faults has an effect in some run, whatever it is does not go on after the heal,
//! and a run with faults is the same each time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;

use portreeve_protocol::settings::BundleExpired;
use portreeve_simulations::fault::{CLASSES, Fault, Ground};
use portreeve_simulations::rng::Streams;
use portreeve_simulations::scenario::{
    BundleEdition, BundlePlan, CollectionPlan, PolicyChange, PolicyEvent,
};
use portreeve_simulations::{Outcome, Scenario, run, scripted};

const HEAL: u64 = 8_000_000;
/// Seeds that are tried until a class is hit.
const SEEDS: u64 = 12;

/// The scripted cluster with three replicas and a trust bundle, its reviews again and again,
/// workloads that have children, and policies that change all the time.
fn cluster() -> Scenario {
    let scripted = scripted();
    let mut reviews = Vec::new();
    for round in 0..8_u64 {
        for review in &scripted.reviews {
            let mut review = review.clone();
            review.at = round * 1_000_000 + review.at / 10;
            review.children = 1;
            review.facts.sealing = true;
            review.facts.uid = format!("{}-{round}", review.facts.uid);
            review.facts.name.clone_from(&review.facts.uid);
            reviews.push(review);
        }
    }
    let change = |number: u64| PolicyChange {
        at: number * 200_000,
        what: PolicyEvent::Apply(scripted.policies[0].clone()),
    };
    let pinned = &scripted.servers[0].collections[0];
    let edition = |version: u64| BundleEdition {
        ahead: BTreeSet::new(),
        signers: std::collections::BTreeMap::new(),
        anchors: [(pinned.gun.clone(), pinned.keys)].into(),
        at: (version - 1) * 2_000_000,
        first_use: true,
        lifetime: 1_000 * HEAL,
        version,
    };
    let editions = (1..4).map(edition).collect();
    Scenario {
        audited: false,
        bundle: Some(BundlePlan { editions, expired: BundleExpired::Deny }),
        faults: Vec::new(),
        heal: Some(HEAL),
        policy_changes: (1..HEAL / 200_000).map(change).collect(),
        replicas: ["a", "b", "c"].map(|name| format!("portreeve-{name}")).into(),
        reviews,
        ..scripted
    }
}

fn ground(scenario: &Scenario) -> Ground {
    let mut collections = Vec::new();
    for server in &scenario.servers {
        let place = |plan: &CollectionPlan| (server.url.clone(), plan.gun.clone());
        collections.extend(server.collections.iter().map(place));
    }
    Ground {
        pinned: collections[..1].to_vec(),
        collections,
        heal: HEAL,
        replicas: scenario.replicas.len(),
        servers: scenario.servers.iter().map(|server| server.url.clone()).collect(),
    }
}

fn with(faults: Vec<Fault>, seed: u64) -> Outcome {
    let scenario = Scenario { faults, ..cluster() };
    let faults = &scenario.faults;
    run(&scenario, seed).unwrap_or_else(|error| panic!("seed {seed}: {error}\n{faults:?}"))
}

fn drawn(rate: u64, class: usize, seed: u64) -> Vec<Fault> {
    CLASSES[class].1(&ground(&cluster()), rate, &mut Streams::new(seed).stream("faults"))
}

/// What was allowed after the heal: the replica, and the place of what was asked for.
fn settled(outcome: &Outcome) -> BTreeSet<String> {
    let allowed = outcome.answers.iter().filter(|(_, answer)| answer.summary().allowed);
    let probes = allowed.filter_map(|(uid, _)| uid.strip_prefix("probe-")?.rsplit_once('-'));
    probes.map(|(question, _round)| question.to_owned()).collect()
}

#[test]
fn every_class_is_hit_and_all_comes_right_after_it() {
    let expected = settled(&with(Vec::new(), 0));
    assert!(expected.len() >= 3 * 5, "{expected:?}");
    for (class, (id, _)) in CLASSES.iter().enumerate() {
        let mut hit = false;
        for seed in 0..SEEDS {
            if hit && seed > 1 {
                break;
            }
            let faults = drawn(1_000, class, seed);
            let outcome = with(faults.clone(), seed);
            hit |= outcome.marks.contains_key(id);
            assert_eq!(outcome.stuck, None, "{id} with seed {seed}: {faults:?}");
            assert_eq!(settled(&outcome), expected, "{id} with seed {seed}: {faults:?}");
        }
        assert!(hit, "{id}");
    }
}

#[test]
fn a_run_with_all_faults_is_the_same_each_time_and_comes_right() {
    let expected = settled(&with(Vec::new(), 0));
    for seed in 0..3 {
        let all = || (0..CLASSES.len()).flat_map(|class| drawn(100, class, seed)).collect();
        let (first, second) = (with(all(), seed), with(all(), seed));
        assert_eq!(first.trace_hash, second.trace_hash, "seed {seed}");
        assert_eq!(first.marks, second.marks);
        assert_eq!(first.stuck, None, "seed {seed}");
        assert_eq!(settled(&first), expected, "seed {seed}");
    }
}
