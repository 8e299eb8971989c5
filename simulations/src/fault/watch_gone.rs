//! The API server answers a watch with 410 Gone.

use serde::{Deserialize, Serialize};

use super::{Act, Class, Ground, Influence};
use crate::rng::Rng;

/// The API server answers the watch of a replica with 410 Gone, and the replica lists all policies
/// anew at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchGone {
    /// When; microseconds after the start.
    pub at: u64,
    /// Whose.
    pub replica: usize,
}

impl Influence for WatchGone {
    fn acts(&self) -> Vec<(u64, Act)> {
        let relist = Act::Relist { behind: 0, replica: self.replica };
        vec![(self.at, Act::BreakWatch(self.replica)), (self.at + 1, relist)]
    }
}

impl Class for WatchGone {
    const ID: &'static str = "watch-gone";

    fn draw(ground: &Ground, rate: u64, rng: &mut Rng) -> Vec<Self> {
        let gone = |_| Self { at: rng.below(ground.heal), replica: ground.replica(rng) };
        (0..1 + rate / 100).map(gone).collect()
    }
}
