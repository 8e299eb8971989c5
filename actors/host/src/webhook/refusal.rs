//! Bodies that are no AdmissionReview of a known version, not JSON throughout, or too long, and yet
//! have a uid to answer to.
//!
//! Under `failurePolicy: Ignore` an HTTP error would be an allow, so whoever can be answered is: in
//! the version asked in, or the newest one known where theirs is not.

use std::borrow::Cow;
use std::fmt;

use portreeve_protocol::messages::admission::{ReviewFacts, ReviewVersion};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::review::{self, Circumstances, Unreadable};

/// What an answer needs, as far as it was read before anything was wrong.
#[derive(Default)]
struct Legible {
    api_version: Option<String>,
    kind: Option<String>,
    uid: Option<String>,
}

/// Facts that are denied with `why`, if the body begins with an object in which a uid is found
/// before anything that cannot be read. Which of two uids is meant cannot be known: a review is
/// answered with its own or not at all.
///
/// # Errors
/// `why` again if there is none.
pub(super) fn rescue(
    body: &[u8],
    circumstances: Circumstances,
    why: Unreadable,
) -> Result<ReviewFacts, Unreadable> {
    let mut legible = Legible::default();
    let envelope = Part::Envelope { known: &mut legible, has_request: false };
    // However it ends, what was read before counts.
    let _ = envelope.deserialize(&mut serde_json::Deserializer::from_slice(body));
    let Legible { api_version, kind, uid } = legible;
    let Ok(uid) = review::uid(&uid.unwrap_or_default()) else { return Err(why) };
    let text = Option::unwrap_or_default;
    let version = review::version(&text(kind), &text(api_version));
    let version = version.unwrap_or(ReviewVersion::V1);
    let Unreadable(malformed) = why;
    Ok(ReviewFacts { malformed: Some(malformed), ..review::empty(uid, version, circumstances) })
}

/// The objects that are read.
enum Part<'l> {
    Envelope { known: &'l mut Legible, has_request: bool },
    Request { known: &'l mut Legible, has_uid: bool },
}

impl Part<'_> {
    /// Reads the value of the member `name`.
    fn member<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match (self, name) {
            (Self::Envelope { known, .. }, "apiVersion") => known.api_version = map.next_value()?,
            (Self::Envelope { known, .. }, "kind") => known.kind = map.next_value()?,
            (Self::Envelope { known, has_request }, "request") => {
                if std::mem::replace(has_request, true) {
                    known.uid = None;
                    return Err(A::Error::custom("two requests"));
                }
                map.next_value_seed(Part::Request { known, has_uid: false })?;
            }
            (Self::Request { known, has_uid }, "uid") => {
                if std::mem::replace(has_uid, true) {
                    known.uid = None;
                    return Err(A::Error::custom("two uids"));
                }
                known.uid = map.next_value()?;
            }
            (Self::Envelope { .. } | Self::Request { .. }, _) => {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Part<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Part<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<Cow<'_, str>>()? {
            self.member(&name, &mut map)?;
        }
        Ok(())
    }
}
