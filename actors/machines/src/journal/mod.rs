//! Lets answers out when their records are durable.
//!
//! An answer is released once, by the first of these: the record it stands in is durable; writing
//! failed; or the journal was already degraded when the record was handed over. In the last two
//! cases an allow that rests on evidence leaves as a denial, because what is not recorded is not
//! allowed. Denials and exempt allows (deletions and the like) leave as decided and are counted.

mod appended;
mod failed;
mod restored;
mod synced;

use std::collections::BTreeMap;

use portreeve_protocol::entry::{Gap, Started};
use portreeve_protocol::messages::journal::{JournalEffect, JournalInput, Release};
use portreeve_protocol::planted::{self, Bug};
use portreeve_protocol::{
    ActorId, ActorKind, Delivery, Denial, DenyCode, EventId, Fact, Input, Machine, Outbox,
};

/// Lets answers out when their records are durable.
#[derive(Debug)]
pub struct JournalGate {
    /// What has been lost since writing failed; `None` while the journal is healthy.
    gap: Option<Gap>,
    /// Answers that wait for their record, by review; each with its place in the order of arrival.
    pending: BTreeMap<EventId, Waiting>,
    /// Answers that ever waited; orders `pending` for release.
    arrived: u64,
}

/// An answer that waits.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    allowed: bool,
    exempt: bool,
    place: u64,
}

impl JournalGate {
    /// The actor as it is at the start of an incarnation.
    #[must_use]
    pub const fn new(_started: &Started) -> Self {
        Self { gap: None, pending: BTreeMap::new(), arrived: 0 }
    }

    /// All waiting answers in the order in which they were handed over; none wait afterwards.
    fn take_pending(&mut self) -> Vec<(EventId, Waiting)> {
        let mut all: Vec<_> = std::mem::take(&mut self.pending).into_iter().collect();
        all.sort_by_key(|(_, waiting)| waiting.place);
        if planted::is(Bug::ReleasedBackwards) {
            all.reverse();
        }
        all
    }
}

impl Machine for JournalGate {
    type Input = JournalInput;
    type Effect = JournalEffect;

    const KIND: ActorKind = ActorKind::Journal;

    fn handle(&mut self, _: &Delivery, input: &JournalInput, out: &mut Outbox<JournalEffect>) {
        match input {
            JournalInput::Appended(appended) => self.appended(appended, out),
            JournalInput::Synced => self.synced(out),
            JournalInput::WriteFailed(failed) => self.write_failed(failed, out),
            JournalInput::WriteRestored => self.write_restored(out),
        }
    }

    fn accept(input: &Input) -> Option<&JournalInput> {
        if let Input::Journal(input) = input { Some(input) } else { None }
    }
}

/// Releases an answer whose record is lost, and counts in `gap` what that did to it.
fn release_unrecorded(
    gap: &mut Gap,
    review: EventId,
    waiting: Waiting,
    out: &mut Outbox<JournalEffect>,
) {
    let instead = match (waiting.allowed, waiting.exempt) {
        (false, _) => None,
        (true, true) => {
            gap.exempt = gap.exempt.saturating_add(1);
            None
        }
        (true, false) if planted::is(Bug::DegradedAllows) => None,
        (true, false) => {
            gap.denied = gap.denied.saturating_add(1);
            Some(Denial::new(
                DenyCode::JournalUnavailable,
                "the record of this decision could not be written to the journal",
            ))
        }
    };
    out.push(JournalEffect::Release(Release { instead, review }));
}

fn unexpected(what: &str, out: &mut Outbox<JournalEffect>) {
    let what = what.to_owned();
    out.push(JournalEffect::Note(Fact::Unexpected { actor: ActorId::Journal, what }));
}
