//! Which Events are written when: equal occurrences become one Event that counts them, and no
//! object, nor all together, has more written than the API server should bear.
//!
//! What has to wait is not lost: it is counted, and written once there is room.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use portreeve_protocol::{Mono, Now, Wall, limits};

use super::pace::Pace;
use crate::events::{About, Occurrence, Reason};

/// Writes at once about one object, and the microseconds until one more.
const OF_ONE: (u64, u64) = (5, 60_000_000);
/// Writes at once about all objects, and the microseconds until one more.
const OF_ALL: (u64, u64) = (100, 200_000);
/// How long a series goes on without being seen, in microseconds; later it is a new one. The API
/// server forgets Events after an hour, unless it is told otherwise.
const FORGOTTEN: u64 = 30 * 60_000_000;

/// The series of equal occurrences.
pub(super) struct AllSeries {
    all: Pace,
    objects: BTreeMap<About, Pace>,
    series: BTreeMap<Arc<Occurrence>, Series>,
    /// Those that have something to be written, in the order in which they came.
    waiting: VecDeque<Arc<Occurrence>>,
}

struct Series {
    /// Written, or being written, so far.
    count: u32,
    first: Wall,
    last: Wall,
    /// The name of the Event, once it was written.
    name: Option<String>,
    /// Not yet written.
    more: u32,
    seen: Mono,
}

/// An Event to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Writing {
    /// How many occurrences there were, all told.
    pub(super) count: u32,
    /// When the first was.
    pub(super) first: Wall,
    /// When the last was.
    pub(super) last: Wall,
    /// The name of the Event that is there and counts them; `None` if it is to be made.
    pub(super) name: Option<String>,
    /// What occurred.
    pub(super) what: Arc<Occurrence>,
}

/// What became of writing an Event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// There is no such Event any more: another one is to be made.
    Gone,
    /// It cannot be written, now or later.
    Impossible,
    /// It may be possible later.
    Later,
    /// It is there, under this name.
    Written(String),
}

impl AllSeries {
    pub(super) fn new() -> Self {
        Self {
            all: Pace::new(OF_ALL.0, OF_ALL.1),
            objects: BTreeMap::new(),
            series: BTreeMap::new(),
            waiting: VecDeque::new(),
        }
    }

    /// Takes note of an occurrence; `false` if there is no room to remember one more.
    pub(super) fn note(&mut self, what: Occurrence, now: Now) -> bool {
        if let Some((what, series)) = self.series.get_key_value(&what)
            && series.more == 0
            && now.mono.since(series.seen) >= FORGOTTEN
        {
            let what = Arc::clone(what);
            self.series.remove(&what);
        }
        let waiting = self.series.get(&what).is_some_and(|series| series.more > 0);
        let known = self.series.get_key_value(&what).map(|(what, _)| Arc::clone(what));
        let what = match known {
            Some(what) => what,
            None if self.make_room(now.mono) => Arc::new(what),
            None => return false,
        };
        let first = now.wall;
        let new = || Series { count: 0, first, last: first, name: None, more: 0, seen: now.mono };
        let series = self.series.entry(Arc::clone(&what)).or_insert_with(new);
        series.more = series.more.saturating_add(1);
        // The wall clock may go back; an Event that ends before it begins would confuse.
        series.last = now.wall.max(series.first);
        series.seen = now.mono;
        if !waiting {
            self.waiting.push_back(what);
        }
        true
    }

    /// What may be written now. The caller reports what became of it.
    pub(super) fn next(&mut self, now: Mono) -> Option<Writing> {
        let place = self.waiting.iter().position(|what| self.may_write(what, now))?;
        let what = self.waiting.remove(place)?;
        self.all.take(now);
        let of_one = || Pace::new(OF_ONE.0, OF_ONE.1);
        self.objects.entry(what.about.clone()).or_insert_with(of_one).take(now);
        if self.objects.len() > limits::EVENT_SERIES {
            self.objects.retain(|_, pace| !pace.is_full(now));
        }
        let series = self.series.get_mut(&what)?;
        series.count = series.count.saturating_add(std::mem::take(&mut series.more));
        let Series { count, first, last, name, .. } = series;
        Some(Writing { count: *count, first: *first, last: *last, name: name.clone(), what })
    }

    /// Warnings leave room for denials.
    fn may_write(&self, what: &Occurrence, now: Mono) -> bool {
        let reserve = match what.reason {
            Reason::Denied => 0,
            Reason::Warned => OF_ALL.0 / 2,
        };
        let of_one = self.objects.get(&what.about);
        self.all.admits(now, reserve) && of_one.is_none_or(|pace| pace.admits(now, 0))
    }

    /// Takes note of what became of a writing.
    pub(super) fn done(&mut self, writing: &Writing, outcome: Outcome) {
        let Some(series) = self.series.get_mut(&writing.what) else { return };
        let again = match outcome {
            Outcome::Written(name) => {
                series.name = Some(name);
                false
            }
            Outcome::Impossible => {
                self.series.remove(&writing.what);
                self.waiting.retain(|what| *what != writing.what);
                false
            }
            Outcome::Gone => {
                series.name = None;
                true
            }
            Outcome::Later => true,
        };
        if again && let Some(series) = self.series.get_mut(&writing.what) {
            let waits = series.more > 0;
            series.more = series.more.saturating_add(std::mem::take(&mut series.count));
            if !waits {
                self.waiting.push_back(Arc::clone(&writing.what));
            }
        }
    }

    /// Whether anything waits.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Forgets series that are over, and if need be the one that was not seen for longest, so that
    /// there is room for one more; `false` if all of them have something to be written.
    fn make_room(&mut self, now: Mono) -> bool {
        if self.series.len() < limits::EVENT_SERIES {
            return true;
        }
        self.series.retain(|_, series| series.more > 0 || now.since(series.seen) < FORGOTTEN);
        if self.series.len() < limits::EVENT_SERIES {
            return true;
        }
        let over = self.series.iter().filter(|(_, series)| series.more == 0);
        let oldest = over.min_by_key(|(_, series)| series.seen).map(|(what, _)| Arc::clone(what));
        oldest.is_some_and(|what| self.series.remove(&what).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Uid;

    const SECOND: u64 = 1_000_000;

    fn occurrence(object: &str, text: &str) -> Occurrence {
        Occurrence {
            about: About {
                api_version: "apps/v1".to_owned(),
                kind: "ReplicaSet".to_owned(),
                name: object.to_owned(),
                namespace: "shop".to_owned(),
                uid: Uid::None,
            },
            reason: Reason::Denied,
            text: text.to_owned(),
        }
    }

    fn warning(object: &str, text: &str) -> Occurrence {
        Occurrence { reason: Reason::Warned, ..occurrence(object, text) }
    }

    fn at(seconds: u64) -> Now {
        Now { mono: Mono(seconds * SECOND), wall: Wall(seconds as i64 * 1_000_000) }
    }

    /// Writes all that may be written: the text, and the count.
    fn write(series: &mut AllSeries, seconds: u64) -> Vec<(String, u32)> {
        let mut written = Vec::new();
        while let Some(writing) = series.next(at(seconds).mono) {
            let name = writing.name.clone().unwrap_or_else(|| format!("event-{seconds}"));
            series.done(&writing, Outcome::Written(name));
            written.push((writing.what.text.clone(), writing.count));
        }
        written
    }

    #[test]
    fn equal_occurrences_are_one_event_that_counts_them() {
        let mut series = AllSeries::new();
        assert!(series.note(occurrence("web", "a"), at(1)));
        assert_eq!(write(&mut series, 1), [("a".to_owned(), 1)]);
        for _ in 0..3 {
            assert!(series.note(occurrence("web", "a"), at(2)));
        }
        let writing = series.next(at(2).mono);
        let of = |writing: &Writing| (writing.count, writing.first, writing.last);
        assert_eq!(writing.as_ref().map(of), Some((4, at(1).wall, at(2).wall)));
        assert_eq!(writing.and_then(|writing| writing.name), Some("event-1".to_owned()));
        assert!(series.is_idle());
    }

    #[test]
    fn one_object_is_written_about_five_times_at_once_and_then_once_a_minute() {
        let mut series = AllSeries::new();
        for number in 0..20 {
            assert!(series.note(occurrence("web", &number.to_string()), at(0)));
        }
        assert!(series.note(occurrence("other", "x"), at(0)));
        assert_eq!(write(&mut series, 0).len(), 6, "five, and that of the other object");
        assert_eq!(write(&mut series, 59).len(), 0);
        assert_eq!(write(&mut series, 60), [("5".to_owned(), 1)]);
        assert!(!series.is_idle());
        assert_eq!(write(&mut series, 100_000).len(), 5);
    }

    #[test]
    fn all_objects_together_are_bounded_and_warnings_leave_room_for_denials() {
        let mut series = AllSeries::new();
        for number in 0..200 {
            assert!(series.note(warning(&format!("w{number}"), "a"), at(0)));
        }
        assert_eq!(write(&mut series, 0).len(), 50);
        for number in 0..200 {
            assert!(series.note(occurrence(&format!("d{number}"), "a"), at(0)));
        }
        assert_eq!(write(&mut series, 0).len(), 50);
        assert_eq!(write(&mut series, 1).len(), 5, "five a second");
    }

    #[test]
    fn what_could_not_be_written_is_counted_in_the_next_attempt() {
        let mut series = AllSeries::new();
        assert!(series.note(occurrence("web", "a"), at(0)));
        let Some(writing) = series.next(at(0).mono) else { unreachable!("there is one") };
        assert!(series.note(occurrence("web", "a"), at(1)));
        series.done(&writing, Outcome::Later);
        assert_eq!(write(&mut series, 1), [("a".to_owned(), 2)]);
        assert!(series.note(occurrence("web", "a"), at(2)));
        let Some(writing) = series.next(at(2).mono) else { unreachable!("there is one") };
        assert_eq!(writing.name.as_deref(), Some("event-1"));
        series.done(&writing, Outcome::Gone);
        let Some(writing) = series.next(at(3).mono) else { unreachable!("there is one") };
        assert_eq!((writing.name.as_deref(), writing.count), (None, 3));
        series.done(&writing, Outcome::Impossible);
        assert!(series.is_idle() && series.series.is_empty());
    }

    #[test]
    fn a_series_that_was_not_seen_for_long_begins_anew() {
        let mut series = AllSeries::new();
        assert!(series.note(occurrence("web", "a"), at(0)));
        assert_eq!(write(&mut series, 0), [("a".to_owned(), 1)]);
        assert!(series.note(occurrence("web", "a"), at(1_799)));
        assert_eq!(write(&mut series, 1_799), [("a".to_owned(), 2)]);
        assert!(series.note(occurrence("web", "a"), at(1_799 + 1_800)));
        assert_eq!(write(&mut series, 1_799 + 1_800), [("a".to_owned(), 1)]);
    }

    #[test]
    fn no_more_series_are_remembered_than_the_limit() {
        let mut series = AllSeries::new();
        for number in 0..limits::EVENT_SERIES {
            assert!(series.note(occurrence("web", &number.to_string()), at(0)));
        }
        assert!(!series.note(occurrence("web", "more"), at(0)), "all of them wait");
        assert_eq!(write(&mut series, 0).len(), 5);
        assert!(series.note(occurrence("web", "more"), at(0)));
        assert_eq!(series.series.len(), limits::EVENT_SERIES);
    }
}
