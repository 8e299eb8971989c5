//! Rules of the shrinker.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use portreeve_protocol::DenyCode;
use portreeve_simulations::oracle::Violation;
use portreeve_simulations::shrink::{Case, Progress, fault_of, shrink};
use portreeve_simulations::swarm::draw;
use portreeve_simulations::{Scenario, run};

const SEED: u64 = 7;

/// What is sought: a review that is denied because its tag is not signed.
fn denies_an_unsigned_tag(scenario: &Scenario) -> Option<Violation> {
    let outcome = run(scenario, SEED).ok()?;
    let unsigned = |code: Option<DenyCode>| code == Some(DenyCode::TagNotSigned);
    let found = outcome.answers.values().filter(|answer| unsigned(answer.summary().code));
    let first = found.min_by_key(|answer| answer.at)?;
    let what = first.decision.uid.clone();
    Some(Violation { at: first.at, oracle: "unsigned", replica: None, what })
}

#[test]
fn a_failing_scenario_shrinks_to_what_the_fault_takes() {
    let scenario = draw(SEED);
    let mut told = 0;
    let mut tell = |_: &Progress<'_>| told += 1;
    let shrunk = shrink(&scenario, &denies_an_unsigned_tag, 400, &mut tell).unwrap();
    let small = &shrunk.scenario;
    assert_eq!(small.reviews.len(), 1);
    assert_eq!(small.reviews[0].facts.images.len(), 1);
    assert_eq!(small.replicas.len(), 1);
    assert_eq!(small.faults, []);
    assert_eq!(small.changes, []);
    assert_eq!(small.policies.len(), 1);
    assert_eq!(small.policies[0].rules.len(), 1);
    assert!(shrunk.tries <= 400 && told == shrunk.tries);
    assert_eq!(denies_an_unsigned_tag(small), Some(shrunk.violation));
}

#[test]
fn a_scenario_always_shrinks_alike_and_no_further_than_it_may() {
    let once = || shrink(&draw(SEED), &denies_an_unsigned_tag, 40, &mut |_| {}).unwrap();
    let first = once();
    assert_eq!(first, once());
    assert_eq!(first.tries, 40);
    assert!(first.scenario.reviews.len() < draw(SEED).reviews.len());
}

#[test]
fn a_scenario_that_does_not_fail_is_left_alone() {
    assert_eq!(shrink(&draw(SEED), &|_| None, 10, &mut |_| {}), None);
    assert_eq!(shrink(&draw(SEED), &fault_of("no-such-oracle", SEED), 10, &mut |_| {}), None);
}

#[test]
fn a_case_survives_a_file() {
    let case = Case::new("a rule", draw(SEED), SEED);
    let text = serde_json::to_string(&case).unwrap();
    assert_eq!(serde_json::from_str::<Case>(&text).unwrap(), case);
}
