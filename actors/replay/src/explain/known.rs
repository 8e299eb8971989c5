//! What the admission actor knew at a checkpoint: the policies in force, and what the trust servers
//! had said. Told where the journal's earlier segments are gone.

use std::sync::Arc;

use portreeve_protocol::entry::Checkpoint;
use portreeve_protocol::messages::admission::{AdmissionInput, Resolution};
use portreeve_protocol::policy::PolicySnapshot;
use portreeve_protocol::{ActorId, Input};
use serde_json::Value;

/// The policies in force, if any are known.
pub(super) fn policies(checkpoint: &Checkpoint) -> Option<Arc<PolicySnapshot>> {
    let policies = admission(checkpoint)?.get("policies")?;
    serde_json::from_value(policies.clone()).ok()
}

/// What the trust servers had said, as the actor would have been told it.
pub(super) fn resolutions(checkpoint: &Checkpoint) -> Vec<Input> {
    let answers = admission(checkpoint).and_then(|state| state.pointer("/known/answers"));
    let pairs = answers.and_then(Value::as_array).into_iter().flatten();
    let told =
        pairs.filter_map(|pair| serde_json::from_value::<Resolution>(pair.get(1)?.clone()).ok());
    told.map(|told| Input::Admission(AdmissionInput::Resolution(Arc::new(told)))).collect()
}

fn admission(checkpoint: &Checkpoint) -> Option<&Value> {
    let mut machines = checkpoint.machines.iter();
    machines.find(|one| one.actor == ActorId::Admission).map(|one| &one.state)
}
