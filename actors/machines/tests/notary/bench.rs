//! A notary fetcher under test: its inputs made by hand, its effects sorted by kind.

use std::collections::BTreeMap;
use std::sync::Arc;

use portreeve_machines::NotaryFetcher;
use portreeve_protocol::entry::{Restored, Started};
use portreeve_protocol::evidence::{Evidence, Floor, RoleEvidence, TagView, TrustedCollection};
use portreeve_protocol::messages::admission::{Forgotten, Resolution, ResolutionOutcome};
use portreeve_protocol::messages::notary::{
    DocumentName, FetchOutcome, FetchRequest, Fetched, Forget, NotaryEffect, NotaryInput,
    NotaryTimer, Resolve, Verification, VerifiedCollection, VerifierRefused, VerifyOutcome, Wanted,
};
use portreeve_protocol::messages::verify::VerifyRequest;
use portreeve_protocol::{
    ActorId, Blob, CredentialRef, Delivery, Denial, DenyCode, EventId, Fact, Machine, Mono, Now,
    Outbox, Settings, Sha256, Wall,
};

pub const SERVER: &str = "https://notary.example";
pub const GUN: &str = "registry.example/team/app";
pub const EXPIRES: Wall = Wall(1_000_000);

/// The effects of one delivery, by kind, each in the order emitted.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub armed: Vec<(Mono, NotaryTimer)>,
    pub disarmed: Vec<NotaryTimer>,
    pub facts: Vec<Fact>,
    pub forgotten: Vec<Forgotten>,
    pub fetches: Vec<FetchRequest>,
    pub published: Vec<Arc<Resolution>>,
    pub verifies: Vec<VerifyRequest>,
}

impl Seen {
    pub fn names(&self) -> Vec<String> {
        self.fetches.iter().map(|request| request.document.to_string()).collect()
    }

    pub fn fact_names(&self) -> Vec<&'static str> {
        self.facts.iter().map(Fact::name).collect()
    }

    pub fn outcome(&self) -> &ResolutionOutcome {
        assert_eq!(self.published.len(), 1, "{:?}", self.published);
        &self.published[0].outcome
    }

    /// The code of the one resolution published, with the word for its outcome.
    pub fn code(&self) -> (&'static str, Option<DenyCode>) {
        match self.outcome() {
            ResolutionOutcome::Absent => ("absent", None),
            ResolutionOutcome::Refused(why) => ("refused", Some(why.code)),
            ResolutionOutcome::Unavailable(why) => ("unavailable", Some(why.code)),
            ResolutionOutcome::Verified(_) => ("verified", None),
        }
    }

    pub fn tags(&self) -> Vec<&str> {
        self.published.iter().map(|resolution| resolution.tag.as_str()).collect()
    }

    pub fn verify(&self) -> &VerifyRequest {
        assert_eq!(self.verifies.len(), 1, "{self:?}");
        &self.verifies[0]
    }

    pub fn is_only_unexpected(&self) -> bool {
        let alone = Self { facts: self.facts.clone(), ..Self::default() };
        *self == alone && self.fact_names() == ["unexpected"]
    }
}

pub struct Bench {
    pub machine: NotaryFetcher,
    pub mono: u64,
    pub wall: Wall,
    seq: u64,
}

pub fn started(settings: Settings, trust: Vec<TrustedCollection>) -> Started {
    Started {
        build: "test".to_owned(),
        incarnation: 1,
        jitter_seed: 0,
        node: "n".parse().unwrap(),
        restored: Restored { trust, ..Restored::default() },
        rules: portreeve_protocol::RULES_VERSION,
        settings,
        settings_digest: Sha256::ZERO,
        wall: Wall(0),
    }
}

impl Bench {
    pub fn new() -> Self {
        Self::with(&started(Settings::default(), Vec::new()))
    }

    pub fn with(started: &Started) -> Self {
        Self { machine: NotaryFetcher::new(started, SERVER), mono: 100, wall: Wall(0), seq: 0 }
    }

    pub fn handle(&mut self, input: &NotaryInput) -> Seen {
        self.seq += 1;
        let event = EventId {
            node: "n".parse().unwrap(),
            incarnation: 1,
            actor: ActorId::Notary(SERVER.to_owned()),
            seq: self.seq,
        };
        let now = Now { mono: Mono(self.mono), wall: self.wall };
        let delivery = Delivery { root: event.clone(), event, now };
        let mut out = Outbox::default();
        self.machine.handle(&delivery, input, &mut out);
        let mut seen = Seen::default();
        for effect in out.into_effects() {
            match effect {
                NotaryEffect::Arm(at, timer) => seen.armed.push((at, timer)),
                NotaryEffect::Disarm(timer) => seen.disarmed.push(timer),
                NotaryEffect::Fetch(request) => seen.fetches.push(request),
                NotaryEffect::Forgotten(forgotten) => seen.forgotten.push(forgotten),
                NotaryEffect::Note(fact) => seen.facts.push(fact),
                NotaryEffect::Publish(resolution) => seen.published.push(resolution),
                NotaryEffect::Verify(request) => seen.verifies.push(*request),
            }
        }
        seen
    }

    /// Asks about a tag, from a timestamp asked for at `not_before` or later.
    pub fn ask(&mut self, tag: &str, not_before: u64) -> Seen {
        self.ask_of(GUN, tag, not_before)
    }

    pub fn ask_of(&mut self, gun: &str, tag: &str, not_before: u64) -> Seen {
        self.ask_as("shop", &[], gun, tag, not_before)
    }

    /// Asks on behalf of a namespace, with these pull secrets of it.
    pub fn ask_as(
        &mut self,
        namespace: &str,
        secrets: &[&str],
        gun: &str,
        tag: &str,
        not_before: u64,
    ) -> Seen {
        self.handle(&NotaryInput::Resolve(Resolve {
            anchor: None,
            credentials: secrets.iter().map(|name| secret(namespace, name)).collect(),
            dry_run: false,
            gun: gun.to_owned(),
            namespace: namespace.to_owned(),
            not_before: Mono(not_before),
            sealed_roots: Default::default(),
            tag: tag.to_owned(),
        }))
    }

    /// A failure that may pass, after which the server wants to be left alone for a while.
    pub fn failed_for_now(&mut self, flight: u64, document: DocumentName, wait: u64) -> Seen {
        let why = Denial::new(DenyCode::ServerError, "test");
        self.handle(&NotaryInput::Fetched(Fetched {
            credential: None,
            document,
            flight,
            gun: GUN.to_owned(),
            micros: 1,
            outcome: FetchOutcome::Failed(why),
            retry_after: Some(wait),
        }))
    }

    pub fn retry(&mut self, flight: u64) -> Seen {
        self.handle(&NotaryInput::Timer(NotaryTimer::Retry { flight, gun: GUN.to_owned() }))
    }

    pub fn forget(&mut self) -> Seen {
        let reason = "the key was lost".to_owned();
        self.handle(&NotaryInput::Forget(Forget { gun: GUN.to_owned(), reason }))
    }

    pub fn fetched(&mut self, flight: u64, document: DocumentName, outcome: FetchOutcome) -> Seen {
        let gun = GUN.to_owned();
        self.handle(&NotaryInput::Fetched(Fetched {
            credential: None,
            document,
            flight,
            gun,
            micros: 1,
            outcome,
            retry_after: None,
        }))
    }

    pub fn document(&mut self, flight: u64, document: DocumentName, text: &str) -> Seen {
        self.fetched(flight, document, FetchOutcome::Document(blob(text)))
    }

    pub fn absent(&mut self, flight: u64, document: DocumentName) -> Seen {
        self.fetched(flight, document, FetchOutcome::Absent)
    }

    pub fn failed(&mut self, flight: u64, document: DocumentName, code: DenyCode) -> Seen {
        self.fetched(flight, document, FetchOutcome::Failed(Denial::new(code, "test")))
    }

    pub fn concluded(&mut self, flight: u64, outcome: VerifyOutcome) -> Seen {
        let gun = GUN.to_owned();
        self.handle(&NotaryInput::Verification(Box::new(Verification { flight, gun, outcome })))
    }

    pub fn refused(&mut self, flight: u64, code: DenyCode) -> Seen {
        self.concluded(flight, VerifyOutcome::Refused(Denial::new(code, "test")))
    }

    pub fn missing(&mut self, flight: u64, documents: &[(&str, &str)]) -> Seen {
        let wanted = documents.iter().map(|(role, text)| wanted(role, text)).collect();
        self.concluded(flight, VerifyOutcome::Missing(wanted))
    }

    pub fn verifier_refused(&mut self, flight: u64, code: DenyCode) -> Seen {
        let (gun, why) = (GUN.to_owned(), Denial::new(code, "test"));
        self.handle(&NotaryInput::VerifierRefused(VerifierRefused { flight, gun, why }))
    }

    pub fn deadline(&mut self, flight: u64) -> Seen {
        let gun = GUN.to_owned();
        self.handle(&NotaryInput::Timer(NotaryTimer::FlightDeadline { flight, gun }))
    }

    /// First contact up to the verified collection, about the tag `v1`; flight 1, asked at 100.
    pub fn first_contact(&mut self) -> Seen {
        self.ask("v1", 50);
        self.document(1, DocumentName::Root, "root 1");
        self.document(1, DocumentName::Timestamp, "timestamp 1");
        self.missing(1, &[("snapshot", "snapshot 1"), ("targets", "targets 1")]);
        self.document(1, hashed("snapshot", "snapshot 1"), "snapshot 1");
        self.document(1, hashed("targets", "targets 1"), "targets 1");
        self.concluded(1, collection(1).tag("v1").verified())
    }
}

pub fn secret(namespace: &str, name: &str) -> CredentialRef {
    CredentialRef::PullSecret { name: name.to_owned(), namespace: namespace.to_owned() }
}

pub fn blob(text: &str) -> Blob {
    Blob::new(text.as_bytes())
}

pub fn hashed(role: &str, text: &str) -> DocumentName {
    DocumentName::Hashed { role: role.to_owned(), sha256: Sha256::of(text.as_bytes()) }
}

pub fn wanted(role: &str, text: &str) -> Wanted {
    Wanted { length: text.len() as u64, role: role.to_owned(), sha256: Sha256::of(text.as_bytes()) }
}

/// What a verifier would say of the documents `root R`, `timestamp N`, `snapshot N`, `targets N`.
pub fn collection(number: u64) -> VerifiedCollection {
    let roles = ["root", "timestamp", "snapshot", "targets"];
    let evidence = Evidence {
        dropped: Vec::new(),
        expires: EXPIRES,
        first_use: true,
        gun: GUN.to_owned(),
        roles: roles.map(|role| (role.to_owned(), role_evidence(role, number))).into(),
    };
    VerifiedCollection { evidence, floors: BTreeMap::new(), tags: BTreeMap::new() }.role("root", 1)
}

fn role_evidence(role: &str, number: u64) -> RoleEvidence {
    RoleEvidence {
        expires: EXPIRES,
        sha256: Sha256::of(format!("{role} {number}").as_bytes()),
        signed_by: Vec::new(),
        threshold: 1,
        version: number,
    }
}

pub trait CollectionExt {
    fn tag(self, tag: &str) -> Self;
    fn role(self, role: &str, number: u64) -> Self;
    fn root_text(self, text: &str) -> Self;
    fn pinned(self) -> Self;
    fn verified(self) -> VerifyOutcome;
}

impl CollectionExt for VerifiedCollection {
    fn tag(mut self, tag: &str) -> Self {
        let view = TagView { entries: BTreeMap::new(), tag: tag.to_owned() };
        self.tags.insert(tag.to_owned(), view);
        self
    }

    fn role(mut self, role: &str, number: u64) -> Self {
        let sha256 = Sha256::of(format!("{role} {number}").as_bytes());
        self.evidence.roles.insert(role.to_owned(), role_evidence(role, number));
        self.floors.insert(role.to_owned(), Floor { keys: Vec::new(), sha256, version: number });
        self
    }

    fn root_text(mut self, text: &str) -> Self {
        let root = self.evidence.roles.get_mut("root").unwrap();
        root.sha256 = Sha256::of(text.as_bytes());
        self
    }

    fn pinned(mut self) -> Self {
        self.evidence.first_use = false;
        self
    }

    fn verified(self) -> VerifyOutcome {
        VerifyOutcome::Verified(Box::new(self))
    }
}
