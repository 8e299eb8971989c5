//! A replica's fetcher and verifier, and a server that serves what it is told.

use portreeve_lab::Documents;
use portreeve_machines::{NotaryFetcher, Verifier};
use portreeve_protocol::entry::{Restored, Started};
use portreeve_protocol::messages::admission::ResolutionOutcome;
use portreeve_protocol::messages::notary::{
    FetchOutcome, FetchRequest, Fetched, NotaryEffect, NotaryInput, Resolve,
};
use portreeve_protocol::messages::verify::{VerifyEffect, VerifyInput};
use portreeve_protocol::{
    ActorId, Blob, Delivery, Denial, DenyCode, EventId, Machine, Mono, Now, Outbox, Settings,
    Sha256, Wall,
};

use super::shelf::Shelf;

const SERVER: &str = "https://notary.example:4443";

/// What a review would be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Allowed(Sha256),
    Denied(DenyCode, String),
}

/// The machines of one replica that see trust data.
pub struct Replica {
    fetcher: NotaryFetcher,
    gun: String,
    mono: u64,
    verifier: Verifier,
    wall: Wall,
}

impl Replica {
    pub fn new(shelf: &Shelf) -> Self {
        Self::with(shelf, shelf.settings())
    }

    pub fn with(shelf: &Shelf, settings: Settings) -> Self {
        let wall = shelf.material().now;
        let started = Started {
            build: "test".to_owned(),
            incarnation: 1,
            jitter_seed: 0,
            node: "n".parse().unwrap(),
            restored: Restored::default(),
            rules: portreeve_protocol::RULES_VERSION,
            settings,
            settings_digest: Sha256::ZERO,
            wall,
        };
        Self {
            fetcher: NotaryFetcher::new(&started, SERVER),
            gun: shelf.gun.clone(),
            mono: 0,
            verifier: Verifier::new(&started),
            wall,
        }
    }

    /// Asks about a tag while `documents` are served.
    pub fn resolve(&mut self, documents: &Documents, tag: &str) -> ResolutionOutcome {
        self.mono += 1_000_000;
        let mut inputs = vec![NotaryInput::Resolve(Resolve {
            anchor: None,
            credentials: Default::default(),
            dry_run: false,
            gun: self.gun.clone(),
            namespace: "shop".to_owned(),
            not_before: Mono(self.mono),
            sealed_roots: Default::default(),
            tag: tag.to_owned(),
        })];
        let mut told = None;
        while let Some(input) = inputs.pop() {
            for effect in self.deliver(&input) {
                match effect {
                    NotaryEffect::Fetch(request) => inputs.push(fetch(documents, &request)),
                    NotaryEffect::Verify(request) => {
                        inputs.push(self.verify(&VerifyInput::Verify(request)));
                    }
                    NotaryEffect::Publish(resolution) => told = Some(resolution.outcome.clone()),
                    NotaryEffect::Arm(..)
                    | NotaryEffect::Disarm(_)
                    | NotaryEffect::Forgotten(_)
                    | NotaryEffect::Note(_) => {}
                }
            }
        }
        told.expect("every question is answered")
    }

    fn delivery(&self, actor: ActorId) -> Delivery {
        let event = EventId { node: "n".parse().unwrap(), incarnation: 1, actor, seq: 1 };
        let now = Now { mono: Mono(self.mono), wall: self.wall };
        Delivery { root: event.clone(), event, now }
    }

    fn deliver(&mut self, input: &NotaryInput) -> Vec<NotaryEffect> {
        let delivery = self.delivery(ActorId::Notary(SERVER.to_owned()));
        let mut out = Outbox::default();
        self.fetcher.handle(&delivery, input, &mut out);
        out.into_effects()
    }

    fn verify(&mut self, input: &VerifyInput) -> NotaryInput {
        let delivery = self.delivery(ActorId::Verify(0));
        let mut out = Outbox::default();
        self.verifier.handle(&delivery, input, &mut out);
        let effect = out.into_effects().pop().expect("every request is concluded");
        let VerifyEffect::Conclude { verification, .. } = effect;
        NotaryInput::Verification(verification)
    }
}

fn fetch(documents: &Documents, request: &FetchRequest) -> NotaryInput {
    let outcome = match documents.get(&request.document.to_string()) {
        None => FetchOutcome::Absent,
        Some(bytes) if bytes.len() as u64 > request.limit => {
            FetchOutcome::Failed(Denial::new(DenyCode::Oversize, "it is too long"))
        }
        Some(bytes) => FetchOutcome::Document(Blob::new(bytes.clone())),
    };
    NotaryInput::Fetched(Fetched {
        credential: None,
        document: request.document.clone(),
        flight: request.flight,
        gun: request.gun.clone(),
        micros: 1,
        outcome,
        retry_after: None,
    })
}
