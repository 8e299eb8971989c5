//! Why a review was decided as it was, told from the journal.

mod candidates;
mod collect;
mod proofs;
mod render;
mod text;

use std::sync::Arc;

use portreeve_protocol::decision::{ContainerVerdict, RuleRef};
use portreeve_protocol::messages::admission::ReviewFacts;
use portreeve_protocol::{BlobSource, Decision, DenyCode, EventId, Sha256, Wall};
use serde::Serialize;

use crate::chain::{Chain, Link};
use crate::{Line, ReplayError};

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
    /// Documents of the evidence that are not beside the journal any more.
    pub missing_blobs: Vec<Sha256>,
    /// Where the trust data came from.
    pub source: TrustSource,
    /// The verdict, with its evidence.
    pub verdict: ContainerVerdict,
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
        render::render(self, width)
    }
}

/// Explains every review of this uid, in the order they were received; none if there is no such.
/// The machines are not run again: [`verify`](crate::verify()) says whether the journal is to be
/// believed.
///
/// # Errors
/// `Unreadable` if a line before the end is not the next record, `Read` as handed in.
pub fn explain(
    lines: impl Iterator<Item = Result<Line, ReplayError>>,
    blobs: &dyn BlobSource,
    uid: &str,
) -> Result<Vec<Explanation>, ReplayError> {
    let mut chain = Chain::new(lines);
    let mut collector = collect::Collector::new(uid);
    while let Some(link) = chain.next()? {
        match link {
            Link::Broken { at, text, .. } => {
                return Err(ReplayError::Unreadable {
                    segment: at.segment.to_string(),
                    line: at.line,
                    why: text,
                });
            }
            Link::Record { at, record } => collector.record(&at, record.entry),
            // Nothing rests on a line that was never finished.
            Link::Torn(_) => break,
        }
    }
    Ok(collector.finish(blobs))
}
