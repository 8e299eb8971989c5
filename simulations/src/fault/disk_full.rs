//! The disk of a journal is full.

use portreeve_protocol::Mono;
use serde::{Deserialize, Serialize};

use super::{Act, Class, Ground, Influence, Syncing};
use crate::rng::Rng;

/// The disk of a replica is full: what is not durable is lost, and nothing can be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskFull {
    /// From when; microseconds after the start.
    pub from: u64,
    /// Whose.
    pub replica: usize,
    /// Until when.
    pub until: u64,
}

impl Influence for DiskFull {
    fn acts(&self) -> Vec<(u64, Act)> {
        vec![(self.until, Act::DiskRestored(self.replica))]
    }

    fn sync(&self, at: Mono, replica: usize, _: &mut Rng, syncing: &mut Syncing) {
        if replica == self.replica && (self.from..self.until).contains(&at.0) {
            syncing.error = Some("no space left on device");
        }
    }
}

impl Class for DiskFull {
    const ID: &'static str = "disk-full";

    fn draw(ground: &Ground, rate: u64, rng: &mut Rng) -> Vec<Self> {
        let full = |_| {
            let (from, until) = ground.span(rate, rng);
            Self { from, replica: ground.replica(rng), until }
        };
        (0..1 + rate / 300).map(full).collect()
    }
}
