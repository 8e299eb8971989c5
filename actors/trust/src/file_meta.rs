//! How one document names another (Notary `tuf/data/types.go:FileMeta, CheckHashes`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portreeve_protocol::messages::notary::Wanted;
use portreeve_protocol::{Blob, Sha256};

use crate::error::TrustError;
use crate::fields::Fields;
use crate::json::Value;

/// Length and digests of something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileMeta {
    /// Length in bytes, as stated.
    pub(crate) length: i64,
    /// The raw `sha256`, of whatever length it came in.
    pub(crate) sha256: Option<Vec<u8>>,
    /// The raw `sha512`, of whatever length it came in.
    pub(crate) sha512: Option<Vec<u8>>,
}

/// The members of a FileMeta.
const MEMBERS: [&str; 3] = ["custom", "hashes", "length"];

impl FileMeta {
    /// Reads an entry. Digests of other algorithms are passed over, as the real client does.
    ///
    /// # Errors
    /// `InvalidMetadata`, `UnsupportedForm`.
    pub(crate) fn read(document: &str, value: &Value) -> Result<Self, TrustError> {
        let meta = Fields::of(document, "an entry", value, &MEMBERS)?;
        let mut read = Self { length: meta.integer("length")?, sha256: None, sha512: None };
        for (algorithm, digest) in meta.map("hashes")? {
            let digest = match digest {
                Value::Null => None,
                Value::Text(text) => STANDARD.decode(text).ok(),
                Value::Bool(_)
                | Value::Integer(_)
                | Value::List(_)
                | Value::Object(_)
                | Value::NoCanonicalForm(_) => None,
            };
            let digest = digest.ok_or_else(|| meta.invalid("hashes", "must be base64"))?;
            match algorithm.as_str() {
                "sha256" => read.sha256 = Some(digest),
                "sha512" => read.sha512 = Some(digest),
                _ => {}
            }
        }
        Ok(read)
    }

    /// The document `role` as this entry names it, for `limit` bytes at most.
    ///
    /// # Errors
    /// `InvalidMetadata` without a SHA-256 of 32 bytes, `Length` for a length out of bounds.
    pub(crate) fn wanted(&self, role: &str, limit: u64) -> Result<Wanted, TrustError> {
        let sha256 = self.sha256.as_deref().and_then(Sha256::from_raw);
        let sha256 = sha256.ok_or_else(|| {
            crate::fields::invalid(role, "its parent names no SHA-256 of 32 bytes for it".into())
        })?;
        match u64::try_from(self.length) {
            Ok(length) if (1..=limit).contains(&length) => {
                Ok(Wanted { length, role: role.to_owned(), sha256 })
            }
            _ => Err(TrustError::Length {
                document: role.to_owned(),
                found: self.length,
                allowed: format!("1 to {limit} are allowed"),
            }),
        }
    }

    /// Holds `blob` against everything this entry says about the document `role`.
    ///
    /// # Errors
    /// `Length` or `Checksum`.
    pub(crate) fn check(&self, role: &str, blob: &Blob) -> Result<(), TrustError> {
        let document = || role.to_owned();
        if self.sha256.as_deref() != Some(blob.digest().as_bytes().as_slice()) {
            return Err(TrustError::Checksum { document: document(), algorithm: "sha256" });
        }
        if i64::try_from(blob.length()) != Ok(self.length) {
            return Err(TrustError::Length {
                document: document(),
                found: blob.length() as i64,
                allowed: format!("its parent says {}", self.length),
            });
        }
        if let Some(sha512) = &self.sha512 {
            let found = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA512, blob.bytes());
            if found.as_ref() != sha512.as_slice() {
                return Err(TrustError::Checksum { document: document(), algorithm: "sha512" });
            }
        }
        Ok(())
    }
}
