//! A machine that panicked, made again from the journal: all that it received since the last
//! checkpoint, without that on which it panicked.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use portreeve_protocol::entry::{Checkpoint, Delivered};
use portreeve_protocol::{ActorId, Delivery, Entry, EventId, Machine, Outbox, codec};

use crate::journal::{FileBlobs, Journal};

/// Runs `machine`, which has received nothing, up to the delivery `panicked`. It reads the journal
/// in `dir` from segment `first` on, which begins with a start or a checkpoint.
///
/// # Errors
/// A sentence that says why it cannot be done.
pub(super) fn rebuild<M: Machine>(
    dir: &Path,
    first: u32,
    machine: M,
    panicked: &EventId,
) -> Result<M, String> {
    let journal = Journal::open(dir).map_err(|error| error.to_string())?.since(first);
    let mut again = Again { blobs: journal.blobs(), last: 0, machine, of: panicked };
    for line in journal.lines() {
        let line = line.map_err(|error| error.to_string())?;
        let Some(body) = line.bytes.strip_suffix(b"\n") else { break };
        let (record, _) = codec::read_line(body).map_err(|error| error.to_string())?;
        if again.take(record.entry, line.number == 1)? {
            return Ok(again.machine);
        }
    }
    Err(format!("the journal does not lead up to {panicked}"))
}

struct Again<'a, M> {
    blobs: FileBlobs,
    /// Number of the last delivery.
    last: u64,
    machine: M,
    of: &'a EventId,
}

impl<M: Machine> Again<'_, M> {
    /// Takes an entry; whether it is the last.
    fn take(&mut self, entry: Entry, opens: bool) -> Result<bool, String> {
        match entry {
            Entry::Checkpoint(checkpoint) if opens && self.last == 0 => self.resume(&checkpoint)?,
            Entry::Delivered(delivered) if delivered.event.actor == self.of.actor => {
                self.follows(delivered.event.seq)?;
                self.deliver(delivered)?;
            }
            Entry::Panicked(panicked) if panicked.event.actor == self.of.actor => {
                self.follows(panicked.event.seq)?;
            }
            Entry::Gap(gap) if gap.lost > 0 => return Err("records are missing".to_owned()),
            Entry::Answered(_)
            | Entry::Checkpoint(_)
            | Entry::Delivered(_)
            | Entry::Gap(_)
            | Entry::Panicked(_)
            | Entry::Started(_) => {}
        }
        Ok(self.last == self.of.seq)
    }

    fn resume(&mut self, checkpoint: &Checkpoint) -> Result<(), String> {
        let of = |actor: &ActorId| *actor == self.of.actor;
        self.last = checkpoint.heard.iter().find(|one| of(&one.actor)).map_or(0, |one| one.seq);
        if let Some(one) = checkpoint.machines.iter().find(|one| of(&one.actor)) {
            let resumed = self.machine.resume(&one.state, &self.blobs);
            resumed.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn follows(&mut self, seq: u64) -> Result<(), String> {
        if seq != self.last + 1 {
            return Err(format!("delivery {} of {} is missing", self.last + 1, self.of.actor));
        }
        self.last = seq;
        Ok(())
    }

    fn deliver(&mut self, delivered: Delivered) -> Result<(), String> {
        let Delivered { event, mut input, now, root, .. } = delivered;
        let hydrated = Arc::make_mut(&mut input).hydrate(&self.blobs);
        hydrated.map_err(|error| error.to_string())?;
        let Some(input) = M::accept(&input) else { return Ok(()) };
        let delivery = Delivery { event, now, root };
        let machine = &mut self.machine;
        // If it panics now, the machine is not used.
        let handled = catch_unwind(AssertUnwindSafe(|| {
            machine.handle(&delivery, input, &mut Outbox::default());
        }));
        handled.map_err(|_| format!("it panics on {} as well", delivery.event))
    }
}
