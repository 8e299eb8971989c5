//! Why a trust bundle could not be loaded.

use portreeve_protocol::Wall;

/// One enum for the crate.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// `tough` refused the repository.
    #[error("the trust bundle's metadata is refused: {0}")]
    Refused(Box<tough::error::Error>),
    /// A byte that is not ASCII, a file that is too large, or a root that could not be asked for.
    #[error("{file} of the trust bundle is refused before it is read: {why}")]
    Guard {
        /// The last part of the file's URL.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// A role of the repository has expired.
    #[error("{role} of the trust bundle expired at {expires}; publish the bundle anew")]
    Expired {
        /// The role's name.
        role: &'static str,
        /// Its expiry.
        expires: Wall,
    },
    /// The repository has no `anchors.json`.
    #[error("the trust bundle holds no target `{name}`; add it with the bundle's editor")]
    NoAnchors {
        /// The name of the target.
        name: &'static str,
    },
    /// `anchors.json` is not what it should be.
    #[error("`anchors.json` of the trust bundle cannot be understood: {0}")]
    Anchors(String),
}
