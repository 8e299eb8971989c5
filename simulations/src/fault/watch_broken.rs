//! A watch on policies breaks.

use serde::{Deserialize, Serialize};

use super::hostile_content::LASTING;
use super::{Act, Class, Ground, Influence};
use crate::rng::Rng;

/// The watch of a replica on policies breaks; later it lists all policies anew and watches again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchBroken {
    /// From when; microseconds after the start.
    pub from: u64,
    /// Whose.
    pub replica: usize,
    /// Until when.
    pub until: u64,
}

impl Influence for WatchBroken {
    fn acts(&self) -> Vec<(u64, Act)> {
        let relist = Act::Relist { behind: 0, replica: self.replica };
        vec![(self.from, Act::BreakWatch(self.replica)), (self.until, relist)]
    }
}

impl Class for WatchBroken {
    const ID: &'static str = "watch-broken";

    fn draw(ground: &Ground, rate: u64, rng: &mut Rng) -> Vec<Self> {
        let broken = |_| {
            // Of a moment in which nothing changes nothing is seen.
            let (from, until) = ground.span(rate.max(LASTING), rng);
            Self { from, replica: ground.replica(rng), until }
        };
        (0..1 + rate / 200).map(broken).collect()
    }
}
