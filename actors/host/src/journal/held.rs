//! Answers that are held until the gate releases them.

use std::collections::BTreeMap;
use std::sync::Arc;

use portreeve_protocol::messages::journal::Release;
use portreeve_protocol::{Decision, EventId, Sha256};

use super::drafts::{Commission, Draft, Drafts};
use super::waiting::{Released, Waiting};
use crate::node::{Answer, denial};

/// Answers that are held, by the reviews they answer.
#[derive(Debug, Default)]
pub(super) struct Held {
    answers: BTreeMap<EventId, One>,
}

#[derive(Debug)]
struct One {
    decision: Arc<Decision>,
    draft: Option<Draft>,
    record: Sha256,
}

impl Held {
    /// Holds the answer that `decision` says, with the hash of the record that holds it. The first
    /// answer to a review counts.
    pub(super) fn hold(&mut self, decision: Arc<Decision>, record: Sha256) {
        let review = decision.review.clone();
        self.answers.entry(review).or_insert(One { decision, draft: None, record });
    }

    /// Has the answers written as they will be once their records are durable. One alone is not
    /// worth waking anybody.
    pub(super) fn draft(&mut self, reviews: &Waiting, drafts: &Drafts) {
        if self.answers.len() < 2 {
            return;
        }
        let mut batch = Vec::with_capacity(self.answers.len());
        for (review, held) in &mut self.answers {
            let Some(scribe) = reviews.scribe(review) else { continue };
            let decision = Arc::clone(&held.decision);
            let answer = Answer { decision, record: Some(held.record) };
            let (commission, draft) = Commission::new(scribe, answer);
            batch.push(commission);
            held.draft = Some(draft);
        }
        drafts.commission(batch);
    }

    /// The answer that the gate releases; `recorded` says whether its record is durable.
    pub(super) fn release(&mut self, release: Release, recorded: bool) -> Option<Released> {
        let Release { instead, review } = release;
        let One { decision, draft, record } = self.answers.remove(&review)?;
        Some(match instead {
            None => Released {
                answer: Answer { decision, record: recorded.then_some(record) },
                draft: draft.filter(|_| recorded),
            },
            Some(why) => {
                let decision = denial::replacing(&decision, why);
                Answer { decision, record: None }.into()
            }
        })
    }

    /// Forgets all answers; whoever waits for them was answered otherwise.
    pub(super) fn clear(&mut self) {
        self.answers.clear();
    }
}
