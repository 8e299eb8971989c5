//! Lines that are examined ahead of the machines, on as many threads as there are, in order.
//!
//! To examine a line takes longer than to run the machine that received what it tells. So whoever
//! wants the lines examines some of them, too, whenever the next ones are not ready: no processor
//! is idle, whichever of both takes longer.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::{thread, vec};

use portreeve_replay::{Examined, Line, ReplayError, examine};

/// Lines that are examined by one thread at once.
const BATCH: usize = 32;
/// Batches under way or waiting at most, so that memory does not grow with the journal.
const AHEAD: u64 = 8;

type Examination = Result<Examined, ReplayError>;

/// Lines on their way to whoever wants them in order.
pub(super) struct Ahead<L> {
    /// That a batch is ready, is wanted, or never will be either.
    changed: Condvar,
    lines: Mutex<L>,
    state: Mutex<State>,
}

/// What became of the lines.
#[derive(Default)]
struct State {
    /// Whether there are no more lines to examine.
    ended: bool,
    /// Batches from `wanted` on, `None` while one is being examined.
    examined: VecDeque<Option<Vec<Examination>>>,
    /// Whether nobody wants the rest, or a thread panicked over it.
    given_up: bool,
    /// The number of the next batch to examine.
    next: u64,
    /// The number of the first batch that was not handed out.
    wanted: u64,
}

impl State {
    fn may_examine(&self) -> bool {
        !self.ended && !self.given_up && self.next < self.wanted + AHEAD
    }
}

impl<L: Iterator<Item = Result<Line, ReplayError>>> Ahead<L> {
    pub(super) fn new(lines: L) -> Self {
        Self { changed: Condvar::new(), lines: Mutex::new(lines), state: Mutex::default() }
    }

    /// The lines in their order. One alone may ask for them.
    pub(super) fn in_order(&self) -> InOrder<'_, L> {
        InOrder { ahead: self, ready: Vec::new().into_iter() }
    }

    /// Examines lines until there are no more of them, or nobody wants them any more.
    pub(super) fn work(&self) {
        let _unwinding = Unwinding(self);
        loop {
            let mut state = self.state();
            while !state.may_examine() {
                if state.ended || state.given_up {
                    return;
                }
                state = self.wait(state);
            }
            drop(state);
            self.examine_some();
        }
    }

    /// Examines the next batch, unless enough of them wait or there is none.
    fn examine_some(&self) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let number = {
            let mut state = self.state();
            if !state.may_examine() {
                return;
            }
            state.examined.push_back(None);
            state.next += 1;
            state.next - 1
        };
        let batch: Vec<Result<Line, ReplayError>> = lines.by_ref().take(BATCH).collect();
        drop(lines);
        let last = batch.is_empty();
        let batch = batch.into_iter().map(|line| line.map(examine)).collect();
        let mut state = self.state();
        state.ended |= last;
        // It was not handed out, so that its place is behind the one that is wanted.
        let place = usize::try_from(number - state.wanted).unwrap_or(usize::MAX);
        if let Some(place) = state.examined.get_mut(place) {
            *place = Some(batch);
        }
        drop(state);
        self.changed.notify_all();
    }
}

impl<L> Ahead<L> {
    fn give_up(&self) {
        self.state().given_up = true;
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives up where a thread panics, for what it had taken will never be ready.
struct Unwinding<'a, L>(&'a Ahead<L>);

impl<L> Drop for Unwinding<'_, L> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.give_up();
        }
    }
}

/// Lines in their order. When this is dropped, no more of them are examined.
pub(super) struct InOrder<'a, L> {
    ahead: &'a Ahead<L>,
    ready: vec::IntoIter<Examination>,
}

impl<L: Iterator<Item = Result<Line, ReplayError>>> InOrder<'_, L> {
    /// The next batch; `None` behind the last one.
    fn batch(&self) -> Option<Vec<Examination>> {
        let mut state = self.ahead.state();
        loop {
            if let Some(Some(_)) = state.examined.front() {
                let batch = state.examined.pop_front().flatten();
                state.wanted += 1;
                drop(state);
                self.ahead.changed.notify_all();
                return batch;
            }
            if state.given_up || (state.ended && state.examined.is_empty()) {
                return None;
            }
            if state.may_examine() {
                drop(state);
                self.ahead.examine_some();
                state = self.ahead.state();
            } else {
                state = self.ahead.wait(state);
            }
        }
    }
}

impl<L: Iterator<Item = Result<Line, ReplayError>>> Iterator for InOrder<'_, L> {
    type Item = Examination;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(line) = self.ready.next() {
                return Some(line);
            }
            self.ready = self.batch()?.into_iter();
        }
    }
}

impl<L> Drop for InOrder<'_, L> {
    fn drop(&mut self) {
        self.ahead.give_up();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// Lines that say in which order they came: each is one that could not be read.
    fn numbered(count: u64) -> impl Iterator<Item = Result<Line, ReplayError>> {
        (1..=count).map(|line| {
            Err(ReplayError::NewerSchema { segment: "s".to_owned(), line, why: String::new() })
        })
    }

    fn number(line: &Examination) -> Option<u64> {
        match line {
            Err(ReplayError::NewerSchema { line, .. }) => Some(*line),
            _ => None,
        }
    }

    #[test]
    fn lines_come_in_order_whoever_examines_them() {
        for examiners in [0, 1, 3] {
            for count in [0, 1, 32, 33, 5_000] {
                let ahead = Ahead::new(numbered(count));
                let seen: Option<Vec<u64>> = thread::scope(|scope| {
                    for _ in 0..examiners {
                        scope.spawn(|| ahead.work());
                    }
                    ahead.in_order().map(|line| number(&line)).collect()
                });
                assert_eq!(seen, Some((1..=count).collect()), "{examiners} for {count}");
            }
        }
    }

    #[test]
    fn whoever_wants_no_more_lines_ends_the_work_on_them() {
        let line = || Ok(Line { bytes: b"x\n".to_vec(), number: 1, segment: Arc::from("s") });
        let ahead = Ahead::new(std::iter::repeat_with(line));
        let taken = thread::scope(|scope| {
            scope.spawn(|| ahead.work());
            ahead.in_order().take(100).count()
        });
        assert_eq!(taken, 100);
    }

    #[test]
    fn no_more_than_a_few_batches_wait() {
        let mut taken = 0;
        let lines = numbered(100_000).inspect(|_| taken += 1);
        let ahead = Ahead::new(lines);
        (0..100).for_each(|_| ahead.examine_some());
        drop(ahead);
        assert_eq!(taken, AHEAD * BATCH as u64);
    }

    #[test]
    fn nobody_waits_for_a_thread_that_panicked() {
        let mut count = 0;
        let lines = std::iter::from_fn(move || {
            count += 1;
            assert!(count < 40, "planted");
            numbered(1).next()
        });
        let ahead = Ahead::new(lines);
        let seen = thread::scope(|scope| {
            let worker = scope.spawn(|| ahead.work());
            let panicked = worker.join().is_err();
            (panicked, ahead.in_order().count())
        });
        assert_eq!(seen, (true, 32));
    }
}
