//! A watch says the same thing several times.

use portreeve_protocol::Mono;
use serde::{Deserialize, Serialize};

use super::{Class, Ground, Influence, Link, Passage, Place, Traffic};
use crate::rng::Rng;

/// Every event of the watch of a replica comes several times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DuplicateEvents {
    /// How often each comes.
    pub copies: u8,
    /// From when; microseconds after the start.
    pub from: u64,
    /// Whose.
    pub replica: usize,
    /// Until when.
    pub until: u64,
}

impl Influence for DuplicateEvents {
    fn pass(&self, at: Mono, link: &Link<'_>, _: &mut Rng, passage: &mut Passage) {
        let here = link.traffic == Traffic::Watch && link.to == Place::Replica(self.replica);
        if here && (self.from..self.until).contains(&at.0) && passage.copies > 0 {
            passage.copies = passage.copies.max(self.copies);
        }
    }
}

impl Class for DuplicateEvents {
    const ID: &'static str = "duplicate-events";

    fn draw(ground: &Ground, rate: u64, rng: &mut Rng) -> Vec<Self> {
        let duplicate = |_| {
            let (from, until) = ground.span(rate, rng);
            let copies = u8::try_from(rng.between(2, 2 + rate / 400)).unwrap_or(2);
            Self { copies, from, replica: ground.replica(rng), until }
        };
        (0..1 + rate / 250).map(duplicate).collect()
    }
}
