//! Parents that name their children wrongly, children that are not those named, and children that
//! are not there.

use std::sync::Arc;

use portreeve_lab::{Documents, LabError, file_meta, rfc3339};
use portreeve_protocol::limits::{DELEGATIONS, SMALL_DOCUMENT_BYTES};
use serde_json::{Value, json};

use super::Material;
use super::draft::{Draft, LIFETIME, RELEASES, STRANGER};

/// The parent of a document that is named by digest.
const fn parent(child: &str) -> &'static str {
    if matches!(child.as_bytes(), b"snapshot") { "timestamp" } else { "snapshot" }
}

/// The parent of `child` says of it what `change` makes of the truth.
fn misnamed(
    material: &Material<'_>,
    child: &str,
    change: impl FnOnce(&mut Value),
) -> Result<Documents, LabError> {
    let mut draft = Draft::tainted_at(material, child)?;
    let mut meta = file_meta(&draft.bytes(child)?);
    change(&mut meta);
    draft.misname(parent(child), child, meta);
    draft.finish()
}

/// The digest of this algorithm is another one.
pub(super) fn digest(
    material: &Material<'_>,
    child: &str,
    algorithm: &str,
) -> Result<Documents, LabError> {
    misnamed(material, child, |meta| {
        let other = file_meta(b"another document");
        meta["hashes"][algorithm] = other["hashes"][algorithm].clone();
    })
}

/// The SHA-256 is rewritten: to hexadecimal digits, or cut.
pub(super) fn sha256(
    material: &Material<'_>,
    child: &str,
    rewrite: impl FnOnce(&str) -> Value,
) -> Result<Documents, LabError> {
    misnamed(material, child, |meta| {
        let text = meta["hashes"]["sha256"].as_str().unwrap_or_default().to_owned();
        meta["hashes"]["sha256"] = rewrite(&text);
    })
}

/// The digest is there under this name of an algorithm, and no SHA-256.
pub(super) fn only_digest(
    material: &Material<'_>,
    child: &str,
    algorithm: &str,
) -> Result<Documents, LabError> {
    misnamed(material, child, |meta| {
        let from = if algorithm == "sha512" { "sha512" } else { "sha256" };
        let text = meta["hashes"][from].take();
        meta["hashes"] = json!({algorithm: text});
    })
}

/// The length is what `change` makes of it.
pub(super) fn length(
    material: &Material<'_>,
    child: &str,
    change: impl FnOnce(u64) -> Value,
) -> Result<Documents, LabError> {
    misnamed(material, child, |meta| {
        meta["length"] = change(meta["length"].as_u64().unwrap_or_default());
    })
}

/// A snapshot is named that is larger than any may be.
pub(super) fn huge(material: &Material<'_>) -> Result<Documents, LabError> {
    length(material, "snapshot", |_| json!(SMALL_DOCUMENT_BYTES + 1))
}

/// The parent says nothing of `child`.
pub(super) fn unnamed(material: &Material<'_>, child: &str) -> Result<Documents, LabError> {
    let mut draft = Draft::tainted_at(material, child)?;
    draft.misname(parent(child), child, Value::Null);
    draft.finish()
}

/// Everything is in order, but another document of the same length is served for `child`: the one
/// that names the image nobody signed, well signed.
pub(super) fn other_body(material: &Material<'_>, child: &str) -> Result<Documents, LabError> {
    let mut named = Draft::renewed(material)?;
    let mut other = Draft::tainted(material)?;
    if child == RELEASES {
        named.only_releases()?;
        other.only_releases()?;
    }
    // A role without tags would come out alike; a second more is as long to write.
    other.sheet(child)?.signed["expires"] = json!(rfc3339(material.now, LIFETIME + 1_000_000)?);
    named.swap(child, other.bytes(child)?);
    named.finish()
}

/// Everything is in order, but blanks follow the document under its name.
pub(super) fn longer_body(
    material: &Material<'_>,
    child: &str,
    blanks: u64,
) -> Result<Documents, LabError> {
    let mut draft = Draft::tainted_at(material, child)?;
    let mut bytes = draft.bytes(child)?.to_vec();
    bytes.resize(bytes.len() + usize::try_from(blanks).unwrap_or_default(), b' ');
    draft.swap(child, Arc::from(bytes));
    draft.finish()
}

/// The document goes on beyond what any of its kind may have.
pub(super) fn endless(material: &Material<'_>, child: &str) -> Result<Documents, LabError> {
    longer_body(material, child, SMALL_DOCUMENT_BYTES)
}

/// The document ends early.
pub(super) fn shorter_body(material: &Material<'_>, child: &str) -> Result<Documents, LabError> {
    let mut draft = Draft::tainted_at(material, child)?;
    let bytes = draft.bytes(child)?;
    let half = bytes.get(..bytes.len() / 2).unwrap_or_default();
    draft.swap(child, Arc::from(half));
    draft.finish()
}

/// Something that is no document is served for `role`.
pub(super) fn page(material: &Material<'_>, role: &str) -> Result<Documents, LabError> {
    let mut draft = Draft::tainted_at(material, role)?;
    let page = b"<!DOCTYPE html><html><body>Sign in to continue, planted-canary-d0c5</body></html>";
    draft.swap(role, Arc::from(page.as_slice()));
    draft.finish()
}

/// The newest document of `role` is under none of its names.
pub(super) fn withheld(material: &Material<'_>, role: &str) -> Result<Documents, LabError> {
    let mut draft = Draft::tainted_at(material, role)?;
    draft.withhold(role);
    draft.finish()
}

/// Nothing is served at all.
pub(super) fn nothing(_: &Material<'_>) -> Result<Documents, LabError> {
    Ok(Documents::new())
}

/// The snapshot names more delegations than one collection may have.
pub(super) fn many_delegations(material: &Material<'_>) -> Result<Documents, LabError> {
    let mut draft = Draft::tainted(material)?;
    let key = STRANGER.base(material.collection.gun(), "many", 0)?;
    draft.delegate("targets/d0", &key)?;
    let meta = file_meta(&draft.bytes("targets/d0")?);
    for number in 1..=DELEGATIONS {
        let role = format!("targets/d{number}");
        draft.delegate(&role, &key)?;
        draft.misname("snapshot", &role, meta.clone());
    }
    draft.finish()
}
