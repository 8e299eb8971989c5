//! Well signed by keys of nobody we know. Only a replica that knows no root yet, and is told none,
//! can be taken in.

use portreeve_lab::{Documents, LabError};
use serde_json::{Value, json};

use super::Material;
use super::draft::{Draft, STRANGER};

/// What a publication has of its own.
pub(super) struct Disguise {
    /// How far the version of the root is beyond the genuine one.
    pub(super) rotations: u64,
    /// Whether delegations list the genuine keys beside the impostor's.
    pub(super) signers: bool,
    /// The version of everything but the root; 0 for the one that follows the genuine.
    pub(super) versions: u64,
    /// Whether the certificate is for all collections beside this one, too.
    pub(super) wildcard: bool,
}

/// Nothing of its own.
pub(super) const PLAIN: Disguise =
    Disguise { rotations: 0, signers: false, versions: 0, wildcard: false };

/// The whole collection, by somebody else: same names, other keys, the image nobody signed.
pub(super) fn impostor(
    material: &Material<'_>,
    disguise: &Disguise,
) -> Result<Documents, LabError> {
    let mut draft = Draft::tainted(material)?;
    let gun = material.collection.gun();
    for _ in 0..disguise.rotations {
        draft.next_root()?;
    }
    let name = match gun.rsplit_once('/') {
        Some((above, _)) if disguise.wildcard => format!("{above}/*"),
        Some(_) | None => gun.to_owned(),
    };
    let genuine = STRANGER.root(gun, 0, material.now)?;
    let plan = portreeve_lab::CertificatePlan::of_ten_years(&name, material.now)?;
    let root = genuine.listed_as("rsa-x509", genuine.certificate(&plan)?.as_bytes())?;
    draft.sheet("root")?.signed["keys"] = json!({});
    draft.keys_in_root("root", &[&root], 1)?;
    draft.sheet("root")?.signers = vec![root];
    for role in draft.roles() {
        if disguise.versions > 0 && role != "root" {
            draft.sheet(&role)?.signed["version"] = json!(disguise.versions);
        }
        if role == "root" {
            continue;
        }
        let key = STRANGER.base(gun, &role, 0)?;
        if role.starts_with("targets/") {
            let mut ids = vec![json!(key.id())];
            let delegation = draft.delegation(&role)?;
            if disguise.signers {
                ids.extend(delegation["keyids"].as_array().into_iter().flatten().cloned());
            }
            delegation["keyids"] = Value::Array(ids);
            let keys = &mut draft.sheet("targets")?.signed["delegations"]["keys"];
            super::draft::list(keys, &[&key]);
        } else {
            draft.keys_in_root(&role, &[&key], 1)?;
        }
        draft.sheet(&role)?.signers = vec![key];
    }
    draft.finish()
}
