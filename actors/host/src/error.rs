//! Why the host could not do something.

/// One enum for the crate; each variant says what was tried and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A file or directory could not be used.
    #[error("{what} {}: {source}", path.display())]
    File {
        /// What was tried, such as `cannot read`.
        what: &'static str,
        /// Which file.
        path: std::path::PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
}
