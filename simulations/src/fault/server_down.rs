//! A trust server takes no connection.

use portreeve_protocol::messages::notary::FetchRequest;
use portreeve_protocol::{Denial, DenyCode, Mono};
use serde::{Deserialize, Serialize};

use super::wire::rename;
use super::{Class, Ground, Influence, Service};
use crate::rng::Rng;

/// A trust server takes no connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerDown {
    /// From when; microseconds after the start.
    pub from: u64,
    /// Its URL.
    pub server: String,
    /// Until when; `None` for good.
    pub until: Option<u64>,
}

impl Influence for ServerDown {
    fn moved(&mut self, from: &str, to: &str) {
        rename(&mut self.server, from, to);
    }

    fn serve(&self, at: Mono, request: &FetchRequest, _: &mut Rng, service: &mut Service) {
        let until = self.until.unwrap_or(u64::MAX);
        if request.server == self.server && (self.from..until).contains(&at.0) {
            let detail = format!("{} refuses the connection", request.server);
            *service = Service::Fails(Denial::new(DenyCode::Unreachable, detail), None);
        }
    }
}

impl Class for ServerDown {
    const ID: &'static str = "server-down";

    fn draw(ground: &Ground, rate: u64, rng: &mut Rng) -> Vec<Self> {
        let down = |_| {
            let (from, until) = ground.span(rate, rng);
            let server = ground.server(rng)?.to_owned();
            Some(Self { from, server, until: Some(until) })
        };
        (0..1 + rate / 250).filter_map(down).collect()
    }
}
