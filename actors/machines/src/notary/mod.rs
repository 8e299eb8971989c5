//! Fetches and keeps the trust data of one trust server.

use portreeve_protocol::entry::Started;
use portreeve_protocol::messages::notary::{NotaryEffect, NotaryInput};
use portreeve_protocol::{ActorKind, Delivery, Input, Machine, Outbox};

/// Fetches and keeps the trust data of one trust server.
#[derive(Debug)]
pub struct NotaryFetcher {}

impl NotaryFetcher {
    /// The fetcher of `server` (a URL without trailing slash) as it is at the start of an incarnation.
    #[must_use]
    pub fn new(_started: &Started, _server: &str) -> Self {
        Self {}
    }

    /// What must outlive this incarnation, in order of GUN.
    #[must_use]
    pub fn trusted(&self) -> Vec<portreeve_protocol::evidence::TrustedCollection> {
        Vec::new()
    }
}

impl Machine for NotaryFetcher {
    type Input = NotaryInput;
    type Effect = NotaryEffect;

    const KIND: ActorKind = ActorKind::Notary;

    fn handle(
        &mut self,
        _delivery: &Delivery,
        _input: &NotaryInput,
        _out: &mut Outbox<NotaryEffect>,
    ) {
    }

    fn accept(input: &Input) -> Option<&NotaryInput> {
        if let Input::Notary(input) = input { Some(input) } else { None }
    }
}
