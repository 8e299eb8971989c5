//! Roots that do not carry themselves, or do not follow from the one before.

use portreeve_lab::{Collection, Documents, LabError};
use serde_json::{Value, json};

use super::Material;
use super::draft::{Draft, STRANGER};

/// The next root hands over to a root key that did not sign it.
pub(super) fn not_by_its_own(material: &Material<'_>) -> Result<Documents, LabError> {
    let mut draft = Draft::tainted_at(material, "root")?;
    let key = STRANGER.root(material.collection.gun(), 0, material.now)?;
    draft.keys_in_root("root", &[&key], 1)?;
    draft.finish()
}

/// The next root says nothing of `role`.
pub(super) fn without(material: &Material<'_>, role: &str) -> Result<Documents, LabError> {
    let mut draft = Draft::tainted_at(material, "root")?;
    if let Value::Object(roles) = &mut draft.sheet("root")?.signed["roles"] {
        roles.remove(role);
    }
    draft.finish()
}

/// What another collection, of somebody else, would be served as.
pub(super) fn of_another_collection(material: &Material<'_>) -> Result<Documents, LabError> {
    let gun = format!("{}-evil", material.collection.gun());
    let mut other = Collection::new(&gun, STRANGER, material.now)?;
    for tag in Draft::genuine(material)?.tags() {
        other.sign_base(&tag, material.evil, 1_000);
    }
    other.publish(material.now).cloned()
}

/// Two rotations, of which the first root is not there. Everything is genuine.
pub(super) fn step_missing(material: &Material<'_>) -> Result<Documents, LabError> {
    let mut draft = Draft::renewed(material)?;
    draft.next_root()?;
    draft.next_root()?;
    draft.finish()
}

/// The root after the next one, in the place of the next one. Everything is genuine.
pub(super) fn step_skipped(material: &Material<'_>) -> Result<Documents, LabError> {
    let mut draft = Draft::renewed(material)?;
    draft.next_root()?;
    let root = draft.sheet("root")?;
    let version = root.signed["version"].as_u64().unwrap_or_default();
    root.signed["version"] = json!(version + 1);
    draft.finish()
}

/// Another root of the version that is served. Everything is genuine.
pub(super) fn of_the_same_version(material: &Material<'_>) -> Result<Documents, LabError> {
    let mut draft = Draft::renewed(material)?;
    draft.sheet("root")?.signed["remark"] = json!("another");
    draft.finish()
}

/// The first root in the place of the newest. Everything is genuine.
pub(super) fn first(material: &Material<'_>) -> Result<Documents, LabError> {
    let mut served = Draft::genuine(material)?.finish()?;
    if let Some(first) = served.get("1.root.json").cloned() {
        served.insert("root.json".to_owned(), first);
    }
    Ok(served)
}
