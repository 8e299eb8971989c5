//! Why a test could not do its work; a failed expectation is an assertion, not one of these.

use std::path::PathBuf;

/// One enum for the crate.
#[derive(Debug, thiserror::Error)]
pub enum TestError {
    /// A file or directory could not be used.
    #[error("cannot use {}: {source}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path} does not hold what is expected: {why}")]
    Content {
        /// Which one, as a path or a name.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// `cargo metadata` gave no graph.
    #[error("cargo metadata failed: {0}")]
    Metadata(String),
    /// The node under test could not be asked.
    #[error("request to {url} failed: {why}")]
    Http {
        /// Whom.
        url: String,
        /// What went wrong.
        why: String,
    },
    /// The node or the lab server under test did not start or stop.
    #[error("the node or a lab server failed: {0}")]
    Node(String),
}

impl TestError {
    /// Wraps an error of the file system with the path it concerns.
    pub fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
