//! What goes wrong during a run. Times are microseconds after the start.

use serde::{Deserialize, Serialize};

/// Something that goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// The replica is killed and starts again from its journal. Of what was not durable, the seed
    /// draws how much is there.
    Crash {
        /// When it is killed.
        at: u64,
        /// When it starts again.
        back: u64,
    },
    /// The journal's disk is full: what is not durable is lost, and nothing can be written.
    DiskFull {
        /// From when.
        from: u64,
        /// Until when.
        until: u64,
    },
    /// A trust server takes no connection.
    ServerDown {
        /// From when.
        from: u64,
        /// Its URL.
        server: String,
        /// Until when; `None` for good.
        until: Option<u64>,
    },
}

impl Fault {
    /// The trust server's URL, where the fault is one of a trust server.
    pub(super) const fn server(&mut self) -> Option<&mut String> {
        match self {
            Self::ServerDown { server, .. } => Some(server),
            Self::Crash { .. } | Self::DiskFull { .. } => None,
        }
    }
}
