//! Certificates that make no root key, and those of delegations that no date makes good.

use portreeve_lab::{CertificatePlan, Documents, KeyKind, KeyPlan, Keys, LabError, RoleKey};
use portreeve_protocol::Wall;
use serde_json::json;

use super::Material;
use super::draft::{Draft, RELEASES, list};

const DAY: i64 = 86_400 * 1_000_000;

/// The genuine root key in another listing: in the next root, signed under the old id and the new.
fn root(
    material: &Material<'_>,
    relist: impl FnOnce(&RoleKey, &str) -> Result<RoleKey, LabError>,
) -> Result<Documents, LabError> {
    let mut draft = Draft::tainted_at(material, "root")?;
    let genuine = material.collection.root_key();
    let keytype = genuine.listing()["keytype"].as_str().unwrap_or_default();
    let key = relist(genuine, keytype)?;
    draft.keys_in_root("root", &[&key], 1)?;
    draft.sheet("root")?.signers.push(key);
    draft.finish()
}

fn certified(
    material: &Material<'_>,
    common_name: &str,
    change: impl FnOnce(&mut CertificatePlan<'_>),
) -> Result<Documents, LabError> {
    let mut plan = CertificatePlan::of_ten_years(common_name, material.now)?;
    change(&mut plan);
    root(material, |key, keytype| key.listed_as(keytype, key.certificate(&plan)?.as_bytes()))
}

/// It expired an hour ago.
pub(super) fn expired(material: &Material<'_>) -> Result<Documents, LabError> {
    certified(material, material.collection.gun(), |plan| {
        plan.from = Wall(material.now.0.saturating_sub(30 * DAY));
        plan.until = Wall(material.now.0.saturating_sub(DAY / 24));
    })
}

/// It begins in three days; one day of grace is given.
pub(super) fn early(material: &Material<'_>) -> Result<Documents, LabError> {
    certified(material, material.collection.gun(), |plan| {
        plan.from = Wall(material.now.0.saturating_add(3 * DAY));
    })
}

/// It is that of an authority.
pub(super) fn authority(material: &Material<'_>) -> Result<Documents, LabError> {
    certified(material, material.collection.gun(), |plan| plan.authority = true)
}

/// It is for this collection name, which is another.
pub(super) fn named(material: &Material<'_>, common_name: &str) -> Result<Documents, LabError> {
    certified(material, common_name, |_| {})
}

/// It is for a collection whose name begins with this one's.
pub(super) fn longer_name(material: &Material<'_>) -> Result<Documents, LabError> {
    certified(material, &format!("{}-evil", material.collection.gun()), |_| {})
}

/// The key is listed without a certificate.
pub(super) fn bare(material: &Material<'_>) -> Result<Documents, LabError> {
    root(material, |key, _| key.listed_bare())
}

/// What is listed is no certificate.
pub(super) fn garbage(material: &Material<'_>) -> Result<Documents, LabError> {
    root(material, |key, keytype| {
        let text = portreeve_lab::pem::encode("CERTIFICATE", material.evil.as_bytes());
        key.listed_as(keytype, text.as_bytes())
    })
}

/// Two leafs are listed as one key.
pub(super) fn two_leafs(material: &Material<'_>) -> Result<Documents, LabError> {
    let plan = CertificatePlan::of_ten_years(material.collection.gun(), material.now)?;
    root(material, |key, keytype| {
        let text = key.certificate(&plan)?.repeat(2);
        key.listed_as(keytype, text.as_bytes())
    })
}

/// The key of `targets/releases` comes in a certificate that ends before it begins.
pub(super) fn inverted_of_releases(material: &Material<'_>) -> Result<Documents, LabError> {
    releases(material, |key| {
        let mut plan = CertificatePlan::of_ten_years("releases", material.now)?;
        plan.until = Wall(material.now.0.saturating_sub(DAY));
        key.listed_as("rsa-x509", key.certificate(&plan)?.as_bytes())
    })
}

/// The key of `targets/releases` comes in what is no certificate.
pub(super) fn garbage_of_releases(material: &Material<'_>) -> Result<Documents, LabError> {
    releases(material, |key| {
        let text = portreeve_lab::pem::encode("CERTIFICATE", material.evil.as_bytes());
        key.listed_as("rsa-x509", text.as_bytes())
    })
}

fn releases(
    material: &Material<'_>,
    relist: impl FnOnce(&RoleKey) -> Result<RoleKey, LabError>,
) -> Result<Documents, LabError> {
    let mut draft = Draft::tainted_at(material, RELEASES)?;
    let plan = KeyPlan {
        base: KeyKind::RsaPkcs1v15,
        root: KeyKind::RsaPkcs1v15,
        signer_certificates: false,
        signers: KeyKind::RsaPkcs1v15,
    };
    let key = relist(&Keys::stranger_with(plan, 0).base("", RELEASES, 0)?)?;
    list(&mut draft.sheet("targets")?.signed["delegations"]["keys"], &[&key]);
    draft.delegation(RELEASES)?["keyids"] = json!([key.id()]);
    draft.sheet(RELEASES)?.signers = vec![key];
    draft.finish()
}
