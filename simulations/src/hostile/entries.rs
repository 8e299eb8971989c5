//! Signed entries that name no image, in the role that releases. Where that is `targets/releases`,
//! `targets` names the image nobody signed: it must not answer in the other's place.

use portreeve_lab::{Documents, LabError};
use serde_json::Value;

use super::Material;
use super::draft::{Draft, RELEASES};

/// Every entry of the role that releases is what `change` makes of it.
pub(super) fn changed(
    material: &Material<'_>,
    change: impl Fn(&mut Value),
) -> Result<Documents, LabError> {
    let mut draft = Draft::tainted(material)?;
    let releasing = if draft.has(RELEASES) {
        let tags = draft.tags();
        draft.sheet("targets")?.signed["targets"] = draft.evil(&tags);
        RELEASES
    } else {
        "targets"
    };
    let entries = draft.sheet(releasing)?.signed["targets"].as_object_mut();
    for (_, listed) in entries.into_iter().flatten() {
        change(listed);
    }
    draft.finish()
}

/// The digest is there under another algorithm only.
pub(super) fn only_digest(material: &Material<'_>, algorithm: &str) -> Result<Documents, LabError> {
    changed(material, |listed| {
        let text = listed["hashes"]["sha256"].take();
        listed["hashes"] = serde_json::json!({algorithm: text});
    })
}

/// The digest is what `rewrite` makes of its text.
pub(super) fn digest(
    material: &Material<'_>,
    rewrite: impl Fn(&str) -> Value,
) -> Result<Documents, LabError> {
    changed(material, |listed| {
        let text = listed["hashes"]["sha256"].as_str().unwrap_or_default().to_owned();
        listed["hashes"]["sha256"] = rewrite(&text);
    })
}
