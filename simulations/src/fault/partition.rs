//! Some places are cut off from the others, both ways.

use portreeve_protocol::Mono;
use serde::{Deserialize, Serialize};

use super::wire::cut;
use super::{Class, Ground, Influence, Link, Passage, Spot};
use crate::rng::Rng;

/// Some places are cut off from all others, both ways.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partition {
    /// From when; microseconds after the start.
    pub from: u64,
    /// Those that are cut off. They have each other.
    pub side: Vec<Spot>,
    /// Until when.
    pub until: u64,
}

impl Influence for Partition {
    fn moved(&mut self, from: &str, to: &str) {
        for place in &mut self.side {
            place.moved(from, to);
        }
    }

    fn pass(&self, at: Mono, link: &Link<'_>, _: &mut Rng, passage: &mut Passage) {
        let here = self.side.iter().any(|place| place.is(link.from));
        let there = self.side.iter().any(|place| place.is(link.to));
        if here != there && (self.from..self.until).contains(&at.0) {
            cut(at, self.until, link, passage);
        }
    }
}

impl Class for Partition {
    const ID: &'static str = "partition";

    fn draw(ground: &Ground, rate: u64, rng: &mut Rng) -> Vec<Self> {
        let partition = |_| {
            let (from, until) = ground.span(rate, rng);
            Self { from, side: ground.side(rng), until }
        };
        (0..1 + rate / 250).map(partition).collect()
    }
}
