//! Fewer signatures than are asked for, and thresholds that ask for nothing.

use portreeve_lab::{CertificatePlan, Documents, KeyKind, KeyPlan, Keys, LabError};
use serde_json::Value;

use super::Material;
use super::draft::{Draft, RELEASES, STRANGER};

/// The next root asks for two keys of `targets`, and one signed, as often as `times`.
pub(super) fn one_of_two(material: &Material<'_>, times: usize) -> Result<Documents, LabError> {
    let mut draft = Draft::tainted_at(material, "root")?;
    let second = STRANGER.base(material.collection.gun(), "second", 0)?;
    let mut keys = material.collection.keys_of("targets")?;
    let genuine = keys.clone();
    keys.push(&second);
    draft.keys_in_root("targets", &keys, 2)?;
    let signers = &mut draft.sheet("targets")?.signers;
    signers.clear();
    for _ in 0..times {
        signers.extend(genuine.iter().map(|&key| key.clone()));
    }
    draft.finish()
}

/// The next root asks for two keys of `targets` and lists one key under two ids: bare, and in a
/// certificate.
pub(super) fn two_ids(material: &Material<'_>) -> Result<Documents, LabError> {
    let mut draft = Draft::tainted_at(material, "root")?;
    let gun = material.collection.gun();
    let plan = KeyPlan {
        base: KeyKind::RsaPkcs1v15,
        root: KeyKind::RsaPkcs1v15,
        signer_certificates: false,
        signers: KeyKind::RsaPkcs1v15,
    };
    let bare = Keys::stranger_with(plan, 0).base(gun, "targets", 0)?;
    let text = bare.certificate(&CertificatePlan::of_ten_years(gun, material.now)?)?;
    let certified = bare.listed_as("rsa-x509", text.as_bytes())?;
    draft.keys_in_root("targets", &[&bare, &certified], 2)?;
    draft.sheet("targets")?.signers = vec![bare, certified];
    draft.finish()
}

/// The next root asks for two root keys, and only the genuine one signed.
pub(super) fn root_one_of_two(material: &Material<'_>) -> Result<Documents, LabError> {
    let mut draft = Draft::tainted_at(material, "root")?;
    let second = STRANGER.root(material.collection.gun(), 0, material.now)?;
    let mut keys = material.collection.keys_of("root")?;
    keys.push(&second);
    draft.keys_in_root("root", &keys, 2)?;
    draft.finish()
}

/// The next root asks this number of signatures of `role`.
pub(super) fn in_root(
    material: &Material<'_>,
    role: &str,
    threshold: Value,
) -> Result<Documents, LabError> {
    let mut draft = Draft::tainted_at(material, "root")?;
    draft.sheet("root")?.signed["roles"][role]["threshold"] = threshold;
    draft.finish()
}

/// `targets` asks this number of signatures of `targets/releases`.
pub(super) fn of_releases(
    material: &Material<'_>,
    threshold: Value,
) -> Result<Documents, LabError> {
    let mut draft = Draft::tainted_at(material, RELEASES)?;
    draft.delegation(RELEASES)?["threshold"] = threshold;
    draft.finish()
}
