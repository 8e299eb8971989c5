//! A flight: one run of fetches and verifications for one collection.

use std::collections::{BTreeMap, BTreeSet};

use portreeve_protocol::limits::{
    DELEGATIONS, FETCH_TIMEOUT, RESOLVE_BYTES, SMALL_DOCUMENT_BYTES, TARGETS_BYTES,
};
use portreeve_protocol::messages::admission::ResolutionOutcome;
use portreeve_protocol::messages::notary::{
    DocumentName, FetchOutcome, FetchRequest, NotaryEffect, Wanted,
};
use portreeve_protocol::messages::verify::VerifyRequest;
use portreeve_protocol::{Blob, Denial, DenyCode, Mono, Sha256};

use super::collection::Collection;
use super::{NotaryFetcher, Turn};

/// One run of fetches and verifications for one collection.
#[derive(Debug)]
pub(super) struct Flight {
    /// When the timestamp was asked for.
    pub(super) asked_at: Mono,
    /// Whether the root chain has been walked; a second refusal is then final.
    pub(super) chain_walked: bool,
    /// Documents besides root and timestamp, kept ones and fetched ones, by digest.
    pub(super) documents: BTreeMap<Sha256, Blob>,
    /// Digests of those fetched by this flight.
    pub(super) fetched: BTreeSet<Sha256>,
    /// Whether kept documents are only looked at again, with nothing asked of the network.
    pub(super) local: bool,
    /// The number that the flight's messages carry.
    pub(super) number: u64,
    /// Tags that need a later timestamp, each with the instant it must not be older than.
    pub(super) queued: BTreeMap<String, Mono>,
    /// The root to start from and its successors.
    pub(super) roots: Vec<Blob>,
    /// Bytes fetched so far.
    pub(super) spent: u64,
    /// What the flight waits for.
    pub(super) stage: Stage,
    /// The timestamp, once it is here.
    pub(super) timestamp: Option<Blob>,
    /// Tags that will be told.
    pub(super) waiting: BTreeSet<String>,
}

/// What a flight waits for.
#[derive(Debug)]
pub(super) enum Stage {
    /// For the end of fetches. All of a stage are awaited before any is looked at, so that the
    /// outcome does not hang on the order in which they end.
    Fetching {
        /// Those that ended.
        arrived: BTreeMap<DocumentName, FetchOutcome>,
        /// Those that did not; with the exact length, where a parent states one.
        outstanding: BTreeMap<DocumentName, Option<u64>>,
        /// Exact lengths of those that ended.
        lengths: BTreeMap<DocumentName, u64>,
    },
    /// For a verifier, which was asked about these tags.
    Verifying(BTreeSet<String>),
}

/// A document to be asked for.
pub(super) struct Ask {
    name: DocumentName,
    limit: u64,
    length: Option<u64>,
}

impl Ask {
    /// A document whose length nothing states: a root or a timestamp.
    pub(super) const fn unmeasured(name: DocumentName) -> Self {
        Self { name, limit: SMALL_DOCUMENT_BYTES, length: None }
    }

    /// A document that a verified document names.
    pub(super) fn wanted(wanted: &Wanted) -> Result<Self, Denial> {
        let Wanted { length, role, sha256 } = wanted;
        let most = if role == "snapshot" { SMALL_DOCUMENT_BYTES } else { TARGETS_BYTES };
        if *length > most {
            return Err(Denial::new(
                DenyCode::Oversize,
                format!("{role} has {length} bytes by its parent, and {most} are the most"),
            ));
        }
        let name = DocumentName::Hashed { role: role.clone(), sha256: *sha256 };
        Ok(Self { name, limit: *length, length: Some(*length) })
    }
}

impl Flight {
    /// A flight that has nothing at hand but what `kept` holds and has asked for nothing yet.
    pub(super) fn new(number: u64, asked_at: Mono, kept: Option<&Collection>) -> Self {
        Self {
            asked_at,
            chain_walked: false,
            documents: kept.map(|kept| kept.documents.clone()).unwrap_or_default(),
            fetched: BTreeSet::new(),
            local: false,
            number,
            queued: BTreeMap::new(),
            roots: kept.map(|kept| kept.root.clone()).into_iter().collect(),
            spent: 0,
            stage: Stage::Verifying(BTreeSet::new()),
            timestamp: None,
            waiting: BTreeSet::new(),
        }
    }

    /// Whether `tag` may be added without passing the bound on tags per flight.
    pub(super) fn has_room(&self, tag: &str) -> bool {
        self.waiting.contains(tag)
            || self.queued.contains_key(tag)
            || self.waiting.len() + self.queued.len() < portreeve_protocol::limits::TAGS_PER_GUN
    }

    /// Takes the end of a fetch; `false` if the flight was not waiting for it.
    pub(super) fn arrive(&mut self, name: &DocumentName, outcome: &FetchOutcome) -> bool {
        let Stage::Fetching { arrived, outstanding, lengths } = &mut self.stage else {
            return false;
        };
        let Some(length) = outstanding.remove(name) else { return false };
        if let Some(length) = length {
            lengths.insert(name.clone(), length);
        }
        if let FetchOutcome::Document(blob) = outcome {
            self.spent = self.spent.saturating_add(blob.length());
        }
        arrived.insert(name.clone(), outcome.clone());
        true
    }

    /// Whether every fetch of the stage has ended.
    pub(super) fn all_arrived(&self) -> bool {
        match &self.stage {
            Stage::Fetching { outstanding, .. } => outstanding.is_empty(),
            Stage::Verifying(_) => false,
        }
    }

    /// Whether the documents asked for stay within the bounds of one flight.
    pub(super) fn check_bounds(&self, gun: &str, asks: &[Ask]) -> Result<(), Denial> {
        let bytes = asks.iter().fold(self.spent, |sum, ask| sum.saturating_add(ask.limit));
        if bytes > RESOLVE_BYTES {
            let detail = format!("the documents of {gun} have more than {RESOLVE_BYTES} bytes");
            return Err(Denial::new(DenyCode::Oversize, detail));
        }
        // Every delegation, `targets` and `snapshot`; kept documents that went out of use count
        // too, at most once over.
        if self.documents.len() + asks.len() > 2 * (DELEGATIONS + 2) {
            let detail = format!("{gun} names more than {DELEGATIONS} delegations");
            return Err(Denial::new(DenyCode::Oversize, detail));
        }
        Ok(())
    }

    /// From now on the timestamp counts as asked for at `now`, so that those who waited for a
    /// later one are served too.
    pub(super) fn ask_anew(&mut self, now: Mono) {
        self.asked_at = now;
        self.local = false;
        self.timestamp = None;
        self.waiting.extend(std::mem::take(&mut self.queued).into_keys());
    }
}

impl NotaryFetcher {
    /// Asks for documents in parallel and keeps the flight until they are here; ends it as refused
    /// if they would pass a bound.
    pub(super) fn fetch(
        &mut self,
        gun: &str,
        mut flight: Flight,
        asks: Vec<Ask>,
        turn: &mut Turn<'_>,
    ) {
        if let Err(denial) = flight.check_bounds(gun, &asks) {
            return self.end(gun, flight, &ResolutionOutcome::Refused(denial), turn);
        }
        let mut outstanding = BTreeMap::new();
        for ask in asks {
            turn.out.push(NotaryEffect::Fetch(FetchRequest {
                credentials: Vec::new(),
                document: ask.name.clone(),
                flight: flight.number,
                gun: gun.to_owned(),
                limit: ask.limit,
                server: self.server.clone(),
                timeout: FETCH_TIMEOUT,
            }));
            outstanding.insert(ask.name, ask.length);
        }
        let (arrived, lengths) = (BTreeMap::new(), BTreeMap::new());
        flight.stage = Stage::Fetching { arrived, outstanding, lengths };
        self.flights.insert(gun.to_owned(), flight);
    }

    /// Has a verifier look at all that is at hand, about all tags that wait.
    pub(super) fn verify(
        &mut self,
        gun: &str,
        mut flight: Flight,
        timestamp: Blob,
        turn: &mut Turn<'_>,
    ) {
        let kept = self.collections.get(gun);
        turn.out.push(NotaryEffect::Verify(Box::new(VerifyRequest {
            documents: flight.documents.values().cloned().collect(),
            first_use: kept.is_none_or(|kept| kept.first_use),
            floors: kept.map(|kept| kept.floors.clone()).unwrap_or_default(),
            flight: flight.number,
            gun: gun.to_owned(),
            pins: Default::default(),
            roots: flight.roots.clone(),
            server: self.server.clone(),
            tags: flight.waiting.clone(),
            timestamp: timestamp.clone(),
            trusted_root: kept.is_some(),
        })));
        flight.timestamp = Some(timestamp);
        flight.stage = Stage::Verifying(flight.waiting.clone());
        self.flights.insert(gun.to_owned(), flight);
    }
}
