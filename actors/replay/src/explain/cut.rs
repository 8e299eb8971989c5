//! What a checkpoint tells: all that the records before it would have told, had they been kept.

use std::sync::Arc;

use portreeve_machines::Admission;
use portreeve_protocol::entry::Checkpoint;
use portreeve_protocol::messages::admission::{Resolution, ReviewFacts};
use portreeve_protocol::policy::PolicySnapshot;
use portreeve_protocol::{
    ActorId, BlobSource, EventId, Machine, Now, ProtocolError, RULES_VERSION, Sha256,
};

/// The state of the admission actor, as far as it explains decisions.
pub(super) struct Cut {
    /// What trust servers had said.
    pub(super) answers: Vec<Arc<Resolution>>,
    /// The policies in force.
    pub(super) policies: Option<Arc<PolicySnapshot>>,
    /// The reviews that waited for trust servers.
    pub(super) waiting: Vec<Waiting>,
}

/// A review that was received before the checkpoint and not decided.
pub(super) struct Waiting {
    pub(super) event: EventId,
    pub(super) facts: Box<ReviewFacts>,
    pub(super) policies: Arc<PolicySnapshot>,
    pub(super) received: Now,
}

/// The state of the admission actor names no blobs.
struct NoBlobs;

impl BlobSource for NoBlobs {
    fn bytes(&self, digest: &Sha256) -> Result<Arc<[u8]>, ProtocolError> {
        Err(ProtocolError::BlobMissing { digest: *digest })
    }
}

impl Cut {
    /// What the checkpoint tells; `None` if its states mean nothing to this build, or it has none.
    pub(super) fn of(checkpoint: &Checkpoint) -> Option<Self> {
        if checkpoint.started.rules != RULES_VERSION {
            return None;
        }
        let states = &checkpoint.machines;
        let kept = states.iter().find(|kept| kept.actor == ActorId::Admission)?;
        let mut admission = Admission::new(&checkpoint.started);
        admission.resume(&kept.state, &NoBlobs).ok()?;
        let waiting = admission.undecided().map(|(event, received, facts, policies)| Waiting {
            event: event.clone(),
            facts: Box::new(facts.clone()),
            policies: Arc::clone(policies),
            received,
        });
        Some(Self {
            answers: admission.answers().cloned().collect(),
            policies: admission.policies_told().cloned(),
            waiting: waiting.collect(),
        })
    }
}
