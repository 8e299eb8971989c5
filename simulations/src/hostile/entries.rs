//! Signed entries that name no image, in the role that releases. Where that is `targets/releases`,
//! `targets` names the image nobody signed: it must not answer in the other's place.

use std::collections::BTreeSet;

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
    let mut releasing = vec!["targets"];
    let mut released = BTreeSet::new();
    if draft.has(RELEASES) {
        let releases = draft.sheet(RELEASES)?.signed["targets"].as_object();
        released = releases.into_iter().flatten().map(|(tag, _)| tag.clone()).collect();
        releasing.push(RELEASES);
    }
    for role in releasing {
        let entries = draft.sheet(role)?.signed["targets"].as_object_mut();
        for (_, listed) in entries.into_iter().flatten() {
            change(listed);
        }
    }
    let evil = draft.evil(&released);
    for (tag, listed) in evil.as_object().into_iter().flatten() {
        draft.sheet("targets")?.signed["targets"][tag] = listed.clone();
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
