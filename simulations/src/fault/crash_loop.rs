//! A replica is killed again and again.

use serde::{Deserialize, Serialize};

use super::{Act, Class, Ground, Influence};
use crate::rng::Rng;

/// Most crashes of one loop, so that data written by hand end too.
const MOST: usize = 1_000;

/// A replica is killed again and again, in short order: what it has not done by half the period it
/// does not do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrashLoop {
    /// When it is killed for the first time; microseconds after the start.
    pub from: u64,
    /// From one crash to the next, in microseconds; it is down for the first half.
    pub period: u64,
    /// Which.
    pub replica: usize,
    /// When it starts for the last time.
    pub until: u64,
}

impl Influence for CrashLoop {
    fn acts(&self) -> Vec<(u64, Act)> {
        let period = self.period.max(2);
        let crashes = (0..).map(|n: u64| self.from.saturating_add(n.saturating_mul(period)));
        let mut acts = Vec::new();
        for at in crashes.take_while(|at| *at < self.until).take(MOST) {
            acts.push((at, Act::Crash(self.replica)));
            acts.push(((at + period / 2).min(self.until), Act::Start(self.replica)));
        }
        acts
    }
}

impl Class for CrashLoop {
    const ID: &'static str = "crash-loop";

    fn draw(ground: &Ground, rate: u64, rng: &mut Rng) -> Vec<Self> {
        let crashes = |_| {
            let last = ground.heal.saturating_sub(1);
            let from = rng.below(last);
            let period = rng.log_between(2_000, 10_000_000);
            let times = rng.between(2, 3 + rate / 30);
            let until = from.saturating_add(period.saturating_mul(times)).min(last);
            Self { from, period, replica: ground.replica(rng), until }
        };
        (0..1 + rate / 500).map(crashes).collect()
    }
}
