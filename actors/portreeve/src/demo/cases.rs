//! The workloads of the demo and what must become of them.

use portreeve_protocol::{DenyCode, Sha256};
use serde_json::{Value, json};

use super::stage::Stage;
use super::vault;
use crate::error::CommandError;

/// One workload that wants to enter.
pub(super) struct Case {
    /// What must become of it.
    pub(super) expected: Expected,
    /// Whether the demo explains this one from the journal.
    pub(super) explain: bool,
    /// JSON pointer below `/request/object` and reference of each image, in order.
    pub(super) images: Vec<(&'static str, String)>,
    /// What the demo calls it.
    pub(super) name: &'static str,
    /// The review, as the API server sends it.
    pub(super) review: Value,
    /// Whose seal must stand for it, so that no trust server is asked; empty for nobody's.
    pub(super) seal_of: &'static str,
}

/// What must become of a workload.
pub(super) enum Expected {
    /// It enters, with these references put in place of others and nothing else changed.
    Allowed(Vec<(&'static str, String)>),
    /// It does not, with this code, and the message holds all of these texts.
    Refused(DenyCode, Vec<String>),
}

const DEPLOYMENT: &str = include_str!("reviews/deployment.json");
const OWNED_POD: &str = include_str!("reviews/owned-pod.json");
const POD: &str = include_str!("reviews/pod.json");

const INIT: &str = "/spec/template/spec/initContainers/0/image";
const FIRST: &str = "/spec/template/spec/containers/0/image";
const SECOND: &str = "/spec/template/spec/containers/1/image";
const POD_IMAGE: &str = "/spec/containers/0/image";

const MIGRATE: &str = "registry.example/shop/migrate:2.0.0";
const WEB: &str = "registry.example/shop/web:2.0.0";
const WORKER: &str = "registry.example/shop/worker:1.4.0";
const CART: &str = "registry.example/shop/cart:1.0.0";
const UNSIGNED: &str = "registry.example/shop/scraper:0.9.0";
const UNSIGNED_TAG: &str = "registry.example/shop/web:2.1.0-rc1";
const METRICS: &str = "docker.io/prom/statsd-exporter:v0.22.4";
const PARTNER: &str = "partner.example/payments:5.2";
const UNCOVERED: &str = "elsewhere.example/miner:latest";

/// All cases, in the order they are played.
pub(super) fn all(stage: &Stage) -> Result<Vec<Case>, CommandError> {
    let mut cases = allowed(stage)?;
    cases.extend(refused(stage)?);
    Ok(cases)
}

fn allowed(stage: &Stage) -> Result<Vec<Case>, CommandError> {
    let pinned = |image: &str| match stage.digest(image) {
        Some(digest) => format!("{image}@{}", digest.to_oci()),
        None => format!("{image} was never signed"),
    };
    let genuine = format!("{}:{}", vault::GENUINE, vault::TAG);
    let mut by_bundle = Vec::new();
    if stage.own_bundle {
        let pin = Expected::Allowed(vec![(POD_IMAGE, pinned(&genuine))]);
        by_bundle.push(pod("pinned by bundle", "vault", &genuine, pin)?);
    }
    let cases = vec![
        Case {
            expected: Expected::Allowed(vec![(INIT, pinned(MIGRATE)), (FIRST, pinned(WEB))]),
            explain: false,
            ..deployment("signed Deployment", "web", [MIGRATE, WEB, METRICS])?
        },
        pod("signed Pod, by digest", "by-hand", &pinned(WEB), Expected::Allowed(Vec::new()))?,
        pod("rule without trust", "statsd", METRICS, Expected::Allowed(Vec::new()))?,
    ];
    Ok(cases.into_iter().chain(by_bundle).collect())
}

fn refused(stage: &Stage) -> Result<Vec<Case>, CommandError> {
    let because = |code, says: &[&str]| {
        Expected::Refused(code, says.iter().map(|text| (*text).to_owned()).collect())
    };
    let other_digest = format!("{WEB}@{}", Sha256::of(b"another image").to_oci());
    let mut cases = vec![
        pod("unsigned", "scraper", UNSIGNED, because(DenyCode::NotSigned, &[UNSIGNED]))?,
        pod("unsigned tag", "rc", UNSIGNED_TAG, because(DenyCode::TagNotSigned, &[]))?,
        Case {
            explain: true,
            ..pod("wrong signer", "worker", WORKER, because(DenyCode::SignerMissing, &["alice"]))?
        },
        pod("impostor's key", "cart", CART, because(DenyCode::SignerKeyMismatch, &["alice"]))?,
        pod("other digest", "swap", &other_digest, because(DenyCode::DigestMismatch, &[]))?,
        forged_owner(because(DenyCode::NotSigned, &[UNSIGNED]))?,
    ];
    if stage.own_bundle {
        let image = format!("{}:{}", vault::REPLACED, vault::TAG);
        let says = ["trust bundle version 1 pins", "was replaced"];
        let expected = because(DenyCode::RootPinMismatch, &says);
        cases.push(pod("replaced server", "keys", &image, expected)?);
    }
    let down = because(DenyCode::Unreachable, &[&stage.down]);
    cases.push(pod("trust server down", "payments", PARTNER, down)?);
    cases.push(pod("no rule", "miner", UNCOVERED, because(DenyCode::NoPolicy, &[UNCOVERED]))?);
    Ok(cases)
}

fn deployment(name: &'static str, object: &str, images: [&str; 3]) -> Result<Case, CommandError> {
    let pointers = [INIT, FIRST, SECOND];
    let images = pointers.into_iter().zip(images.map(str::to_owned)).collect();
    case(name, DEPLOYMENT, object, images, Expected::Allowed(Vec::new()))
}

fn pod(
    name: &'static str,
    object: &str,
    image: &str,
    expected: Expected,
) -> Result<Case, CommandError> {
    let mut case = case(name, POD, object, vec![(POD_IMAGE, image.to_owned())], expected)?;
    set(&mut case.review, "/request/object/spec/containers/0/name", json!(object))?;
    Ok(case)
}

/// A Pod of the ReplicaSet that the signed Deployment made.
pub(super) fn sealed_owner(stage: &Stage) -> Result<Case, CommandError> {
    let digest = stage.digest(WEB).unwrap_or(Sha256::ZERO);
    let images = vec![(POD_IMAGE, format!("{WEB}@{}", digest.to_oci()))];
    let mut case = case("sealed owner", OWNED_POD, "", images, Expected::Allowed(Vec::new()))?;
    case.seal_of = "ReplicaSet web-769fdccc97";
    Ok(case)
}

/// A Pod that claims a ReplicaSet as its controller, sent by a person and not by the controller.
fn forged_owner(expected: Expected) -> Result<Case, CommandError> {
    let images = vec![(POD_IMAGE, UNSIGNED.to_owned())];
    let mut case = case("forged owner", OWNED_POD, "", images, expected)?;
    let user = json!({"username": "mallory", "groups": ["system:authenticated"]});
    set(&mut case.review, "/request/userInfo", user)?;
    Ok(case)
}

fn case(
    name: &'static str,
    template: &str,
    object: &str,
    images: Vec<(&'static str, String)>,
    expected: Expected,
) -> Result<Case, CommandError> {
    let mut review: Value = serde_json::from_str(template)
        .map_err(|error| CommandError::Talk { what: "make a review", why: error.to_string() })?;
    if !object.is_empty() {
        set(&mut review, "/request/name", json!(object))?;
        set(&mut review, "/request/object/metadata/name", json!(object))?;
    }
    for (pointer, image) in &images {
        set(&mut review, &format!("/request/object{pointer}"), json!(image))?;
    }
    Ok(Case { expected, explain: false, images, name, review, seal_of: "" })
}

/// Replaces a value of a review.
pub(super) fn set(review: &mut Value, pointer: &str, value: Value) -> Result<(), CommandError> {
    let Some(place) = review.pointer_mut(pointer) else {
        let why = format!("it has no {pointer}");
        return Err(CommandError::Talk { what: "make a review", why });
    };
    *place = value;
    Ok(())
}
