//! Denials made by the host itself, where no machine could decide or be believed.

use std::collections::BTreeMap;
use std::sync::Arc;

use portreeve_protocol::{Decision, Denial, EventId};

/// The answer to a review that no machine judged.
#[must_use]
pub fn local(review: EventId, uid: &str, why: Denial) -> Arc<Decision> {
    Arc::new(Decision {
        allowed: false,
        audit: BTreeMap::from([("codes".to_owned(), why.code.code().to_owned())]),
        message: message(&why),
        denial: Some(why),
        bundle: None,
        policy_revision: 0,
        review,
        seal: None,
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
        audit: BTreeMap::from([("codes".to_owned(), why.code.code().to_owned())]),
        message: message(&why),
        denial: Some(why),
        seal: None,
        ..decision.clone()
    })
}

fn message(why: &Denial) -> String {
    format!("{}: {}. {} {}", why.code.code(), why.detail, why.code.meaning(), why.code.advice())
}

#[cfg(test)]
mod tests {
    use portreeve_protocol::{DenyCode, ProtocolError};

    use super::*;

    #[test]
    fn a_denial_of_the_host_says_what_failed_and_what_to_do() -> Result<(), ProtocolError> {
        let why = Denial::new(DenyCode::Overloaded, "1024 reviews are under way");
        let decision = local("n/1/admission/0".parse()?, "u-1", why);
        assert!(!decision.allowed && !decision.patches());
        assert_eq!(decision.uid, "u-1");
        for part in ["overloaded", "1024 reviews are under way", DenyCode::Overloaded.advice()] {
            assert!(decision.message.contains(part), "{}", decision.message);
        }
        Ok(())
    }

    #[test]
    fn a_decision_replaced_by_a_denial_patches_nothing() -> Result<(), ProtocolError> {
        let why = Denial::new(DenyCode::Internal, "first");
        let mut decision = Decision::clone(&local("n/1/admission/3".parse()?, "u-1", why));
        decision.allowed = true;
        decision.denial = None;
        let replaced = replacing(&decision, Denial::new(DenyCode::JournalUnavailable, "full"));
        assert!(!replaced.allowed && !replaced.patches());
        assert_eq!(
            replaced.denial.as_ref().map(|why| why.code),
            Some(DenyCode::JournalUnavailable)
        );
        assert_eq!(replaced.review, decision.review);
        Ok(())
    }
}
