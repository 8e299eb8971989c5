//! What a notary fetcher receives and emits.

mod effect;
mod fetched;
mod forget;
mod hop;
mod resolve;
mod timer;
mod verified;

use serde::{Deserialize, Serialize};

pub use effect::{FetchRequest, NotaryEffect};
pub use fetched::{DocumentName, FetchOutcome, Fetched};
pub use forget::Forget;
pub use hop::VerifierRefused;
pub use resolve::Resolve;
pub use timer::NotaryTimer;
pub use verified::{Verification, VerifiedCollection, VerifyOutcome, Wanted};

use crate::{Blob, BlobSource, ProtocolError};

/// What a notary fetcher receives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NotaryInput {
    /// A fetch ended.
    Fetched(Fetched),
    /// An operator forgets what is trusted of a collection.
    Forget(Forget),
    /// Someone needs to know about a tag.
    Resolve(Resolve),
    /// A timer fired.
    Timer(NotaryTimer),
    /// A verifier answered.
    Verification(Box<Verification>),
    /// The verifiers would not take a request.
    VerifierRefused(VerifierRefused),
}

impl NotaryInput {
    /// Every blob named.
    #[must_use]
    pub fn blobs(&self) -> Vec<&Blob> {
        match self {
            Self::Fetched(Fetched { outcome: FetchOutcome::Document(blob), .. }) => vec![blob],
            Self::Fetched(_)
            | Self::Forget(_)
            | Self::Resolve(_)
            | Self::Timer(_)
            | Self::Verification(_)
            | Self::VerifierRefused(_) => Vec::new(),
        }
    }

    /// Fills in the bytes of every blob named.
    ///
    /// # Errors
    /// As [`Blob::hydrate`].
    pub fn hydrate(&mut self, source: &dyn BlobSource) -> Result<(), ProtocolError> {
        match self {
            Self::Fetched(Fetched { outcome: FetchOutcome::Document(blob), .. }) => {
                blob.hydrate(source)
            }
            Self::Fetched(_)
            | Self::Forget(_)
            | Self::Resolve(_)
            | Self::Timer(_)
            | Self::Verification(_)
            | Self::VerifierRefused(_) => Ok(()),
        }
    }
}
