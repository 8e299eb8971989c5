//! The API server answers no question.

use portreeve_protocol::Mono;
use serde::{Deserialize, Serialize};

use super::wire::cut;
use super::{Class, Ground, Influence, Link, Passage, Traffic};
use crate::rng::Rng;

/// The API server answers no question of any replica for owners, and its watches say nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiServerAway {
    /// From when; microseconds after the start.
    pub from: u64,
    /// Until when.
    pub until: u64,
}

impl Influence for ApiServerAway {
    fn pass(&self, at: Mono, link: &Link<'_>, _: &mut Rng, passage: &mut Passage) {
        let here = matches!(link.traffic, Traffic::Look | Traffic::Owner | Traffic::Watch);
        if here && (self.from..self.until).contains(&at.0) {
            cut(at, self.until, link, passage);
        }
    }
}

impl Class for ApiServerAway {
    const ID: &'static str = "api-server-away";

    fn draw(ground: &Ground, rate: u64, rng: &mut Rng) -> Vec<Self> {
        let away = |_| {
            let (from, until) = ground.span(rate, rng);
            Self { from, until }
        };
        (0..1 + rate / 300).map(away).collect()
    }
}
