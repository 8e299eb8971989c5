//! Room for clients that showed no certificate where one is asked for. Their reviews are refused,
//! in the journal and with HTTP 200; what that costs must take nothing from the API server.

use std::time::Duration;

use portreeve_protocol::limits;
use tokio::sync::{Semaphore, SemaphorePermit};

/// How long such a client may wait for its turn.
const WAIT: Duration = Duration::from_secs(10);

/// What they are told who waited in vain.
pub(super) const TOO_MANY: &str =
    "too many reviews come without a certificate of the client CA; show one, or try again";

/// Their room.
pub(super) struct Strangers {
    /// For bodies, in KiB.
    memory: Semaphore,
    places: Semaphore,
}

impl Strangers {
    pub(super) fn new() -> Self {
        Self {
            memory: Semaphore::new(limits::STRANGERS_BYTES >> 10),
            places: Semaphore::new(limits::STRANGERS_IN_FLIGHT),
        }
    }

    /// Room for a body.
    pub(super) const fn memory(&self) -> &Semaphore {
        &self.memory
    }

    /// A place for one review, from its first byte to its answer; `None` if none got free in time.
    pub(super) async fn place(&self) -> Option<SemaphorePermit<'_>> {
        tokio::time::timeout(WAIT, self.places.acquire()).await.ok()?.ok()
    }
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
}
