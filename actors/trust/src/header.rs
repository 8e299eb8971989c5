//! What `signed` holds in every role (Notary `tuf/data/types.go:SignedCommon`).

use portreeve_protocol::Wall;
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

/// Takes `signed` as that of a document of this `_type`, which has these members besides the common ones.
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
    let expires = OffsetDateTime::parse(fields.text("expires")?, &Rfc3339)
        .ok()
        .and_then(|time| i64::try_from(time.unix_timestamp_nanos().div_euclid(1_000)).ok())
        .ok_or_else(|| fields.invalid("expires", "must be a time as in RFC 3339"))?;
    Ok((Header { expires: Wall(expires), version }, fields))
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
