//! Canonical JSON as Notary signs it (docker/go `canonical/json/encode.go`): members sorted by the
//! bytes of their names, no blanks, a backslash before `"` and `\` and no other escape, no
//! normalisation of Unicode, integers only.

use crate::error::TrustError;
use crate::json::{self, Value};

/// The canonical form of a whole JSON text: the bytes that a signature covers
/// where `text` is what is signed. What has a canonical form is read as this form reads.
/// Source: docker/go `canonical/json/encode.go`; the parser is stricter than Go's, see `json`.
///
/// # Errors
/// `Malformed` for what is not JSON; `UnsupportedForm` for repeated member names, for excess depth
/// or size, and for values without a canonical form.
pub fn canonical_json(text: &[u8]) -> Result<Vec<u8>, TrustError> {
    const WHAT: &str = "the text";
    let mut canonical = Vec::new();
    let written = write(&json::parse(WHAT, text)?, &mut canonical);
    written.map(|()| canonical).map_err(|why| TrustError::UnsupportedForm {
        document: WHAT.to_owned(),
        why: why.to_owned(),
    })
}

/// Appends the canonical form of `value` to `out`.
///
/// # Errors
/// Why some value within has no canonical form.
pub(crate) fn write(value: &Value, out: &mut Vec<u8>) -> Result<(), &'static str> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::Text(text) => string(text, out),
        Value::List(values) => {
            out.push(b'[');
            for (place, value) in values.iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                write(value, out)?;
            }
            out.push(b']');
        }
        Value::Object(members) => {
            out.push(b'{');
            for (place, (name, value)) in members.iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                string(name, out);
                out.push(b':');
                write(value, out)?;
            }
            out.push(b'}');
        }
        Value::NoCanonicalForm(why) => return Err(why),
    }
    Ok(())
}

/// Appends `text` in quotes.
fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text.bytes() {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}
