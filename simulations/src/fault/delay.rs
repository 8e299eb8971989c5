//! What goes through the network takes longer.

use portreeve_protocol::Mono;
use serde::{Deserialize, Serialize};

use super::wire::{crosses, delay};
use super::{Class, Ground, Influence, Link, Passage};
use crate::rng::Rng;

/// What goes through the network takes longer, mostly little and sometimes much.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delay {
    /// From when; microseconds after the start.
    pub from: u64,
    /// By how many microseconds at most.
    pub most: u64,
    /// Until when. Nothing is put off beyond that.
    pub until: u64,
}

impl Influence for Delay {
    fn pass(&self, at: Mono, link: &Link<'_>, rng: &mut Rng, passage: &mut Passage) {
        if crosses(link) && (self.from..self.until).contains(&at.0) {
            delay(at, self.until, self.most, rng, passage);
        }
    }
}

impl Class for Delay {
    const ID: &'static str = "delay";

    fn draw(ground: &Ground, rate: u64, rng: &mut Rng) -> Vec<Self> {
        let delay = |_| {
            let (from, until) = ground.span(rate, rng);
            Self { from, most: rng.log_between(2_000, 2_000 + rate * 20_000), until }
        };
        (0..1 + rate / 400).map(delay).collect()
    }
}
