//! Denials made by the host itself, where no machine could decide or be believed.

use std::collections::BTreeMap;
use std::sync::Arc;

use portreeve_protocol::{Decision, Denial, EventId};

/// The answer to a review that no machine judged.
#[must_use]
pub fn local(review: EventId, uid: &str, why: Denial) -> Arc<Decision> {
    Arc::new(Decision {
        allowed: false,
        audit: BTreeMap::new(),
        message: message(&why),
        denial: Some(why),
        patch: None,
        policy_revision: 0,
        review,
        uid: uid.to_owned(),
        verdicts: Vec::new(),
        warnings: Vec::new(),
    })
}

/// The answer in place of `decision`, which keeps its verdicts: they tell what would have been.
#[must_use]
pub fn replacing(decision: &Decision, why: Denial) -> Arc<Decision> {
    Arc::new(Decision {
        allowed: false,
        audit: BTreeMap::new(),
        message: message(&why),
        denial: Some(why),
        patch: None,
        ..decision.clone()
    })
}

fn message(why: &Denial) -> String {
    format!("{}: {}. {} {}", why.code.code(), why.detail, why.code.meaning(), why.code.advice())
}
