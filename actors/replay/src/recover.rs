//! What a node needs of its journal before it starts again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portreeve_machines::NotaryFetcher;
use portreeve_machines::admission::bundle::succeeds;
use portreeve_protocol::entry::{Checkpoint, Delivered, MachineState, Restored, Started};
use portreeve_protocol::messages::admission::{AdmissionInput, BundleLoaded, RevokeSeal};
use portreeve_protocol::planted::{self, Bug};
use portreeve_protocol::seal::RevokedSeal;
use portreeve_protocol::{
    ActorId, BlobSource, Delivery, Entry, Input, Machine, NodeId, Outbox, ProtocolError,
    RULES_VERSION, Sha256, codec, limits,
};

use crate::chain::{At, Chain, Link, is_newer};
use crate::{FindingKind, Line, ReplayError};

/// What the journal leaves to the next incarnation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// The last incarnation; 0 if there was none.
    pub incarnation: u32,
    /// The last good record; `None` if there is none.
    pub last: Option<Position>,
    /// The node whose journal it is; `None` if there was none.
    pub node: Option<NodeId>,
    /// Hash of the last good record: the `prev` of the next one.
    pub prev: Sha256,
    /// Good records.
    pub records: u64,
    /// What the next incarnation starts with.
    pub restored: Restored,
    /// What must be cut off before anything is appended; `None` if the journal ends well.
    pub tail: Option<Tail>,
}

/// A record's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// Bytes of the segment up to the end of the record, its newline included.
    pub end: u64,
    /// The line, counted from 1.
    pub line: u64,
    /// The segment.
    pub segment: Arc<str>,
}

/// The end of a journal that a crash left unfinished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// Bytes of the segment that are good; everything behind them is to go.
    pub keep: u64,
    /// Lines that are to go, the broken one included; later segments have none.
    pub lines: u64,
    /// The segment.
    pub segment: Arc<str>,
    /// What is wrong with the first of them.
    pub why: String,
}

/// Works through the journal for a node that is about to start: checks the chain, runs the notary
/// fetchers again, and finds what a crash left unfinished at the end.
///
/// It does not compare what machines emit; [`verify`](crate::verify()) does. Incarnations of other
/// rules, and what comes behind a gap, are run as they stand: recorded verifications remain
/// verified, and a floor can only come out too low by what was lost.
///
/// # Errors
/// `Damaged` if a record is broken and intact ones follow, `NewerSchema` if a newer build went on
/// with the journal, `Blob` if a document of the trust to be restored is missing or altered, `Read`
/// as handed in.
pub fn recover(
    lines: impl Iterator<Item = Result<Line, ReplayError>>,
    blobs: &dyn BlobSource,
) -> Result<Recovery, ReplayError> {
    let mut chain = Chain::new(lines);
    let mut found = Recovery::of_an_empty_journal();
    let mut fetchers = Fetchers::default();
    while let Some(link) = chain.next()? {
        let (at, why, whole) = match link {
            Link::Record { at, record, .. } => {
                fetchers.take(record.entry, &at, blobs, &mut found)?;
                found.advance(&at, chain.prev());
                continue;
            }
            Link::Broken { at, kind: FindingKind::NewerSchema, text } => return Err(at.newer(text)),
            Link::Broken { at, kind, text } => (at, text, kind == FindingKind::BrokenChain),
            Link::Torn(torn) => {
                let at = At { bytes: torn.bytes, line: torn.line, segment: torn.segment };
                (at, "the line has no end".to_owned(), false)
            }
        };
        found.tail = Some(tail(&found, &at, why, whole, chain.rest())?);
        break;
    }
    found.restored = fetchers.restored();
    Ok(found)
}

/// As [`recover`], for entries that are at hand themselves, the first of which is one that a
/// journal can begin with. Nothing is said of places and hashes, for there are no bytes.
///
/// # Errors
/// `Damaged` for a checkpoint that contradicts itself, `Blob` as [`recover`].
pub fn recover_entries<'a>(
    entries: impl IntoIterator<Item = &'a Entry>,
    blobs: &dyn BlobSource,
) -> Result<Recovery, ReplayError> {
    let mut found = Recovery::of_an_empty_journal();
    let (mut fetchers, segment) = (Fetchers::default(), Arc::from(""));
    for entry in entries {
        found.records += 1;
        let at = At { bytes: 0, line: found.records, segment: Arc::clone(&segment) };
        fetchers.take(entry.clone(), &at, blobs, &mut found)?;
    }
    found.restored = fetchers.restored();
    Ok(found)
}

impl Recovery {
    const fn of_an_empty_journal() -> Self {
        Self {
            incarnation: 0,
            last: None,
            node: None,
            prev: Sha256::ZERO,
            records: 0,
            restored: Restored { bundle: None, revoked: BTreeSet::new(), trust: Vec::new() },
            tail: None,
        }
    }

    fn advance(&mut self, at: &At, hash: Sha256) {
        let before = self.last.as_ref().filter(|last| last.segment == at.segment);
        let end = before.map_or(0, |last| last.end).saturating_add(at.bytes);
        let segment = Arc::clone(&at.segment);
        self.last = Some(Position { end, line: at.line, segment });
        self.prev = hash;
        self.records += 1;
    }
}

/// What is to be cut off from `at` on, if that is all there is: a crash leaves the last segment
/// with an unfinished end, but nothing intact at it or behind it. `whole` says whether the record
/// there has the hash that it should have, and only follows another one.
fn tail(
    found: &Recovery,
    at: &At,
    why: String,
    whole: bool,
    rest: impl Iterator<Item = Result<Line, ReplayError>>,
) -> Result<Tail, ReplayError> {
    let intact = |whole: bool| whole && !planted::is(Bug::DamagePassedOver);
    if intact(whole) {
        return Err(at.damaged(why));
    }
    let mut lines = 1;
    for line in rest {
        let line = line?;
        let body = line.bytes.strip_suffix(b"\n").unwrap_or(&line.bytes);
        let whole = codec::read_line(body).err().is_none_or(|error| is_newer(&error));
        if line.segment != at.segment || intact(whole) {
            return Err(at.damaged(why));
        }
        lines += 1;
    }
    let last = found.last.as_ref().filter(|last| last.segment == at.segment);
    let keep = last.map_or(0, |last| last.end);
    Ok(Tail { keep, lines, segment: Arc::clone(&at.segment), why })
}

/// The notary fetchers of the incarnation at hand.
#[derive(Default)]
struct Fetchers {
    /// The last trust bundle taken.
    bundle: Option<Box<BundleLoaded>>,
    fetchers: BTreeMap<String, NotaryFetcher>,
    /// The entries of seals that operators ended.
    revoked: BTreeSet<RevokedSeal>,
    started: Option<Arc<Started>>,
}

impl Fetchers {
    fn take(
        &mut self,
        entry: Entry,
        at: &At,
        blobs: &dyn BlobSource,
        found: &mut Recovery,
    ) -> Result<(), ReplayError> {
        let blob = |source: ProtocolError| ReplayError::Blob {
            segment: at.segment.to_string(),
            line: at.line,
            source,
        };
        match entry {
            Entry::Started(mut started) => {
                Arc::make_mut(&mut started).hydrate(blobs).map_err(blob)?;
                self.begin(started, found);
            }
            Entry::Checkpoint(checkpoint) => {
                let restored = self.resume(*checkpoint, blobs, found).map_err(blob)?;
                // Nobody who writes checkpoints says two things of one collection.
                if self.restored() != restored {
                    let why = "the checkpoint contradicts itself about what is trusted";
                    return Err(at.damaged(why.to_owned()));
                }
            }
            Entry::Delivered(delivered) => self.deliver(delivered, blobs).map_err(blob)?,
            Entry::Answered(_) | Entry::Gap(_) | Entry::Panicked(_) => {}
        }
        Ok(())
    }

    /// Goes on from a checkpoint: from the states of the fetchers where they are of these rules,
    /// else from what outlives the incarnation. Gives what the checkpoint says of the latter.
    fn resume(
        &mut self,
        mut checkpoint: Checkpoint,
        blobs: &dyn BlobSource,
        found: &mut Recovery,
    ) -> Result<Restored, ProtocolError> {
        Arc::make_mut(&mut checkpoint.started).hydrate(blobs)?;
        let restored = checkpoint.started.restored.clone();
        self.begin(checkpoint.started, found);
        let Some(started) = self.started.as_ref().filter(|it| it.rules == RULES_VERSION) else {
            return Ok(restored);
        };
        for MachineState { actor, state } in &checkpoint.machines {
            let ActorId::Notary(server) = actor else { continue };
            let mut fetcher = NotaryFetcher::new(started, server);
            fetcher.resume(state, blobs)?;
            self.fetchers.insert(server.clone(), fetcher);
        }
        Ok(restored)
    }

    fn begin(&mut self, started: Arc<Started>, found: &mut Recovery) {
        let reused = u32::from(planted::is(Bug::IncarnationReused));
        found.incarnation = started.incarnation.saturating_sub(reused);
        found.node = Some(started.node.clone());
        let servers = started.restored.trust.iter().map(|kept| kept.server.clone());
        self.fetchers =
            servers.map(|server| (server.clone(), NotaryFetcher::new(&started, &server))).collect();
        self.bundle.clone_from(&started.restored.bundle);
        self.revoked.clone_from(&started.restored.revoked);
        self.started = Some(started);
    }

    fn deliver(
        &mut self,
        delivered: Delivered,
        blobs: &dyn BlobSource,
    ) -> Result<(), ProtocolError> {
        let Delivered { event, mut input, now, root, .. } = delivered;
        if let Input::Admission(AdmissionInput::RevokeSeal(revoke)) = &*input
            && self.revoked.len() < limits::REVOKED_SEALS
            && !planted::is(Bug::RevocationNotRecovered)
        {
            let RevokeSeal { digest, gun, .. } = revoke;
            self.revoked.insert(RevokedSeal { digest: *digest, gun: gun.clone() });
        }
        if let Input::Admission(AdmissionInput::BundleLoaded(_)) = &*input {
            Arc::make_mut(&mut input).hydrate(blobs)?;
            self.take_bundle(&input);
        }
        let (ActorId::Notary(server), Some(started)) = (&event.actor, &self.started) else {
            return Ok(());
        };
        Arc::make_mut(&mut input).hydrate(blobs)?;
        let fetcher = self
            .fetchers
            .entry(server.clone())
            .or_insert_with(|| NotaryFetcher::new(started, server));
        if let Some(input) = NotaryFetcher::accept(&input)
            && !planted::is(Bug::DeliveriesNotRecovered)
        {
            let delivery = Delivery { event: event.clone(), now, root };
            fetcher.handle(&delivery, input, &mut Outbox::default());
        }
        Ok(())
    }

    /// Keeps the trust bundle if the admission machine takes it.
    fn take_bundle(&mut self, input: &Input) {
        if let Input::Admission(AdmissionInput::BundleLoaded(loaded)) = input
            && succeeds(self.bundle.as_deref(), loaded).is_ok()
            && !planted::is(Bug::BundleNotRecovered)
        {
            self.bundle = Some(loaded.clone());
        }
    }

    fn restored(&self) -> Restored {
        Restored {
            bundle: self.bundle.clone(),
            revoked: self.revoked.clone(),
            trust: self
                .fetchers
                .values()
                .flat_map(NotaryFetcher::trusted)
                .filter(|_| !planted::is(Bug::TrustNotRecovered))
                .collect(),
        }
    }
}
