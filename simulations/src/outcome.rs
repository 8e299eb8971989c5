//! What a run gave.

use std::collections::BTreeMap;
use std::sync::Arc;

use portreeve_protocol::{
    Admitted, BlobSource, Decision, Denial, DenyCode, Mono, ProtocolError, Sha256, Verdict,
};

use crate::trace::Trace;

/// What a run gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Uid of a review to its answer; reviews that were not answered are not here.
    pub answers: BTreeMap<String, Answer>,
    /// Documents that the journal names, by digest.
    pub blobs: BTreeMap<Sha256, Arc<[u8]>>,
    /// How often each fact was noted, by its name: what the run covered.
    pub facts: BTreeMap<&'static str, u64>,
    /// The journal, as the host would write it into one segment; of the last node that ran.
    pub journal: Vec<u8>,
    /// One line an event.
    pub trace: Trace,
    /// The hash of the trace.
    pub trace_hash: Sha256,
    /// Simulated time from the start to the last event.
    pub took: Mono,
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

impl BlobSource for Outcome {
    fn bytes(&self, digest: &Sha256) -> Result<Arc<[u8]>, ProtocolError> {
        let found = self.blobs.get(digest).cloned();
        found.ok_or(ProtocolError::BlobMissing { digest: *digest })
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
            patch: decision.patch.clone(),
        }
    }
}
