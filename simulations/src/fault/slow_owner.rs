//! The API server takes its time to say whom a workload belongs to.

use portreeve_protocol::Mono;
use serde::{Deserialize, Serialize};

use super::wire::delay;
use super::{Class, Ground, Influence, Link, Passage, Traffic};
use crate::rng::Rng;

/// The API server takes its time to answer questions for owners.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlowOwner {
    /// From when; microseconds after the start.
    pub from: u64,
    /// How many microseconds more at most.
    pub most: u64,
    /// Until when. Nothing is put off beyond that.
    pub until: u64,
}

impl Influence for SlowOwner {
    fn pass(&self, at: Mono, link: &Link<'_>, rng: &mut Rng, passage: &mut Passage) {
        let here = link.traffic == Traffic::Owner;
        if here && (self.from..self.until).contains(&at.0) {
            delay(at, self.until, self.most, rng, passage);
        }
    }
}

impl Class for SlowOwner {
    const ID: &'static str = "slow-owner";

    fn draw(ground: &Ground, rate: u64, rng: &mut Rng) -> Vec<Self> {
        let slow = |_| {
            let (from, until) = ground.span(rate, rng);
            Self { from, most: rng.log_between(10_000, 10_000 + rate * 20_000), until }
        };
        (0..1 + rate / 300).map(slow).collect()
    }
}
