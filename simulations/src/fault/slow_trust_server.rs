//! A trust server takes its time.

use portreeve_protocol::Mono;
use serde::{Deserialize, Serialize};

use super::wire::{comes_from, delay, rename};
use super::{Class, Ground, Influence, Link, Passage, Traffic};
use crate::rng::Rng;

/// A trust server takes its time to answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlowTrustServer {
    /// From when; microseconds after the start.
    pub from: u64,
    /// How many microseconds more at most.
    pub most: u64,
    /// Its URL.
    pub server: String,
    /// Until when. Nothing is put off beyond that.
    pub until: u64,
}

impl Influence for SlowTrustServer {
    fn moved(&mut self, from: &str, to: &str) {
        rename(&mut self.server, from, to);
    }

    fn pass(&self, at: Mono, link: &Link<'_>, rng: &mut Rng, passage: &mut Passage) {
        let here = link.traffic == Traffic::Document && comes_from(link, &self.server);
        if here && (self.from..self.until).contains(&at.0) {
            delay(at, self.until, self.most, rng, passage);
        }
    }
}

impl Class for SlowTrustServer {
    const ID: &'static str = "slow-trust-server";

    fn draw(ground: &Ground, rate: u64, rng: &mut Rng) -> Vec<Self> {
        let slow = |_| {
            let (from, until) = ground.span(rate, rng);
            let most = rng.log_between(10_000, 10_000 + rate * 30_000);
            let server = ground.server(rng)?.to_owned();
            Some(Self { from, most, server, until })
        };
        (0..1 + rate / 250).filter_map(slow).collect()
    }
}
