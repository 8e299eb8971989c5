//! The change of image references to signed digests, as a JSON patch (RFC 6902).

use json_patch::jsonptr::PointerBuf;
use json_patch::{Patch, PatchOperation, ReplaceOperation};

use portreeve_protocol::messages::admission::ReviewFacts;
use portreeve_protocol::reference::{DEFAULT_TAG, split_tag};
use portreeve_protocol::{Admitted, ContainerVerdict, Pin, Sha256, Verdict};

/// Whether the object may be changed. The template of a workload that has a controller never is:
/// a patched ReplicaSet would no longer be its Deployment's. Its Pods are pinned at their creation.
pub(super) fn may_patch(facts: &ReviewFacts) -> bool {
    let pod = facts.kind.group.is_empty() && facts.kind.kind == "Pod";
    pod || !facts.owners.iter().any(|owner| owner.controller)
}

/// Adds the change to the verdict on an image that is verified and carries no digest.
pub(super) fn pin(verdict: &mut ContainerVerdict) {
    if let Verdict::Allowed(Admitted::Verified(verified)) = &mut verdict.verdict {
        let to = pinned(&verdict.image, verified.digest);
        verified.pin = Some(Pin { pointer: verdict.pointer.clone(), to });
    }
}

/// Takes the change back.
pub(super) fn unpin(verdict: &mut ContainerVerdict) {
    if let Verdict::Allowed(Admitted::Verified(verified)) = &mut verdict.verdict {
        verified.pin = None;
    }
}

/// `name:tag@sha256:…`, with the name as the user spelt it.
fn pinned(image: &str, digest: Sha256) -> String {
    let (name, tag) = split_tag(image);
    format!("{name}:{}@{}", tag.unwrap_or(DEFAULT_TAG), digest.to_oci())
}

/// The patch as text; `None` if nothing is to be changed.
pub(super) fn text(verdicts: &[ContainerVerdict]) -> Option<String> {
    let operations: Vec<_> = verdicts
        .iter()
        .filter_map(|verdict| match &verdict.verdict {
            Verdict::Allowed(Admitted::Verified(verified)) => verified.pin.as_ref(),
            Verdict::Allowed(Admitted::TrustNotRequired) | Verdict::Denied(_) => None,
        })
        .filter_map(|pin| {
            let path = PointerBuf::parse(pin.pointer.as_str()).ok()?;
            let value = serde_json::Value::String(pin.to.clone());
            Some(PatchOperation::Replace(ReplaceOperation { path, value }))
        })
        .collect();
    (!operations.is_empty()).then(|| Patch(operations).to_string())
}
