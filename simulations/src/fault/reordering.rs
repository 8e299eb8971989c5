//! Some things are overtaken by many others.

use portreeve_protocol::Mono;
use serde::{Deserialize, Serialize};

use super::wire::crosses;
use super::{Class, Ground, Influence, Link, Passage, Traffic};
use crate::rng::Rng;

/// Some things that go through the network take so long that others overtake them. Events of a
/// watch stay in order, as they are one stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reordering {
    /// From when; microseconds after the start.
    pub from: u64,
    /// By how many microseconds at most.
    pub most: u64,
    /// How many of a thousand.
    pub share: u64,
    /// Until when. Nothing is put off beyond that.
    pub until: u64,
}

impl Influence for Reordering {
    fn pass(&self, at: Mono, link: &Link<'_>, rng: &mut Rng, passage: &mut Passage) {
        let overtaken = crosses(link) && link.traffic != Traffic::Watch;
        let now = (self.from..self.until).contains(&at.0);
        if overtaken && now && rng.chance(self.share) {
            let extra = rng.between(self.most / 10, self.most).min(self.until - at.0);
            passage.delay = passage.delay.saturating_add(extra);
        }
    }
}

impl Class for Reordering {
    const ID: &'static str = "reordering";

    fn draw(ground: &Ground, rate: u64, rng: &mut Rng) -> Vec<Self> {
        let reordering = |_| {
            let (from, until) = ground.span(rate, rng);
            let most = rng.log_between(100_000, 8_000_000);
            // Half of all is as bad as can be: where all are late, none is overtaken.
            Self { from, most, share: ground.share(rate, rng).min(500), until }
        };
        (0..1 + rate / 400).map(reordering).collect()
    }
}
