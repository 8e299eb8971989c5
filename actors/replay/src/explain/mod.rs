//! Why a review was decided as it was, told from the journal.

mod candidates;
mod collect;
mod cut;
mod find;
mod proofs;
mod render;
mod select;
mod states;
mod text;
mod view;

use std::collections::BTreeSet;
use std::sync::Arc;

pub use candidates::of as candidates;
pub use find::{Found, Match, ReviewOutcome};
use portreeve_protocol::decision::{ContainerVerdict, RuleRef};
use portreeve_protocol::messages::admission::ReviewFacts;
use portreeve_protocol::{
    BlobSource, CredentialRef, Decision, DenyCode, Entry, EventId, Sha256, Wall,
};
pub use render::{Paragraph, Tone};
pub use select::{ImageFilter, Selection, WorkloadFilter};
use serde::Serialize;

use crate::chain::{At, Chain, Link};
use crate::{FindingKind, Line, ReplayError};

/// Why one review was decided as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// What is known of the answer.
    pub answer: AnswerState,
    /// One for each verdict of the decision, in its order.
    pub containers: Vec<ContainerExplanation>,
    /// The event in which it was decided.
    pub decided_by: Option<EventId>,
    /// The decision; `None` if the journal holds none.
    pub decision: Option<Arc<Decision>>,
    /// The events of the review, in the order of the journal.
    pub events: Vec<EventLine>,
    /// Whether more events followed than are told.
    pub events_cut: bool,
    /// The review as it came.
    pub facts: Box<ReviewFacts>,
    /// The line of the review's record, counted from 1.
    pub line: u64,
    /// From receipt to decision, in microseconds.
    pub micros: Option<u64>,
    /// Whether the machine panicked on the review.
    pub panicked: bool,
    /// Whether the policy source was watched when the review came; `None` without policies.
    pub policies_watched: Option<bool>,
    /// When the review was received.
    pub received: Wall,
    /// The event of the review.
    pub review: EventId,
    /// The segment of the review's record.
    pub segment: Arc<str>,
}

/// What is known of the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum AnswerState {
    /// The journal does not say; it ended, or the node stopped, before the answer was recorded.
    NotRecorded,
    /// The answer was handed to the client.
    Sent {
        /// What it said.
        allowed: bool,
        /// The code of the denial, if it was one.
        code: Option<DenyCode>,
        /// When.
        wall: Wall,
    },
    /// The journal could not be written then: the answer is unknown, or was a denial.
    UnknownOrDenied,
}

/// Why one image was judged as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ContainerExplanation {
    /// The rules that were looked at; empty if the reference cannot be read.
    pub candidates: Vec<Candidate>,
    /// The credentials that were offered to the trust server on behalf of this review.
    pub credentials: Vec<CredentialUse>,
    /// Documents of the evidence that are not beside the journal any more.
    pub missing_blobs: Vec<Sha256>,
    /// Where the trust data came from.
    pub source: TrustSource,
    /// How old the trust data was when it was decided; `None` where none was asked for, or the
    /// journal does not say.
    pub state: Option<StateAge>,
    /// The verdict, with its evidence.
    pub verdict: ContainerVerdict,
}

/// A credential by name; no value of one ever enters a journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CredentialUse {
    /// Whether the trust server took it.
    pub accepted: bool,
    /// Where it lies.
    pub credential: CredentialRef,
}

/// How old the trust data was that an image was judged by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StateAge {
    /// Microseconds from asking for the timestamp to the decision.
    pub micros: u64,
    /// Whether it served though the trust server was out of reach.
    pub stale: bool,
}

/// A rule, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Candidate {
    /// What the rule asks for, in a few words.
    pub asks: String,
    /// What became of it.
    pub fate: Fate,
    /// The rule.
    pub rule: RuleRef,
}

/// What became of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Fate {
    /// It is one of those that decide.
    Decides,
    /// Its pattern does not cover the image.
    DoesNotCover,
    /// The policy cannot be understood; why.
    Invalid(String),
    /// Another rule covers the image more closely.
    LessSpecific,
    /// It is a cluster's rule, and the namespace has policies of its own.
    Overruled,
}

/// Where the trust data of an image came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum TrustSource {
    /// These documents were asked for on behalf of this review.
    Fetched(Vec<FetchLine>),
    /// What was kept was fresh enough; no trust server was asked.
    Kept,
    /// No trust data was needed, or none was asked for.
    NotAsked,
    /// The review waited for what another one had asked for already.
    Shared {
        /// The event that began that chain.
        root: EventId,
    },
}

/// One document that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FetchLine {
    /// The document as it is named below the collection.
    pub document: String,
    /// The event in which it arrived.
    pub event: EventId,
    /// The collection.
    pub gun: String,
    /// How long it took, in microseconds.
    pub micros: u64,
    /// What came, in a few words.
    pub outcome: String,
}

/// One event of the causal tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventLine {
    /// How many events of the tree are above it.
    pub depth: u32,
    /// The event.
    pub event: EventId,
    /// Microseconds since the review was received; negative for what others had begun before.
    pub offset: i64,
    /// The event that caused it; `None` for what came from outside or is not told.
    pub parent: Option<EventId>,
    /// Whether it belongs to the chain of another review, which this one waited for.
    pub shared: bool,
    /// What was delivered, in a sentence.
    pub text: String,
}

impl Explanation {
    /// Plain text of at most `width` columns, where words allow; at least 40 are assumed. Control
    /// characters of what others wrote are shown as escapes.
    #[must_use]
    pub fn render(&self, width: usize) -> String {
        self.paragraphs(width).into_iter().map(|it| it.text).collect()
    }

    /// The same text in pieces, each with the tone it is to be shown in and with its line ends.
    #[must_use]
    pub fn paragraphs(&self, width: usize) -> Vec<Paragraph> {
        render::render(self, width)
    }

    /// What `portreeve explain --json` prints of this review: names and order of the members are
    /// those of `docs/explain.md`.
    #[must_use]
    pub fn view(&self) -> impl Serialize + '_ {
        view::explanation(self)
    }
}

/// Explanations, and how far the journal could be read for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// Why the journal was not read to its end, if it was not: what stands behind is not told.
    pub broken_off: Option<ReplayError>,
    /// The reviews, in the order they were received.
    pub reviews: Vec<Explanation>,
}

/// Finds the newest `limit` reviews that are meant, up to the end of the journal or to the first
/// line that cannot be read or does not follow the one before.
pub fn find(
    lines: impl Iterator<Item = Result<Line, ReplayError>>,
    selection: &Selection,
    limit: usize,
) -> Found {
    let mut finder = find::Finder::new(selection, limit);
    let broken_off = records(lines, |at, entry| finder.record(at, &entry)).err();
    Found { broken_off, ..finder.finish() }
}

/// Explains the reviews that came in these events, in the order they were received, by what stands
/// in the journal up to the first line that cannot be read or does not follow the one before. The
/// machines are not run again: [`verify`](crate::verify()) says whether the journal is to be
/// believed.
pub fn explain(
    lines: impl Iterator<Item = Result<Line, ReplayError>>,
    blobs: &dyn BlobSource,
    reviews: BTreeSet<EventId>,
) -> Explained {
    let mut collector = collect::Collector::new(reviews);
    let broken_off = records(lines, |at, entry| collector.record(at, entry)).err();
    Explained { broken_off, reviews: collector.finish(blobs) }
}

/// Hands over the records one after the other.
///
/// # Errors
/// `Unreadable` or `NewerSchema` if a line before the end is not the next record, `Read` as handed
/// in.
fn records(
    lines: impl Iterator<Item = Result<Line, ReplayError>>,
    mut take: impl FnMut(&At, Entry),
) -> Result<(), ReplayError> {
    let mut chain = Chain::new(lines);
    while let Some(link) = chain.next()? {
        match link {
            Link::Broken { at, kind: FindingKind::NewerSchema, text } => return Err(at.newer(text)),
            Link::Broken { at, text, .. } => {
                return Err(ReplayError::Unreadable {
                    segment: at.segment.to_string(),
                    line: at.line,
                    why: text,
                });
            }
            Link::Record { at, record, .. } => take(&at, record.entry),
            // Nothing rests on a line that was never finished.
            Link::Torn(_) => break,
        }
    }
    Ok(())
}
