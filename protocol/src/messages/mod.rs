//! What actors receive: one closed enum per kind of actor, one file per message.

pub mod admission;
pub mod journal;
pub mod notary;
pub mod policy;
pub mod verify;

use serde::{Deserialize, Serialize};

use crate::{ActorKind, Blob, BlobSource, ProtocolError};

/// An input for any actor, as it stands in the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// For the admission actor.
    Admission(admission::AdmissionInput),
    /// For the journal gate; never itself journaled.
    Journal(journal::JournalInput),
    /// For a notary fetcher.
    Notary(notary::NotaryInput),
    /// For the policy cache.
    Policy(policy::PolicyInput),
    /// For a verifier.
    Verify(verify::VerifyInput),
}

impl Input {
    /// The kind of actor the input is for.
    #[must_use]
    pub const fn kind(&self) -> ActorKind {
        match self {
            Self::Admission(_) => ActorKind::Admission,
            Self::Journal(_) => ActorKind::Journal,
            Self::Notary(_) => ActorKind::Notary,
            Self::Policy(_) => ActorKind::Policy,
            Self::Verify(_) => ActorKind::Verify,
        }
    }

    /// Whether a machine that never handled it goes on wrongly for good: it says how things are
    /// from now on, and nobody says it again. All else serves one review or one flight.
    ///
    /// A machine that panicked is made again without the input on which it did; behind one of these
    /// that would be a machine that obeys policies, a bundle or revocations which are not in force.
    #[must_use]
    pub const fn is_lasting(&self) -> bool {
        match self {
            Self::Admission(input) => match input {
                admission::AdmissionInput::AcknowledgeClock(_)
                | admission::AdmissionInput::BundleFailed(_)
                | admission::AdmissionInput::BundleLoaded(_)
                | admission::AdmissionInput::Drain
                | admission::AdmissionInput::Forgotten(_)
                | admission::AdmissionInput::Policies(_)
                | admission::AdmissionInput::RevokeSeal(_) => true,
                admission::AdmissionInput::HopRefused(_)
                | admission::AdmissionInput::OwnerFound(_)
                | admission::AdmissionInput::Resolution(_)
                | admission::AdmissionInput::Review(_)
                | admission::AdmissionInput::Timer(_) => false,
            },
            Self::Notary(input) => matches!(input, notary::NotaryInput::Forget(_)),
            Self::Policy(_) => true,
            Self::Journal(_) | Self::Verify(_) => false,
        }
    }

    /// Every blob the input names.
    pub fn blobs(&self) -> Vec<&Blob> {
        match self {
            Self::Admission(input) => input.blobs(),
            Self::Notary(input) => input.blobs(),
            Self::Verify(input) => input.blobs(),
            Self::Journal(_) | Self::Policy(_) => Vec::new(),
        }
    }

    /// Fills in the bytes of every blob the input names.
    ///
    /// # Errors
    /// As [`Blob::hydrate`].
    pub fn hydrate(&mut self, source: &dyn BlobSource) -> Result<(), ProtocolError> {
        match self {
            Self::Admission(input) => input.hydrate(source),
            Self::Notary(input) => input.hydrate(source),
            Self::Verify(input) => input.hydrate(source),
            Self::Journal(_) | Self::Policy(_) => Ok(()),
        }
    }
}

impl From<admission::AdmissionInput> for Input {
    fn from(input: admission::AdmissionInput) -> Self {
        Self::Admission(input)
    }
}

impl From<journal::JournalInput> for Input {
    fn from(input: journal::JournalInput) -> Self {
        Self::Journal(input)
    }
}

impl From<notary::NotaryInput> for Input {
    fn from(input: notary::NotaryInput) -> Self {
        Self::Notary(input)
    }
}

impl From<policy::PolicyInput> for Input {
    fn from(input: policy::PolicyInput) -> Self {
        Self::Policy(input)
    }
}

impl From<verify::VerifyInput> for Input {
    fn from(input: verify::VerifyInput) -> Self {
        Self::Verify(input)
    }
}
