//! Other spellings of the same JSON.

use serde_json::Value;

/// Appends `value` with its members in the opposite order, blanks wherever they may be, and every
/// character of a string escaped.
pub fn spelt_otherwise(value: &Value, text: &mut String) {
    text.push_str(" \t");
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => text.push_str(&value.to_string()),
        Value::String(string) => escaped(string, text),
        Value::Array(values) => {
            text.push('[');
            for (place, value) in values.iter().enumerate() {
                text.push_str(if place > 0 { "," } else { "" });
                spelt_otherwise(value, text);
            }
            text.push(']');
        }
        Value::Object(members) => {
            text.push('{');
            let names: Vec<_> = members.iter().collect();
            for (place, (name, value)) in names.into_iter().rev().enumerate() {
                text.push_str(if place > 0 { ",\n" } else { "\n" });
                escaped(name, text);
                text.push_str(" :");
                spelt_otherwise(value, text);
            }
            text.push('}');
        }
    }
    text.push_str("\r\n");
}

fn escaped(string: &str, text: &mut String) {
    text.push('"');
    for unit in string.encode_utf16() {
        text.push_str(&format!("\\u{unit:04X}"));
    }
    text.push('"');
}
