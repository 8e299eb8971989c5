//! The socket on which a running node takes commands of its operator.
//!
//! `portreeve.sock` in the data directory, for its owner only: one line of JSON with the request,
//! one line of JSON with the answer, then the connection ends.

mod client;
mod server;

use std::path::{Path, PathBuf};

use portreeve_protocol::Sha256;
use serde::{Deserialize, Serialize};

use crate::owners::SealSummary;
use crate::state::TrustSummary;

pub use client::ask;
pub use server::ControlSocket;

/// What an operator asks of a running node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Believe the wall clock as it is now. It is a recorded event.
    ClockAcknowledge {
        /// Why, in the operator's words.
        reason: String,
    },
    /// End an entry of seals. It is a recorded event.
    SealRevoke {
        /// The digest, 64 hexadecimal digits.
        digest: Sha256,
        /// The collection.
        gun: String,
        /// Why, in the operator's words.
        reason: String,
    },
    /// How the workloads are sealed.
    SealStatus,
    /// What is trusted.
    TrustList,
    /// Forget what is trusted of a collection. It is a recorded event.
    TrustReset {
        /// The collection.
        gun: String,
        /// Why, in the operator's words.
        reason: String,
        /// The trust server's URL.
        server: String,
    },
}

/// What the node answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Reply {
    /// It was done.
    Done,
    /// The request could not be done; why.
    Failed {
        /// A sentence that says what to do.
        why: String,
    },
    /// The collection was forgotten.
    Reset {
        /// Whether anything was known of it.
        known: bool,
    },
    /// How the workloads are sealed, in order of group, kind, namespace and name.
    Seals {
        /// The workloads.
        workloads: Vec<SealSummary>,
    },
    /// What is trusted, in order of server and GUN.
    Trust {
        /// The collections.
        collections: Vec<TrustSummary>,
    },
}

/// The socket of the node whose data directory this is.
#[must_use]
pub fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("portreeve.sock")
}
