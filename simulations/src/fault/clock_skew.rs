//! A wall clock is wrong by as much as is believed.

use portreeve_protocol::Mono;
use serde::{Deserialize, Serialize};

use super::{Class, Ground, Influence};
use crate::rng::Rng;

/// Farthest that a clock is wrong, in microseconds: four minutes. Five are believed, and one minute
/// is left for other faults of the same clock.
const FARTHEST: u64 = 240_000_000;

/// The wall clock of a replica is wrong by a constant of up to four minutes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockSkew {
    /// By how many microseconds it is fast; negative if it is slow.
    pub by: i64,
    /// From when; microseconds after the start.
    pub from: u64,
    /// Whose.
    pub replica: usize,
    /// Until when.
    pub until: u64,
}

impl Influence for ClockSkew {
    fn bends_clocks(&self) -> bool {
        true
    }

    fn clock(&self, at: Mono, replica: usize, wall: &mut i64) {
        if replica == self.replica && (self.from..self.until).contains(&at.0) {
            *wall = wall.saturating_add(self.by);
        }
    }
}

impl Class for ClockSkew {
    const ID: &'static str = "clock-skew";

    /// At most one a replica: two that follow each other would be a step of more than is believed.
    fn draw(ground: &Ground, rate: u64, rng: &mut Rng) -> Vec<Self> {
        let farthest = (FARTHEST / 1_000).saturating_mul(rate).clamp(1_000, FARTHEST);
        let first = ground.replica(rng);
        let mut skews = Vec::new();
        for replica in 0..ground.replicas {
            if replica == first || rng.chance(rate) {
                let (from, until) = ground.span(rate, rng);
                let by = rng.log_between(1_000, farthest).cast_signed();
                let by = if rng.chance(500) { by } else { -by };
                skews.push(Self { by, from, replica, until });
            }
        }
        skews
    }
}
