//! What a run gave.

use std::collections::BTreeMap;
use std::sync::Arc;

use portreeve_protocol::policy::PolicySnapshot;
use portreeve_protocol::{Admitted, Decision, Denial, DenyCode, Mono, Sha256, Verdict};

use crate::history::Seen;
use crate::node::Journal;
use crate::trace::Trace;
use crate::truth::Truth;

/// What a run gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Uid of a review to its answer; reviews that were not answered are not here.
    pub answers: BTreeMap<String, Answer>,
    /// What was counted.
    pub counts: Counts,
    /// How often each fact was noted, by its name: what the run covered.
    pub facts: BTreeMap<&'static str, u64>,
    /// What was seen, in order.
    pub history: Vec<Seen>,
    /// How often each class of faults was hit, by its id.
    pub marks: BTreeMap<&'static str, u64>,
    /// What each replica left, in the order of the scenario.
    pub replicas: Vec<Left>,
    /// The reason why the run did not converge after the heal; `None` if it did, or was not asked
    /// to.
    pub stuck: Option<String>,
    /// One line an event.
    pub trace: Trace,
    /// The hash of the trace.
    pub trace_hash: Sha256,
    /// What was true.
    pub truth: Truth,
    /// Simulated time from the start to the last event.
    pub took: Mono,
}

/// What a replica left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// Its journal.
    pub journal: Journal,
    /// Its journals before, each given up because it was damaged.
    pub given_up: Vec<Journal>,
    /// The policies that its admission actor was told last; `None` if it was told none since its
    /// start.
    pub policies: Option<Arc<PolicySnapshot>>,
}

/// What was counted in a run: sums, and the most there was at one instant in one replica.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Deliveries to machines, those to journal gates included.
    pub deliveries: u64,
    /// Fetches that were begun.
    pub fetches: u64,
    /// Deliveries to journal gates.
    pub gates: u64,
    /// Most answers that waited for their records.
    pub most_held: u64,
    /// Most fetches under way.
    pub most_fetches: u64,
    /// Most reviews that were being decided.
    pub most_reviews: u64,
    /// Most timers that were armed.
    pub most_timers: u64,
    /// Reviews that were decided.
    pub reviews: u64,
    /// Verifications asked for.
    pub verifications: u64,
}

/// An answer that left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// When it left; microseconds since the start of the run.
    pub at: Mono,
    /// What was decided.
    pub decision: Arc<Decision>,
    /// The denial that replaced the decision, if one did.
    pub instead: Option<Denial>,
    /// Microseconds since the review was received.
    pub latency: u64,
}

/// What of a decision must be the same whichever host ran the machines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Whether the workload may enter.
    pub allowed: bool,
    /// The code of the denial, if it is one.
    pub code: Option<DenyCode>,
    /// The verified digests, in the order of the object's images.
    pub digests: Vec<Sha256>,
    /// The JSON patch, as text.
    pub patch: Option<String>,
}

impl Outcome {
    /// Uid of each answered review to what was decided.
    #[must_use]
    pub fn decisions(&self) -> BTreeMap<String, Summary> {
        let summary = |(uid, answer): (&String, &Answer)| (uid.clone(), answer.summary());
        self.answers.iter().map(summary).collect()
    }
}

impl Answer {
    /// What the client was told.
    #[must_use]
    pub fn summary(&self) -> Summary {
        match &self.instead {
            None => Summary::from(&*self.decision),
            Some(denial) => Summary {
                allowed: false,
                code: Some(denial.code),
                digests: Vec::new(),
                patch: None,
            },
        }
    }
}

impl From<&Decision> for Summary {
    fn from(decision: &Decision) -> Self {
        let digest = |verdict: &Verdict| match verdict {
            Verdict::Allowed(Admitted::Verified(verified)) => Some(verified.digest),
            Verdict::Allowed(Admitted::Sealed(sealed)) => Some(sealed.digest),
            Verdict::Allowed(_) | Verdict::Denied(_) => None,
        };
        Self {
            allowed: decision.allowed,
            code: decision.denial.as_ref().map(|denial| denial.code),
            digests: decision.verdicts.iter().filter_map(|one| digest(&one.verdict)).collect(),
            patch: decision.patch(),
        }
    }
}
