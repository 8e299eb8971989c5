//! Room for clients that showed no certificate where one is asked for. Their reviews are refused,
//! in the journal and with HTTP 200; what that costs must take nothing from the API server.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use portreeve_protocol::messages::admission::ReviewFacts;
use portreeve_protocol::time::SECOND;
use portreeve_protocol::{Mono, SealFact, limits};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::guests::Guests;

/// How long such a client may wait for its turn.
const WAIT: Duration = Duration::from_secs(10);

/// What they are told who waited in vain.
pub(super) const TOO_MANY: &str =
    "too many reviews come without a certificate of the client CA; show one, or try again";

/// Why a review is refused without a record.
pub(super) const UNRECORDED: &str = "the review came without a certificate of the client CA, as \
    others did, of which only some are recorded";

/// Their room.
pub(super) struct Strangers {
    connections: Arc<Guests>,
    /// For bodies, in KiB.
    memory: Semaphore,
    places: Semaphore,
    /// The time at which as many may be recorded at once as ever.
    recorded: Mutex<Mono>,
}

impl Strangers {
    pub(super) fn new() -> Self {
        let (most, each) = (limits::STRANGERS_CONNECTIONS, limits::STRANGERS_CONNECTIONS_EACH);
        Self {
            connections: Guests::new(most, each),
            memory: Semaphore::new(limits::STRANGERS_BYTES >> 10),
            places: Semaphore::new(limits::STRANGERS_IN_FLIGHT),
            recorded: Mutex::new(Mono(0)),
        }
    }

    /// Places for connections.
    pub(super) const fn connections(&self) -> &Arc<Guests> {
        &self.connections
    }

    /// Room for a body.
    pub(super) const fn memory(&self) -> &Semaphore {
        &self.memory
    }

    /// A place for one review, from its first byte to its answer; `None` if none got free in time.
    pub(super) async fn place(&self) -> Option<SemaphorePermit<'_>> {
        tokio::time::timeout(WAIT, self.places.acquire()).await.ok()?.ok()
    }

    /// Whether one more review may take room in the journal, where older records go for it.
    pub(super) fn may_record(&self, now: Mono) -> bool {
        let mut rested = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        let next = Mono(rested.0.max(now.0)).plus(SECOND);
        let may = next.since(now) <= limits::STRANGERS_RECORDED * SECOND;
        if may {
            *rested = next;
        }
        may
    }
}

/// What is kept of a review that is refused whatever it says: who asked for what.
pub(super) fn reduced(facts: ReviewFacts) -> ReviewFacts {
    let ReviewFacts { malformed, sub_resource, .. } = facts;
    let mut kind = facts.kind;
    for text in [&mut kind.group, &mut kind.kind, &mut kind.version] {
        *text = short(std::mem::take(text));
    }
    ReviewFacts {
        images: Vec::new(),
        kind,
        malformed: malformed.map(short),
        name: short(facts.name),
        namespace: short(facts.namespace),
        old_images: Vec::new(),
        old_seal: SealFact::Absent,
        owners: Vec::new(),
        pull_secrets: Vec::new(),
        seal: SealFact::Absent,
        service_account: String::new(),
        sub_resource: sub_resource.map(short),
        user: short(facts.user),
        annotated: facts.annotated,
        budget: facts.budget,
        dry_run: facts.dry_run,
        operation: facts.operation,
        path: facts.path,
        peer: facts.peer,
        sealing: facts.sealing,
        uid: facts.uid,
        version: facts.version,
    }
}

fn short(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(limits::STRANGERS_TEXT));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn strangers_have_a_few_places_and_wait_for_them() {
        let strangers = Strangers::new();
        let mut held = Vec::new();
        for _ in 0..limits::STRANGERS_IN_FLIGHT {
            held.extend(strangers.places.try_acquire());
        }
        assert_eq!(held.len(), limits::STRANGERS_IN_FLIGHT);
        assert!(strangers.places.try_acquire().is_err());
        held.pop();
        assert!(strangers.place().await.is_some());
    }

    #[test]
    fn strangers_are_recorded_once_a_second_and_more_often_after_a_rest() {
        let strangers = Strangers::new();
        let recorded = |now: u64| (0..200).filter(|_| strangers.may_record(Mono(now))).count();
        let day = 86_400 * SECOND;
        assert_eq!(recorded(day) as u64, limits::STRANGERS_RECORDED);
        assert_eq!(recorded(day + SECOND / 2), 0);
        assert_eq!(recorded(day + SECOND), 1);
        assert_eq!(recorded(day + 6 * SECOND), 5);
        assert_eq!(recorded(2 * day) as u64, limits::STRANGERS_RECORDED);
    }
}
