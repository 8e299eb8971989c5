//! A link delivers nothing for a while, and then all at once.

use portreeve_protocol::Mono;
use serde::{Deserialize, Serialize};

use super::wire::hold;
use super::{Class, Ground, Influence, Link, Passage, Spot};
use crate::rng::Rng;

/// The way from one place to another delivers nothing for a while, and then all at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clogging {
    /// From when; microseconds after the start.
    pub from: u64,
    /// Where things come from.
    pub sender: Spot,
    /// Where they go to.
    pub to: Spot,
    /// Until when.
    pub until: u64,
}

impl Influence for Clogging {
    fn moved(&mut self, from: &str, to: &str) {
        self.sender.moved(from, to);
        self.to.moved(from, to);
    }

    fn pass(&self, at: Mono, link: &Link<'_>, _: &mut Rng, passage: &mut Passage) {
        let here = self.sender.is(link.from) && self.to.is(link.to);
        if here && (self.from..self.until).contains(&at.0) {
            hold(at, self.until, passage);
        }
    }
}

impl Class for Clogging {
    const ID: &'static str = "clogging";

    fn draw(ground: &Ground, rate: u64, rng: &mut Rng) -> Vec<Self> {
        let clogging = |_| {
            let (from, until) = ground.span(rate, rng);
            let (sender, to) = ground.link(rng);
            Self { from, sender, to, until }
        };
        (0..1 + rate / 200).map(clogging).collect()
    }
}
