//! A trust server sends more than a document may have.

use portreeve_protocol::messages::notary::FetchRequest;
use portreeve_protocol::{Denial, DenyCode, Mono};
use serde::{Deserialize, Serialize};

use super::wire::rename;
use super::{Class, Ground, Influence, Service};
use crate::rng::Rng;

/// A trust server does not stop sending: each document is longer than it may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndlessBody {
    /// From when; microseconds after the start.
    pub from: u64,
    /// Its URL.
    pub server: String,
    /// How many requests of a thousand.
    pub share: u64,
    /// Until when.
    pub until: u64,
}

impl Influence for EndlessBody {
    fn moved(&mut self, from: &str, to: &str) {
        rename(&mut self.server, from, to);
    }

    fn serve(&self, at: Mono, request: &FetchRequest, rng: &mut Rng, service: &mut Service) {
        let here = request.server == self.server && (self.from..self.until).contains(&at.0);
        if here && rng.chance(self.share) {
            let FetchRequest { document, limit, server, .. } = request;
            let detail = format!(
                "trust server {server}: {document} is longer than the {limit} bytes it may have"
            );
            *service = Service::Fails(Denial::new(DenyCode::Oversize, detail), None);
        }
    }
}

impl Class for EndlessBody {
    const ID: &'static str = "endless-body";

    fn draw(ground: &Ground, rate: u64, rng: &mut Rng) -> Vec<Self> {
        let endless = |_| {
            let (from, until) = ground.span(rate, rng);
            let server = ground.server(rng)?.to_owned();
            Some(Self { from, server, share: ground.share(rate, rng), until })
        };
        (0..1 + rate / 250).filter_map(endless).collect()
    }
}
