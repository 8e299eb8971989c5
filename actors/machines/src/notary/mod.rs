//! Fetches and keeps the trust data of one trust server.
//!
//! A question about a tag is answered from what is kept if the last verified timestamp was asked
//! for late enough; otherwise a flight for the collection is started, or joined. A flight asks for
//! the timestamp (and at first contact for `root.json`), then has the verifiers look at what is at
//! hand and fetches what they find missing, until they conclude. State changes only when a
//! collection was verified; a refusal or a failure leaves it as it was.
//!
//! Departures from the notary client, all stricter:
//! * A 404 for the timestamp of a collection that was verified before is a refusal, not an unsigned
//!   repository: whoever can withhold documents must not be able to make a repository unsigned.
//! * The root chain is walked version by version (TUF 1.0, 5.3), never jumped over.

mod collection;
mod end;
mod fetched;
mod flight;
mod forget;
mod hop;
mod resolve;
mod retry;
mod timer;
mod verified;

use std::collections::{BTreeMap, BTreeSet};

use portreeve_protocol::entry::{Restored, Started};
use portreeve_protocol::evidence::TrustedCollection;
use portreeve_protocol::messages::notary::{NotaryEffect, NotaryInput};
use portreeve_protocol::planted::{self, Bug};
use portreeve_protocol::{
    ActorId, ActorKind, BlobSource, Delivery, Fact, Input, Kept, Machine, Mono, Outbox,
    ProtocolError, Settings, Wall,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use collection::Collection;
use flight::Flight;

/// Fetches and keeps the trust data of one trust server.
#[derive(Debug, Serialize, Deserialize)]
pub struct NotaryFetcher {
    /// Namespace and GUN of every collection that is kept or whose first flight is under way.
    accounts: BTreeSet<(String, String)>,
    /// GUN to what is kept of it; there is an entry only once a root was verified.
    collections: BTreeMap<String, Collection>,
    /// GUN to the flight under way; at most one at a time.
    flights: BTreeMap<String, Flight>,
    /// Number of the newest flight; numbers are never used twice in an incarnation.
    last_flight: u64,
    /// Seed of the waits between tries.
    seed: u64,
    /// The trust server's URL, without trailing slash.
    server: String,
    /// The operator's settings: pins.
    #[serde(skip)]
    settings: Settings,
}

/// One delivery as the handlers need it: the clocks, and where effects go.
struct Turn<'a> {
    mono: Mono,
    out: &'a mut Outbox<NotaryEffect>,
    wall: Wall,
}

impl NotaryFetcher {
    /// The fetcher of `server` (a URL without trailing slash) as it is at the start of an
    /// incarnation: with the roots, floors and documents restored, but with nothing checked, so
    /// that every collection is asked for again before it is used.
    #[must_use]
    pub fn new(started: &Started, server: &str) -> Self {
        let collections: BTreeMap<_, _> = started
            .restored
            .trust
            .iter()
            .filter(|trusted| trusted.server == server && !planted::is(Bug::RootLostAtRestart))
            .map(|trusted| (trusted.gun.clone(), Collection::restored(trusted)))
            .collect();
        let account = |(gun, kept): (&String, &Collection)| (kept.namespace.clone(), gun.clone());
        Self {
            accounts: collections.iter().map(account).collect(),
            collections,
            flights: BTreeMap::new(),
            last_flight: 0,
            seed: started.jitter_seed,
            server: server.to_owned(),
            settings: started.settings.clone(),
        }
    }

    /// What must outlive this incarnation, in order of GUN.
    #[must_use]
    pub fn trusted(&self) -> Vec<TrustedCollection> {
        let describe = |(gun, kept): (&String, &Collection)| kept.trusted(gun, &self.server);
        self.collections.iter().map(describe).collect()
    }

    fn unexpected(&self, what: String, turn: &mut Turn<'_>) {
        let actor = ActorId::Notary(self.server.clone());
        turn.out.push(NotaryEffect::Note(Fact::Unexpected { actor, what }));
    }
}

impl Machine for NotaryFetcher {
    type Input = NotaryInput;
    type Effect = NotaryEffect;

    const KIND: ActorKind = ActorKind::Notary;

    fn handle(&mut self, delivery: &Delivery, input: &NotaryInput, out: &mut Outbox<NotaryEffect>) {
        let turn = &mut Turn { mono: delivery.now.mono, out, wall: delivery.now.wall };
        match input {
            NotaryInput::Fetched(fetched) => self.fetched(fetched, turn),
            NotaryInput::Forget(forget) => self.forget(forget, turn),
            NotaryInput::Resolve(resolve) => self.resolve(resolve, turn),
            NotaryInput::Timer(timer) => self.timer(timer, turn),
            NotaryInput::Verification(verification) => self.verification(verification, turn),
            NotaryInput::VerifierRefused(refused) => self.verifier_refused(refused, turn),
        }
    }

    fn accept(input: &Input) -> Option<&NotaryInput> {
        if let Input::Notary(input) = input { Some(input) } else { None }
    }

    fn keep(&self) -> Result<Kept, ProtocolError> {
        let kept = self.collections.values().flat_map(Collection::blobs);
        let blobs = kept.chain(self.flights.values().flat_map(Flight::blobs)).cloned().collect();
        let restored = Restored { trust: self.trusted(), ..Restored::default() };
        Ok(Kept { blobs, restored, ..Kept::of(self)? })
    }

    fn resume(&mut self, state: &Value, blobs: &dyn BlobSource) -> Result<(), ProtocolError> {
        let settings = std::mem::take(&mut self.settings);
        *self = Self { settings, ..Kept::read(state)? };
        for kept in self.collections.values_mut() {
            kept.blobs_mut().into_iter().try_for_each(|blob| blob.hydrate(blobs))?;
        }
        for flight in self.flights.values_mut() {
            flight.blobs_mut().into_iter().try_for_each(|blob| blob.hydrate(blobs))?;
        }
        Ok(())
    }
}
