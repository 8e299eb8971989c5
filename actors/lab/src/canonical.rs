//! Canonical JSON as Notary signs it (`docker/go/canonical/json/encode.go`).
//!
//! Members sorted by the bytes of their names, no blanks, whole numbers only; in strings only `"`
//! and `\` are escaped and every other byte stands for itself. The lab has its own writer so that
//! it never agrees with the verifier merely by sharing its mistakes.

use serde_json::Value;

use crate::LabError;

/// The canonical bytes of `value`.
///
/// # Errors
/// `NotCanonical` for a number that is not an integer.
pub fn canonical(value: &Value) -> Result<Vec<u8>, LabError> {
    let mut out = Vec::new();
    write(value, &mut out)?;
    Ok(out)
}

fn write(value: &Value, out: &mut Vec<u8>) -> Result<(), LabError> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => {
            if !number.is_i64() && !number.is_u64() {
                return Err(LabError::NotCanonical { number: number.to_string() });
            }
            out.extend_from_slice(number.to_string().as_bytes());
        }
        Value::String(text) => write_string(text, out),
        Value::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write(item, out)?;
            }
            out.push(b']');
        }
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by(|left, right| left.0.as_bytes().cmp(right.0.as_bytes()));
            out.push(b'{');
            for (index, (name, member)) in sorted.into_iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_string(name, out);
                out.push(b':');
                write(member, out)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text.bytes() {
        if byte == b'"' || byte == b'\\' {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_sorted_and_only_quotes_and_backslashes_are_escaped() -> Result<(), LabError> {
        let value = serde_json::json!({"b": [1, null, true], "a b": "<é\n\"\\", "a": {}});
        let expected = "{\"a\":{},\"a b\":\"<é\n\\\"\\\\\",\"b\":[1,null,true]}";
        assert_eq!(canonical(&value)?, expected.as_bytes());
        Ok(())
    }

    #[test]
    fn a_fraction_has_no_canonical_form() {
        let refused = canonical(&serde_json::json!({"a": 1.5}));
        assert!(matches!(refused, Err(LabError::NotCanonical { number }) if number == "1.5"));
    }
}
