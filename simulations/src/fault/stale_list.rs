//! An API server lists what is not so any more.

use serde::{Deserialize, Serialize};

use super::{Act, Class, Ground, Influence};
use crate::rng::Rng;

/// A replica lists all policies anew from an API server whose data are old, and later from one
/// whose data are not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaleList {
    /// How many microseconds old the data are.
    pub behind: u64,
    /// From when; microseconds after the start.
    pub from: u64,
    /// Which.
    pub replica: usize,
    /// Until when.
    pub until: u64,
}

impl Influence for StaleList {
    fn acts(&self) -> Vec<(u64, Act)> {
        let relist = |behind| Act::Relist { behind, replica: self.replica };
        vec![(self.from, relist(self.behind)), (self.until, relist(0))]
    }
}

impl Class for StaleList {
    const ID: &'static str = "stale-list";

    fn draw(ground: &Ground, rate: u64, rng: &mut Rng) -> Vec<Self> {
        let stale = |_| {
            let (from, until) = ground.span(rate, rng);
            let behind = rng.log_between(1_000, 1_000 + ground.heal / 1_000 * rate);
            Self { behind, from, replica: ground.replica(rng), until }
        };
        (0..1 + rate / 250).map(stale).collect()
    }
}
