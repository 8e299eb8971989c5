//! Reviews and events of watches arrive twice.

use portreeve_protocol::Mono;
use serde::{Deserialize, Serialize};

use super::{Class, Ground, Influence, Link, Passage, Traffic};
use crate::rng::Rng;

/// Some reviews and events of watches arrive twice: a client or a watch that asked again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Duplication {
    /// From when; microseconds after the start.
    pub from: u64,
    /// How many of a thousand.
    pub share: u64,
    /// Until when.
    pub until: u64,
}

impl Influence for Duplication {
    fn pass(&self, at: Mono, link: &Link<'_>, rng: &mut Rng, passage: &mut Passage) {
        let twice = matches!(link.traffic, Traffic::Review | Traffic::Watch);
        let now = (self.from..self.until).contains(&at.0);
        // What is lost does not come back.
        if twice && now && rng.chance(self.share) && passage.copies > 0 {
            passage.copies = passage.copies.max(2);
        }
    }
}

impl Class for Duplication {
    const ID: &'static str = "duplication";

    fn draw(ground: &Ground, rate: u64, rng: &mut Rng) -> Vec<Self> {
        let duplication = |_| {
            let (from, until) = ground.span(rate, rng);
            Self { from, share: ground.share(rate, rng), until }
        };
        (0..1 + rate / 400).map(duplication).collect()
    }
}
