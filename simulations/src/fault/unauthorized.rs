//! Nobody is given a token.

use portreeve_protocol::messages::notary::FetchRequest;
use portreeve_protocol::{CredentialRef, Denial, DenyCode, Mono};
use serde::{Deserialize, Serialize};

use super::wire::rename;
use super::{Class, Ground, Influence, Service};
use crate::rng::Rng;

/// The token server of a trust server gives nobody a token, with or without credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unauthorized {
    /// From when; microseconds after the start.
    pub from: u64,
    /// The trust server's URL.
    pub server: String,
    /// Until when.
    pub until: u64,
}

impl Influence for Unauthorized {
    fn moved(&mut self, from: &str, to: &str) {
        rename(&mut self.server, from, to);
    }

    fn serve(&self, at: Mono, request: &FetchRequest, _: &mut Rng, service: &mut Service) {
        if request.server == self.server && (self.from..self.until).contains(&at.0) {
            let detail = format!("trust server {}: {}", self.server, refusal(&request.credentials));
            *service = Service::Fails(Denial::new(DenyCode::Unauthorized, detail), None);
        }
    }
}

/// As the host's client tells it.
fn refusal(credentials: &[CredentialRef]) -> String {
    if credentials.is_empty() {
        return "no token is given without credentials".to_owned();
    }
    let tried = |name: &CredentialRef| format!("{name} (the token server did not take it)");
    let tried: Vec<_> = credentials.iter().map(tried).collect();
    format!("none of the credentials was accepted: {}", tried.join(", "))
}

impl Class for Unauthorized {
    const ID: &'static str = "unauthorized";

    fn draw(ground: &Ground, rate: u64, rng: &mut Rng) -> Vec<Self> {
        let unauthorized = |_| {
            let (from, until) = ground.span(rate, rng);
            let server = ground.server(rng)?.to_owned();
            Some(Self { from, server, until })
        };
        (0..1 + rate / 300).filter_map(unauthorized).collect()
    }
}
