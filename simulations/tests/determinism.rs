//! Rules of the simulator: the same seed is the same run, and no seed changes what is decided.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;

use portreeve_protocol::DenyCode;
use portreeve_replay::Outcome as Verdict;
use portreeve_simulations::scripted::image;
use portreeve_simulations::{Outcome, Summary, run, scripted};

fn outcome(seed: u64) -> Outcome {
    run(&scripted(), seed).unwrap()
}

#[test]
fn the_same_seed_gives_the_same_trace_and_the_same_journal() {
    for seed in [1, 2] {
        let (first, second) = (outcome(seed), outcome(seed));
        for (one, other) in first.trace.lines().iter().zip(second.trace.lines()) {
            assert_eq!(one, other, "the first difference");
        }
        assert_eq!(first, second);
    }
}

#[test]
fn another_seed_gives_another_interleaving_and_the_same_decisions() {
    let first = outcome(1);
    for seed in 2..20 {
        let other = outcome(seed);
        assert_ne!(first.trace_hash, other.trace_hash);
        assert_eq!(first.decisions(), other.decisions(), "seed {seed}");
    }
}

#[test]
fn a_journal_of_the_simulator_replays_to_the_same_decisions() {
    for seed in 1..6 {
        let outcome = outcome(seed);
        let report = outcome.replicas[0].journal.audit().unwrap();
        assert_eq!(report.first, None, "seed {seed}");
        assert_eq!(report.outcome(), Verdict::Identical);
        assert_eq!(report.decisions, scripted().reviews.len() as u64);
        assert_eq!(report.answered, report.decisions);
    }
}

#[test]
fn the_scripted_scenario_is_decided_as_the_demo_promises() {
    let mut expected = BTreeMap::new();
    let mut expect = |uid: &str, code, guns: &[&str]| {
        let digests = guns.iter().map(|gun| image(gun, "1.0")).collect();
        expected.insert(uid.to_owned(), (code, digests));
    };
    let web = ["registry.example/shop/web"];
    for uid in ["signed", "signed-twin", "signed-warm", "pinned-already"] {
        expect(uid, None, &web);
    }
    expect("two-containers", None, &["registry.example/shop/cache"]);
    expect("signed-by-targets", None, &["registry.example/any/base"]);
    expect("trust-not-required", None, &[]);
    expect("deleted", None, &[]);
    expect("unsigned", Some(DenyCode::NotSigned), &[]);
    expect("forged-owner", Some(DenyCode::NotSigned), &[]);
    expect("unsigned-tag", Some(DenyCode::TagNotSigned), &[]);
    expect("wrong-signer", Some(DenyCode::SignerMissing), &[]);
    expect("wrong-key", Some(DenyCode::SignerKeyMismatch), &[]);
    expect("other-digest", Some(DenyCode::DigestMismatch), &[]);
    expect("server-down", Some(DenyCode::Unreachable), &[]);
    expect("not-covered", Some(DenyCode::NoPolicy), &[]);
    let decided: BTreeMap<_, _> = outcome(1)
        .decisions()
        .into_iter()
        .map(|(uid, Summary { code, digests, .. })| (uid, (code, digests)))
        .collect();
    assert_eq!(decided, expected);
}

#[test]
fn a_signed_image_is_pinned_to_its_digest_and_a_pinned_one_is_left_alone() {
    let decisions = outcome(1).decisions();
    let digest = image("registry.example/shop/web", "1.0");
    let patch = decisions["signed"].patch.as_deref().unwrap();
    assert!(patch.contains(&format!("registry.example/shop/web:1.0@sha256:{digest}")), "{patch}");
    assert!(patch.contains("/spec/template/spec/containers/0/image"), "{patch}");
    for uid in ["pinned-already", "unsigned", "trust-not-required", "deleted"] {
        assert_eq!(decisions[uid].patch, None, "{uid}");
    }
}

#[test]
fn a_run_covers_what_the_scenario_is_made_for() {
    let outcome = outcome(1);
    for fact in ["fetch-failed", "first-use", "policies-published", "refreshed", "review-decided"] {
        assert!(outcome.facts.contains_key(fact), "{fact}: {:?}", outcome.facts);
    }
    assert!(!outcome.facts.contains_key("unexpected"), "{:?}", outcome.facts);
}
