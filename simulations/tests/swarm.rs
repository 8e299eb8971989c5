//! Rules of the swarm: a seed is a scenario and a run, and seeds differ as they should.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;

use portreeve_protocol::DenyCode;
use portreeve_protocol::messages::admission::{Operation, ReviewPath};
use portreeve_protocol::policy::{Mode, PolicyGroup};
use portreeve_simulations::fault::CLASSES;
use portreeve_simulations::scenario::{Later, PolicyEvent, Publication};
use portreeve_simulations::swarm::{Ending, HOST_ONLY, Tally, draw, examine, reachable};
use portreeve_simulations::{Scenario, run};

const SEEDS: std::ops::Range<u64> = 0..150;

fn classes(scenario: &Scenario) -> BTreeSet<&'static str> {
    scenario.faults.iter().map(|fault| fault.class()).collect()
}

#[test]
fn a_seed_always_draws_the_same_scenario_and_another_one_another() {
    for seed in 0..20 {
        assert_eq!(draw(seed), draw(seed));
        assert_ne!(draw(seed), draw(seed + 1));
    }
}

#[test]
fn a_drawn_scenario_survives_a_file() {
    for seed in 0..20 {
        let text = serde_json::to_string(&draw(seed)).unwrap();
        assert_eq!(serde_json::from_str::<Scenario>(&text).unwrap(), draw(seed));
    }
}

#[test]
fn a_drawn_scenario_can_be_run_and_is_whole_before_the_heal() {
    for seed in SEEDS {
        let scenario = draw(seed);
        scenario.check().unwrap();
        assert!((1..=4).contains(&scenario.replicas.len()), "seed {seed}");
        assert!((1..=3).contains(&scenario.servers.len()), "seed {seed}");
        let heal = scenario.heal.unwrap();
        assert!(scenario.reviews.iter().all(|it| it.at + it.spread <= heal), "seed {seed}");
        assert!(scenario.changes.iter().all(|it| it.at <= heal), "seed {seed}");
        assert!(scenario.policy_changes.iter().all(|it| it.at <= heal), "seed {seed}");
        let replicas = scenario.replicas.len();
        assert!(scenario.reviews.iter().all(|it| it.to.is_none_or(|to| to < replicas)));
        assert!(scenario.reviews.len() >= 30, "seed {seed}");
    }
}

#[test]
fn some_runs_have_no_fault_some_one_class_and_most_several() {
    let numbers: Vec<_> = SEEDS.map(|seed| classes(&draw(seed)).len()).collect();
    let share = |wanted: fn(&usize) -> bool| numbers.iter().filter(|it| wanted(it)).count();
    assert!((5..40).contains(&share(|it| *it == 0)), "{numbers:?}");
    assert!(share(|it| *it == 1) >= 5, "{numbers:?}");
    assert!(share(|it| *it > 1) >= 40, "{numbers:?}");
}

#[test]
fn every_class_of_faults_is_drawn_and_in_no_run_all_of_them() {
    let mut drawn = BTreeSet::new();
    for seed in SEEDS {
        drawn.extend(classes(&draw(seed)));
    }
    let all: BTreeSet<_> = CLASSES.iter().map(|(id, _)| *id).collect();
    assert_eq!(drawn, all);
}

#[test]
fn every_kind_of_review_is_drawn() {
    let mut seen = BTreeSet::new();
    for seed in SEEDS {
        for review in draw(seed).reviews {
            let facts = &review.facts;
            seen.insert(match facts.operation {
                Operation::Connect => "connect",
                Operation::Create => "create",
                Operation::Delete => "delete",
                Operation::Update => "update",
            });
            let also = [
                ("again", review.later == Later::Again),
                ("blank", facts.images.iter().any(|it| it.image.trim().is_empty())),
                ("changed", matches!(review.later, Later::Changed(_))),
                ("children", review.children > 0),
                ("crowd", facts.images.len() == 50),
                ("dry run", facts.dry_run),
                ("flood", facts.images.len() > 500),
                ("hasty", facts.budget < 500_000),
                ("malformed", facts.malformed.is_some()),
                ("named by digest", facts.images.iter().any(|it| it.image.contains("@sha256"))),
                ("no image", facts.sub_resource.is_some()),
                ("one replica", review.to.is_some()),
                ("owner", !facts.owners.is_empty()),
                ("retries", review.retries > 0),
                ("sealing", facts.sealing),
                ("stranger", !facts.peer.authenticated),
                ("unknown kind", facts.kind.kind == "Widget"),
                ("validate", facts.path == ReviewPath::Validate),
                ("validated", review.validated),
            ];
            seen.extend(also.iter().filter(|(_, is)| *is).map(|(name, _)| *name));
        }
    }
    assert_eq!(seen.len(), 23, "{seen:?}");
}

#[test]
fn every_kind_of_policy_and_of_change_is_drawn() {
    let mut seen = BTreeSet::new();
    for seed in SEEDS {
        let scenario = draw(seed);
        for policy in &scenario.policies {
            seen.insert(match policy.group {
                PolicyGroup::Portieris => "portieris",
                PolicyGroup::SecurityEnforcement => "security enforcement",
            });
            seen.insert(if policy.namespace.is_some() { "namespaced" } else { "cluster" });
            seen.insert(if policy.malformed { "malformed" } else { "well formed" });
            for rule in &policy.rules {
                seen.insert(match rule.mode {
                    Mode::Audit => "audit",
                    Mode::Enforce => "enforce",
                    Mode::Warn => "warn",
                });
                seen.insert(if rule.trust.is_some() { "trust" } else { "no trust" });
            }
        }
        seen.extend(scenario.changes.iter().map(|change| match change.what {
            Publication::Publish(_) => "publish",
            Publication::Remove { .. } => "remove",
            Publication::Rollback { .. } => "rollback",
            Publication::RotateRoot { .. } => "rotate root",
            Publication::RotateTimestamp { .. } => "rotate timestamp",
            Publication::Sign { .. } => "sign",
            Publication::Withdraw { .. } => "withdraw",
        }));
        seen.extend(scenario.policy_changes.iter().map(|change| match change.what {
            PolicyEvent::Apply(_) => "apply",
            PolicyEvent::ApplySigner(_) => "apply signer",
            PolicyEvent::Delete(_) => "delete",
            PolicyEvent::DeleteSigner { .. } => "delete signer",
        }));
    }
    assert_eq!(seen.len(), 22, "{seen:?}");
}

#[test]
fn a_run_of_a_seed_is_judged_and_comes_out_the_same_twice() {
    let mut sum = Tally::default();
    for seed in 1..4 {
        let (examined, outcome) = examine(&draw(seed), seed);
        assert!(matches!(examined.ending, Ending::Held), "seed {seed}: {:?}", examined.ending);
        assert_eq!(*outcome.unwrap(), run(&draw(seed), seed).unwrap(), "seed {seed}");
        sum.add(&examined.tally);
    }
    assert_eq!(sum.runs, 3);
    assert!(sum.allowed > 0 && !sum.denied.is_empty());
    assert!(sum.reviews >= sum.allowed, "{sum:?}");
}

#[test]
fn a_run_that_does_not_end_is_told_from_one_that_breaks_rules() {
    let endless = Scenario { most_events: 3, ..draw(1) };
    let (examined, outcome) = examine(&endless, 1);
    assert!(matches!(examined.ending, Ending::Failed(_)) && outcome.is_none());
    assert!(examined.violations().is_empty() && examined.tally == Tally::default());
}

#[test]
fn a_code_is_either_reachable_or_said_to_be_given_by_hosts_only() {
    let reachable: BTreeSet<_> = reachable().collect();
    let hosts: BTreeSet<_> = HOST_ONLY.iter().map(|(code, _)| *code).collect();
    assert!(reachable.is_disjoint(&hosts));
    assert_eq!(reachable.len() + hosts.len(), DenyCode::ALL.len());
}
