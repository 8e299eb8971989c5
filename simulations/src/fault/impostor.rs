//! Somebody signs a collection that is not theirs.

use serde::{Deserialize, Serialize};

use super::{Act, Class, Ground, Influence};
use crate::hostile::{Hostile, Nature};
use crate::rng::Rng;

/// A trust server serves a collection that somebody signed to whom it does not belong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Impostor {
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

impl Influence for Impostor {
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

impl Class for Impostor {
    const ID: &'static str = "impostor";

    fn draw(ground: &Ground, rate: u64, rng: &mut Rng) -> Vec<Self> {
        let classes: Vec<Hostile> = Hostile::ALL
            .iter()
            .copied()
            .filter(|class| class.nature() == Nature::Impostor)
            .collect();
        let impostor = |_| {
            let (from, until) = ground.span(rate, rng);
            let (server, gun) = ground.collection(rng)?;
            let class = *rng.pick(&classes)?;
            Some(Self { class, from, gun: gun.to_owned(), server: server.to_owned(), until })
        };
        (0..1 + rate / 200).filter_map(impostor).collect()
    }
}
