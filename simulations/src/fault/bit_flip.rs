//! A bit of a journal flips.

use serde::{Deserialize, Serialize};

use super::{Act, Class, Ground, Influence};
use crate::rng::Rng;

/// A bit of a replica's journal flips; then the replica is killed, and finds it when it starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BitFlip {
    /// When; microseconds after the start. It is killed one microsecond later.
    pub at: u64,
    /// When it starts again.
    pub back: u64,
    /// Which.
    pub replica: usize,
}

impl Influence for BitFlip {
    fn acts(&self) -> Vec<(u64, Act)> {
        vec![
            (self.at, Act::FlipBit(self.replica)),
            (self.at + 1, Act::Crash(self.replica)),
            (self.back.max(self.at + 2), Act::Start(self.replica)),
        ]
    }
}

impl Class for BitFlip {
    const ID: &'static str = "bit-flip";

    fn draw(ground: &Ground, rate: u64, rng: &mut Rng) -> Vec<Self> {
        let flip = |_| {
            let at = rng.below(ground.heal.saturating_sub(3));
            let back = at + rng.log_between(1_000, 5_000_000);
            Self { at, back: back.min(ground.heal.saturating_sub(1)), replica: ground.replica(rng) }
        };
        (0..1 + rate / 300).map(flip).collect()
    }
}
