//! A replica is killed and starts again from its journal.

use serde::{Deserialize, Serialize};

use super::{Act, Class, Ground, Influence};
use crate::rng::Rng;

/// A replica is killed and starts again from its journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crash {
    /// When it is killed; microseconds after the start.
    pub at: u64,
    /// When it starts again.
    pub back: u64,
    /// Which.
    pub replica: usize,
}

impl Influence for Crash {
    fn acts(&self) -> Vec<(u64, Act)> {
        let back = self.back.max(self.at + 1);
        vec![(self.at, Act::Crash(self.replica)), (back, Act::Start(self.replica))]
    }
}

impl Class for Crash {
    const ID: &'static str = "crash";

    fn draw(ground: &Ground, rate: u64, rng: &mut Rng) -> Vec<Self> {
        let most = 1 + rate / 100;
        let crash = |_| {
            let at = rng.below(ground.heal.saturating_sub(1));
            let back = at + rng.log_between(1_000, 20_000_000);
            Self { at, back: back.min(ground.heal.saturating_sub(1)), replica: ground.replica(rng) }
        };
        (0..most).map(crash).collect()
    }
}
