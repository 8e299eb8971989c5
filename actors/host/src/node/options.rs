//! What a node needs to start.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use portreeve_protocol::entry::Restored;
use portreeve_protocol::{NodeId, Settings};

use crate::clock::Clock;
use crate::journal::Retention;
use crate::metrics::Metrics;
use crate::notary_client::Fetcher;
use crate::owners::OwnerSource;

/// What an answer waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// One sync to disk for all answers waiting. A power cut loses no record of an answered review.
    Group,
    /// The record is handed to the operating system before the answer and synced soon after. A
    /// crash of the process loses nothing; a power cut may lose the last records.
    Process,
}

/// What a node needs to start.
#[derive(Clone)]
pub struct NodeOptions {
    /// The clocks.
    pub clock: Clock,
    /// Directory of the node's own files.
    pub data_dir: PathBuf,
    /// What an answer waits for.
    pub durability: Durability,
    /// Asks trust servers.
    pub fetcher: Arc<dyn Fetcher>,
    /// Seed of whatever the machines randomise.
    pub jitter_seed: u64,
    /// Directory of the journal and its blobs; usually `journal` below `data_dir`.
    pub journal_dir: PathBuf,
    /// Where facts are logged.
    pub log: slog::Logger,
    /// Where facts are counted.
    pub metrics: Arc<Metrics>,
    /// The node's name.
    pub node: NodeId,
    /// Looks at the controllers of workloads.
    pub owners: Arc<dyn OwnerSource>,
    /// How much of the journal is kept.
    pub retention: Retention,
    /// Trust to begin with where the journal is empty; else the journal alone says what is trusted.
    pub restored: Restored,
    /// A multi-thread runtime, on which fetches run.
    pub runtime: tokio::runtime::Handle,
    /// Bytes after which a segment of the journal is followed by the next; usually
    /// [`SEGMENT_BYTES`](portreeve_protocol::limits::SEGMENT_BYTES).
    pub segment_bytes: u64,
    /// What the machines obey.
    pub settings: Settings,
    /// Threads that verify; at least one is started.
    pub verifiers: usize,
}

impl fmt::Debug for NodeOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("NodeOptions")
            .field("node", &self.node)
            .field("journal_dir", &self.journal_dir)
            .field("durability", &self.durability)
            .finish_non_exhaustive()
    }
}
