//! A machine panics.

use serde::{Deserialize, Serialize};

use super::{Act, Class, Ground, Influence};
use crate::rng::Rng;

/// A machine of a replica panics at its next delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Panic {
    /// When; microseconds after the start.
    pub at: u64,
    /// Whose.
    pub replica: usize,
}

impl Influence for Panic {
    fn acts(&self) -> Vec<(u64, Act)> {
        vec![(self.at, Act::Panic(self.replica))]
    }
}

impl Class for Panic {
    const ID: &'static str = "panic";

    fn draw(ground: &Ground, rate: u64, rng: &mut Rng) -> Vec<Self> {
        let panic = |_| Self { at: rng.below(ground.heal), replica: ground.replica(rng) };
        (0..1 + rate / 150).map(panic).collect()
    }
}
