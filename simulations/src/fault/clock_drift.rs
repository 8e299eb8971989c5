//! Clocks of a replica run too fast or too slowly.

use serde::{Deserialize, Serialize};

use super::{Class, Ground, Influence};
use crate::rng::Rng;

/// The clocks of a replica run too fast or too slowly, all along: it is its quartz, which no heal
/// makes another, and by which nobody may be hurt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockDrift {
    /// By how many parts in a million they are fast; negative if they are slow.
    pub ppm: i64,
    /// Whose.
    pub replica: usize,
}

impl Influence for ClockDrift {
    fn bends_clocks(&self) -> bool {
        true
    }

    fn drift(&self, replica: usize) -> i64 {
        if replica == self.replica { self.ppm } else { 0 }
    }
}

impl Class for ClockDrift {
    const ID: &'static str = "clock-drift";

    /// At most one a replica: it has one quartz.
    fn draw(ground: &Ground, rate: u64, rng: &mut Rng) -> Vec<Self> {
        let first = ground.replica(rng);
        let mut drifts = Vec::new();
        for replica in 0..ground.replicas {
            if replica == first || rng.chance(rate) {
                let ppm = rng.between(1, (rate / 2).clamp(1, 500)).cast_signed();
                let ppm = if rng.chance(500) { ppm } else { -ppm };
                drifts.push(Self { ppm, replica });
            }
        }
        drifts
    }
}
