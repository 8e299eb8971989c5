//! The end of a fetch.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Blob, CredentialRef, Denial, Sha256};

/// The name a document is asked for by, below `/v2/<gun>/_trust/tuf/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum DocumentName {
    /// `<role>.<sha256>.json`: a document whose parent names its digest.
    Hashed {
        /// The full role name.
        role: String,
        /// The digest.
        sha256: Sha256,
    },
    /// `root.json`: the newest root.
    Root,
    /// `<version>.root.json`: one step of the rotation chain.
    RootVersion(u64),
    /// `timestamp.json`: always the current one.
    Timestamp,
}

impl fmt::Display for DocumentName {
    /// The last part of the URL, such as `targets/releases.0f1e….json`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hashed { role, sha256 } => write!(formatter, "{role}.{sha256}.json"),
            Self::Root => formatter.write_str("root.json"),
            Self::RootVersion(version) => write!(formatter, "{version}.root.json"),
            Self::Timestamp => formatter.write_str("timestamp.json"),
        }
    }
}

/// A fetch ended, one way or another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetched {
    /// The credential that the server accepted; `None` if it asked for none or took none.
    pub credential: Option<CredentialRef>,
    /// What was asked for.
    pub document: DocumentName,
    /// The flight that asked.
    pub flight: u64,
    /// The collection.
    pub gun: String,
    /// From request to end, in microseconds.
    pub micros: u64,
    /// What came of it.
    pub outcome: FetchOutcome,
    /// For a failure that may pass (no connection, time out, 429, 5xx): how long to wait before
    /// asking again, in microseconds, 0 if the server named no time. `None` for all else.
    pub retry_after: Option<u64>,
}

/// What came of a fetch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FetchOutcome {
    /// The server has no such document (404).
    Absent,
    /// The document, at most as long as was asked for.
    Document(Blob),
    /// The server could not be asked, answered with an error, or sent too much.
    Failed(Denial),
}
