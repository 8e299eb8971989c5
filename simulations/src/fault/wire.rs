//! What the faults of the network have in common.

use portreeve_protocol::Mono;
use serde::{Deserialize, Serialize};

use super::{Link, Passage, Place, Traffic};
use crate::rng::Rng;

/// A [`Place`] that can be kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Spot {
    /// The API server.
    ApiServer,
    /// A replica, by its place in the scenario.
    Replica(usize),
    /// A trust server, by its URL.
    TrustServer(String),
}

impl Spot {
    /// Whether it is that place.
    #[must_use]
    pub fn is(&self, place: Place<'_>) -> bool {
        match self {
            Self::ApiServer => place == Place::ApiServer,
            Self::Replica(replica) => place == Place::Replica(*replica),
            Self::TrustServer(server) => place == Place::TrustServer(server),
        }
    }

    /// The trust server `from` has another URL.
    pub fn moved(&mut self, from: &str, to: &str) {
        match self {
            Self::TrustServer(server) => rename(server, from, to),
            Self::ApiServer | Self::Replica(_) => {}
        }
    }
}

/// The trust server `from` has another URL, which may be this one.
pub(super) fn rename(server: &mut String, from: &str, to: &str) {
    if server == from {
        to.clone_into(server);
    }
}

/// Whether something goes through the network, and not within a replica.
pub(super) fn crosses(link: &Link<'_>) -> bool {
    link.traffic != Traffic::Hop
}

/// Whether something comes from a trust server.
pub(super) fn comes_from(link: &Link<'_>, server: &str) -> bool {
    link.from == Place::TrustServer(server)
}

/// It does not arrive before `until`.
pub(super) fn hold(at: Mono, until: u64, passage: &mut Passage) {
    passage.delay = passage.delay.max(until.saturating_sub(at.0));
}

/// It takes longer by up to `most`: by how much is drawn, mostly little. Nothing is put off beyond
/// `until`.
pub(super) fn delay(at: Mono, until: u64, most: u64, rng: &mut Rng, passage: &mut Passage) {
    let extra = rng.log_between(1_000, most.max(1_000));
    passage.delay = passage.delay.saturating_add(extra.min(until.saturating_sub(at.0)));
}

/// There is no way through before `until`. A watch is a stream of which nothing is lost: what is
/// sent on it meanwhile arrives then. All else is lost.
pub(super) fn cut(at: Mono, until: u64, link: &Link<'_>, passage: &mut Passage) {
    match link.traffic {
        Traffic::Hop => {}
        Traffic::Watch => hold(at, until, passage),
        Traffic::Answer
        | Traffic::Document
        | Traffic::Fetch
        | Traffic::Look
        | Traffic::Owner
        | Traffic::Review => passage.copies = 0,
    }
}
