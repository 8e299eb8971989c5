//! How long things take: messages between actors, fetches, verifications, the disk.

use std::collections::BTreeMap;

use portreeve_protocol::{ActorId, ActorKind, Mono};

use crate::rng::{Rng, Streams};

/// Members of the verifier pool.
const VERIFIERS: u64 = 4;

/// Draws delays, each kind from a sub-stream of its own.
#[derive(Debug)]
pub(super) struct Delays {
    disk: Rng,
    fetch: Rng,
    hop: Rng,
    look: Rng,
    /// Sender and receiver to the arrival of the last message between them.
    last: BTreeMap<(ActorId, ActorId), Mono>,
    pool: Rng,
    workload: Rng,
}

impl Delays {
    pub(super) fn new(streams: Streams) -> Self {
        Self {
            disk: streams.stream("disk"),
            fetch: streams.stream("fetch"),
            hop: streams.stream("hop"),
            look: streams.stream("look"),
            last: BTreeMap::new(),
            pool: streams.stream("pool"),
            workload: streams.stream("workload"),
        }
    }

    /// From a record's being written to its being durable.
    pub(super) fn sync(&mut self) -> u64 {
        self.disk.log_between(200, 5_000)
    }

    /// How many of the bytes that are not durable a crash leaves.
    pub(super) fn left_by_crash(&mut self, at_risk: usize) -> usize {
        let at_risk = u64::try_from(at_risk).unwrap_or_default();
        usize::try_from(self.disk.between(0, at_risk)).unwrap_or_default()
    }

    /// From a request to the end of the fetch.
    pub(super) fn fetch(&mut self) -> u64 {
        self.fetch.log_between(500, 100_000)
    }

    /// From the question for an object to what the API server says.
    pub(super) fn look(&mut self) -> u64 {
        self.look.log_between(300, 20_000)
    }

    /// By how much a review is later than planned.
    pub(super) fn review(&mut self, spread: u64) -> u64 {
        self.workload.between(0, spread)
    }

    /// The member of the pool that takes a message, if it is to the pool; else the receiver.
    pub(super) fn receiver(&mut self, to: &ActorId) -> ActorId {
        if to.kind() == ActorKind::Verify {
            ActorId::Verify(u16::try_from(self.pool.below(VERIFIERS)).unwrap_or_default())
        } else {
            to.clone()
        }
    }

    /// No message is under way any more.
    pub(super) fn forget_messages(&mut self) {
        self.last.clear();
    }

    /// When a message between two actors arrives. Messages of one actor to another stay in order,
    /// as a mailbox keeps them; those to a verifier wait for it to have time.
    pub(super) fn arrival(&mut self, now: Mono, from: &ActorId, to: &ActorId) -> Mono {
        let delay = match to.kind() {
            ActorKind::Verify => self.hop.log_between(200, 4_000),
            ActorKind::Admission | ActorKind::Journal | ActorKind::Notary | ActorKind::Policy => {
                self.hop.between(0, 50)
            }
        };
        let pair = (from.clone(), to.clone());
        let earliest = self.last.get(&pair).map_or(Mono(0), |last| last.plus(1));
        let arrival = now.plus(delay).max(earliest);
        self.last.insert(pair, arrival);
        arrival
    }
}
