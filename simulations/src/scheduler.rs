//! What happens next: a heap by time and tie.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use portreeve_protocol::Mono;

use crate::rng::Rng;

/// Events to come. Of those at one instant any may be the first: the seed draws which.
#[derive(Debug)]
pub struct Scheduler<T> {
    heap: BinaryHeap<Reverse<Slot<T>>>,
    now: Mono,
    scheduled: u64,
    ties: Rng,
}

#[derive(Debug)]
struct Slot<T> {
    at: Mono,
    number: u64,
    tie: u64,
    what: T,
}

impl<T> Slot<T> {
    const fn key(&self) -> (Mono, u64, u64) {
        (self.at, self.tie, self.number)
    }
}

impl<T> PartialEq for Slot<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<T> Eq for Slot<T> {}

impl<T> PartialOrd for Slot<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Slot<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl<T> Scheduler<T> {
    /// Nothing to come, at time zero; ties are broken by `ties`.
    #[must_use]
    pub const fn new(ties: Rng) -> Self {
        Self { heap: BinaryHeap::new(), now: Mono(0), scheduled: 0, ties }
    }

    /// The time of the event that happens now.
    #[must_use]
    pub const fn now(&self) -> Mono {
        self.now
    }

    /// Has `what` happen at `at`, or now if that is past.
    pub fn schedule(&mut self, at: Mono, what: T) {
        let (number, tie) = (self.scheduled, self.ties.draw());
        self.scheduled += 1;
        self.heap.push(Reverse(Slot { at: at.max(self.now), number, tie, what }));
    }

    /// Moves time on to the next event and gives it; `None` if nothing is to come.
    pub fn advance(&mut self) -> Option<T> {
        let Reverse(slot) = self.heap.pop()?;
        self.now = slot.at;
        Some(slot.what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Streams;

    fn order(seed: u64) -> Vec<u32> {
        let mut scheduler = Scheduler::new(Streams::new(seed).stream("ties"));
        for what in 0..20 {
            scheduler.schedule(Mono(7), what);
        }
        scheduler.schedule(Mono(9), 100);
        scheduler.schedule(Mono(3), 200);
        std::iter::from_fn(|| scheduler.advance()).collect()
    }

    #[test]
    fn time_goes_forward_and_the_seed_breaks_ties() {
        let first = order(1);
        assert_eq!((first[0], first[21]), (200, 100));
        assert_eq!(first, order(1));
        assert_ne!(first, order(2));
    }

    #[test]
    fn what_is_scheduled_for_the_past_happens_now() {
        let mut scheduler = Scheduler::new(Streams::new(1).stream("ties"));
        scheduler.schedule(Mono(7), 1);
        scheduler.advance();
        scheduler.schedule(Mono(2), 2);
        assert_eq!((scheduler.advance(), scheduler.now()), (Some(2), Mono(7)));
    }
}
