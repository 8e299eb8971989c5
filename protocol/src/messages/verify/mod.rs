//! What a verifier receives and emits.

mod effect;
mod request;

use serde::{Deserialize, Serialize};

pub use effect::VerifyEffect;
pub use request::VerifyRequest;

use crate::{Blob, BlobSource, ProtocolError};

/// What a verifier receives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum VerifyInput {
    /// Documents to verify.
    Verify(Box<VerifyRequest>),
}

impl VerifyInput {
    /// Every blob named.
    #[must_use]
    pub fn blobs(&self) -> Vec<&Blob> {
        let Self::Verify(request) = self;
        request.roots.iter().chain([&request.timestamp]).chain(&request.documents).collect()
    }

    /// Fills in the bytes of every blob named.
    ///
    /// # Errors
    /// As [`Blob::hydrate`].
    pub fn hydrate(&mut self, source: &dyn BlobSource) -> Result<(), ProtocolError> {
        let Self::Verify(request) = self;
        request
            .roots
            .iter_mut()
            .chain([&mut request.timestamp])
            .chain(&mut request.documents)
            .try_for_each(|blob| blob.hydrate(source))
    }
}
