//! A flight: one run of fetches and verifications for one collection.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portreeve_protocol::anchors::RootAnchor;
use portreeve_protocol::evidence::RootPins;
use portreeve_protocol::limits::{
    CREDENTIALS, DELEGATIONS, FETCH_TIMEOUT, FLIGHT_TIMEOUT, RESOLVE_BYTES, SMALL_DOCUMENT_BYTES,
    TARGETS_BYTES,
};
use portreeve_protocol::messages::admission::ResolutionOutcome;
use portreeve_protocol::messages::notary::{
    DocumentName, FetchOutcome, FetchRequest, NotaryEffect, Wanted,
};
use portreeve_protocol::messages::verify::VerifyRequest;
use portreeve_protocol::planted::{self, Bug};
use portreeve_protocol::{Blob, CredentialRef, Denial, DenyCode, Mono, Sha256};
use serde::{Deserialize, Serialize};

use super::collection::Collection;
use super::{NotaryFetcher, Turn};

/// One run of fetches and verifications for one collection.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Flight {
    /// Whether the kept root, taken on first use, contradicts a pin, so that the flight sets out
    /// from nothing.
    pub(super) anew: bool,
    /// When the timestamp was asked for.
    pub(super) asked_at: Mono,
    /// On whose behalf the flight asks.
    pub(super) by: Asker,
    /// Whether the root chain has been walked; a second refusal is then final.
    pub(super) chain_walked: bool,
    /// Documents besides root and timestamp, kept ones and fetched ones, by digest.
    pub(super) documents: BTreeMap<Sha256, Blob>,
    /// When the flight ends at the latest.
    pub(super) ends_at: Mono,
    /// Digests of those fetched by this flight.
    pub(super) fetched: BTreeSet<Sha256>,
    /// Whether kept documents are only looked at again, with nothing asked of the network.
    pub(super) local: bool,
    /// The number that the flight's messages carry.
    pub(super) number: u64,
    /// Tags asked about with credentials that this flight does not use; should it end unauthorised,
    /// the next one uses them.
    pub(super) others: BTreeMap<String, Asker>,
    /// The refusal that a look at the root served now may explain; `None` unless that is under way.
    pub(super) puzzle: Option<Denial>,
    /// Tags that need a later timestamp, or another anchor, each with the instant the timestamp
    /// must not be older than.
    #[serde(with = "crate::pairs")]
    pub(super) queued: BTreeMap<(String, Option<Sha256>), (Mono, Asker)>,
    /// Whether a timer for asking again is armed.
    pub(super) retrying: bool,
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
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Stage {
    /// For the end of fetches. All of a stage are awaited before any is looked at, so that the
    /// outcome does not hang on the order in which they end.
    Fetching {
        /// Those that ended.
        #[serde(with = "crate::pairs")]
        arrived: BTreeMap<DocumentName, FetchOutcome>,
        /// Those that did not.
        #[serde(with = "crate::pairs")]
        outstanding: BTreeMap<DocumentName, Outstanding>,
        /// Exact lengths of those that ended.
        #[serde(with = "crate::pairs")]
        lengths: BTreeMap<DocumentName, u64>,
    },
    /// For a verifier, which was asked about these tags.
    Verifying(BTreeSet<String>),
}

/// On whose behalf something is asked.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Asker {
    /// What the trust bundle says of the root.
    pub(super) anchor: Option<Arc<RootAnchor>>,
    /// The credentials that may be used.
    pub(super) credentials: BTreeSet<CredentialRef>,
    /// Whether nothing will be persisted of what is asked for.
    pub(super) dry_run: bool,
    /// The namespace of the workload.
    pub(super) namespace: String,
    /// The keys of the roots that seals name for the collection.
    pub(super) sealed_roots: BTreeSet<Sha256>,
}

impl Asker {
    /// Digest of the anchor, if there is one.
    pub(super) fn anchored(&self) -> Option<Sha256> {
        self.anchor.as_ref().map(|anchor| anchor.digest())
    }

    /// Takes over what another one knows or needs, but for its credentials.
    pub(super) fn share(&mut self, other: &Self) {
        self.dry_run &= other.dry_run;
        self.sealed_roots.extend(other.sealed_roots.iter().copied());
    }
}

/// A document that was asked for and is not here.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Outstanding {
    /// What was asked for.
    pub(super) ask: Ask,
    /// When it is to be asked for again; `None` while an answer is on its way.
    pub(super) again_at: Option<Mono>,
    /// How often it was asked for.
    pub(super) tries: u32,
}

/// A document to be asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Ask {
    /// The document.
    name: DocumentName,
    /// Bytes it may have.
    limit: u64,
    /// Bytes it must have, where a verified document says so.
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
        let most = if matches!(role.as_str(), "root" | "snapshot") {
            SMALL_DOCUMENT_BYTES
        } else {
            TARGETS_BYTES
        };
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
    pub(super) fn new(number: u64, asked_at: Mono, kept: Option<&Collection>, by: Asker) -> Self {
        Self {
            anew: false,
            asked_at,
            by,
            chain_walked: false,
            documents: kept.map(|kept| kept.documents.clone()).unwrap_or_default(),
            ends_at: asked_at.plus(FLIGHT_TIMEOUT),
            fetched: BTreeSet::new(),
            local: false,
            number,
            others: BTreeMap::new(),
            puzzle: None,
            queued: BTreeMap::new(),
            retrying: false,
            roots: kept.map(|kept| kept.root.clone()).into_iter().collect(),
            spent: 0,
            stage: Stage::Verifying(BTreeSet::new()),
            timestamp: None,
            waiting: BTreeSet::new(),
        }
    }

    /// Every blob at hand.
    pub(super) fn blobs(&self) -> Vec<&Blob> {
        let mut blobs: Vec<&Blob> = self.documents.values().chain(&self.roots).collect();
        blobs.extend(&self.timestamp);
        if let Stage::Fetching { arrived, .. } = &self.stage {
            blobs.extend(arrived.values().filter_map(|outcome| match outcome {
                FetchOutcome::Document(blob) => Some(blob),
                FetchOutcome::Absent | FetchOutcome::Failed(_) => None,
            }));
        }
        blobs
    }

    /// As [`Flight::blobs`], to be filled in.
    pub(super) fn blobs_mut(&mut self) -> Vec<&mut Blob> {
        let documents = self.documents.values_mut();
        let mut blobs: Vec<&mut Blob> = documents.chain(&mut self.roots).collect();
        blobs.extend(&mut self.timestamp);
        if let Stage::Fetching { arrived, .. } = &mut self.stage {
            blobs.extend(arrived.values_mut().filter_map(|outcome| match outcome {
                FetchOutcome::Document(blob) => Some(blob),
                FetchOutcome::Absent | FetchOutcome::Failed(_) => None,
            }));
        }
        blobs
    }

    /// Whether `tag` may be added without passing the bound on tags per flight.
    pub(super) fn has_room(&self, tag: &str, anchor: Option<Sha256>) -> bool {
        (self.waiting.contains(tag) && self.by.anchored() == anchor)
            || self.queued.contains_key(&(tag.to_owned(), anchor))
            || self.waiting.len() + self.queued.len() < portreeve_protocol::limits::TAGS_PER_GUN
    }

    /// Has `tag` told at the end. If it comes with credentials that are not in use, that is noted.
    pub(super) fn join(&mut self, tag: &str, asker: &Asker) {
        self.waiting.insert(tag.to_owned());
        self.by.share(asker);
        if !asker.credentials.is_subset(&self.by.credentials) {
            let others = self.others.entry(tag.to_owned()).or_insert_with(|| asker.clone());
            others.credentials.extend(asker.credentials.iter().cloned());
        }
    }

    /// Takes the end of a fetch; `false` if the flight was not waiting for it.
    pub(super) fn arrive(&mut self, name: &DocumentName, outcome: &FetchOutcome) -> bool {
        let Stage::Fetching { arrived, outstanding, lengths } = &mut self.stage else {
            return false;
        };
        if outstanding.get(name).is_none_or(|one| one.again_at.is_some()) {
            return false;
        }
        let Some(Outstanding { ask, .. }) = outstanding.remove(name) else { return false };
        if let Some(length) = ask.length {
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

    /// Sets out from nothing, as at first contact.
    pub(super) fn begin_anew(&mut self, now: Mono) {
        self.anew = true;
        self.roots.clear();
        self.ask_anew(now);
    }

    /// From now on the timestamp counts as asked for at `now`, so that those who waited for a
    /// later one are served too, unless they bring another anchor.
    pub(super) fn ask_anew(&mut self, now: Mono) {
        self.asked_at = now;
        self.local = false;
        self.timestamp = None;
        let own = self.by.anchored();
        for ((tag, anchor), (not_before, asker)) in std::mem::take(&mut self.queued) {
            if anchor == own {
                self.join(&tag, &asker);
            } else {
                self.queued.insert((tag, anchor), (not_before, asker));
            }
        }
    }

    /// Has `tag` taken up after this flight, unless it is already.
    pub(super) fn queue(&mut self, tag: String, not_before: Mono) {
        let asker = self.others.get(&tag).unwrap_or(&self.by).clone();
        let key = (tag, asker.anchored());
        let (latest, _) = self.queued.entry(key).or_insert((not_before, asker));
        *latest = not_before.max(*latest);
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
            turn.out.push(self.fetch_one(gun, &flight, &ask));
            outstanding.insert(ask.name.clone(), Outstanding { ask, again_at: None, tries: 1 });
        }
        let (arrived, lengths) = (BTreeMap::new(), BTreeMap::new());
        flight.stage = Stage::Fetching { arrived, outstanding, lengths };
        self.flights.insert(gun.to_owned(), flight);
    }

    /// The request for one document.
    pub(super) fn fetch_one(&self, gun: &str, flight: &Flight, ask: &Ask) -> NotaryEffect {
        NotaryEffect::Fetch(FetchRequest {
            credentials: flight.by.credentials.iter().take(CREDENTIALS).cloned().collect(),
            document: ask.name.clone(),
            flight: flight.number,
            gun: gun.to_owned(),
            limit: ask.limit,
            server: self.server.clone(),
            timeout: FETCH_TIMEOUT,
        })
    }

    /// What is known beforehand of a root: a pin of the trust bundle goes before the operator's,
    /// and forbids first use as the operator may.
    pub(super) fn pins(&self, gun: &str, anchor: Option<&RootAnchor>) -> RootPins {
        let mut pins = self.settings.root_pins(gun);
        let Some(anchor) = anchor else { return pins };
        pins.required |= !anchor.first_use;
        if anchor.pins() {
            pins.keyids.clone_from(&anchor.keyids);
            pins.authorities.clone_from(&anchor.authorities);
        }
        pins
    }

    /// Has a verifier look at all that is at hand, about all tags that wait.
    pub(super) fn verify(
        &mut self,
        gun: &str,
        mut flight: Flight,
        timestamp: Blob,
        turn: &mut Turn<'_>,
    ) {
        let kept = self.collections.get(gun).filter(|_| !flight.anew);
        turn.out.push(NotaryEffect::Verify(Box::new(VerifyRequest {
            documents: flight.documents.values().cloned().collect(),
            first_use: kept.is_none_or(|kept| kept.first_use),
            floors: kept
                .filter(|_| !planted::is(Bug::FloorsNotGiven))
                .map(|kept| kept.floors.clone())
                .unwrap_or_default(),
            flight: flight.number,
            gun: gun.to_owned(),
            pins: self.pins(gun, flight.by.anchor.as_deref()),
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
