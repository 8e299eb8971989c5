//! A trust server is replaced by an attacker's, with a fresh, well-signed root of its own, for a
//! collection that the trust bundle pins.

use serde::{Deserialize, Serialize};

use super::hostile_content::{LASTING, misbehaving};
use super::wire::rename;
use super::{Act, Class, Ground, Influence};
use crate::hostile::{Hostile, Nature};
use crate::rng::Rng;

/// An attacker's trust server stands in the place of a collection's, which the trust bundle pins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplacedServer {
    /// What it serves: content well signed by keys of nobody we know.
    pub class: Hostile,
    /// From when; microseconds after the start.
    pub from: u64,
    /// The collection.
    pub gun: String,
    /// The server's URL.
    pub server: String,
    /// Until when.
    pub until: u64,
}

impl Influence for ReplacedServer {
    fn acts(&self) -> Vec<(u64, Act)> {
        let Self { class, from, gun, server, until } = self;
        misbehaving(*class, (server, gun), *from, (*until).max(from + 1))
    }

    fn moved(&mut self, from: &str, to: &str) {
        rename(&mut self.server, from, to);
    }
}

impl Class for ReplacedServer {
    const ID: &'static str = "replaced-server";

    fn draw(ground: &Ground, rate: u64, rng: &mut Rng) -> Vec<Self> {
        let strangers: Vec<Hostile> =
            Hostile::ALL.iter().copied().filter(|one| one.nature() == Nature::Impostor).collect();
        let replaced = |_| {
            let (server, gun) = rng.pick(&ground.pinned)?.clone();
            let class = *rng.pick(&strangers)?;
            let (mut from, until) = ground.span(rate.max(LASTING), rng);
            // Half of them are there before any replica saw the genuine one.
            if rng.chance(500) {
                from = 0;
            }
            Some(Self { class, from, gun, server, until })
        };
        (0..1 + rate / 200).filter_map(replaced).collect()
    }
}
