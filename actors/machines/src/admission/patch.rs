//! The change of image references to signed digests.

use portreeve_protocol::messages::admission::{ReviewFacts, ReviewPath};
use portreeve_protocol::planted::{self, Bug};

/// Whether the object may be changed. The template of a workload that has a controller never is:
/// a patched ReplicaSet would no longer be its Deployment's. Its Pods are pinned at their creation.
pub(super) fn may_patch(facts: &ReviewFacts) -> bool {
    if facts.path == ReviewPath::Validate {
        return false;
    }
    let pod = facts.kind.group.is_empty() && facts.kind.kind == "Pod";
    pod || planted::is(Bug::OwnedTemplatePatched)
        || !facts.owners.iter().any(|owner| owner.controller)
}
