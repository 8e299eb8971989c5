//! A disk takes its time.

use portreeve_protocol::Mono;
use serde::{Deserialize, Serialize};

use super::{Class, Ground, Influence, Syncing};
use crate::rng::Rng;

/// The disk of a replica takes its time to make the journal durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlowSync {
    /// From when; microseconds after the start.
    pub from: u64,
    /// How many microseconds more at most.
    pub most: u64,
    /// Whose.
    pub replica: usize,
    /// Until when. No sync is put off beyond that.
    pub until: u64,
}

impl Influence for SlowSync {
    fn sync(&self, at: Mono, replica: usize, rng: &mut Rng, syncing: &mut Syncing) {
        if replica == self.replica && (self.from..self.until).contains(&at.0) {
            let extra = rng.log_between(1_000, self.most).min(self.until - at.0);
            syncing.micros = syncing.micros.saturating_add(extra);
        }
    }
}

impl Class for SlowSync {
    const ID: &'static str = "slow-sync";

    fn draw(ground: &Ground, rate: u64, rng: &mut Rng) -> Vec<Self> {
        let slow = |_| {
            let (from, until) = ground.span(rate, rng);
            let most = rng.log_between(10_000, 10_000 + rate * 20_000);
            Self { from, most, replica: ground.replica(rng), until }
        };
        (0..1 + rate / 250).map(slow).collect()
    }
}
