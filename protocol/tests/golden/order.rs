//! Checks canonical form without trusting the code that writes it: member names rise, numbers are
//! integers, nothing stands between the tokens.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A JSON value whose members were found in rising order of their names' bytes.
#[derive(Debug)]
pub struct Ordered {
    /// The value written again by this module: no blanks, the shortest escapes.
    pub text: String,
}

impl<'de> Deserialize<'de> for Ordered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Walk).map(|text| Self { text })
    }
}

struct Walk;

impl<'de> Visitor<'de> for Walk {
    type Value = String;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON with sorted members and without fractions")
    }

    fn visit_bool<E>(self, value: bool) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_i64<E>(self, value: i64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_u64<E>(self, value: u64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_unit<E>(self) -> Result<String, E> {
        Ok("null".to_owned())
    }

    fn visit_str<E>(self, value: &str) -> Result<String, E> {
        Ok(quoted(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<String, A::Error> {
        let mut parts = Vec::new();
        while let Some(item) = items.next_element::<Ordered>()? {
            parts.push(item.text);
        }
        Ok(format!("[{}]", parts.join(",")))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<String, A::Error> {
        let mut parts = Vec::new();
        let mut before: Option<String> = None;
        while let Some((name, value)) = members.next_entry::<String, Ordered>()? {
            if before.as_ref().is_some_and(|before| before.as_bytes() >= name.as_bytes()) {
                let text = format!("member `{name}` stands behind `{before:?}`");
                return Err(serde::de::Error::custom(text));
            }
            parts.push(format!("{}:{}", quoted(&name), value.text));
            before = Some(name);
        }
        Ok(format!("{{{}}}", parts.join(",")))
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            control if control < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}
