//! Some of what goes through the network is lost.

use portreeve_protocol::Mono;
use serde::{Deserialize, Serialize};

use super::wire::{crosses, cut};
use super::{Class, Ground, Influence, Link, Passage};
use crate::rng::Rng;

/// How long a lost packet of a stream takes to be sent anew, in microseconds.
const SENT_ANEW: u64 = 5_000_000;

/// Some of what goes through the network is lost; of a watch it is late.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// From when; microseconds after the start.
    pub from: u64,
    /// How much of a thousand.
    pub share: u64,
    /// Until when.
    pub until: u64,
}

impl Influence for Loss {
    fn pass(&self, at: Mono, link: &Link<'_>, rng: &mut Rng, passage: &mut Passage) {
        if crosses(link) && (self.from..self.until).contains(&at.0) && rng.chance(self.share) {
            let anew = at.0.saturating_add(rng.log_between(200_000, SENT_ANEW));
            cut(at, anew.min(self.until), link, passage);
        }
    }
}

impl Class for Loss {
    const ID: &'static str = "loss";

    fn draw(ground: &Ground, rate: u64, rng: &mut Rng) -> Vec<Self> {
        let loss = |_| {
            let (from, until) = ground.span(rate, rng);
            Self { from, share: ground.share(rate, rng), until }
        };
        (0..1 + rate / 400).map(loss).collect()
    }
}
