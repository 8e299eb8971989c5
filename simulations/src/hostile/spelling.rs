//! Documents whose text is not one document of JSON, or means two things.

use portreeve_lab::{Documents, LabError};
use serde_json::{Value, json};

use super::Material;
use super::draft::Draft;

/// Has the text of `role` be what `respell` makes of it; its parents name the result.
pub(super) fn respelt(
    material: &Material<'_>,
    role: &str,
    respell: impl FnOnce(String) -> Vec<u8>,
) -> Result<Documents, LabError> {
    let mut draft = Draft::tainted_at(material, role)?;
    let text = draft.envelope(role)?.text();
    draft.write(role, respell(text))?;
    draft.finish()
}

/// `role` is half of its text.
pub(super) fn truncated(material: &Material<'_>, role: &str) -> Result<Documents, LabError> {
    respelt(material, role, |text| text.as_bytes().get(..text.len() / 2).unwrap_or_default().into())
}

/// `role` is this text.
pub(super) fn exactly(
    material: &Material<'_>,
    role: &str,
    text: &str,
) -> Result<Documents, LabError> {
    respelt(material, role, |_| text.as_bytes().to_vec())
}

/// `role` is its text between these two.
pub(super) fn between(
    material: &Material<'_>,
    role: &str,
    before: &[u8],
    after: &[u8],
) -> Result<Documents, LabError> {
    respelt(material, role, |text| [before, text.as_bytes(), after].concat())
}

/// `role` is written in UTF-16.
pub(super) fn utf16(material: &Material<'_>, role: &str) -> Result<Documents, LabError> {
    respelt(material, role, |text| text.encode_utf16().flat_map(u16::to_be_bytes).collect())
}

/// The first `from` in the text of `role` is `to`; the signatures are those of the text before.
pub(super) fn replaced(
    material: &Material<'_>,
    role: &str,
    from: &str,
    to: &str,
) -> Result<Documents, LabError> {
    respelt(material, role, |text| text.replacen(from, to, 1).into_bytes())
}

/// The genuine content and its signatures, and beside it the other content and its: under the same
/// member names, or ones that differ by case.
pub(super) fn twice(
    material: &Material<'_>,
    role: &str,
    name: &str,
    genuine_first: bool,
) -> Result<Documents, LabError> {
    let mut draft = Draft::tainted(material)?;
    let genuine = Draft::renewed(material)?.envelope(role)?;
    let evil = draft.envelope(role)?;
    let (first, second) = if genuine_first { (&genuine, &evil) } else { (&evil, &genuine) };
    let signatures = Value::Array([&*evil.signatures, &*genuine.signatures].concat());
    let text = format!(
        "{{\"signed\":{},\"{name}\":{},\"signatures\":{signatures}}}",
        first.signed, second.signed
    );
    draft.write(role, text)?;
    draft.finish()
}

/// What is signed of `role` is not what `change` finds but what it leaves, and that is signed.
pub(super) fn signed(
    material: &Material<'_>,
    role: &str,
    change: impl FnOnce(&mut Value),
) -> Result<Documents, LabError> {
    let mut draft = Draft::tainted_at(material, role)?;
    change(&mut draft.sheet(role)?.signed);
    draft.finish()
}

/// Beside a known member of what is signed stands another whose name Go takes for the same.
pub(super) fn alias(
    material: &Material<'_>,
    role: &str,
    name: &str,
    of: &str,
) -> Result<Documents, LabError> {
    signed(material, role, |signed| signed[name] = signed[of].clone())
}

/// Lists within lists, more than anybody needs.
pub(super) fn nested(material: &Material<'_>, role: &str) -> Result<Documents, LabError> {
    signed(material, role, |signed| {
        let depth = portreeve_protocol::limits::JSON_DEPTH + 6;
        signed["custom"] = (0..depth).fold(json!(1), |inner, _| json!([inner]));
    })
}

/// The envelope of `role` without what is signed.
pub(super) fn unsaid(material: &Material<'_>, role: &str) -> Result<Documents, LabError> {
    let mut draft = Draft::tainted_at(material, role)?;
    let signatures = draft.envelope(role)?.signatures;
    draft.write(role, json!({"signatures": signatures}).to_string())?;
    draft.finish()
}

/// What is signed, as a string that holds the object's text.
pub(super) fn quoted(material: &Material<'_>, role: &str) -> Result<Documents, LabError> {
    let mut draft = Draft::tainted_at(material, role)?;
    let envelope = draft.envelope(role)?;
    let document = json!({
        "signatures": envelope.signatures,
        "signed": envelope.signed.to_string(),
    });
    draft.write(role, document.to_string())?;
    draft.finish()
}
