//! A trust server takes requests and never answers.

use portreeve_protocol::Mono;
use serde::{Deserialize, Serialize};

use super::wire::{comes_from, rename};
use super::{Class, Ground, Influence, Link, Passage, Traffic};
use crate::rng::Rng;

/// A trust server takes requests and never answers them: each takes as long as it may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerHangs {
    /// From when; microseconds after the start.
    pub from: u64,
    /// Its URL.
    pub server: String,
    /// How many requests of a thousand.
    pub share: u64,
    /// Until when.
    pub until: u64,
}

impl Influence for ServerHangs {
    fn moved(&mut self, from: &str, to: &str) {
        rename(&mut self.server, from, to);
    }

    fn pass(&self, at: Mono, link: &Link<'_>, rng: &mut Rng, passage: &mut Passage) {
        let here = link.traffic == Traffic::Document && comes_from(link, &self.server);
        if here && (self.from..self.until).contains(&at.0) && rng.chance(self.share) {
            passage.copies = 0;
        }
    }
}

impl Class for ServerHangs {
    const ID: &'static str = "server-hangs";

    fn draw(ground: &Ground, rate: u64, rng: &mut Rng) -> Vec<Self> {
        let hangs = |_| {
            let (from, until) = ground.span(rate, rng);
            let server = ground.server(rng)?.to_owned();
            Some(Self { from, server, share: ground.share(rate, rng), until })
        };
        (0..1 + rate / 250).filter_map(hangs).collect()
    }
}
