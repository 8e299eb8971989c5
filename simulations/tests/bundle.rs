//! What a signed trust bundle is for: a trust server that is replaced, by somebody with a fresh and
//! well-signed root, takes nobody in; and before there is a bundle nothing that requires trust is
//! judged.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;

use portreeve_protocol::settings::BundleExpired;
use portreeve_protocol::{Admitted, DenyCode, Verdict};
use portreeve_simulations::fault::{BundleWithheld, ReplacedServer};
use portreeve_simulations::hostile::{Hostile, Nature};
use portreeve_simulations::oracle::{Run, judge};
use portreeve_simulations::scenario::{BundleEdition, BundlePlan, PlannedReview};
use portreeve_simulations::scripted::{SERVER, image};
use portreeve_simulations::{Outcome, Scenario, run, scripted};

const SECOND: u64 = 1_000_000;
const BASE: &str = "registry.example/any/base";
const OWNERS: u64 = 1;

/// The scripted cluster with a trust server that is an attacker's for the first twenty seconds, and
/// a review then and one later.
fn replaced(class: Hostile, bundle: Option<BundlePlan>) -> Scenario {
    let template = scripted().reviews.remove(0);
    let review = |second: u64, uid: &str| {
        let mut facts = template.facts.clone();
        facts.uid = uid.to_owned();
        facts.images[0].image = format!("{BASE}:1.0").into();
        PlannedReview::once(second * SECOND, 10_000, facts)
    };
    let (gun, server) = (BASE.to_owned(), SERVER.to_owned());
    let until = 20 * SECOND;
    Scenario {
        bundle,
        faults: vec![ReplacedServer { class, from: 0, gun, server, until }.into()],
        reviews: vec![review(5, "replaced"), review(60, "back")],
        ..scripted()
    }
}

fn bundle() -> BundlePlan {
    let edition = BundleEdition {
        ahead: std::collections::BTreeSet::new(),
        signers: BTreeMap::new(),
        anchors: BTreeMap::from([(BASE.to_owned(), OWNERS)]),
        at: 0,
        first_use: true,
        lifetime: 3_600 * SECOND,
        version: 1,
    };
    BundlePlan { editions: vec![edition], expired: BundleExpired::Deny }
}

fn impostors() -> Vec<Hostile> {
    let all = Hostile::ALL.iter().copied();
    all.filter(|class| class.nature() == Nature::Impostor).collect()
}

fn holds(scenario: &Scenario, outcome: &Outcome, seed: u64) {
    let found = judge(&Run { outcome, scenario, seed });
    assert_eq!(found, [], "seed {seed}");
}

#[test]
fn a_replaced_trust_server_is_refused_where_the_bundle_pins_the_repository() {
    for (seed, class) in (1..).zip(impostors()) {
        let scenario = replaced(class, Some(bundle()));
        let outcome = run(&scenario, seed).unwrap();
        let refused = &outcome.answers["replaced"].decision;
        let code = refused.denial.as_ref().map(|denial| denial.code);
        assert_eq!(code, Some(DenyCode::RootPinMismatch), "{class:?}");
        let sentence = "without the signatures that trust bundle version 1 pins";
        assert!(refused.message.contains(sentence), "{class:?}: {}", refused.message);
        assert_eq!(refused.bundle.map(|bundle| bundle.version), Some(1));
        let back = &outcome.answers["back"].decision;
        let Verdict::Allowed(Admitted::Verified(verified)) = &back.verdicts[0].verdict else {
            panic!("{class:?}: {}", back.message)
        };
        assert_eq!(verified.digest, image(BASE, "1.0"));
        assert!(!verified.evidence.first_use, "{class:?}");
        holds(&scenario, &outcome, seed);
    }
}

#[test]
fn without_a_bundle_the_first_root_that_is_seen_is_believed_and_truth_knows_it() {
    let scenario = replaced(Hostile::Impostor, None);
    let outcome = run(&scenario, 1).unwrap();
    let taken = &outcome.answers["replaced"].decision;
    let Verdict::Allowed(Admitted::Verified(verified)) = &taken.verdicts[0].verdict else {
        panic!("{}", taken.message)
    };
    assert_ne!(verified.digest, image(BASE, "1.0"));
    assert!(verified.evidence.first_use);
    let back = outcome.answers["back"].decision.denial.as_ref().map(|denial| denial.code);
    assert_eq!(back, Some(DenyCode::RootChanged));
    holds(&scenario, &outcome, 1);
}

#[test]
fn nothing_that_requires_trust_is_judged_before_a_bundle_was_loaded_and_all_is_afterwards() {
    let mut scenario = replaced(Hostile::Impostor, Some(bundle()));
    let (behind, from, until) = (None, 0, 30 * SECOND);
    scenario.faults = vec![BundleWithheld { behind, from, replica: 0, until }.into()];
    for seed in 1..=4 {
        let outcome = run(&scenario, seed).unwrap();
        let decisions = outcome.decisions();
        assert_eq!(decisions["replaced"].code, Some(DenyCode::BundleUnavailable));
        assert!(decisions["back"].allowed, "seed {seed}");
        assert!(outcome.facts["bundle-failed"] > 0 && outcome.facts["bundle-loaded"] == 1);
        holds(&scenario, &outcome, seed);
    }
}
