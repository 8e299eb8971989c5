//! An operator has replicas forget what they trust.

use serde::{Deserialize, Serialize};

use super::wire::rename;
use super::{Act, Class, Ground, Influence};
use crate::rng::Rng;

/// An operator has a replica forget what it trusts of a collection, with need or without.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorReset {
    /// When; microseconds after the start.
    pub at: u64,
    /// The collection.
    pub gun: String,
    /// Which.
    pub replica: usize,
    /// The trust server's URL.
    pub server: String,
}

impl Influence for OperatorReset {
    fn acts(&self) -> Vec<(u64, Act)> {
        let (gun, replica, server) = (self.gun.clone(), self.replica, self.server.clone());
        vec![(self.at, Act::Reset { gun, replica, server })]
    }

    fn moved(&mut self, from: &str, to: &str) {
        rename(&mut self.server, from, to);
    }
}

impl Class for OperatorReset {
    const ID: &'static str = "operator-reset";

    fn draw(ground: &Ground, rate: u64, rng: &mut Rng) -> Vec<Self> {
        let reset = |_| {
            let (server, gun) = ground.collection(rng)?;
            let (at, replica) = (rng.below(ground.heal), ground.replica(rng));
            Some(Self { at, gun: gun.to_owned(), replica, server: server.to_owned() })
        };
        (0..1 + rate / 200).filter_map(reset).collect()
    }
}
