//! Keys that are listed wrongly: under another's id, as what they are not, or not at all.

use portreeve_lab::{Documents, LabError, RoleKey};
use serde_json::{Value, json};

use super::Material;
use super::draft::{Draft, RELEASES, STRANGER, list};

/// The key of a stranger under the id of the genuine key of `targets`, in the next root.
pub(super) fn other_id_in_root(material: &Material<'_>) -> Result<Documents, LabError> {
    let mut draft = Draft::tainted_at(material, "root")?;
    let stranger = STRANGER.base(material.collection.gun(), "targets", 0)?;
    for key in material.collection.keys_of("targets")? {
        let root = draft.sheet("root")?;
        root.signed["keys"][key.id().to_hex()] = stranger.listing().clone();
    }
    draft.finish()
}

/// The key of a stranger under another id, among the keys of delegations.
pub(super) fn other_id_in_targets(material: &Material<'_>) -> Result<Documents, LabError> {
    let mut draft = Draft::tainted_at(material, RELEASES)?;
    let stranger = STRANGER.base(material.collection.gun(), "targets", 0)?;
    let id = material.evil.to_hex();
    draft.sheet("targets")?.signed["delegations"]["keys"][id.as_str()] = stranger.listing().clone();
    draft.delegation(RELEASES)?["keyids"] = json!([id]);
    draft.sheet(RELEASES)?.signers = vec![stranger];
    draft.finish()
}

/// The next root has a key id for `targets` that none of its keys has.
pub(super) fn id_without_key(material: &Material<'_>) -> Result<Documents, LabError> {
    let mut draft = Draft::tainted_at(material, "root")?;
    let id = material.evil.to_hex();
    if let Value::Array(ids) = &mut draft.sheet("root")?.signed["roles"]["targets"]["keyids"] {
        ids.push(json!(id));
    }
    draft.finish()
}

/// `targets` delegates to `targets/releases` without any key.
pub(super) fn none_for_releases(material: &Material<'_>) -> Result<Documents, LabError> {
    let mut draft = Draft::tainted_at(material, RELEASES)?;
    draft.delegation(RELEASES)?["keyids"] = json!([]);
    draft.finish()
}

/// `targets` delegates `targets/releases` to another key, and the document is not signed anew.
pub(super) fn replaced(material: &Material<'_>) -> Result<Documents, LabError> {
    let mut draft = Draft::tainted_at(material, RELEASES)?;
    let key = STRANGER.base(material.collection.gun(), "successor", 0)?;
    list(&mut draft.sheet("targets")?.signed["delegations"]["keys"], &[&key]);
    draft.delegation(RELEASES)?["keyids"] = json!([key.id()]);
    draft.finish()
}

/// The next root publishes something as the private half of its keys.
pub(super) fn private(material: &Material<'_>) -> Result<Documents, LabError> {
    let mut draft = Draft::tainted_at(material, "root")?;
    let keys = draft.sheet("root")?.signed["keys"].as_object_mut();
    for (_, key) in keys.into_iter().flatten() {
        key["keyval"]["private"] = json!("c2VjcmV0");
    }
    draft.finish()
}

/// The key of `targets` is listed in the next root as of this type.
pub(super) fn of_type(material: &Material<'_>, keytype: &str) -> Result<Documents, LabError> {
    listed(material, |key| {
        // The bytes are those of an Ed25519 key in either form; only the type does not fit them.
        key.listed_as(keytype, material.evil.as_bytes())
    })
}

/// The key of `targets` is listed in the next root with a byte missing.
pub(super) fn short(material: &Material<'_>) -> Result<Documents, LabError> {
    listed(material, |key| key.listed_as("ed25519", &material.evil.as_bytes()[1..]))
}

fn listed(
    material: &Material<'_>,
    relist: impl Fn(&RoleKey) -> Result<RoleKey, LabError>,
) -> Result<Documents, LabError> {
    let mut draft = Draft::tainted_at(material, "root")?;
    let keys = material.collection.keys_of("targets")?;
    let keys = keys.into_iter().map(relist).collect::<Result<Vec<_>, _>>()?;
    draft.keys_in_root("targets", &keys.iter().collect::<Vec<_>>(), 1)?;
    draft.sheet("targets")?.signers = keys;
    draft.finish()
}

/// The public half of the key of `targets` is not base64 in the next root; its id is that of the
/// text.
pub(super) fn not_base64(material: &Material<'_>) -> Result<Documents, LabError> {
    let mut draft = Draft::tainted_at(material, "root")?;
    let listing = json!({
        "keytype": "ed25519",
        "keyval": {"private": null, "public": "not base64!"},
    });
    let id = portreeve_protocol::Sha256::of(&portreeve_lab::canonical::canonical(&listing)?);
    let root = draft.sheet("root")?;
    root.signed["keys"][id.to_hex()] = listing;
    draft.finish()
}
