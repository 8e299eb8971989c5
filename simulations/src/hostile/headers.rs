//! What every document says of itself: type, version and expiry.

use portreeve_lab::{Documents, LabError, rfc3339};
use serde_json::{Value, json};

use super::Material;
use super::draft::Draft;

const HOUR: i64 = 3_600 * 1_000_000;

/// `role` has this member with this value; `null` takes it out.
pub(super) fn with(
    material: &Material<'_>,
    role: &str,
    member: &str,
    value: Value,
) -> Result<Documents, LabError> {
    let mut draft = Draft::tainted_at(material, role)?;
    let sheet = draft.sheet(role)?;
    if let (Value::Null, Value::Object(signed)) = (&value, &mut sheet.signed) {
        signed.remove(member);
    } else {
        sheet.signed[member] = value;
    }
    draft.finish()
}

/// `role` expired a second ago.
pub(super) fn expired(material: &Material<'_>, role: &str) -> Result<Documents, LabError> {
    with(material, role, "expires", json!(rfc3339(material.now, -1_000_000)?))
}

/// `role` expired an hour ago, in a time zone where that clock stands at an hour from now.
pub(super) fn expired_abroad(material: &Material<'_>, role: &str) -> Result<Documents, LabError> {
    let local = rfc3339(material.now, HOUR)?;
    let local = local.trim_end_matches('Z');
    with(material, role, "expires", json!(format!("{local}+02:00")))
}

/// `role` has this text, which is no instant, as its expiry: the day only.
pub(super) fn expires_by_day(material: &Material<'_>, role: &str) -> Result<Documents, LabError> {
    let day = rfc3339(material.now, 1_000 * HOUR)?;
    with(material, role, "expires", json!(day.get(..10)))
}

/// `role` has a version that no integer is, written as `text`.
pub(super) fn version_written(
    material: &Material<'_>,
    role: &str,
    text: &str,
) -> Result<Documents, LabError> {
    let mut draft = Draft::tainted_at(material, role)?;
    let envelope = draft.envelope(role)?;
    let plain = format!("\"version\":{}", envelope.signed["version"]);
    let written = envelope.text().replace(&plain, &format!("\"version\":{text}"));
    draft.write(role, written)?;
    draft.finish()
}
