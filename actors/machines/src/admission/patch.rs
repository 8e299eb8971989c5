//! The change of image references to signed digests.

use portreeve_protocol::messages::admission::{ReviewFacts, ReviewPath};
use portreeve_protocol::planted::{self, Bug};
use portreeve_protocol::reference::{DEFAULT_TAG, split_tag};
use portreeve_protocol::{Admitted, ContainerVerdict, Pin, Sha256, Verdict};

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

/// Adds the change to the verdict on an image that is verified and carries no digest.
pub(super) fn pin(verdict: &mut ContainerVerdict) {
    let (digest, pin) = match &mut verdict.verdict {
        Verdict::Allowed(Admitted::Sealed(sealed)) => (sealed.digest, &mut sealed.pin),
        Verdict::Allowed(Admitted::Verified(verified)) => (verified.digest, &mut verified.pin),
        Verdict::Allowed(
            Admitted::Blank
            | Admitted::Tolerated(_)
            | Admitted::TrustNotRequired
            | Admitted::Unchanged,
        )
        | Verdict::Denied(_) => return,
    };
    let to = pinned(&verdict.image, digest);
    *pin = Some(Pin { to });
}

/// Takes the change back.
pub(super) fn unpin(verdict: &mut ContainerVerdict) {
    match &mut verdict.verdict {
        Verdict::Allowed(Admitted::Sealed(sealed)) => sealed.pin = None,
        Verdict::Allowed(Admitted::Verified(verified)) => verified.pin = None,
        Verdict::Allowed(
            Admitted::Blank
            | Admitted::Tolerated(_)
            | Admitted::TrustNotRequired
            | Admitted::Unchanged,
        )
        | Verdict::Denied(_) => {}
    }
}

/// `name:tag@sha256:…`, with the name as the user spelt it.
fn pinned(image: &str, digest: Sha256) -> String {
    let (name, tag) = split_tag(image);
    [name, ":", tag.unwrap_or(DEFAULT_TAG), "@", &digest.to_oci()].concat()
}
