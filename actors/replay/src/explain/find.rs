//! Finds the reviews that are meant, in one pass and in bounded memory. What is to be said of them
//! is gathered in another pass.

use std::collections::BTreeMap;
use std::sync::Arc;

use portreeve_protocol::entry::{Checkpoint, Delivered, Panicked};
use portreeve_protocol::messages::admission::{AdmissionInput, ReviewFacts};
use portreeve_protocol::{Decision, DenyCode, Entry, EventId, Input, Wall};
use serde::Serialize;

use super::cut::Cut;
use super::select::{Selection, refused};
use super::{text, view};
use crate::ReplayError;
use crate::chain::At;

/// Reviews that wait for their decision at most. The one that waits longest is then taken for one
/// that never was decided; no node lets so many wait.
const WAITING: usize = 1 << 16;

/// What a journal holds of the reviews that are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Why the journal was not read to its end, if it was not: what stands behind is not told.
    pub broken_off: Option<ReplayError>,
    /// How many more there are, all received before those told.
    pub left_out: u64,
    /// The newest, in the order they were received.
    pub matches: Vec<Match>,
    /// Reviews in the journal, whether meant or not.
    pub reviews: u64,
    /// When the first and the last of all reviews were received.
    pub span: Option<(Wall, Wall)>,
}

/// A review that is meant, in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// The code of the denial, or of what was tolerated.
    pub code: Option<DenyCode>,
    /// The event of the review.
    pub event: EventId,
    /// Kind of the object, with the subresource if it is about one.
    pub kind: String,
    /// The line of the review's record, counted from 1.
    pub line: u64,
    /// Name of the object.
    pub name: String,
    /// Namespace of the object.
    pub namespace: String,
    /// What is being done, in capitals.
    pub operation: &'static str,
    /// What became of it.
    pub outcome: ReviewOutcome,
    /// When it was received.
    pub received: Wall,
    /// The segment of the review's record.
    pub segment: Arc<str>,
    /// The review's uid.
    pub uid: String,
}

/// What became of a review.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReviewOutcome {
    /// It was allowed.
    Allowed,
    /// It was denied.
    Denied,
    /// The machine panicked on it, which denies it.
    Panicked,
    /// The journal holds no decision.
    Undecided,
}

impl ReviewOutcome {
    /// The outcome in a word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Panicked => "panicked",
            Self::Undecided => "undecided",
        }
    }
}

/// Reads records one after the other.
pub(super) struct Finder<'a> {
    /// Whether a record was read.
    begun: bool,
    found: Found,
    kept: BTreeMap<u64, Match>,
    limit: usize,
    selection: &'a Selection,
    waiting: BTreeMap<u64, (Match, Box<ReviewFacts>)>,
    /// Event to its place in `waiting`.
    places: BTreeMap<EventId, u64>,
}

impl<'a> Finder<'a> {
    /// Keeps the newest `limit` reviews.
    pub(super) fn new(selection: &'a Selection, limit: usize) -> Self {
        Self {
            begun: false,
            found: Found::default(),
            kept: BTreeMap::new(),
            limit,
            selection,
            waiting: BTreeMap::new(),
            places: BTreeMap::new(),
        }
    }

    pub(super) fn record(&mut self, at: &At, entry: &Entry) {
        match entry {
            Entry::Checkpoint(checkpoint) if !self.begun => self.begin(at, checkpoint),
            Entry::Delivered(delivered) => self.delivered(at, delivered),
            Entry::Panicked(panicked) => self.panicked(at, panicked),
            // What waited when the node stopped is never decided.
            Entry::Started(_) => self.settle_until(0),
            Entry::Answered(_) | Entry::Checkpoint(_) | Entry::Gap(_) => {}
        }
        self.begun = true;
    }

    /// The records before the journal's first checkpoint were removed, but not the reviews that
    /// waited then.
    fn begin(&mut self, at: &At, checkpoint: &Checkpoint) {
        for review in Cut::of(checkpoint).into_iter().flat_map(|cut| cut.waiting) {
            self.wait(at, &review.event, review.received.wall, &review.facts);
        }
    }

    fn delivered(&mut self, at: &At, delivered: &Delivered) {
        let Delivered { decisions, event, input, now, .. } = delivered;
        if let Input::Admission(AdmissionInput::Review(facts)) = &**input {
            self.wait(at, event, now.wall, facts);
        }
        for decision in decisions {
            self.decided(decision);
        }
    }

    /// Lets a review wait for its decision, if it may be meant.
    fn wait(&mut self, at: &At, event: &EventId, received: Wall, facts: &ReviewFacts) {
        let Some(place) = self.seen(facts, received) else { return };
        let found = in_short(at, event, received, facts);
        self.waiting.insert(place, (found, Box::new(facts.clone())));
        self.places.insert(event.clone(), place);
        self.settle_until(WAITING);
    }

    /// Counts a review; its place if it may be meant.
    fn seen(&mut self, facts: &ReviewFacts, received: Wall) -> Option<u64> {
        self.found.reviews += 1;
        let (first, last) = self.found.span.unwrap_or((received, received));
        self.found.span = Some((first.min(received), last.max(received)));
        self.selection.may_be(facts, received).then_some(self.found.reviews)
    }

    fn panicked(&mut self, at: &At, panicked: &Panicked) {
        let Panicked { event, input, now, .. } = panicked;
        let Input::Admission(AdmissionInput::Review(facts)) = &**input else { return };
        if let Some(place) = self.seen(facts, now.wall)
            && self.selection.is_undecided(facts, true)
        {
            let found = in_short(at, event, now.wall, facts);
            let outcome = ReviewOutcome::Panicked;
            self.keep(place, Match { code: Some(DenyCode::Internal), outcome, ..found });
        }
    }

    fn decided(&mut self, decision: &Arc<Decision>) {
        let Some(place) = self.places.remove(&decision.review) else { return };
        let Some((found, facts)) = self.waiting.remove(&place) else { return };
        if !self.selection.is_decided(&facts, decision) {
            return;
        }
        let outcome = if decision.allowed { ReviewOutcome::Allowed } else { ReviewOutcome::Denied };
        let tolerated = || decision.verdicts.iter().find_map(|it| refused(&it.verdict));
        let code = decision.denial.as_ref().or_else(tolerated).map(|denial| denial.code);
        self.keep(place, Match { code, outcome, ..found });
    }

    fn keep(&mut self, place: u64, found: Match) {
        self.kept.insert(place, found);
        if self.kept.len() > self.limit {
            self.kept.pop_first();
            self.found.left_out += 1;
        }
    }

    /// Takes those that wait longest for undecided, until no more than `most` wait.
    fn settle_until(&mut self, most: usize) {
        while self.waiting.len() > most {
            let Some((place, (found, facts))) = self.waiting.pop_first() else { return };
            self.places.remove(&found.event);
            if self.selection.is_undecided(&facts, false) {
                self.keep(place, found);
            }
        }
    }

    pub(super) fn finish(mut self) -> Found {
        self.settle_until(0);
        Found { matches: self.kept.into_values().collect(), ..self.found }
    }
}

fn in_short(at: &At, event: &EventId, received: Wall, facts: &ReviewFacts) -> Match {
    Match {
        code: None,
        event: event.clone(),
        kind: text::kind(facts),
        line: at.line,
        name: facts.name.clone(),
        namespace: facts.namespace.clone(),
        operation: text::operation(facts.operation),
        outcome: ReviewOutcome::Undecided,
        received,
        segment: Arc::clone(&at.segment),
        uid: facts.uid.clone(),
    }
}

impl Match {
    /// What `portreeve explain --json` prints of this review in a list: names and order of the
    /// members are those of `docs/explain.md`.
    #[must_use]
    pub fn view(&self) -> impl Serialize + '_ {
        view::found(self)
    }
}
