//! Some places still speak to the others, but do not hear them, or the other way round.

use portreeve_protocol::Mono;
use serde::{Deserialize, Serialize};

use super::wire::cut;
use super::{Class, Ground, Influence, Link, Passage, Spot};
use crate::rng::Rng;

/// Nothing comes to some places any more from all others, or nothing from them; the other way is
/// open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneWayPartition {
    /// From when; microseconds after the start.
    pub from: u64,
    /// Whether it is the way to them that is cut; otherwise it is the way from them.
    pub inward: bool,
    /// Those that are cut off.
    pub side: Vec<Spot>,
    /// Until when.
    pub until: u64,
}

impl Influence for OneWayPartition {
    fn moved(&mut self, from: &str, to: &str) {
        for place in &mut self.side {
            place.moved(from, to);
        }
    }

    fn pass(&self, at: Mono, link: &Link<'_>, _: &mut Rng, passage: &mut Passage) {
        let here = self.side.iter().any(|place| place.is(link.from));
        let there = self.side.iter().any(|place| place.is(link.to));
        let closed = here != there && there == self.inward;
        if closed && (self.from..self.until).contains(&at.0) {
            cut(at, self.until, link, passage);
        }
    }
}

impl Class for OneWayPartition {
    const ID: &'static str = "one-way-partition";

    fn draw(ground: &Ground, rate: u64, rng: &mut Rng) -> Vec<Self> {
        let partition = |_| {
            let (from, until) = ground.span(rate, rng);
            Self { from, inward: rng.chance(500), side: ground.side(rng), until }
        };
        (0..1 + rate / 250).map(partition).collect()
    }
}
