//! How long things take: messages between actors, the network, verifications, the disk.

use std::collections::BTreeMap;

use portreeve_protocol::{ActorId, ActorKind, Mono};

use crate::fault::{Passage, Traffic};
use crate::rng::{Rng, Streams};

/// Members of the verifier pool of a replica.
const VERIFIERS: u64 = 4;

/// Draws delays, each kind from a sub-stream of its own.
#[derive(Debug)]
pub(super) struct Delays {
    /// Of the API server's choices.
    api: Rng,
    disk: Rng,
    hop: Rng,
    /// Replica, sender and receiver to the arrival of the last message between them.
    last: BTreeMap<(usize, ActorId, ActorId), Mono>,
    network: Rng,
    notary: Rng,
    pool: Rng,
    workload: Rng,
}

impl Delays {
    pub(super) fn new(streams: Streams) -> Self {
        Self {
            api: streams.stream("api-server"),
            disk: streams.stream("disk"),
            hop: streams.stream("hop"),
            last: BTreeMap::new(),
            network: streams.stream("network"),
            notary: streams.stream("notary"),
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

    /// Which bit of a journal flips.
    pub(super) fn flipped(&mut self) -> u64 {
        self.disk.draw()
    }

    /// What a trust server takes to answer.
    pub(super) fn service(&mut self) -> u64 {
        self.notary.log_between(200, 80_000)
    }

    /// By how much a review is later than planned.
    pub(super) fn review(&mut self, spread: u64) -> u64 {
        self.workload.between(0, spread)
    }

    /// Which of `count` the API server takes.
    pub(super) fn choice(&mut self, count: usize) -> usize {
        let bound = u64::try_from(count).unwrap_or_default();
        usize::try_from(self.api.below(bound)).unwrap_or_default()
    }

    /// Whether the API server has not noticed yet which replicas are ready.
    pub(super) fn unnoticed(&mut self) -> bool {
        self.api.chance(20)
    }

    /// How something gets from one place to another, if nothing goes wrong.
    pub(super) fn passage(&mut self, traffic: Traffic) -> Passage {
        let delay = match traffic {
            Traffic::Hop => self.hop.between(0, 50),
            Traffic::Watch => self.network.log_between(300, 50_000),
            Traffic::Answer
            | Traffic::Document
            | Traffic::Fetch
            | Traffic::Look
            | Traffic::Owner
            | Traffic::Review => self.network.log_between(100, 10_000),
        };
        Passage { copies: 1, delay }
    }

    /// The member of the pool that takes a message, if it is to the pool; else the receiver.
    pub(super) fn receiver(&mut self, to: &ActorId) -> ActorId {
        if to.kind() == ActorKind::Verify {
            ActorId::Verify(u16::try_from(self.pool.below(VERIFIERS)).unwrap_or_default())
        } else {
            to.clone()
        }
    }

    /// No message within the replica is under way any more.
    pub(super) fn forget_messages(&mut self, replica: usize) {
        self.last.retain(|(of, ..), _| *of != replica);
    }

    /// When a message between two actors arrives that takes `delay`. Messages of one actor to
    /// another stay in order, as a mailbox keeps them; those to a verifier wait for it to have
    /// time.
    pub(super) fn arrival(
        &mut self,
        now: Mono,
        replica: usize,
        (from, to): (&ActorId, &ActorId),
        delay: u64,
    ) -> Mono {
        let busy = match to.kind() {
            ActorKind::Verify => self.hop.log_between(200, 4_000),
            ActorKind::Admission | ActorKind::Journal | ActorKind::Notary | ActorKind::Policy => 0,
        };
        let pair = (replica, from.clone(), to.clone());
        let arrival = now.plus(delay + busy);
        let last = self.last.entry(pair).or_insert(Mono(0));
        *last = arrival.max(last.plus(1));
        *last
    }
}
