//! Clocks of a replica run too fast or too slowly.

use portreeve_protocol::Mono;
use serde::{Deserialize, Serialize};

use super::{Class, Ground, Influence};
use crate::rng::Rng;

/// The clocks of a replica run too fast or too slowly. That of the monotonic one is the quartz's, all
/// along, and hurts nobody; the wall clock runs away by it for a while, and then is set right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockDrift {
    /// From when nobody sets the wall clock right; microseconds after the start.
    pub from: u64,
    /// By how many parts in a million they are fast; negative if they are slow.
    pub ppm: i64,
    /// Whose.
    pub replica: usize,
    /// Until when.
    pub until: u64,
}

impl Influence for ClockDrift {
    fn clock(&self, at: Mono, replica: usize, wall: &mut i64) {
        if replica == self.replica && (self.from..self.until).contains(&at.0) {
            let since = i64::try_from(at.0 - self.from).unwrap_or(i64::MAX);
            *wall = wall.saturating_add(since.saturating_mul(self.ppm) / 1_000_000);
        }
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
                let (from, until) = ground.span(rate, rng);
                let ppm = rng.between(1, (rate / 2).clamp(1, 500)).cast_signed();
                let ppm = if rng.chance(500) { ppm } else { -ppm };
                drifts.push(Self { from, ppm, replica, until });
            }
        }
        drifts
    }
}
