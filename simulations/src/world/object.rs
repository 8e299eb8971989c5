//! Workloads as reviews see them: what webhooks and controllers make of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use portreeve_protocol::SealFact;
use portreeve_protocol::messages::admission::{
    GroupKind, Operation, OwnerFact, ReviewFacts, ReviewPath,
};
use portreeve_protocol::seal::SealClaims;

use crate::scenario::{Later, PlannedReview};

/// JSON pointer of an image to what is put there.
pub(super) type Pins = BTreeMap<Arc<str>, Arc<str>>;

/// Applies the patch of an answer: pins, and the seal.
pub(super) fn mutate(facts: &mut ReviewFacts, pins: &Pins, seal: Option<SealClaims>) {
    for image in &mut facts.images {
        if let Some(to) = pins.get(&image.pointer) {
            image.image = Arc::clone(to);
        }
    }
    if let Some(claims) = seal {
        facts.annotated = true;
        facts.seal = SealFact::Valid(Box::new(claims));
    }
}

/// Puts another image into the first container.
pub(super) fn change(facts: &mut ReviewFacts, to: &str) {
    if let Some(image) = facts.images.first_mut() {
        image.image = to.into();
    }
}

/// What the controller of a workload creates: a ReplicaSet for a Deployment, `count` Pods for a
/// ReplicaSet. `stored` is the uid of the workload.
pub(super) fn children(
    facts: &ReviewFacts,
    uid: &str,
    stored: &str,
    count: u8,
) -> Vec<PlannedReview> {
    if count == 0 {
        return Vec::new();
    }
    let owner = OwnerFact {
        api_version: "apps/v1".to_owned(),
        controller: true,
        kind: facts.kind.kind.clone(),
        name: facts.name.clone(),
        uid: stored.to_owned(),
    };
    let child = |uid: String, group: &str, kind: &str, name: String| {
        let mut child = facts.clone();
        child.kind =
            GroupKind { group: group.to_owned(), kind: kind.to_owned(), version: "v1".to_owned() };
        (child.name, child.uid) = (name, uid);
        child.operation = Operation::Create;
        child.owners = vec![owner.clone()];
        child.path = ReviewPath::Admit;
        (child.old_images, child.old_seal) = (Vec::new(), SealFact::Absent);
        child
    };
    let plan = |facts: ReviewFacts, children: u8| {
        let (copies, retries, validated, to) = (None, 2, false, None);
        PlannedReview {
            at: 0,
            children,
            copies,
            facts,
            later: Later::Nothing,
            retries,
            spread: 0,
            to,
            validated,
        }
    };
    match facts.kind.kind.as_str() {
        // The controller copies the annotations, the seal among them.
        "Deployment" => {
            let name = format!("{}-rs", facts.name);
            vec![plan(child(format!("{uid}+rs"), "apps", "ReplicaSet", name), count)]
        }
        "ReplicaSet" => (0..count)
            .map(|number| {
                let mut pod = child(format!("{uid}+pod{number}"), "", "Pod", String::new());
                (pod.seal, pod.annotated) = (SealFact::Absent, false);
                for image in &mut pod.images {
                    image.pointer = image.pointer.replace("/spec/template/spec/", "/spec/").into();
                }
                plan(pod, 0)
            })
            .collect(),
        _ => Vec::new(),
    }
}
