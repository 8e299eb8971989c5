//! A trust server serves bad content.

use serde::{Deserialize, Serialize};

use super::{Act, Class, Ground, Influence};
use crate::hostile::Hostile;
use crate::rng::Rng;

/// A trust server serves bad content of any class instead of a collection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostileContent {
    /// What is bad about it.
    pub class: Hostile,
    /// From when; microseconds after the start.
    pub from: u64,
    /// The collection.
    pub gun: String,
    /// The trust server's URL.
    pub server: String,
    /// Until when.
    pub until: u64,
}

impl Influence for HostileContent {
    fn acts(&self) -> Vec<(u64, Act)> {
        let (gun, server) = (self.gun.clone(), self.server.clone());
        let behave = Act::Behave { gun: gun.clone(), server: server.clone() };
        vec![(self.from, Act::Misbehave { class: self.class, gun, server }), (self.until, behave)]
    }

    fn moved(&mut self, from: &str, to: &str) {
        if self.server == from {
            to.clone_into(&mut self.server);
        }
    }
}

impl Class for HostileContent {
    const ID: &'static str = "hostile-content";

    fn draw(ground: &Ground, rate: u64, rng: &mut Rng) -> Vec<Self> {
        let classes: Vec<Hostile> = Hostile::ALL.to_vec();
        let hostile = |_| {
            let (from, until) = ground.span(rate, rng);
            let (server, gun) = ground.collection(rng)?;
            let class = *rng.pick(&classes)?;
            Some(Self { class, from, gun: gun.to_owned(), server: server.to_owned(), until })
        };
        (0..1 + rate / 100).filter_map(hostile).collect()
    }
}
