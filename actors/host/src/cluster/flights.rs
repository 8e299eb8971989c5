//! Equal questions that are under way at once are asked once.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

use futures_util::future::{FutureExt, Shared, WeakShared};

/// A question under way. It goes on as long as anybody waits for it, and ends with the last.
type Flight<V> = Pin<Box<dyn Future<Output = V> + Send>>;

/// The questions under way, by what they ask for.
pub(super) struct Flights<K, V: Clone> {
    under_way: Mutex<BTreeMap<K, WeakShared<Flight<V>>>>,
}

/// Flights after which those that are over are cleared away.
const CLEAR: usize = 64;

impl<K, V: Clone> Default for Flights<K, V> {
    fn default() -> Self {
        Self { under_way: Mutex::default() }
    }
}

impl<K: Ord, V: Clone> Flights<K, V> {
    /// The answer to the question `key`: of one that is under way, or else of the one that `start`
    /// makes. An answer that is there already is never given to who asks later.
    pub(super) fn join(&self, key: K, start: impl FnOnce() -> Flight<V>) -> Shared<Flight<V>> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let flying = under_way.get(&key).and_then(WeakShared::upgrade);
        if let Some(flight) = flying.filter(|flight| flight.peek().is_none()) {
            return flight;
        }
        if under_way.len() >= CLEAR {
            under_way.retain(|_, flight| flight.upgrade().is_some());
        }
        let flight = start().shared();
        if let Some(weak) = flight.downgrade() {
            under_way.insert(key, weak);
        }
        flight
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn equal_questions_share_an_answer_and_later_ones_get_their_own() {
        let flights: Flights<&str, u32> = Flights::default();
        let (send, answer) = oneshot::channel();
        let first = flights.join("a", || Box::pin(async { answer.await.unwrap_or_default() }));
        let second = flights.join("a", || Box::pin(async { 9 }));
        let other = flights.join("b", || Box::pin(async { 2 }));
        assert_eq!(other.await, 2);
        assert_eq!(send.send(1), Ok(()));
        assert_eq!((first.clone().await, second.await), (1, 1));
        let later = flights.join("a", || Box::pin(async { 3 }));
        assert_eq!((first.await, later.await), (1, 3));
    }

    #[tokio::test]
    async fn a_question_goes_on_when_the_first_who_asked_has_left_and_ends_with_the_last() {
        struct Ended(Arc<AtomicUsize>);
        impl Drop for Ended {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let flights: Flights<u8, ()> = Flights::default();
        let ended = Arc::new(AtomicUsize::new(0));
        let guard = Ended(Arc::clone(&ended));
        let first = flights.join(0, || {
            Box::pin(async move {
                let _guard = guard;
                std::future::pending::<()>().await;
            })
        });
        let second = flights.join(0, || Box::pin(async {}));
        drop(first);
        assert_eq!(ended.load(Ordering::SeqCst), 0);
        drop(second);
        assert_eq!(ended.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn flights_that_are_over_take_no_room() {
        let flights: Flights<usize, usize> = Flights::default();
        for number in 0..CLEAR * 4 {
            assert_eq!(flights.join(number, || Box::pin(async move { number })).await, number);
        }
        let under_way = flights.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(under_way.len() <= CLEAR, "{}", under_way.len());
    }
}
