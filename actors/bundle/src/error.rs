//! Why a trust bundle could not be loaded, or made.

use std::path::PathBuf;

use portreeve_protocol::bundle_reason::BundleCode;

/// One enum for the crate.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The bundle is not taken.
    #[error("{detail} ({})", code.code())]
    NotTaken {
        /// The stable code.
        code: BundleCode,
        /// What was found, in a sentence without a final full stop.
        detail: String,
    },
    /// A file of the workshop could not be used.
    #[error("cannot {what} {}: {source}", path.display())]
    File {
        /// What was tried, such as `read`.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A key file holds no usable key.
    #[error("the key {}: {why}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it and what is expected. Never what it holds.
        why: String,
    },
    /// A bundle cannot be made as it was asked for.
    #[error("{0}")]
    Workshop(String),
}

impl BundleError {
    /// A bundle that is not taken.
    pub(crate) fn not_taken(code: BundleCode, detail: impl Into<String>) -> Self {
        Self::NotTaken { code, detail: detail.into() }
    }

    /// The stable code, if it is about a bundle that is not taken.
    #[must_use]
    pub const fn code(&self) -> Option<BundleCode> {
        match self {
            Self::NotTaken { code, .. } => Some(*code),
            Self::File { .. } | Self::Key { .. } | Self::Workshop(_) => None,
        }
    }
}
