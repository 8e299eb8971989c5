//! Why a command could not do its work.

use std::path::PathBuf;

use portreeve_bundle::BundleError;
use portreeve_host::HostError;
use portreeve_host::objects::ScanFault;
use portreeve_lab::LabError;
use portreeve_replay::ReplayError;

/// What a command may fail of; all of them end with status 2.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// A trust bundle could not be made.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A file or directory could not be used.
    #[error("cannot {what} {}: {source}", path.display())]
    File {
        /// What was tried, such as `write`.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The node reported something.
    #[error(transparent)]
    Host(#[from] HostError),
    /// There is no journal where one should be.
    #[error("{} holds no journal: name the data directory of `portreeve serve`", path.display())]
    NoJournal {
        /// The directory.
        path: PathBuf,
    },
    /// The lab of the demo reported something.
    #[error("the demo's lab: {0}")]
    Lab(#[from] LabError),
    /// Replay could not go through the journal.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The demo's API server could not talk to the webhook.
    #[error("the demo could not {what}: {why}")]
    Talk {
        /// What was tried.
        what: &'static str,
        /// What went wrong.
        why: String,
    },
    /// What was written to standard output did not arrive.
    #[error("the output is incomplete: {why}; make room, or write it elsewhere")]
    OutputLost {
        /// What the operating system said.
        why: String,
    },
    /// Files of objects cannot be used.
    #[error("{fault}; correct it, or name other files")]
    Objects {
        /// The file, and what is wrong with it.
        fault: ScanFault,
    },
    /// A policy file cannot be used.
    #[error("--policy {fault}; correct the file")]
    Policy {
        /// The file, and what is wrong with it.
        fault: ScanFault,
    },
    /// A flag cannot be obeyed.
    #[error("{flag} `{text}`: {why}")]
    Usage {
        /// The flag.
        flag: &'static str,
        /// Its value as given.
        text: String,
        /// What is wrong with it and what is expected.
        why: String,
    },
    /// The command, or a node it asked, could not be understood.
    #[error("{why}")]
    Unclear {
        /// What was found.
        why: String,
    },
    /// The operating system refused a thread, a signal handler or the like.
    #[error("cannot {what}: {source}; look at the limits of this process")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the operating system said.
        source: std::io::Error,
    },
}
