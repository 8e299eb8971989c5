//! Canonical JSON as Notary signs it (docker/go `canonical/json/encode.go`): members sorted by the
//! bytes of their names, no blanks, a backslash before `"` and `\` and no other escape, no
//! normalisation of Unicode, integers only.

use crate::json::Value;

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
