//! Events of a watch are late.

use portreeve_protocol::Mono;
use serde::{Deserialize, Serialize};

use super::wire::delay;
use super::{Class, Ground, Influence, Link, Passage, Place, Traffic};
use crate::rng::Rng;

/// Events of the watch of a replica are late, by up to many seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateEvents {
    /// From when; microseconds after the start.
    pub from: u64,
    /// By how many microseconds at most.
    pub most: u64,
    /// Whose.
    pub replica: usize,
    /// Until when. Nothing is put off beyond that.
    pub until: u64,
}

impl Influence for LateEvents {
    fn pass(&self, at: Mono, link: &Link<'_>, rng: &mut Rng, passage: &mut Passage) {
        let here = link.traffic == Traffic::Watch && link.to == Place::Replica(self.replica);
        if here && (self.from..self.until).contains(&at.0) {
            delay(at, self.until, self.most, rng, passage);
        }
    }
}

impl Class for LateEvents {
    const ID: &'static str = "late-events";

    fn draw(ground: &Ground, rate: u64, rng: &mut Rng) -> Vec<Self> {
        let late = |_| {
            let (from, until) = ground.span(rate, rng);
            let most = rng.log_between(100_000, 100_000 + rate * 30_000);
            Self { from, most, replica: ground.replica(rng), until }
        };
        (0..1 + rate / 200).map(late).collect()
    }
}
