//! Mailboxes of a replica's actors are full.

use portreeve_protocol::Mono;
use serde::{Deserialize, Serialize};

use super::{Class, Ground, Influence, Link, Passage, Place, Traffic};
use crate::rng::Rng;

/// Mailboxes of a replica's actors are full, so that some messages between them are refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FullMailbox {
    /// From when; microseconds after the start.
    pub from: u64,
    /// Whose.
    pub replica: usize,
    /// How many of a thousand are refused.
    pub share: u64,
    /// Until when.
    pub until: u64,
}

impl Influence for FullMailbox {
    fn bends_hops(&self) -> bool {
        true
    }

    fn pass(&self, at: Mono, link: &Link<'_>, rng: &mut Rng, passage: &mut Passage) {
        let here = link.traffic == Traffic::Hop && link.from == Place::Replica(self.replica);
        if here && (self.from..self.until).contains(&at.0) && rng.chance(self.share) {
            passage.copies = 0;
        }
    }
}

impl Class for FullMailbox {
    const ID: &'static str = "full-mailbox";

    fn draw(ground: &Ground, rate: u64, rng: &mut Rng) -> Vec<Self> {
        let full = |_| {
            let (from, until) = ground.span(rate, rng);
            Self { from, replica: ground.replica(rng), share: ground.share(rate, rng), until }
        };
        (0..1 + rate / 250).map(full).collect()
    }
}
