//! Answers that are written while the disk is at work.
//!
//! What an answer says is known once its record has a hash; let out it may be once that record is
//! durable. While a sync lasts, all whose reviews are in the batch wait, and the processor has
//! little to do: their answers are written meanwhile, by a thread that gives way to all others,
//! since what they do lets the next sync begin earlier. Nothing depends on it. Whoever finds no
//! draft when the answer is let out writes it then.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use crate::HostError;
use crate::node::Answer;
use crate::node::unhurried;

/// Writes an answer in the way in which its client wants it; `None` if it cannot.
pub type Scribe = Box<dyn FnOnce(&Answer) -> Option<Vec<u8>> + Send>;

/// Batches of which no answer is begun yet, at most.
const WAITING: usize = 1;

/// The text of an answer, from the time it is commissioned.
#[derive(Debug)]
pub(crate) struct Draft(Arc<OnceLock<Vec<u8>>>);

impl Draft {
    /// The text, if it is ready.
    pub(crate) fn into_text(self) -> Option<Vec<u8>> {
        Arc::into_inner(self.0)?.into_inner()
    }
}

/// An answer to be written.
pub(super) struct Commission {
    answer: Answer,
    draft: Arc<OnceLock<Vec<u8>>>,
    scribe: Scribe,
}

impl Commission {
    /// To write `answer`, and where its text will be.
    pub(super) fn new(scribe: Scribe, answer: Answer) -> (Self, Draft) {
        let draft = Arc::new(OnceLock::new());
        let promised = Draft(Arc::clone(&draft));
        (Self { answer, draft, scribe }, promised)
    }

    fn carry_out(self) {
        let Self { answer, draft, scribe } = self;
        // Otherwise the answer was let out already.
        let wanted = Arc::strong_count(&draft) > 1;
        if wanted && let Some(text) = scribe(&answer) {
            // It is set here alone.
            let _ = draft.set(text);
        }
    }
}

/// The thread that writes drafts. When this is dropped, the thread has ended.
#[derive(Debug)]
pub(crate) struct Drafts {
    batches: Option<SyncSender<Vec<Commission>>>,
    thread: Option<JoinHandle<()>>,
}

impl Drafts {
    /// Starts the thread.
    ///
    /// # Errors
    /// `Thread`.
    pub(super) fn start() -> Result<Self, HostError> {
        let (batches, commissioned) = sync_channel(WAITING);
        let thread = unhurried::spawn_idle("drafts", move || write(&commissioned))?;
        Ok(Self { batches: Some(batches), thread: Some(thread) })
    }

    /// Has a batch written. If another waits already, nobody writes it: whoever writes drafts is
    /// behind, and would be in the way of those who do without.
    pub(super) fn commission(&self, batch: Vec<Commission>) {
        if let Some(batches) = &self.batches {
            let _ = batches.try_send(batch);
        }
    }
}

impl Drop for Drafts {
    fn drop(&mut self) {
        self.batches = None;
        if let Some(thread) = self.thread.take() {
            // If it panicked, answers were written without it.
            let _ = thread.join();
        }
    }
}

fn write(batches: &Receiver<Vec<Commission>>) {
    while let Ok(batch) = batches.recv() {
        batch.into_iter().for_each(Commission::carry_out);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use portreeve_protocol::{ActorId, Denial, DenyCode, EventId};

    use super::*;
    use crate::node::denial;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    fn answer(seq: u64) -> Result<Answer, Box<dyn std::error::Error>> {
        let (node, actor) = ("node-1".parse()?, ActorId::Admission);
        let review = EventId { node, incarnation: 1, actor, seq };
        let why = Denial::new(DenyCode::Internal, "for a test");
        Ok(Answer { decision: denial::local(review, "uid", why), record: None })
    }

    fn event(answer: &Answer) -> Option<Vec<u8>> {
        Some(answer.decision.review.to_string().into_bytes())
    }

    #[test]
    fn each_draft_is_of_its_own_answer() -> Outcome {
        let drafts = Drafts::start()?;
        let (mut batch, mut promised) = (Vec::new(), Vec::new());
        for seq in 1..=3 {
            let (commission, draft) = Commission::new(Box::new(event), answer(seq)?);
            batch.push(commission);
            promised.push(draft);
        }
        drafts.commission(batch);
        drop(drafts);
        let texts: Vec<_> = promised.into_iter().map(Draft::into_text).collect();
        let expected = (1..=3).map(|seq| Some(format!("node-1/1/admission/{seq}").into_bytes()));
        assert_eq!(texts, expected.collect::<Vec<_>>());
        Ok(())
    }

    #[test]
    fn a_draft_that_is_not_ready_or_cannot_be_written_is_none() -> Outcome {
        let (commission, early) = Commission::new(Box::new(event), answer(1)?);
        assert_eq!(early.into_text(), None);
        commission.carry_out();
        let (commission, impossible) = Commission::new(Box::new(|_| None), answer(2)?);
        commission.carry_out();
        assert_eq!(impossible.into_text(), None);
        Ok(())
    }

    #[test]
    fn what_was_let_out_already_is_not_written() -> Outcome {
        let (tell, told) = mpsc::channel();
        let scribe: Scribe = Box::new(move |_| tell.send(()).ok().map(|()| Vec::new()));
        let (commission, draft) = Commission::new(scribe, answer(1)?);
        drop(draft);
        commission.carry_out();
        assert!(told.try_recv().is_err());
        Ok(())
    }

    #[test]
    fn whoever_writes_drafts_never_has_more_than_one_batch_waiting() -> Outcome {
        let drafts = Drafts::start()?;
        let (begun, begins) = mpsc::channel();
        let (go_on, goes_on) = mpsc::channel::<()>();
        let slow: Scribe = Box::new(move |answer| {
            begun.send(()).ok()?;
            goes_on.recv().ok()?;
            event(answer)
        });
        let (first, held_up) = Commission::new(slow, answer(1)?);
        let (second, waits) = Commission::new(Box::new(event), answer(2)?);
        let (third, turned_away) = Commission::new(Box::new(event), answer(3)?);
        drafts.commission(vec![first]);
        begins.recv()?;
        drafts.commission(vec![second]);
        drafts.commission(vec![third]);
        go_on.send(())?;
        drop(drafts);
        assert!(held_up.into_text().is_some() && waits.into_text().is_some());
        assert_eq!(turned_away.into_text(), None);
        Ok(())
    }
}
