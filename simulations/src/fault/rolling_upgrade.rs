//! One replica after the other is replaced.

use serde::{Deserialize, Serialize};

use super::{Act, Class, Ground, Influence};
use crate::rng::Rng;

/// One replica after the other is told to stop, stops, and starts anew, as in an upgrade.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollingUpgrade {
    /// When the first is told to stop; microseconds after the start.
    pub from: u64,
    /// How many replicas there are. Each has an equal part of the time; it drains for the first
    /// half of that, and is down for the third quarter.
    pub replicas: usize,
    /// When all are done.
    pub until: u64,
}

impl Influence for RollingUpgrade {
    fn acts(&self) -> Vec<(u64, Act)> {
        let replicas = u64::try_from(self.replicas).unwrap_or(u64::MAX).max(1);
        let part = self.until.saturating_sub(self.from) / replicas;
        let mut acts = Vec::new();
        for (replica, number) in (0..self.replicas).zip(0..) {
            let at = self.from + part * number;
            acts.push((at, Act::Drain(replica)));
            acts.push((at + part / 2, Act::Stop(replica)));
            acts.push((at + part / 4 * 3, Act::Start(replica)));
        }
        acts
    }
}

impl Class for RollingUpgrade {
    const ID: &'static str = "rolling-upgrade";

    fn draw(ground: &Ground, rate: u64, rng: &mut Rng) -> Vec<Self> {
        let upgrade = |_| {
            let from = rng.below(ground.heal / 2);
            // Long enough for each to do all of it at different instants.
            let until = from + rng.log_between(1_000_000, (ground.heal / 2).max(1_000_000));
            Self {
                from,
                replicas: ground.replicas,
                until: until.min(ground.heal.saturating_sub(1)),
            }
        };
        (0..1 + rate / 500).map(upgrade).collect()
    }
}
