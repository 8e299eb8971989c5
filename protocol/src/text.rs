//! Values that are written as text in JSON, read straight from the text where it stands.

/// Implements [`serde::Deserialize`] by [`std::str::FromStr`], without a copy of the text: ids and
/// digests are most of what a record consists of.
macro_rules! read_from_text {
    ($type:ty, $what:literal) => {
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
                struct Text;

                impl serde::de::Visitor<'_> for Text {
                    type Value = $type;

                    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        out.write_str($what)
                    }

                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }
                }

                reader.deserialize_str(Text)
            }
        }
    };
}

pub(crate) use read_from_text;
