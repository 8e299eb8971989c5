//! A wall clock jumps.

use portreeve_protocol::Mono;
use portreeve_protocol::limits::CLOCK_STEP;
use serde::{Deserialize, Serialize};

use super::{Act, Class, Ground, Influence};
use crate::rng::Rng;

/// Farthest jump, in microseconds: two hours.
const FARTHEST: u64 = 7_200_000_000;

/// The wall clock of a replica jumps, and later jumps back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockStep {
    /// When an operator says that the clock is right, whether it is or not.
    pub acknowledged: Option<u64>,
    /// By how many microseconds it jumps forth; negative for back.
    pub by: i64,
    /// When it jumps; microseconds after the start.
    pub from: u64,
    /// Whose.
    pub replica: usize,
    /// When it jumps back.
    pub until: u64,
}

impl Influence for ClockStep {
    fn acts(&self) -> Vec<(u64, Act)> {
        let acknowledge = |at| (at, Act::AcknowledgeClock(self.replica));
        self.acknowledged.map(acknowledge).into_iter().collect()
    }

    fn bends_clocks(&self) -> bool {
        true
    }

    fn clock(&self, at: Mono, replica: usize, wall: &mut i64) {
        if replica == self.replica && (self.from..self.until).contains(&at.0) {
            *wall = wall.saturating_add(self.by);
        }
    }
}

impl Class for ClockStep {
    const ID: &'static str = "clock-step";

    /// A clock that was ahead has shown what it will not show again for as long: an operator has to
    /// acknowledge that, or nothing comes right. One that was behind returns by itself; sometimes
    /// an operator takes it for right before that.
    fn draw(ground: &Ground, rate: u64, rng: &mut Rng) -> Vec<Self> {
        let farthest = (FARTHEST / 1_000).saturating_mul(rate).clamp(1_000_000, FARTHEST);
        let step = |_| {
            let (from, until) = ground.span(rate, rng);
            // Half of the steps are too far to be believed.
            let (least, most) =
                if rng.chance(500) { (CLOCK_STEP, FARTHEST) } else { (500_000, farthest) };
            let by = rng.log_between(least, most).cast_signed();
            let (by, acknowledged) = if rng.chance(500) {
                (by, Some(rng.between(until, ground.heal)))
            } else {
                let early = rng.chance(300).then(|| rng.between(from, until));
                (-by, early)
            };
            Self { acknowledged, by, from, replica: ground.replica(rng), until }
        };
        (0..1 + rate / 300).map(step).collect()
    }
}
