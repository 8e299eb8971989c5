//! What is written and synced together.
//!
//! A sync costs as much for one record as for many. Where reviews are under way whose records have
//! not come, a batch waits for them, as long as it grows by that. No pause is longer than a sync
//! took lately, so that waiting is never slower than a sync of their own would be for those that
//! come.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::queue::{Item, Items};

/// Records written and synced together, at most.
const BATCH: usize = 1_024;
/// Pauses for one batch, at most.
const PAUSES: usize = 4;
/// The longest pause, however long syncs take.
const LONGEST: Duration = Duration::from_micros(500);

/// Gathers batches.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    /// None before the first sync.
    pause: Duration,
}

/// What was gathered.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) items: Vec<Item>,
    /// Whether the thread is to end.
    pub(super) stop: bool,
}

impl Gathering {
    /// Takes note that a sync took so many microseconds.
    pub(super) fn synced(&mut self, micros: u64) {
        self.pause = Duration::from_micros(micros).min(LONGEST);
    }

    /// The batch that begins with `first`; `wait` lets the time pass.
    pub(super) fn batch(
        &self,
        first: Item,
        items: &Items,
        mut wait: impl FnMut(Duration),
    ) -> Gathered {
        let mut batch = Gathered::default();
        batch.fill(Some(first), items);
        for _ in 0..PAUSES {
            let before = batch.items.len();
            if self.pause.is_zero() || !batch.may_wait() || before >= under_way(items) {
                break;
            }
            wait(self.pause);
            batch.fill(items.next(), items);
            if batch.items.len() == before {
                break;
            }
        }
        batch
    }
}

impl Gathered {
    /// Takes what is there.
    fn fill(&mut self, first: Option<Item>, items: &Items) {
        let mut next = first;
        while let Some(item) = next {
            if matches!(item, Item::Stop) {
                self.stop = true;
                return;
            }
            self.items.push(item);
            next = if self.items.len() < BATCH { items.next() } else { None };
        }
    }

    /// Whether nothing in it is urgent.
    fn may_wait(&self) -> bool {
        let delivery = |item: &Item| matches!(item, Item::Delivered(_));
        !self.stop && self.items.len() < BATCH && self.items.iter().all(delivery)
    }
}

/// The reviews being decided; of each in the batch there is a record at least.
fn under_way(items: &Items) -> usize {
    items.gauges().in_flight.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use portreeve_protocol::messages::policy::PolicyInput;
    use portreeve_protocol::{ActorId, Cause, EventId, Input, Now, Outside};

    use super::super::queue::{Appended, Appender, queue};
    use super::*;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    fn append(to: &Appender) -> Outcome {
        let actor = ActorId::Admission;
        let event = EventId { node: "node-1".parse()?, incarnation: 1, actor, seq: 1 };
        to.delivered(Appended {
            cause: Cause::Outside(Outside::Objects),
            effects: Arc::new(Vec::new()),
            event: event.clone(),
            input: Arc::new(Input::Policy(PolicyInput::WatchRestored)),
            lamport: 1,
            now: Now::default(),
            root: event,
        });
        Ok(())
    }

    /// The records in a batch and the pauses made for it, where `under_way` reviews are decided,
    /// one record is there, and as many come in each pause as `coming` says.
    fn gathered(sync: u64, under_way: usize, coming: &[usize]) -> Result<(usize, usize), String> {
        let (appender, items) = queue();
        let failed = |error: Box<dyn std::error::Error>| error.to_string();
        append(&appender).map_err(failed)?;
        appender.in_flight().store(under_way, Ordering::Relaxed);
        let mut gathering = Gathering::default();
        gathering.synced(sync);
        let first = items.next().ok_or("a record")?;
        let mut pauses = 0;
        let batch = gathering.batch(first, &items, |pause| {
            assert!(pause <= Duration::from_micros(sync).min(LONGEST));
            let come = coming.get(pauses).copied().unwrap_or_default();
            assert!((0..come).all(|_| append(&appender).is_ok()));
            pauses += 1;
        });
        Ok((batch.items.len(), pauses))
    }

    #[test]
    fn a_batch_waits_for_reviews_under_way_as_long_as_it_grows() -> Result<(), String> {
        assert_eq!(gathered(300, 64, &[3, 5, 0, 9])?, (9, 3));
        assert_eq!(gathered(300, 64, &[1; 9])?, (1 + PAUSES, PAUSES));
        Ok(())
    }

    #[test]
    fn a_batch_does_not_wait_once_it_holds_all_that_is_under_way() -> Result<(), String> {
        assert_eq!(gathered(300, 1, &[1])?, (1, 0));
        assert_eq!(gathered(300, 2, &[1, 1])?, (2, 1));
        Ok(())
    }

    #[test]
    fn a_batch_does_not_wait_where_syncs_take_no_time() -> Result<(), String> {
        assert_eq!(gathered(0, 64, &[1])?, (1, 0));
        Ok(())
    }

    #[test]
    fn what_is_urgent_ends_a_pause_and_a_delivery_does_not() -> Outcome {
        const LONG: Duration = Duration::from_secs(600);
        let (appender, items) = queue();
        append(&appender)?;
        items.pause(Duration::from_millis(1));
        appender.cut(Vec::new());
        items.pause(LONG);
        appender.stop();
        items.pause(LONG);
        Ok(())
    }

    #[test]
    fn a_batch_with_the_end_in_it_does_not_wait() -> Outcome {
        let (appender, items) = queue();
        append(&appender)?;
        appender.stop();
        appender.in_flight().store(64, Ordering::Relaxed);
        let mut gathering = Gathering::default();
        gathering.synced(300);
        let first = items.next().ok_or("a record")?;
        let batch = gathering.batch(first, &items, |_| unreachable!("it waited"));
        assert!(batch.stop && batch.items.len() == 1);
        Ok(())
    }
}
