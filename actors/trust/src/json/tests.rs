//! What is JSON, what is JSON of a form that is refused, and what is neither.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;

use super::*;
use crate::canonical;

fn read(text: &str) -> Result<Value, TrustError> {
    parse("targets", text.as_bytes())
}

/// The canonical form of `text`, or why there is none.
fn canonical(text: &str) -> Result<String, &'static str> {
    let mut bytes = Vec::new();
    canonical::write(&read(text).unwrap(), &mut bytes)?;
    Ok(String::from_utf8(bytes).unwrap())
}

#[test]
fn members_are_sorted_by_bytes_and_blanks_are_gone() {
    let text =
        " { \"b\" : [ 1 , true , null ] ,\r\n\t\"a b\":{}, \"a\":-7, \"Z\":[], \"\\u00e9\":0 } ";
    assert_eq!(
        canonical(text).unwrap(),
        "{\"Z\":[],\"a\":-7,\"a b\":{},\"b\":[1,true,null],\"é\":0}"
    );
    // U+FFFF comes before U+10000 as UTF-8; as UTF-16 it would come behind.
    assert_eq!(
        canonical("{\"\u{10000}\":1,\"\u{ffff}\":2}").unwrap(),
        "{\"\u{ffff}\":2,\"\u{10000}\":1}"
    );
}

#[test]
fn strings_keep_every_character_but_for_a_backslash_before_quotes_and_backslashes() {
    let text = r#""\"\\\/\b\f\n\r\t\u003c\u0041\u00e9\ud83d\ude00\u0000""#;
    let expected = "\"\\\"\\\\/\u{8}\u{c}\n\r\t<Aé😀\0\"";
    assert_eq!(canonical(text).unwrap(), expected);
    // No normalisation: e and a combining accent stay two characters.
    assert_eq!(canonical("\"e\u{301}\"").unwrap(), "\"e\u{301}\"");
}

#[test]
fn only_plain_integers_that_a_double_holds_have_a_canonical_form() {
    for text in ["0", "7", "-1", "9007199254740992", "-9007199254740992"] {
        assert_eq!(canonical(text).unwrap(), text);
    }
    for text in ["-0", "1.0", "0.5", "1e3", "1E+3", "2e-1", "9007199254740993", "1e999"] {
        assert!(canonical(text).is_err(), "{text}");
    }
    assert!(canonical(&"9".repeat(400)).is_err());
}

#[test]
fn half_of_a_surrogate_pair_has_no_canonical_form() {
    for text in [r#""\ud83d""#, r#""\ude00""#, r#""\ud83dx""#, r#""\ud83d\ud83d""#, r#""\ud83d\n""#]
    {
        assert!(canonical(text).is_err(), "{text}");
        let member = format!("{{{text}:1}}");
        assert!(matches!(read(&member), Err(TrustError::UnsupportedForm { .. })), "{text}");
    }
}

#[test]
fn what_is_not_json_is_refused() {
    for text in [
        "",
        " ",
        "{",
        "[",
        "\"",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "{\"a\":1,}",
        "[1,]",
        "[,1]",
        "[1 2]",
        "01",
        "1.",
        ".5",
        "+1",
        "-",
        "1e",
        "1e+",
        "0x1",
        "tru",
        "nul",
        "True",
        "NaN",
        "'a'",
        "1 2",
        "{}}",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\n\"",
        "\"\u{1}\"",
        "\u{feff}1",
        "// 1\n1",
        "{\"a\":1 \"b\":2}",
        "\"\\",
        "\"\\ud800\\u00",
        "[\"a\":1]",
    ] {
        assert!(matches!(read(text), Err(TrustError::Malformed { .. })), "{text}");
    }
    let latin = parse("targets", b"\"\xe9\"");
    assert!(matches!(latin, Err(TrustError::Malformed { at: 1, .. })));
}

#[test]
fn a_member_name_occurs_once_at_any_depth_and_however_it_is_written() {
    for text in [r#"{"a":1,"a":1}"#, r#"[{"b":{"a":1,"\u0061":2}}]"#] {
        assert!(matches!(read(text), Err(TrustError::UnsupportedForm { .. })), "{text}");
    }
    assert!(read(r#"{"a":{"a":1},"A":1}"#).is_ok());
}

#[test]
fn depth_and_number_of_values_are_bounded() {
    let nested = |depth: usize| format!("{}0{}", "[".repeat(depth), "]".repeat(depth));
    assert!(read(&nested(JSON_DEPTH)).is_ok());
    for depth in [JSON_DEPTH + 1, 1 << 20] {
        assert!(matches!(read(&nested(depth)), Err(TrustError::UnsupportedForm { .. })));
    }
    let wide = |values: usize| format!("[{}0]", "0,".repeat(values - 1));
    assert!(read(&wide(JSON_VALUES - 1)).is_ok());
    assert!(matches!(read(&wide(JSON_VALUES)), Err(TrustError::UnsupportedForm { .. })));
}

/// A tree of values that all have a canonical form.
fn tree() -> impl Strategy<Value = Value> {
    let text = "[a-zA-Zé\u{1}\n\"\\\\<>&/ 😀]{0,8}";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (-EXACT..=EXACT).prop_map(Value::Integer),
        text.prop_map(Value::Text),
    ];
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::List),
            prop::collection::btree_map(text, inner, 0..6).prop_map(Value::Object),
        ]
    })
}

/// The tree as another writer of JSON would write it.
fn foreign(value: &Value) -> serde_json::Value {
    match value {
        Value::Null | Value::NoCanonicalForm(_) => serde_json::Value::Null,
        Value::Bool(truth) => (*truth).into(),
        Value::Integer(number) => (*number).into(),
        Value::Text(text) => text.as_str().into(),
        Value::List(values) => values.iter().map(foreign).collect::<Vec<_>>().into(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), foreign(value))).collect()
        }
    }
}

proptest! {
    #[test]
    fn whatever_another_writer_writes_is_read_as_it_was_meant(tree in tree()) {
        let text = serde_json::to_string_pretty(&foreign(&tree)).unwrap();
        prop_assert_eq!(read(&text).unwrap(), tree);
    }

    #[test]
    fn nothing_is_read_that_another_reader_refuses(text in "[\\[\\]{}:, \"\\\\a1.eE+-]{0,12}") {
        if read(&text).is_ok() {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
        }
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes: Vec<u8>) {
        let parsed = parse("targets", &bytes);
        prop_assert!(parsed.is_err() || std::str::from_utf8(&bytes).is_ok());
    }

    #[test]
    fn different_trees_have_different_canonical_forms(one in tree(), other in tree()) {
        let written = |tree: &Value| {
            let mut bytes = Vec::new();
            canonical::write(tree, &mut bytes).map(|()| bytes)
        };
        prop_assert_eq!(one == other, written(&one) == written(&other));
    }
}
