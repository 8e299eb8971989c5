//! The server that hands out tokens cannot be reached.

use portreeve_protocol::messages::notary::FetchRequest;
use portreeve_protocol::{Denial, DenyCode, Mono};
use serde::{Deserialize, Serialize};

use super::wire::rename;
use super::{Class, Ground, Influence, Service};
use crate::rng::Rng;

/// The token server of a trust server takes no connection, so that nobody is served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenServerDown {
    /// From when; microseconds after the start.
    pub from: u64,
    /// The trust server's URL.
    pub server: String,
    /// Until when.
    pub until: u64,
}

impl Influence for TokenServerDown {
    fn moved(&mut self, from: &str, to: &str) {
        rename(&mut self.server, from, to);
    }

    fn serve(&self, at: Mono, request: &FetchRequest, _: &mut Rng, service: &mut Service) {
        if request.server == self.server && (self.from..self.until).contains(&at.0) {
            let server = &self.server;
            let detail = format!("token server of trust server {server}: connection refused");
            *service = Service::Fails(Denial::new(DenyCode::Unreachable, detail), Some(0));
        }
    }
}

impl Class for TokenServerDown {
    const ID: &'static str = "token-server-down";

    fn draw(ground: &Ground, rate: u64, rng: &mut Rng) -> Vec<Self> {
        let down = |_| {
            let (from, until) = ground.span(rate, rng);
            let server = ground.server(rng)?.to_owned();
            Some(Self { from, server, until })
        };
        (0..1 + rate / 300).filter_map(down).collect()
    }
}
