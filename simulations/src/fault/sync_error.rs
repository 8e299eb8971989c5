//! A disk answers with an error.

use portreeve_protocol::Mono;
use serde::{Deserialize, Serialize};

use super::{Act, Class, Ground, Influence, Syncing};
use crate::rng::Rng;

/// The disk of a replica answers with an error instead of making the journal durable: what was to
/// be made durable is lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncError {
    /// From when; microseconds after the start.
    pub from: u64,
    /// Whose.
    pub replica: usize,
    /// Until when.
    pub until: u64,
}

impl Influence for SyncError {
    fn acts(&self) -> Vec<(u64, Act)> {
        vec![(self.until, Act::DiskRestored(self.replica))]
    }

    fn sync(&self, at: Mono, replica: usize, _: &mut Rng, syncing: &mut Syncing) {
        if replica == self.replica && (self.from..self.until).contains(&at.0) {
            syncing.error = Some("input/output error");
        }
    }
}

impl Class for SyncError {
    const ID: &'static str = "sync-error";

    fn draw(ground: &Ground, rate: u64, rng: &mut Rng) -> Vec<Self> {
        let error = |_| {
            let (from, until) = ground.span(rate, rng);
            Self { from, replica: ground.replica(rng), until }
        };
        (0..1 + rate / 300).map(error).collect()
    }
}
