//! What can be wrong with a collection, and under which stable code it is refused.

use portreeve_protocol::{Denial, DenyCode, Wall};

/// Why a document, and with it a collection or a delegation, is not believed. Documents are named
/// by their role; role names of delegations have passed the rule of names before they stand here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// Not JSON.
    #[error("{document} is not well-formed JSON: {why} at byte {at}")]
    Malformed {
        /// The role.
        document: String,
        /// Where in the document.
        at: usize,
        /// What the parser found.
        why: &'static str,
    },
    /// JSON of a form that has no one meaning, or none that this build judges.
    #[error("{document} cannot be judged: {why}")]
    UnsupportedForm {
        /// The role.
        document: String,
        /// The form.
        why: String,
    },
    /// Not the structure of the role.
    #[error("{document} does not have the structure of its role: {why}")]
    InvalidMetadata {
        /// The role.
        document: String,
        /// The member and the rule it breaks.
        why: String,
    },
    /// A key stands under an id that is not its own.
    #[error("{document} lists a key under an id that is not the hash of the key")]
    KeyId {
        /// The role.
        document: String,
    },
    /// No signature at all.
    #[error("{document} carries no signatures")]
    Unsigned {
        /// The role.
        document: String,
    },
    /// Signatures, but not enough good ones by distinct listed keys.
    #[error("{document} needs valid signatures by {threshold} of its keys and has {valid}")]
    Threshold {
        /// The role.
        document: String,
        /// Distinct public keys that validly signed.
        valid: u32,
        /// How many are needed.
        threshold: u32,
    },
    /// Its time is over.
    #[error("{document} expired at {expires}; it is judged as of {now}")]
    Expired {
        /// The role.
        document: String,
        /// When it expired.
        expires: Wall,
        /// As of when it is judged.
        now: Wall,
    },
    /// Older than what was believed before.
    #[error("{document} has version {version}, but version {floor} was verified before")]
    Rollback {
        /// The role.
        document: String,
        /// The version found.
        version: u64,
        /// The version verified before.
        floor: u64,
    },
    /// Same version, other content.
    #[error("{document} differs from the document of version {version} verified before")]
    Equivocation {
        /// The role.
        document: String,
        /// The version of both.
        version: u64,
    },
    /// Not the document its parent names.
    #[error("{document} does not have the {algorithm} that its parent names")]
    Checksum {
        /// The role.
        document: String,
        /// `sha256` or `sha512`.
        algorithm: &'static str,
    },
    /// A length below 1, above the bound, or other than its parent says.
    #[error("{document} has {found} bytes where {allowed}")]
    Length {
        /// The role.
        document: String,
        /// Bytes found or announced.
        found: i64,
        /// What would be right.
        allowed: String,
    },
    /// More documents, or more bytes, than are fetched for one resolution.
    #[error(
        "the snapshot names {documents} documents of {bytes} bytes together, which is too much"
    )]
    Volume {
        /// Bytes of targets and delegations together.
        bytes: u64,
        /// How many documents these are.
        documents: usize,
    },
    /// More roles with floors than are kept of one collection.
    #[error("{roles} roles were verified over time, and no more than {limit} can be remembered")]
    Floors {
        /// Roles with a floor, the new ones included.
        roles: usize,
        /// How many are kept.
        limit: usize,
    },
    /// A certificate of a delegation key that the real client refuses, too.
    #[error("{document} has a key in an unacceptable certificate: {why}")]
    Certificate {
        /// The delegation.
        document: String,
        /// The rule it breaks.
        why: String,
    },
    /// The root's own keys do not carry it.
    #[error("root version {version} is not acceptable: {why}")]
    RootUntrusted {
        /// The root's version.
        version: u64,
        /// The rule it breaks.
        why: String,
    },
    /// A root does not follow from the one before it.
    #[error("root version {version} does not follow from the root before it: {why}")]
    RootRotation {
        /// The newer root's version.
        version: u64,
        /// The rule it breaks.
        why: String,
    },
    /// The snapshot was made for another root than the one in use: fetch newer roots and try again.
    #[error("the snapshot names another root than version {version}, which is in use")]
    RootChanged {
        /// Version of the root in use.
        version: u64,
    },
    /// A root was verified before, and this one is offered without coming from it.
    #[error("root version {version} is not the one verified before, and no rotation leads to it")]
    RootReplaced {
        /// The version of the root offered.
        version: u64,
    },
    /// The pins do not admit the root.
    #[error("no certificate of root version {version} satisfies the pin for the collection")]
    RootPinMismatch {
        /// The root's version.
        version: u64,
    },
    /// No pin, and first use is forbidden.
    #[error("no pin covers the collection and trust on first use is forbidden")]
    RootUnpinned,
}

impl TrustError {
    /// The stable code under which this is refused.
    #[must_use]
    pub const fn code(&self) -> DenyCode {
        match self {
            Self::Malformed { .. } => DenyCode::Malformed,
            Self::UnsupportedForm { .. } => DenyCode::UnsupportedForm,
            Self::InvalidMetadata { .. } => DenyCode::InvalidMetadata,
            Self::KeyId { .. } => DenyCode::KeyId,
            Self::Unsigned { .. } | Self::Threshold { .. } => DenyCode::Signature,
            Self::Expired { .. } => DenyCode::Expired,
            Self::Rollback { .. } => DenyCode::Rollback,
            Self::Equivocation { .. } => DenyCode::Equivocation,
            Self::Checksum { .. } => DenyCode::Checksum,
            Self::Length { .. } | Self::Volume { .. } => DenyCode::Oversize,
            Self::Floors { .. } => DenyCode::Capacity,
            Self::Certificate { .. } => DenyCode::Certificate,
            Self::RootUntrusted { .. } => DenyCode::RootUntrusted,
            Self::RootRotation { .. } => DenyCode::RootRotation,
            Self::RootChanged { .. } | Self::RootReplaced { .. } => DenyCode::RootChanged,
            Self::RootPinMismatch { .. } => DenyCode::RootPinMismatch,
            Self::RootUnpinned => DenyCode::RootUnpinned,
        }
    }
}

impl From<TrustError> for Denial {
    fn from(error: TrustError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}
