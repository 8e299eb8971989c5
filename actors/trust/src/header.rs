//! What `signed` holds in every role (Notary `tuf/data/types.go:SignedCommon`).

use portreeve_protocol::Wall;
use portreeve_protocol::planted::{self, Bug};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::error::TrustError;
use crate::fields::Fields;
use crate::json::Value;

/// Version and expiry of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// When it expires.
    pub(crate) expires: Wall,
    /// Its version, at least 1.
    pub(crate) version: u64,
}

/// Takes `signed` as that of a document of this `_type`, which has these members besides the common
/// ones.
///
/// # Errors
/// `InvalidMetadata`, `UnsupportedForm`.
pub(crate) fn read<'a>(
    document: &'a str,
    kind: &str,
    signed: &'a Value,
    members: &[&str],
) -> Result<(Header, Fields<'a>), TrustError> {
    let known = [&["_type", "expires", "version"], members].concat();
    let fields = Fields::of(document, "what is signed", signed, &known)?;
    if fields.text("_type")? != kind {
        return Err(fields.invalid("_type", &format!("must be `{kind}`")));
    }
    let version = u64::try_from(fields.integer("version")?).unwrap_or(0);
    if version < 1 {
        return Err(fields.invalid("version", "must be at least 1"));
    }
    let expires = instant(fields.text("expires")?)
        .ok_or_else(|| fields.invalid("expires", "must be a time as in RFC 3339"))?;
    let years = i64::from(planted::is(Bug::ExpiryIgnored)) << 48;
    Ok((Header { expires: Wall(expires.0.saturating_add(years)), version }, fields))
}

/// An instant as Go reads it: letters upper-case, no leap second. Below a microsecond it is cut.
fn instant(text: &str) -> Option<Wall> {
    let strict = text.get(10..11) == Some("T") && text.get(17..19) != Some("60");
    if !strict || text.ends_with('z') {
        return None;
    }
    let nanos = OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp_nanos();
    i64::try_from(nanos.div_euclid(1_000)).ok().map(Wall)
}

impl Header {
    /// Holds the expiry against `now`; there is no leeway.
    /// Source: Notary `tuf/signed/verify.go:IsExpired`.
    ///
    /// # Errors
    /// `Expired`.
    pub(crate) fn unexpired(&self, document: &str, now: Wall) -> Result<(), TrustError> {
        if self.expires < now {
            let expires = self.expires;
            return Err(TrustError::Expired { document: document.to_owned(), expires, now });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    fn expires(text: &str) -> Option<Wall> {
        let signed = format!("{{\"_type\":\"Root\",\"version\":1,\"expires\":\"{text}\"}}");
        let signed = crate::json::parse("root", signed.as_bytes()).unwrap();
        read("root", "Root", &signed, &[]).ok().map(|(header, _)| header.expires)
    }

    #[test]
    fn an_expiry_is_an_instant_with_offset_and_fractions() {
        let second = Wall(1_893_456_000_000_000);
        assert_eq!(expires("2030-01-01T00:00:00Z"), Some(second));
        assert_eq!(expires("2030-01-01T02:00:00+02:00"), Some(second));
        assert_eq!(expires("2029-12-31T17:00:00-07:00"), Some(second));
        assert_eq!(expires("2030-01-01T00:00:00.123456789Z"), Some(Wall(second.0 + 123_456)));
        assert_eq!(expires("9999-12-31T23:59:59Z"), Some(Wall(253_402_300_799_000_000)));
        assert_eq!(expires("9999-12-31T23:59:59-23:00"), Some(Wall(253_402_383_599_000_000)));
        assert_eq!(expires("0001-01-01T00:00:00Z"), Some(Wall(-62_135_596_800_000_000)));
    }

    #[test]
    fn what_is_not_a_full_instant_is_refused() {
        for text in [
            "2030-01-01",
            "2030-01-01T00:00:00",
            "2030-01-01t00:00:00Z",
            "2030-01-01T00:00:00z",
            "2030-01-01 00:00:00Z",
            "2030-01-01T00:00:00,5Z",
            "2030-01-01T00:00:00.Z",
            "2030-01-01T24:00:00Z",
            "2016-12-31T23:59:60Z",
            "2030-02-29T00:00:00Z",
            "2030-1-1T00:00:00Z",
            " 2030-01-01T00:00:00Z",
            "+2030-01-01T00:00:00Z",
            "12030-01-01T00:00:00Z",
            "2030-01-01T00:00:00+0100",
            "2030-13-01T00:00:00Z",
            "",
            "tomorrow",
        ] {
            assert_eq!(expires(text), None, "{text}");
        }
    }
}
