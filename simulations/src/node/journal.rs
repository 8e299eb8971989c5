//! A journal in memory: the same lines and blobs that the host writes to disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use portreeve_protocol::{Blob, Entry, ProtocolError, Sha256, codec};

/// The lines written, and the blobs beside them.
#[derive(Debug)]
pub(super) struct Journal {
    pub(super) blobs: BTreeMap<Sha256, Arc<[u8]>>,
    pub(super) lines: Vec<u8>,
    prev: Sha256,
}

impl Journal {
    pub(super) const fn new() -> Self {
        Self { blobs: BTreeMap::new(), lines: Vec::new(), prev: Sha256::ZERO }
    }

    /// Writes an entry behind those before.
    pub(super) fn write(&mut self, entry: Entry) -> Result<(), ProtocolError> {
        self.prev = codec::write_line(entry, self.prev, &mut self.lines)?;
        Ok(())
    }

    /// Keeps the bytes of blobs that an entry names.
    pub(super) fn keep<'a>(&mut self, blobs: impl IntoIterator<Item = &'a Blob>) {
        for blob in blobs {
            if let Some(bytes) = blob.shared() {
                self.blobs.insert(blob.digest(), bytes);
            }
        }
    }
}
