//! One explanation of each kind of verdict, word for word; and the names that JSON promises.
//!
//! `PORTREEVE_BLESS=1` writes the texts anew; read them before they are committed.

use std::collections::BTreeSet;
use std::path::PathBuf;

use portreeve_protocol::decision::{SealOf, Sealed};
use portreeve_protocol::messages::admission::{AdmissionInput, ImageFact, Operation, ReviewFacts};
use portreeve_protocol::policy::Mode;
use portreeve_protocol::{
    ActorId, Admitted, CredentialRef, Denial, DenyCode, Outside, Sha256, Tolerated, Verdict,
};
use portreeve_replay::Explanation;
use portreeve_replay::explain::{CredentialUse, Selection, StateAge, TrustSource};
use serde_json::Value;

use crate::eventful;
use crate::rig::{GUN, Rig, review};

const PAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/explain.md"));
const SIGNED: &str = "registry.lab:5000/team/signers:alice-only";

fn told(rig: &Rig, uid: &str) -> Explanation {
    let selection = Selection { uid: Some(uid.to_owned()), ..Selection::default() };
    rig.told(rig.found(&selection, 1)).remove(0)
}

/// The only explanation of a review that is changed from the usual one.
fn reviewed(change: impl FnOnce(&mut ReviewFacts)) -> Explanation {
    let mut rig = Rig::new();
    rig.policies();
    let mut facts = review("u-1", &[SIGNED]);
    change(&mut facts);
    let input = AdmissionInput::Review(facts.into());
    rig.outside(ActorId::Admission, Outside::Webhook, input.into());
    told(&rig, "u-1")
}

/// An explanation whose image was judged otherwise; for what takes an owner or another policy.
fn judged(verdict: Verdict) -> Explanation {
    let mut told = reviewed(|_| ());
    told.containers[0].verdict.verdict = verdict;
    told
}

fn held(name: &str, told: &Explanation) {
    let text = told.render(100);
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/journals/golden");
    let file = folder.join(format!("{name}.txt"));
    if std::env::var_os("PORTREEVE_BLESS").is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(&file, &text).unwrap();
    }
    assert_eq!(
        text,
        std::fs::read_to_string(&file).unwrap(),
        "{name}: PORTREEVE_BLESS=1 renews it"
    );
}

fn tolerated() -> Verdict {
    let denial = Denial::new(DenyCode::NotSigned, "there is no signed data".to_owned());
    Verdict::Allowed(Admitted::Tolerated(Box::new(Tolerated { denial, mode: Mode::Warn })))
}

fn sealed() -> Verdict {
    Verdict::Allowed(Admitted::Sealed(Box::new(Sealed {
        by: SealOf::Owner("ReplicaSet".to_owned(), "web-769fdccc97".to_owned()),
        digest: Sha256::of(b"image"),
        pinned: true,
        reference: SIGNED.into(),
        repository: GUN.into(),
        requirement: Sha256::of(b"requirement"),
        root_keys: BTreeSet::new(),
    })))
}

fn without_an_image(facts: &mut ReviewFacts) {
    facts.images[0].image = "".into();
}

fn with_the_same_image_before(facts: &mut ReviewFacts) {
    facts.operation = Operation::Update;
    let same: ImageFact = facts.images[0].clone();
    facts.old_images = vec![same];
}

#[test]
fn every_kind_of_verdict_is_told_word_for_word() {
    let rig = eventful();
    held("verified-and-not-required", &told(&rig, "u-warm"));
    held("verified-and-fetched", &reviewed(|_| ()));
    held("verified-and-sealed", &reviewed(|facts| facts.sealing = true));
    held("denied-by-trust-data", &told(&rig, "u-unsigned"));
    held("denied-as-unreachable", &told(&rig, "u-down"));
    held("panicked", &told(&rig, "u-panic"));
    held("unchanged", &reviewed(with_the_same_image_before));
    held("blank", &reviewed(without_an_image));
    held("tolerated", &judged(tolerated()));
    held("sealed", &judged(sealed()));
}

#[test]
fn a_stale_state_and_credentials_are_told_by_age_and_name() {
    let mut told = reviewed(|_| ());
    let container = &mut told.containers[0];
    container.source = TrustSource::Kept;
    container.state = Some(StateAge { micros: 61_000_000, stale: true });
    let secret = |name: &str| CredentialRef::PullSecret {
        name: name.to_owned(),
        namespace: "shop".to_owned(),
    };
    container.credentials = vec![
        CredentialUse { accepted: false, credential: secret("old") },
        CredentialUse { accepted: true, credential: secret("registry") },
    ];
    let text = told.render(200);
    for part in [
        "61000.000 ms old when it was decided, followed though the trust server was out of reach",
        "credential Secret shop/old: offered, not seen to be accepted",
        "credential Secret shop/registry: accepted",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let json = serde_json::to_value(told.view()).unwrap();
    assert_eq!(json["images"][0]["trust_data"]["stale"], Value::Bool(true));
    assert_eq!(json["images"][0]["credentials"][1]["name"], "Secret shop/registry");
}

/// Names of all members but of maps whose names are data.
fn members(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| members(item, found)),
        Value::Object(object) => {
            for (name, inner) in object {
                found.insert(name.clone());
                match name.as_str() {
                    "audit" => {}
                    "roles" => {
                        inner.as_object().unwrap().values().for_each(|role| members(role, found));
                    }
                    _ => members(inner, found),
                }
            }
        }
        Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn the_page_names_every_member_of_an_explanation_in_json() {
    let rig = eventful();
    let mut found = BTreeSet::new();
    for told in [told(&rig, "u-warm"), told(&rig, "u-down"), reviewed(|_| ()), judged(sealed())] {
        members(&serde_json::to_value(told.view()).unwrap(), &mut found);
    }
    let all = rig.found(&Selection::default(), 10);
    for one in &all.matches {
        members(&serde_json::to_value(one.view()).unwrap(), &mut found);
    }
    assert!(found.len() > 50, "{found:?}");
    for name in found {
        assert!(PAGE.contains(&format!("`{name}`")), "docs/explain.md does not name `{name}`");
    }
}

#[test]
fn a_seal_that_was_given_is_told_by_the_digest_of_what_it_says() {
    let told = reviewed(|facts| facts.sealing = true);
    let digest = told.decision.as_ref().and_then(|decision| decision.seal.as_ref()).unwrap();
    let digest = digest.digest().to_hex();
    let json = serde_json::to_value(told.view()).unwrap();
    assert_eq!((&json["sealed"], &json["seal_claims"]), (&Value::Bool(true), &digest[..].into()));
    assert!(told.render(200).contains(&format!("Deployment web in shop, claims {digest}")));
    let json = serde_json::to_value(reviewed(|_| ()).view()).unwrap();
    assert_eq!((&json["sealed"], &json["seal_claims"]), (&Value::Bool(false), &Value::Null));
}

#[test]
fn json_tells_what_the_text_tells() {
    let told = reviewed(|_| ());
    let json = serde_json::to_value(told.view()).unwrap();
    assert_eq!(json["outcome"], "allowed");
    assert_eq!(json["answer"]["state"], "allowed");
    let image = &json["images"][0];
    assert_eq!(image["verdict"]["reason"], "verified");
    assert_eq!(image["candidates"][1]["fate"], "less-specific");
    assert_eq!(image["trust_data"]["source"], "fetched");
    assert_eq!(image["evidence"]["roles"]["timestamp"]["version"], 13);
    assert_eq!(json["events"].as_array().map(Vec::len), Some(told.events.len()));
    let refused = told_code(&eventful(), "u-down");
    assert_eq!(refused, "trust-server-unreachable");
}

fn told_code(rig: &Rig, uid: &str) -> String {
    let json = serde_json::to_value(told(rig, uid).view()).unwrap();
    json["images"][0]["verdict"]["denial"]["code"].as_str().unwrap().to_owned()
}
