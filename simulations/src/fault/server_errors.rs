//! A trust server answers with errors.

use portreeve_protocol::messages::notary::FetchRequest;
use portreeve_protocol::{Denial, DenyCode, Mono};
use serde::{Deserialize, Serialize};

use super::wire::rename;
use super::{Class, Ground, Influence, Service};
use crate::rng::Rng;

/// Statuses of errors that may pass.
const STATUSES: [u16; 6] = [408, 429, 500, 502, 503, 504];

/// A trust server answers some requests with an error that may pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerErrors {
    /// From when; microseconds after the start.
    pub from: u64,
    /// For how many seconds it wants to be left alone, if it says so.
    pub retry_after: Option<u64>,
    /// Its URL.
    pub server: String,
    /// How many requests of a thousand.
    pub share: u64,
    /// The HTTP status.
    pub status: u16,
    /// Until when.
    pub until: u64,
}

impl Influence for ServerErrors {
    fn moved(&mut self, from: &str, to: &str) {
        rename(&mut self.server, from, to);
    }

    fn serve(&self, at: Mono, request: &FetchRequest, rng: &mut Rng, service: &mut Service) {
        let here = request.server == self.server && (self.from..self.until).contains(&at.0);
        if here && rng.chance(self.share) {
            let FetchRequest { document, server, .. } = request;
            let again = self.retry_after.map(|it| format!("; to be asked again in {it} s"));
            let detail = format!(
                "trust server {server}: status {} for {document}{}",
                self.status,
                again.unwrap_or_default(),
            );
            let wait = self.retry_after.unwrap_or_default().saturating_mul(1_000_000);
            *service = Service::Fails(Denial::new(DenyCode::ServerError, detail), Some(wait));
        }
    }
}

impl Class for ServerErrors {
    const ID: &'static str = "server-errors";

    fn draw(ground: &Ground, rate: u64, rng: &mut Rng) -> Vec<Self> {
        let errors = |_| {
            let (from, until) = ground.span(rate, rng);
            let retry_after = rng.chance(300).then(|| rng.log_between(1, 60));
            let server = ground.server(rng)?.to_owned();
            let share = ground.share(rate, rng);
            let status = *rng.pick(&STATUSES)?;
            Some(Self { from, retry_after, server, share, status, until })
        };
        (0..1 + rate / 250).filter_map(errors).collect()
    }
}
