//! Content-addressed bytes: in memory with their bytes, in the journal by digest alone.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{ProtocolError, Sha256};

/// Bytes of a remote document, named by their SHA-256. The journal records only digest and length;
/// whoever reads a record back fills in the bytes with [`Blob::hydrate`] before a machine sees it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blob {
    length: u64,
    sha256: Sha256,
    #[serde(skip)]
    bytes: Option<Arc<[u8]>>,
}

/// Where the bytes of blobs come from when a journal is read.
pub trait BlobSource {
    /// The bytes of `digest`.
    ///
    /// # Errors
    /// `BlobMissing` or `BlobUnreadable`; checking the digest is left to [`Blob::hydrate`].
    fn bytes(&self, digest: &Sha256) -> Result<Arc<[u8]>, ProtocolError>;
}

impl Blob {
    /// Wraps `bytes`, hashing them.
    #[must_use]
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        Self { length: bytes.len() as u64, sha256: Sha256::of(&bytes), bytes: Some(bytes) }
    }

    /// The digest of the bytes.
    #[must_use]
    pub const fn digest(&self) -> Sha256 {
        self.sha256
    }

    /// How many bytes there are.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// The bytes; empty while a blob read from a journal has not been hydrated.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.as_deref().unwrap_or_default()
    }

    /// A shared handle on the bytes, if they are here.
    #[must_use]
    pub fn shared(&self) -> Option<Arc<[u8]>> {
        self.bytes.clone()
    }

    /// Fetches the bytes from `source` and checks them against digest and length.
    ///
    /// # Errors
    /// `BlobMissing`, `BlobUnreadable`, or `BlobAltered` when the bytes are not the named ones.
    pub fn hydrate(&mut self, source: &dyn BlobSource) -> Result<(), ProtocolError> {
        if self.bytes.is_some() {
            return Ok(());
        }
        let bytes = source.bytes(&self.sha256)?;
        let found = Sha256::of(&bytes);
        if found != self.sha256 || bytes.len() as u64 != self.length {
            return Err(ProtocolError::BlobAltered { digest: self.sha256, found });
        }
        self.bytes = Some(bytes);
        Ok(())
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Blob({} bytes, {})", self.length, self.sha256)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct One(&'static [u8]);

    impl BlobSource for One {
        fn bytes(&self, _: &Sha256) -> Result<Arc<[u8]>, ProtocolError> {
            Ok(Arc::from(self.0))
        }
    }

    #[test]
    fn a_blob_travels_by_digest_and_is_checked_when_hydrated() -> Result<(), serde_json::Error> {
        let text = serde_json::to_string(&Blob::new(&b"signed"[..]))?;
        let mut back: Blob = serde_json::from_str(&text)?;
        assert_eq!(back.bytes(), b"");
        assert!(matches!(back.hydrate(&One(b"forged")), Err(ProtocolError::BlobAltered { .. })));
        assert_eq!(back.hydrate(&One(b"signed")), Ok(()));
        assert_eq!(back.bytes(), b"signed");
        Ok(())
    }
}
