//! The evidence that decisions name by digest, from the resolutions that told it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use portreeve_protocol::messages::admission::{AdmissionInput, Resolution, ResolutionOutcome};
use portreeve_protocol::{Admitted, Decision, Input, Proof, Sha256, Verdict, limits};

/// What was told last, as far as the admission actor can have remembered it.
#[derive(Default)]
pub(super) struct Proofs {
    known: BTreeMap<Sha256, Proof>,
    order: VecDeque<Sha256>,
}

impl Proofs {
    /// Takes in what an input tells.
    pub(super) fn learn(&mut self, input: &Input) {
        let Input::Admission(AdmissionInput::Resolution(told)) = input else { return };
        self.told(told);
    }

    /// Takes in what a trust server said.
    pub(super) fn told(&mut self, told: &Resolution) {
        let last = told.last_verified.iter().map(|last| &last.tag.evidence);
        let now = match &told.outcome {
            ResolutionOutcome::Verified(tag) => Some(&tag.evidence),
            ResolutionOutcome::Absent
            | ResolutionOutcome::Refused(_)
            | ResolutionOutcome::Unavailable(_) => None,
        };
        for proof in last.chain(now) {
            if self.known.insert(proof.digest(), proof.clone()).is_none() {
                self.order.push_back(proof.digest());
            }
        }
        while self.order.len() > limits::RESOLUTIONS {
            let Some(oldest) = self.order.pop_front() else { return };
            self.known.remove(&oldest);
        }
    }

    /// The decision with its evidence filled in, as far as that was told.
    pub(super) fn filled(&self, decision: &Arc<Decision>) -> Arc<Decision> {
        let mut decision = Arc::clone(decision);
        for verdict in &mut Arc::make_mut(&mut decision).verdicts {
            if let Verdict::Allowed(Admitted::Verified(verified)) = &mut verdict.verdict
                && let Some(told) = self.known.get(&verified.evidence.digest())
            {
                verified.evidence.fill(told);
            }
        }
        decision
    }
}
