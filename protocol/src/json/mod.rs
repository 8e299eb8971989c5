//! Canonical JSON, written: byte for byte what `serde_json` writes without blanks.
//!
//! Every decision is written several times on its way into the journal and out again, and so are
//! the digests and names that it consists of. Here text is looked through eight bytes at a time for
//! what must be escaped, and mostly copied in one piece.

mod text;

use std::fmt::{self, Write as _};

use serde::ser::{
    Error, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use self::text::{escaped, plain_text, text};
use crate::ProtocolError;

/// The names by which [`Plain`] and [`Verbatim`] make themselves known.
const PLAIN: &str = "$portreeve::plain";
const VERBATIM: &str = "$portreeve::verbatim";

/// Text in which nothing needs an escape, such as digits or base64: it is written unseen. What does
/// need one would not be JSON then. To other serializers it is text like any other.
#[derive(Debug, Clone, Copy)]
pub struct Plain<'a>(pub &'a str);

/// Bytes that are JSON already, written as they are. Nothing but [`append`] knows how to.
pub(crate) struct Verbatim<'a>(pub(crate) &'a [u8]);

/// What is within [`Verbatim`].
struct Bytes<'a>(&'a [u8]);

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(PLAIN, self.0)
    }
}

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl Serialize for Verbatim<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(VERBATIM, &Bytes(self.0))
    }
}

/// Appends the canonical JSON of `value` to `out`.
///
/// # Errors
/// `Record` if the value cannot be written as JSON; a part of it may have been appended then.
pub(crate) fn append<T: Serialize + ?Sized>(
    value: &T,
    out: &mut Vec<u8>,
) -> Result<(), ProtocolError> {
    let written = value.serialize(Writer::new(out));
    written.map_err(|Unwritable(why)| ProtocolError::Record { why: why.into() })
}

/// Why a value cannot be written. It is small, since every step returns it.
#[derive(Debug)]
struct Unwritable(Box<str>);

impl fmt::Display for Unwritable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Unwritable {}

impl Error for Unwritable {
    fn custom<T: fmt::Display>(why: T) -> Self {
        Self(why.to_string().into())
    }
}

type Written = Result<(), Unwritable>;

/// Writes one value.
struct Writer<'a> {
    form: Form,
    out: &'a mut Vec<u8>,
}

/// What a value is known to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Any,
    /// Text of a [`Plain`].
    Plain,
    /// Bytes of a [`Verbatim`].
    Verbatim,
}

impl<'a> Writer<'a> {
    const fn new(out: &'a mut Vec<u8>) -> Self {
        Self { form: Form::Any, out }
    }

    fn word(self, word: &str) -> Written {
        self.out.extend_from_slice(word.as_bytes());
        Ok(())
    }

    /// Opens an object of one member, the variant of an enum.
    fn variant(&mut self, name: &str) {
        self.out.push(b'{');
        text(name, self.out);
        self.out.push(b':');
    }

    fn items(self, begin: u8, end: &'static [u8]) -> Items<'a> {
        self.out.push(begin);
        Items { end, first: true, out: self.out }
    }
}

/// Writes the items of a list or the members of an object.
struct Items<'a> {
    end: &'static [u8],
    first: bool,
    out: &'a mut Vec<u8>,
}

impl Items<'_> {
    fn comma(&mut self) {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
    }

    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Written {
        self.comma();
        value.serialize(Writer::new(self.out))
    }

    fn member<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Written {
        self.comma();
        text(name, self.out);
        self.out.push(b':');
        value.serialize(Writer::new(self.out))
    }

    fn close(self) -> Written {
        self.out.extend_from_slice(self.end);
        Ok(())
    }
}

macro_rules! write_numbers {
    ($($method:ident($number:ty) as $wide:ty, $write:ident;)*) => {
        $(fn $method(self, value: $number) -> Written {
            $write(<$wide>::from(value), self.out);
            Ok(())
        })*
    };
}

impl<'a> Serializer for Writer<'a> {
    type Ok = ();
    type Error = Unwritable;
    type SerializeSeq = Items<'a>;
    type SerializeTuple = Items<'a>;
    type SerializeTupleStruct = Items<'a>;
    type SerializeTupleVariant = Items<'a>;
    type SerializeMap = Items<'a>;
    type SerializeStruct = Items<'a>;
    type SerializeStructVariant = Items<'a>;

    write_numbers! {
        serialize_i8(i8) as i64, signed;
        serialize_i16(i16) as i64, signed;
        serialize_i32(i32) as i64, signed;
        serialize_i64(i64) as i64, signed;
        serialize_u8(u8) as u64, unsigned;
        serialize_u16(u16) as u64, unsigned;
        serialize_u32(u32) as u64, unsigned;
        serialize_u64(u64) as u64, unsigned;
    }

    fn serialize_f32(self, value: f32) -> Written {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, _: f64) -> Written {
        Err(Unwritable::custom("its numbers must be integers"))
    }

    fn serialize_bool(self, value: bool) -> Written {
        self.word(if value { "true" } else { "false" })
    }

    fn serialize_char(self, value: char) -> Written {
        text(value.encode_utf8(&mut [0; 4]), self.out);
        Ok(())
    }

    fn serialize_str(self, value: &str) -> Written {
        match self.form {
            Form::Plain => plain_text(value, self.out),
            Form::Any | Form::Verbatim => text(value, self.out),
        }
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Written {
        if self.form == Form::Verbatim {
            self.out.extend_from_slice(value);
            return Ok(());
        }
        self.collect_seq(value)
    }

    fn serialize_none(self) -> Written {
        self.word("null")
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Written {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Written {
        self.word("null")
    }

    fn serialize_unit_struct(self, _: &'static str) -> Written {
        self.word("null")
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Written {
        text(variant, self.out);
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Written {
        let form = match name {
            PLAIN => Form::Plain,
            VERBATIM => Form::Verbatim,
            _ => Form::Any,
        };
        value.serialize(Writer { form, ..self })
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Written {
        self.variant(variant);
        value.serialize(Writer::new(self.out))?;
        self.out.push(b'}');
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Items<'a>, Unwritable> {
        Ok(self.items(b'[', b"]"))
    }

    fn serialize_tuple(self, _: usize) -> Result<Items<'a>, Unwritable> {
        Ok(self.items(b'[', b"]"))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Items<'a>, Unwritable> {
        Ok(self.items(b'[', b"]"))
    }

    fn serialize_tuple_variant(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Items<'a>, Unwritable> {
        self.variant(variant);
        Ok(self.items(b'[', b"]}"))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Items<'a>, Unwritable> {
        Ok(self.items(b'{', b"}"))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Items<'a>, Unwritable> {
        Ok(self.items(b'{', b"}"))
    }

    fn serialize_struct_variant(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Items<'a>, Unwritable> {
        self.variant(variant);
        Ok(self.items(b'{', b"}}"))
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Written {
        self.out.push(b'"');
        let displayed = write!(Escaping(self.out), "{value}");
        self.out.push(b'"');
        displayed.map_err(Unwritable::custom)
    }
}

macro_rules! write_items {
    ($($kind:ident::$method:ident;)*) => {
        $(impl $kind for Items<'_> {
            type Ok = ();
            type Error = Unwritable;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Written {
                self.item(value)
            }

            fn end(self) -> Written {
                self.close()
            }
        })*
    };
}

write_items! {
    SerializeSeq::serialize_element;
    SerializeTuple::serialize_element;
    SerializeTupleStruct::serialize_field;
    SerializeTupleVariant::serialize_field;
}

macro_rules! write_members {
    ($($kind:ident,)*) => {
        $(impl $kind for Items<'_> {
            type Ok = ();
            type Error = Unwritable;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Written {
                self.member(name, value)
            }

            fn end(self) -> Written {
                self.close()
            }
        })*
    };
}

write_members! {
    SerializeStruct,
    SerializeStructVariant,
}

impl SerializeMap for Items<'_> {
    type Ok = ();
    type Error = Unwritable;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Written {
        self.comma();
        let start = self.out.len();
        key.serialize(Writer::new(self.out))?;
        match self.out.get(start) {
            Some(b'"') => Ok(()),
            Some(b'-' | b'0'..=b'9') => {
                self.out.insert(start, b'"');
                self.out.push(b'"');
                Ok(())
            }
            Some(_) | None => Err(Unwritable::custom("the keys of a map must be strings")),
        }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Written {
        self.out.push(b':');
        value.serialize(Writer::new(self.out))
    }

    fn end(self) -> Written {
        self.close()
    }
}

/// Escapes what is displayed.
struct Escaping<'a>(&'a mut Vec<u8>);

impl fmt::Write for Escaping<'_> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        escaped(piece, self.0);
        Ok(())
    }
}

fn signed(number: i64, out: &mut Vec<u8>) {
    if number < 0 {
        out.push(b'-');
    }
    unsigned(number.unsigned_abs(), out);
}

fn unsigned(number: u64, out: &mut Vec<u8>) {
    let mut places = [0; 20];
    let first = digits(number, &mut places);
    out.extend_from_slice(&places[first..]);
}

/// Writes a number to the end of `places`; where it begins.
pub(crate) const fn digits(number: u64, places: &mut [u8; 20]) -> usize {
    let mut first = places.len();
    let mut rest = number;
    loop {
        first -= 1;
        // Lossless: it is a digit.
        places[first] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            return first;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde::Serialize;

    use super::*;

    #[derive(Debug, Clone, Serialize)]
    enum Shape {
        Empty,
        Named { flag: bool, list: Vec<Option<i32>> },
        Pair(u8, char),
        Single(Unit),
    }

    #[derive(Debug, Clone, Serialize)]
    struct Unit;

    #[derive(Debug, Clone, Serialize)]
    struct Wrapped(i64);

    #[derive(Debug, Clone, Serialize)]
    struct Two(u16, String);

    #[derive(Debug, Clone, Serialize)]
    struct Whole<'a> {
        absent: Option<u8>,
        map: BTreeMap<String, u64>,
        numbered: BTreeMap<i8, ()>,
        #[serde(rename = "re\"named")]
        renamed: &'a str,
        shapes: Vec<Shape>,
        tree: serde_json::Value,
        tuple: (u32, Wrapped, Two),
    }

    fn ours<T: Serialize>(value: &T) -> Result<String, String> {
        let mut out = Vec::new();
        append(value, &mut out).map_err(|error| error.to_string())?;
        String::from_utf8(out).map_err(|error| error.to_string())
    }

    proptest! {
        #[test]
        fn text_is_written_as_serde_json_writes_it(
            text in "(?s).{0,40}|[ -~]{0,80}|[\\x00-#\\\\]*|[a-z]{0,17}[\\x00-#\\\\]?[a-z]{0,17}",
        ) {
            prop_assert_eq!(ours(&text), serde_json::to_string(&text).map_err(|it| it.to_string()));
        }

        #[test]
        fn numbers_are_written_as_serde_json_writes_them(one in any::<u64>(), two in any::<i64>()) {
            let both = (one, two, one % 1000, two % 1000);
            prop_assert_eq!(ours(&both), serde_json::to_string(&both).map_err(|it| it.to_string()));
        }
    }

    #[test]
    fn every_shape_is_written_as_serde_json_writes_it() -> Result<(), serde_json::Error> {
        let shapes = vec![
            Shape::Empty,
            Shape::Named { flag: true, list: vec![Some(-1), None] },
            Shape::Pair(7, '"'),
            Shape::Single(Unit),
        ];
        let whole = Whole {
            absent: None,
            map: BTreeMap::from([("a\n".to_owned(), u64::MAX), (String::new(), 0)]),
            numbered: BTreeMap::from([(-3, ()), (4, ())]),
            renamed: "\u{7f}ü€𝄞\u{1}",
            shapes,
            tree: serde_json::json!({"a": [null, true, {"b": -5}], "c": {}, "d": []}),
            tuple: (1, Wrapped(i64::MIN), Two(2, "two".to_owned())),
        };
        assert_eq!(ours(&whole), Ok(serde_json::to_string(&whole)?));
        Ok(())
    }

    #[test]
    fn displayed_text_is_escaped_piece_by_piece() {
        struct Displayed;

        impl Serialize for Displayed {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(&format_args!("{}/{}\t", "a\"b", 5))
            }
        }

        assert_eq!(ours(&Displayed), Ok(r#""a\"b/5\t""#.to_owned()));
    }

    #[test]
    fn plain_text_is_written_unseen_and_what_follows_is_not() -> Result<(), serde_json::Error> {
        let pair = (Plain("c2VhbA=="), "\"");
        assert_eq!(ours(&pair), Ok(serde_json::to_string(&pair)?));
        assert_eq!(ours(&Plain("\"")), Ok("\"\"\"".to_owned()));
        Ok(())
    }

    #[test]
    fn json_is_written_verbatim_and_what_follows_is_not() {
        let pair = (Verbatim(b"{\"a\":[]}"), "\"");
        assert_eq!(ours(&pair), Ok(r#"[{"a":[]},"\""]"#.to_owned()));
    }

    #[test]
    fn fractions_and_keys_that_are_no_strings_are_refused() {
        assert!(ours(&0.5_f64).is_err());
        assert!(ours(&BTreeMap::from([((1, 2), 3)])).is_err());
    }
}
