//! What trust servers said, as far as it is remembered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portreeve_protocol::messages::admission::{Resolution, ResolutionOutcome};
use portreeve_protocol::planted::{self, Bug};
use portreeve_protocol::{Mono, Sha256, limits};
use serde::{Deserialize, Serialize};

/// A question for a trust server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Question {
    /// The trust server's URL.
    pub(super) server: Arc<str>,
    /// The collection.
    pub(super) gun: Arc<str>,
    /// The tag.
    pub(super) tag: String,
    /// Digest of what the trust bundle says of the root, if there is a bundle: what was verified
    /// under another anchor answers another question.
    pub(super) anchor: Option<Sha256>,
}

impl Question {
    /// The question that `resolution` answers.
    pub(super) fn answered_by(resolution: &Resolution) -> Self {
        let Resolution { anchor, gun, server, tag, .. } = resolution;
        let [server, gun] = [server, gun].map(|text| Arc::from(text.as_str()));
        Self { server, gun, tag: tag.clone(), anchor: *anchor }
    }
}

/// The newest answer to each question, up to [`limits::RESOLUTIONS`] of them.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Known {
    /// The newest answer to each question.
    #[serde(with = "crate::pairs")]
    answers: BTreeMap<Arc<Question>, Arc<Resolution>>,
    /// The same questions by the instant for which the answer holds, the oldest first.
    by_age: BTreeSet<(Mono, Arc<Question>)>,
    /// Those that were asked ahead of time, until a newer answer is here.
    renewing: BTreeSet<Arc<Question>>,
}

impl Known {
    /// The newest answer, however old.
    pub(super) fn get(&self, question: &Question) -> Option<&Arc<Resolution>> {
        let of_any = |it: &&Arc<Resolution>| *it.gun == *question.gun && it.tag == question.tag;
        let other = || self.answers.values().find(of_any);
        let other = planted::is(Bug::AnswerOfAnotherServer).then(other).flatten();
        self.answers.get(question).or(other)
    }

    /// Every answer that is remembered.
    pub(super) fn answers(&self) -> impl Iterator<Item = &Arc<Resolution>> {
        self.answers.values()
    }

    /// Whether the answer is to be asked for ahead of time, which is so once for each answer: if
    /// its server is out of reach, it is not asked by every review that comes.
    pub(super) fn renew(&mut self, question: &Arc<Question>) -> bool {
        self.answers.contains_key(question) && self.renewing.insert(Arc::clone(question))
    }

    /// Forgets what was said of a collection.
    pub(super) fn forget(&mut self, server: &str, gun: &str) {
        let other = |question: &Question| *question.server != *server || *question.gun != *gun;
        self.answers.retain(|question, _| other(question));
        self.by_age.retain(|(_, question)| other(question));
        self.renewing.retain(|question| other(question));
    }

    /// Remembers an answer, unless a newer one is known. That a server could not be asked takes
    /// nothing back of what it said before.
    pub(super) fn learn(&mut self, resolution: &Arc<Resolution>) {
        if matches!(resolution.outcome, ResolutionOutcome::Unavailable(_)) {
            return;
        }
        let question = Arc::new(Question::answered_by(resolution));
        if let Some(old) = self.answers.get(&question) {
            if old.checked_at > resolution.checked_at {
                return;
            }
            self.by_age.remove(&(old.checked_at, question.clone()));
        }
        self.renewing.remove(&question);
        self.by_age.insert((resolution.checked_at, question.clone()));
        self.answers.insert(question, Arc::clone(resolution));
        while self.answers.len() > limits::RESOLUTIONS {
            let Some((_, oldest)) = self.by_age.pop_first() else { return };
            self.answers.remove(&oldest);
            self.renewing.remove(&oldest);
        }
    }
}
