//! What happens next: a heap by time and tie.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use portreeve_protocol::Mono;

use crate::rng::Rng;

/// Events to come. Of those at one instant any may be the first: the seed draws which.
#[derive(Debug)]
pub struct Scheduler<T> {
    /// Places in `waiting` that nothing waits in.
    free: Vec<usize>,
    heap: BinaryHeap<Reverse<Slot>>,
    now: Mono,
    scheduled: u64,
    ties: Rng,
    /// What is to come stays where it is, while the heap moves slots about.
    waiting: Vec<Option<T>>,
}

/// When something happens, in the order of the members, and its place among what waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Slot {
    at: Mono,
    tie: u64,
    number: u64,
    place: usize,
}

impl<T> Scheduler<T> {
    /// Nothing to come, at time zero; ties are broken by `ties`.
    #[must_use]
    pub const fn new(ties: Rng) -> Self {
        Self {
            free: Vec::new(),
            heap: BinaryHeap::new(),
            now: Mono(0),
            scheduled: 0,
            ties,
            waiting: Vec::new(),
        }
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
        let place = self.free.pop().unwrap_or_else(|| {
            self.waiting.push(None);
            self.waiting.len() - 1
        });
        self.waiting[place] = Some(what);
        self.heap.push(Reverse(Slot { at: at.max(self.now), tie, number, place }));
    }

    /// Moves time on to the next event and gives it; `None` if nothing is to come.
    pub fn advance(&mut self) -> Option<T> {
        let Reverse(slot) = self.heap.pop()?;
        self.now = slot.at;
        self.free.push(slot.place);
        self.waiting[slot.place].take()
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
