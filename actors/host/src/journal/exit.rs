//! The way of answers from the journal's thread to those who wait for them.

use tokio::runtime::Handle;

use super::drafts::Drafts;
use super::held::Held;
use super::waiting::{Released, Waiter, Waiting};
use crate::HostError;

/// Lets answers out.
#[derive(Debug, Default)]
pub(crate) struct Exit {
    /// Who writes answers while their records are synced; `None` has nobody do so.
    drafts: Option<Drafts>,
    /// Where those who wait are at home; `None` tells each of them from here.
    runtime: Option<Handle>,
}

impl Exit {
    /// To tasks of a runtime on other threads. They are told there, by one task for all: to wake
    /// each of them from here costs a change of threads each, where processors are few.
    pub(crate) const fn to(runtime: Handle) -> Self {
        Self { drafts: None, runtime: Some(runtime) }
    }

    /// With somebody who writes answers while their records are synced.
    ///
    /// # Errors
    /// `Thread`.
    pub(crate) fn drafting(self) -> Result<Self, HostError> {
        Ok(Self { drafts: Some(Drafts::start()?), ..self })
    }

    /// Has answers written that will be let out soon.
    pub(super) fn draft(&self, held: &mut Held, reviews: &Waiting) {
        if let Some(drafts) = &self.drafts {
            held.draft(reviews, drafts);
        }
    }

    /// Lets answers out.
    pub(super) fn let_out(&self, answers: Vec<(Waiter, Released)>) {
        match &self.runtime {
            Some(runtime) if answers.len() > 1 => drop(runtime.spawn(async { tell(answers) })),
            Some(_) | None => tell(answers),
        }
    }
}

fn tell(answers: Vec<(Waiter, Released)>) {
    for (waiter, answer) in answers {
        waiter.tell(Ok(answer));
    }
}

#[cfg(test)]
mod tests {
    use portreeve_protocol::{ActorId, Denial, DenyCode, EventId, ProtocolError};

    use super::*;
    use crate::node::{Answer, denial};

    fn answer(seq: u64) -> Result<Answer, ProtocolError> {
        let (node, actor) = ("node-1".parse()?, ActorId::Admission);
        let review = EventId { node, incarnation: 1, actor, seq };
        let why = Denial::new(DenyCode::Internal, "for a test");
        Ok(Answer { decision: denial::local(review, "uid", why), record: None })
    }

    #[tokio::test]
    async fn everyone_who_waits_gets_their_own_answer_though_another_gave_up()
    -> Result<(), Box<dyn std::error::Error>> {
        for exit in [Exit::default(), Exit::to(Handle::current())] {
            let (mut waiting, mut answers) = (Vec::new(), Vec::new());
            for seq in 1..=4 {
                let (waiter, told) = Waiter::new(None);
                answers.push((waiter, answer(seq)?.into()));
                if seq != 2 {
                    waiting.push((seq, told));
                }
            }
            exit.let_out(answers);
            for (seq, told) in waiting {
                let told = told.await?.map(|told| told.answer.decision.review.seq);
                assert_eq!(told.ok(), Some(seq));
            }
        }
        Ok(())
    }
}
