//! Writes a JSON value as YAML in block style, for people to read and `kubectl` to apply.

use serde_json::Value;

/// The YAML of a value, members in their order, with a line break at the end.
#[must_use]
pub fn write(value: &Value) -> String {
    let mut text = String::new();
    node(value, 0, &mut text);
    text
}

/// Several documents in one text.
#[must_use]
pub fn write_all<'a>(values: impl IntoIterator<Item = &'a Value>) -> String {
    values.into_iter().map(|value| format!("---\n{}", write(value))).collect()
}

/// A value at the place where a line begins.
fn node(value: &Value, depth: usize, text: &mut String) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (name, value) in members {
                text.push_str(&"  ".repeat(depth));
                text.push_str(&scalar(name));
                text.push(':');
                behind(value, depth, text);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                text.push_str(&"  ".repeat(depth));
                text.push('-');
                let mut below = String::new();
                node(item, depth + 1, &mut below);
                // The first member stands behind the dash, two columns further in.
                text.push(' ');
                text.push_str(below.trim_start_matches(' '));
            }
        }
        Value::Array(_)
        | Value::Bool(_)
        | Value::Null
        | Value::Number(_)
        | Value::Object(_)
        | Value::String(_) => {
            text.push_str(&flow(value));
            text.push('\n');
        }
    }
}

/// A value behind the name of its member.
fn behind(value: &Value, depth: usize, text: &mut String) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            text.push('\n');
            node(value, depth + 1, text);
        }
        Value::Array(items) if !items.is_empty() => {
            text.push('\n');
            node(value, depth + 1, text);
        }
        Value::String(lines) if is_block(lines) => {
            text.push_str(" |\n");
            for line in lines.lines() {
                text.push_str(&"  ".repeat(depth + 1));
                text.push_str(line);
                text.push('\n');
            }
        }
        Value::Array(_)
        | Value::Bool(_)
        | Value::Null
        | Value::Number(_)
        | Value::Object(_)
        | Value::String(_) => {
            text.push(' ');
            text.push_str(&flow(value));
            text.push('\n');
        }
    }
}

/// Whether a text is lines that a literal block keeps as they are.
fn is_block(text: &str) -> bool {
    let plain =
        |line: &str| !line.is_empty() && line.trim() == line && !line.chars().any(char::is_control);
    text.len() > 1 && text.ends_with('\n') && text.lines().all(plain)
}

fn flow(value: &Value) -> String {
    if let Value::String(text) = value {
        return scalar(text);
    }
    // JSON is YAML.
    value.to_string()
}

/// A text without quotes where no reader can take it for something else.
fn scalar(text: &str) -> String {
    let inner = |it: char| it.is_ascii_alphanumeric() || "-_./".contains(it);
    let plain = text.starts_with(|it: char| it.is_ascii_alphabetic() || it == '/')
        && text.chars().all(inner)
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if plain { text.to_owned() } else { Value::String(text.to_owned()).to_string() }
}

/// Words that some reader of YAML takes for a value of another type.
const WORDS: &[&str] = &["null", "true", "false", "yes", "no", "on", "off", "y", "n"];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_is_read_as_the_same_value() {
        let value = json!({
            "a": {"b": [1, [2, [3]], {"c": null, "d": {}}, [], ["x: y", "- z"]], "empty": {}},
            "block": "first\nsecond\n",
            "no block": " first\nsecond\n",
            "blank": "a\n\nb\n",
            "one": "\n",
            "texts": ["", "1", "0x1", "true", "No", "~", "null", "a b", "a: b", "#a", "1e3", "é",
                "\u{7}", "'", "\"", "-", "/x", "x/", "2001-01-01", ".5", ".inf", "a\nb", "*", "&a"],
            "true": true,
            "number": -1.5,
        });
        let text = write(&value);
        let read: Value = serde_saphyr::from_str(&text).unwrap_or_else(|error| {
            unreachable!("{error}\n{text}");
        });
        assert_eq!(read, value, "{text}");
    }

    #[test]
    fn it_looks_as_people_write_it() {
        let value = json!({"kind": "List", "items": [{"a": 1, "b": ["x"]}, "y"], "pem": "A\nB\n"});
        let expected = "\
items:
  - a: 1
    b:
      - x
  - \"y\"
kind: List
pem: |
  A
  B
";
        assert_eq!(write(&value), expected);
    }
}
