//! Nothing but what the genuine keys signed of genuine images: old, withheld, mixed, or said in two
//! ways. What a replica makes of it hangs on what it knows and on what its policy asks for.

use std::sync::Arc;

use portreeve_lab::{Documents, LabError};
use portreeve_protocol::Sha256;
use serde_json::json;

use super::Material;
use super::draft::{Draft, RELEASES, STRANGER};

/// The publication before the one served; the one served, if there is none.
pub(super) fn rollback(material: &Material<'_>) -> Result<Documents, LabError> {
    Ok(before(material).unwrap_or(material.served).clone())
}

/// The first publication.
pub(super) fn rollback_to_first(material: &Material<'_>) -> Result<Documents, LabError> {
    Ok(material.history.first().unwrap_or(material.served).clone())
}

/// What is served now, whatever is published from now on.
pub(super) fn freeze(material: &Material<'_>) -> Result<Documents, LabError> {
    Ok(material.served.clone())
}

fn before<'a>(material: &Material<'a>) -> Option<&'a Documents> {
    let timestamp = |documents: &'a Documents| documents.get("timestamp.json");
    let mut history = material.history.iter().rev();
    history.find(|documents| timestamp(documents) != timestamp(material.served))
}

/// An older document of `role`: that of the publication before, else the first one.
fn older(material: &Material<'_>, role: &str) -> Option<Arc<[u8]>> {
    let current = format!("{role}.json");
    let before = before(material).and_then(|before| before.get(&current));
    let first = material.served.get(&format!("1.{role}.json"));
    let now = material.served.get(&current);
    before.filter(|before| Some(*before) != now).or(first).cloned()
}

/// The timestamp of the publication before, and all else as it is served.
pub(super) fn old_timestamp(material: &Material<'_>) -> Result<Documents, LabError> {
    let mut served = material.served.clone();
    if let Some(old) = older(material, "timestamp") {
        served.insert("timestamp.json".to_owned(), old);
    }
    Ok(served)
}

/// The newest parents, and under the name of the newest document of `role` an older one.
pub(super) fn old_body(material: &Material<'_>, role: &str) -> Result<Documents, LabError> {
    let mut served = material.served.clone();
    if let (Some(now), Some(old)) =
        (served.get(&format!("{role}.json")).cloned(), older(material, role))
    {
        served.insert(format!("{role}.{}.json", Sha256::of(&now)), old);
    }
    Ok(served)
}

/// An older document of `role` in a new snapshot, by somebody who holds the keys of snapshot and
/// timestamp only.
pub(super) fn old_resigned(material: &Material<'_>, role: &str) -> Result<Documents, LabError> {
    let mut draft = current(material)?;
    if let Some(old) = older(material, role).filter(|_| draft.has(role)) {
        draft.write(role, old.to_vec())?;
    }
    draft.finish()
}

/// Another document of `role` of the version that is served, and new parents that name it.
pub(super) fn equivocation(material: &Material<'_>, role: &str) -> Result<Documents, LabError> {
    let mut draft = if role == "timestamp" { Draft::genuine } else { current }(material)?;
    let renewed = if role == "snapshot" { Some(Draft::genuine(material)?) } else { None };
    if let Some(mut genuine) = renewed {
        // The timestamp is to be new, and the snapshot not.
        genuine.sheet("snapshot")?.signed["remark"] = json!("another");
        let version = genuine.sheet("timestamp")?.signed["version"].as_u64();
        genuine.sheet("timestamp")?.signed["version"] = json!(version.unwrap_or_default() + 1);
        return genuine.finish();
    }
    let role = if draft.has(role) { role } else { "targets" };
    draft.sheet(role)?.signed["remark"] = json!("another");
    draft.finish()
}

/// What is served, in a new snapshot and under a new timestamp.
fn current<'a>(material: &'a Material<'a>) -> Result<Draft<'a>, LabError> {
    let mut draft = Draft::genuine(material)?;
    for role in ["snapshot", "timestamp"] {
        let sheet = draft.sheet(role)?;
        let version = sheet.signed["version"].as_u64().unwrap_or_default();
        sheet.signed["version"] = json!(version + 1);
    }
    Ok(draft)
}

/// A new snapshot that does not name `targets/releases`.
pub(super) fn without_releases(material: &Material<'_>) -> Result<Documents, LabError> {
    let mut draft = current(material)?;
    draft.remove(RELEASES);
    draft.finish()
}

/// A new snapshot that names no delegation but `targets/releases`.
pub(super) fn without_signers(material: &Material<'_>) -> Result<Documents, LabError> {
    let mut draft = current(material)?;
    for role in draft.roles() {
        if role.starts_with("targets/") && role != RELEASES {
            draft.remove(&role);
        }
    }
    draft.finish()
}

/// The signers name the image that nobody else signed, and `targets/releases` still the genuine
/// one.
pub(super) fn signers_disagree(material: &Material<'_>) -> Result<Documents, LabError> {
    let mut draft = Draft::renewed(material)?;
    let tags = draft.tags();
    let evil = draft.evil(&tags);
    let signers: Vec<String> = draft.roles();
    for role in signers.iter().filter(|role| role.starts_with("targets/") && *role != RELEASES) {
        draft.sheet(role)?.signed["targets"] = evil.clone();
    }
    let key = STRANGER.base(material.collection.gun(), "mallory", 0)?;
    draft.delegate("targets/mallory", &key)?;
    draft.finish()
}

/// A document of the newest publication is not there. Everything else is.
pub(super) fn gone(material: &Material<'_>, role: &str) -> Result<Documents, LabError> {
    let mut draft = Draft::genuine(material)?;
    draft.withhold(role);
    draft.finish()
}
