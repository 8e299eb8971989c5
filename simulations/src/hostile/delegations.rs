//! Roles that are not what they are called, may not say what they say, or are not delegated to.

use portreeve_lab::{Documents, LabError};
use serde_json::{Value, json};

use super::Material;
use super::draft::{Draft, RELEASES, STRANGER, list};

const MALLORY: &str = "targets/mallory";

/// `targets`, which names no tag, says of `targets/releases` what `change` makes of it; of another
/// delegation, if there are no releases. Such a role is not made up: once it was verified, a
/// replica would hold on to it.
pub(super) fn changed(
    material: &Material<'_>,
    change: impl FnOnce(&mut Value),
) -> Result<Documents, LabError> {
    let mut draft = Draft::tainted(material)?;
    let mut role = RELEASES;
    if !draft.has(RELEASES) {
        role = MALLORY;
        draft.delegate(role, &STRANGER.base(material.collection.gun(), role, 0)?)?;
    }
    draft.sheet("targets")?.signed["targets"] = json!({});
    change(draft.delegation(role)?);
    draft.finish()
}

/// `targets` delegates to `targets/releases` a second time, with a key of somebody else, who signs.
pub(super) fn twice(material: &Material<'_>) -> Result<Documents, LabError> {
    let mut draft = Draft::tainted_at(material, RELEASES)?;
    let key = STRANGER.base(material.collection.gun(), "second", 0)?;
    let again = json!({"keyids": [key.id()], "name": RELEASES, "paths": [""], "threshold": 1});
    let delegations = &mut draft.sheet("targets")?.signed["delegations"];
    list(&mut delegations["keys"], &[&key]);
    if let Value::Array(roles) = &mut delegations["roles"] {
        roles.push(again);
    }
    draft.sheet(RELEASES)?.signers = vec![key];
    draft.finish()
}

/// The snapshot names `targets/releases`, and nobody delegates to it.
pub(super) fn undelegated(material: &Material<'_>) -> Result<Documents, LabError> {
    let mut draft = Draft::tainted_at(material, RELEASES)?;
    if let Value::Array(roles) = &mut draft.sheet("targets")?.signed["delegations"]["roles"] {
        roles.retain(|role| role["name"] != RELEASES);
    }
    draft.finish()
}

/// The snapshot does not name `targets/releases`, the only role that released the tags.
pub(super) fn unpublished(material: &Material<'_>) -> Result<Documents, LabError> {
    let mut draft = Draft::tainted_at(material, RELEASES)?;
    draft.remove(RELEASES);
    draft.finish()
}

/// Only roles that release nothing name the tags: those of signers, one below `targets/releases`,
/// and one of somebody else.
pub(super) fn unreleased(material: &Material<'_>) -> Result<Documents, LabError> {
    let mut draft = Draft::tainted(material)?;
    let key = STRANGER.base(material.collection.gun(), MALLORY, 0)?;
    draft.delegate(MALLORY, &key)?;
    draft.delegate("targets/mallory/releases", &key)?;
    if draft.has(RELEASES) {
        draft.delegate("targets/releases/below", &key)?;
        draft.sheet(RELEASES)?.signed["targets"] = json!({});
    }
    draft.sheet("targets")?.signed["targets"] = json!({});
    draft.finish()
}

/// No role names any tag.
pub(super) fn emptied(material: &Material<'_>, nothing: &Value) -> Result<Documents, LabError> {
    let mut draft = Draft::tainted(material)?;
    for role in draft.roles().iter().filter(|role| role.starts_with("targets")) {
        draft.sheet(role)?.signed["targets"] = nothing.clone();
    }
    draft.finish()
}
