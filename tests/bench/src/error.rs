//! What keeps a measurement from being made.

use std::path::PathBuf;

use portreeve_lab::LabError;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// A server answered something else than it should, so its speed means nothing.
    #[error("{server} answered wrongly: {why}")]
    Answer {
        /// Which server.
        server: String,
        /// What is wrong.
        why: String,
    },
    /// A child process did not do its work.
    #[error("{name} did not work: {why}")]
    Child {
        /// Which child.
        name: String,
        /// What it did instead.
        why: String,
    },
    /// A file of the bench.
    #[error("cannot use {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The trust data could not be made.
    #[error("cannot make signed trust data: {0}")]
    Lab(#[from] LabError),
    /// The operating system refused something.
    #[error("cannot {what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
    /// A connection could not be used.
    #[error("cannot {what}: {why}")]
    Talk {
        /// What was tried.
        what: &'static str,
        /// What went wrong.
        why: String,
    },
}

/// For `map_err`: what was tried with the operating system.
pub(crate) fn system<E: Into<std::io::Error>>(what: &'static str) -> impl Fn(E) -> BenchError {
    move |source| BenchError::System { what, source: source.into() }
}

/// For `map_err`: what was tried over a connection.
pub(crate) fn talk<E: ToString>(what: &'static str) -> impl Fn(E) -> BenchError {
    move |error| BenchError::Talk { what, why: error.to_string() }
}
