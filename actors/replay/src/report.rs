//! What came of a verification.

use std::sync::Arc;

use portreeve_protocol::{Decision, EventId, Sha256};
use serde::Serialize;

/// How far a verification has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Records checked so far.
    pub records: u64,
    /// The segment being read.
    pub segment: Arc<str>,
}

/// What came of a verification. Counts cover the records before the first finding.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Answers recorded as sent.
    pub answered: u64,
    /// Checkpoints, the one the journal may begin with included.
    pub checkpoints: u64,
    /// Decisions that came out as recorded.
    pub decisions: u64,
    /// Deliveries recorded.
    pub deliveries: u64,
    /// The rules versions of the journal's incarnations that are not those of this build.
    pub different_rules: Vec<u32>,
    /// The first thing that is wrong, if anything is.
    pub first: Option<Finding>,
    /// Gaps: times in which the journal could not be written.
    pub gaps: u64,
    /// Starts of the node.
    pub incarnations: u64,
    /// Deliveries on which a machine panicked.
    pub panics: u64,
    /// Records in all.
    pub records: u64,
    /// Whether records before the first are not here any more: older segments were removed.
    pub removed: bool,
    /// What was being written when the node stopped, if it was cut off.
    pub torn: Option<TornTail>,
    /// Deliveries whose effects could not be compared: behind a gap, or of other rules.
    pub unverified: u64,
}

/// A verification in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Outcome {
    /// Part of the journal was written under other rules; nothing else is wrong.
    DifferentRules {
        /// Rules version of this build.
        build: u32,
        /// Rules version of the first incarnation that has another one.
        journal: u32,
    },
    /// Something is wrong; the report's `first` says what.
    Differs,
    /// Everything that could be compared came out as recorded.
    Identical,
    /// A newer build went on with the journal; nothing is wrong with what is before that.
    NewerSchema,
}

impl Outcome {
    /// The exit status of `portreeve replay verify`: 0, 1 if something is wrong, 3 where another
    /// build is needed.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Identical => 0,
            Self::Differs => 1,
            Self::DifferentRules { .. } | Self::NewerSchema => 3,
        }
    }
}

impl Report {
    /// The verification in one word. A finding counts more than other rules.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        if let Some(finding) = &self.first {
            let newer = finding.kind == FindingKind::NewerSchema;
            return if newer { Outcome::NewerSchema } else { Outcome::Differs };
        }
        self.different_rules.first().map_or(Outcome::Identical, |journal| Outcome::DifferentRules {
            build: portreeve_protocol::RULES_VERSION,
            journal: *journal,
        })
    }
}

/// A last line without its end. It was never acknowledged, so nothing rests on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TornTail {
    /// How many bytes of the line there are.
    pub bytes: u64,
    /// The line, counted from 1.
    pub line: u64,
    /// The segment.
    pub segment: Arc<str>,
}

/// One thing that is wrong with a journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The event of the record, where it has one that could be read.
    pub event: Option<EventId>,
    /// What kind of trouble it is.
    pub kind: FindingKind,
    /// The line, counted from 1.
    pub line: u64,
    /// From the first event of the chain to this one, where that is known.
    pub path: Vec<PathStep>,
    /// The segment.
    pub segment: Arc<str>,
    /// What was found, as one or more sentences.
    pub text: String,
}

/// One step of a causal path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PathStep {
    /// The event.
    pub event: EventId,
    /// What was delivered, such as `notary fetched`.
    pub input: &'static str,
}

/// The kinds of trouble.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum FindingKind {
    /// The record is not the one that was hashed.
    AlteredRecord,
    /// An answer was sent that the decision does not bear out.
    AnswerMismatch,
    /// A blob is not the one the record names.
    BlobAltered,
    /// A blob the record names is not there.
    BlobMissing,
    /// The record does not follow the one before it: records are missing or out of order.
    BrokenChain,
    /// The cause stated is not one: no such effect is outstanding, or it would have led elsewhere.
    CauseMismatch,
    /// A checkpoint is not what the records before it lead to.
    CheckpointMismatch,
    /// The machine did something else than was recorded.
    Divergence(Box<Divergence>),
    /// The record is whole, and of a newer schema than this build reads.
    NewerSchema,
    /// Ids, sequence numbers or clocks do not go on from those before.
    OrderBroken,
    /// An incarnation began with what earlier ones did not leave.
    StartMismatch,
    /// The line is no journal record.
    Unparsable,
}

impl FindingKind {
    /// The kind as it is written for people and scripts.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::AlteredRecord => "altered-record",
            Self::AnswerMismatch => "answer-mismatch",
            Self::BlobAltered => "blob-altered",
            Self::BlobMissing => "blob-missing",
            Self::BrokenChain => "broken-chain",
            Self::CauseMismatch => "cause-mismatch",
            Self::CheckpointMismatch => "checkpoint-mismatch",
            Self::Divergence(_) => "divergence",
            Self::NewerSchema => "newer-schema",
            Self::OrderBroken => "order-broken",
            Self::StartMismatch => "start-mismatch",
            Self::Unparsable => "unparsable",
        }
    }
}

/// What a machine did when it was run again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Divergence {
    /// The decisions that differ.
    pub decisions: Vec<DecisionDifference>,
    /// What the machine emitted now, in order, one short text an effect.
    pub effects: Vec<String>,
    /// Digest of the effects as recorded.
    pub recorded: Sha256,
    /// Digest of the effects as they came out now.
    pub replayed: Sha256,
}

/// A decision that came out differently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DecisionDifference {
    /// JSON pointers of the members that differ, each with both values, the first few.
    pub members: Vec<String>,
    /// The decision as recorded; `None` if there was none in this place.
    pub recorded: Option<Arc<Decision>>,
    /// The decision as it came out now; `None` if there was none in this place.
    pub replayed: Option<Arc<Decision>>,
}
