//! The journal's thread: takes records in batches, writes and syncs them, and lets answers out as
//! the journal gate says.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use portreeve_machines::JournalGate;
use portreeve_protocol::entry::{Answered, Delivered, Gap, Started};
use portreeve_protocol::messages::journal::{
    Appended as AppendedInput, Gated, JournalInput, Release, WriteFailed,
};
use portreeve_protocol::{
    ActorId, Decision, Effect, Entry, EventId, Fact, Input, Kept, Mono, Sha256, limits,
};
use portreeve_replay::{Ledger, cut};

use super::exit::Exit;
use super::gathering::{Gathered, Gathering};
use super::held::Held;
use super::keeper::{Keeper, Space};
use super::lock::Lock;
use super::queue::{Appended, Item, Items};
use super::waiting::{Released, Waiter};
use super::writer::Writer;
use crate::clock::Clock;
use crate::node::Durability;
use crate::node::drive::{Arrival, Seat, Turn};
use crate::node::facts::Facts;

/// Time after which what was written without an answer waiting for it is synced all the same.
const LAZY_SYNC: u64 = 100_000;
/// First delay before a fresh segment is tried after an error; it doubles up to the last.
const FIRST_RETRY: u64 = 100_000;
const LAST_RETRY: u64 = 5_000_000;
/// How long the thread sleeps when nothing happens: if something is due soon, and otherwise.
const SOON: Duration = Duration::from_millis(50);
const IDLE: Duration = Duration::from_secs(1);

/// The state of the journal's thread.
pub(crate) struct JournalThread {
    clock: Clock,
    degraded: bool,
    dirty_since: Option<Mono>,
    durability: Durability,
    exit: Exit,
    facts: Arc<Facts>,
    gate: Seat<JournalGate>,
    gathering: Gathering,
    held: Held,
    items: Items,
    /// Ends before the lock is given back.
    keeper: Keeper,
    /// What is under way.
    ledger: Ledger,
    _lock: Lock,
    retry_at: Mono,
    retry_delay: u64,
    started: Arc<Started>,
    /// Records never came here, so that `ledger` is not known to be right.
    unsure: bool,
    /// Whether the segments since the last checkpoint hold all deliveries.
    whole: bool,
    unsynced_gap: Option<Gap>,
    writer: Writer,
}

/// What the thread is made of.
pub(crate) struct Parts {
    pub(crate) clock: Clock,
    pub(crate) durability: Durability,
    pub(crate) exit: Exit,
    pub(crate) facts: Arc<Facts>,
    pub(crate) gate: Seat<JournalGate>,
    pub(crate) items: Items,
    pub(crate) lock: Lock,
    pub(crate) started: Arc<Started>,
    pub(crate) writer: Writer,
}

/// What of a batch waits for its write.
#[derive(Default)]
struct Batch {
    /// The answers in it, of which the gate has yet to be told.
    answers: Vec<Gated>,
    panics: Vec<EventId>,
    /// Deliveries that were not staged because one before them could not be.
    skipped: u64,
}

impl JournalThread {
    /// A thread for a writer whose first segment is open.
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { clock, durability, exit, facts, gate, items, lock, started, writer } = parts;
        items.gauges().writable.store(true, Ordering::Relaxed);
        let keeper = writer.keeper(Arc::clone(&facts));
        Self {
            clock,
            degraded: false,
            dirty_since: None,
            durability,
            exit,
            facts,
            gate,
            gathering: Gathering::default(),
            held: Held::default(),
            items,
            keeper,
            ledger: Ledger::default(),
            _lock: lock,
            retry_at: Mono(0),
            retry_delay: FIRST_RETRY,
            started,
            unsure: false,
            whole: true,
            unsynced_gap: None,
            writer,
        }
    }

    /// Runs until told to stop, or until nobody is left to tell.
    pub(crate) fn run(mut self) {
        // The bounds may be closer than those of the last incarnation.
        self.keeper.trim();
        loop {
            let due = self.degraded || self.dirty_since.is_some();
            match self.items.wait(if due { SOON } else { IDLE }) {
                Ok(first) => {
                    let Gathered { items, stop } =
                        self.gathering.batch(first, &self.items, |time| self.items.pause(time));
                    let now = self.clock.mono().0.max(1);
                    self.items.gauges().busy_since.store(now, Ordering::Relaxed);
                    self.commit(items);
                    self.tend();
                    self.items.gauges().busy_since.store(0, Ordering::Relaxed);
                    if stop {
                        break;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.write_answered();
                    self.tend();
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.write_answered();
        self.sync_lazily(true);
    }

    /// Writes the ends of answers that no batch took along.
    fn write_answered(&mut self) {
        if self.items.waiting() > 0 {
            self.commit(Vec::new());
        }
    }

    fn commit(&mut self, items: Vec<Item>) {
        let dropped = self.items.gauges().dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            self.unsure = true;
            self.sync_lazily(true);
            self.fail(dropped, "more records were waiting than the journal's queue takes");
            self.retry_at = self.clock.mono();
        }
        self.mind_space();
        if self.degraded {
            self.restore();
        }
        let mut batch = Batch::default();
        let mut staged = self.stage_answered();
        for item in items {
            if let Err(error) = self.take(item, &mut batch, staged.is_ok()) {
                staged = Err(error);
            }
        }
        let answers = std::mem::take(&mut batch.answers);
        let waits = !answers.is_empty();
        if waits {
            self.tell(JournalInput::Appended(AppendedInput { answers }));
        }
        if !self.degraded {
            let synced = waits || !batch.panics.is_empty();
            match staged.and_then(|()| self.put(synced)) {
                Ok(()) if waits => self.tell(JournalInput::Synced),
                Ok(()) => {}
                Err(error) => {
                    let lost = self.writer.fail() + batch.skipped;
                    self.fail(lost, &error.to_string());
                }
            }
        }
        for root in std::mem::take(&mut batch.panics) {
            let why = "a machine failed while it served this review";
            self.items.gauges().reviews.deny(&root, why);
        }
    }

    /// Stages the ends of answers that wait; while the journal is degraded they are dropped.
    fn stage_answered(&mut self) -> io::Result<()> {
        loop {
            let next = std::iter::from_fn(|| self.items.next_answered());
            let answered: Vec<Answered> = next.take(limits::ANSWERED_IN_RECORD).collect();
            if answered.is_empty() {
                return Ok(());
            }
            if !self.degraded {
                answered.iter().for_each(|one| self.ledger.answered(one));
                self.writer.stage(Entry::Answered(answered))?;
            }
        }
    }

    /// Stages one item, unless the journal is degraded or the batch has failed already.
    fn take(&mut self, item: Item, batch: &mut Batch, going: bool) -> io::Result<()> {
        let writing = going && !self.degraded;
        match item {
            Item::Stop => Ok(()),
            Item::Cut(machines) if writing && !self.unsure && self.wants_cut() => {
                self.cut(machines)
            }
            Item::Cut(_) => Ok(()),
            Item::Flush(reply) => {
                let written = if writing { self.put(false) } else { Ok(()) };
                let whole = writing && written.is_ok() && self.whole && !self.unsure;
                // Whoever asked may have lost patience.
                let _ = reply.try_send(whole.then(|| self.writer.entrance()));
                written
            }
            Item::Delivered(appended) => self.delivered(*appended, batch, writing),
            Item::Panicked(panicked) => {
                batch.panics.push(panicked.root.clone());
                self.ledger.panicked(&panicked);
                if !writing {
                    return Ok(());
                }
                panicked.input.blobs().into_iter().try_for_each(|blob| self.writer.blob(blob))?;
                self.writer.stage(Entry::Panicked(*panicked)).map(drop)
            }
        }
    }

    fn delivered(
        &mut self,
        appended: Appended,
        batch: &mut Batch,
        writing: bool,
    ) -> io::Result<()> {
        let Appended { cause, effects, event, input, lamport, now, root } = appended;
        let mut hash = Ok(Sha256::ZERO);
        let delivered = Delivered {
            cause,
            decisions: effects.iter().filter_map(Effect::decision).cloned().collect(),
            effects: Sha256::ZERO,
            event,
            input,
            lamport,
            now,
            root,
        };
        self.ledger.delivered(&delivered, &effects);
        if writing {
            hash = self.stage(&delivered, &effects);
        }
        if !self.degraded && (!writing || hash.is_err()) {
            batch.skipped += 1;
        }
        let mut answers = Vec::new();
        for decision in delivered.decisions {
            let record = hash.as_ref().copied().unwrap_or(Sha256::ZERO);
            answers.push(gated(&decision));
            self.held.hold(decision, record);
        }
        if self.degraded {
            // The gate counts what is lost record by record.
            self.tell(JournalInput::Appended(AppendedInput { answers }));
        } else {
            // A healthy one has no use for records without answers.
            batch.answers.append(&mut answers);
        }
        hash.map(drop)
    }

    /// Whether the next segment should begin. It may be asked for again before it has.
    fn wants_cut(&self) -> bool {
        self.writer.full() || !self.whole
    }

    /// Begins a segment with a checkpoint.
    fn cut(&mut self, machines: Vec<(ActorId, Kept)>) -> io::Result<()> {
        self.put(false)?;
        // From here on, for the checkpoint names blobs before it is in a segment.
        let trim = self.keeper.prepare();
        for blob in machines.iter().flat_map(|(_, kept)| &kept.blobs) {
            self.writer.blob(blob)?;
        }
        let (mut started, states) = cut(&self.started, machines);
        for blob in started.restored.blobs_mut() {
            self.writer.blob(blob)?;
        }
        self.writer.enter(self.ledger.checkpoint(Arc::new(started), states))?;
        self.whole = true;
        self.keeper.start(trim);
        Ok(())
    }

    fn stage(&mut self, delivered: &Delivered, effects: &[Effect]) -> io::Result<Sha256> {
        delivered.input.blobs().into_iter().try_for_each(|blob| self.writer.blob(blob))?;
        self.writer.stage_delivered(delivered, effects)
    }

    /// Writes what is staged; syncs it if an answer waits and the durability asks for that.
    fn put(&mut self, answers: bool) -> io::Result<()> {
        let written = self.writer.write()?;
        self.facts.metrics().journal_written(written.records, written.bytes);
        if self.wants_cut() {
            self.items.gauges().cut_wanted.store(true, Ordering::Relaxed);
        }
        if answers && self.durability == Durability::Group {
            self.exit.draft(&mut self.held, &self.items.gauges().reviews);
            return self.sync();
        }
        if self.writer.dirty() && self.dirty_since.is_none() {
            self.dirty_since = Some(self.clock.mono());
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let begun = self.clock.mono();
        self.writer.sync()?;
        self.dirty_since = None;
        let micros = self.clock.mono().since(begun);
        self.facts.metrics().journal_synced(micros);
        if self.durability == Durability::Group {
            self.gathering.synced(micros);
        }
        Ok(())
    }

    /// What is due without a record: lazy syncs, fresh segments, waiters that went away.
    fn tend(&mut self) {
        self.mind_space();
        if self.degraded {
            self.restore();
        }
        self.sync_lazily(false);
        self.items.gauges().reviews.sweep();
    }

    /// Looks how much room the volume has, and stops writing before it is full: others may need
    /// what is left, and a kubelet ends whoever takes it.
    fn mind_space(&mut self) {
        let Space::Out(why) = self.keeper.look(self.clock.mono()) else { return };
        if !self.degraded {
            self.sync_lazily(true);
            self.fail(0, &why);
        }
    }

    fn sync_lazily(&mut self, now: bool) {
        let time = self.clock.mono();
        let due = self.dirty_since.is_some_and(|since| now || time.since(since) >= LAZY_SYNC);
        if due && let Err(error) = self.sync() {
            let lost = self.writer.fail();
            self.fail(lost, &error.to_string());
        }
    }

    /// Gives up what is not durable, and has the gate release what waits for it.
    fn fail(&mut self, lost: u64, why: &str) {
        let first = !self.degraded;
        self.whole = false;
        self.degraded = true;
        self.dirty_since = None;
        self.items.gauges().writable.store(false, Ordering::Relaxed);
        self.facts.metrics().journal_writable(false);
        if first {
            self.retry_at = self.clock.mono().plus(self.retry_delay);
        }
        self.tell(JournalInput::WriteFailed(WriteFailed { lost, why: why.to_owned() }));
    }

    /// Tries a fresh segment, if it is time to, and writes the gap into it before anything else.
    fn restore(&mut self) {
        let now = self.clock.mono();
        if now < self.retry_at || self.keeper.is_out() {
            return;
        }
        self.retry_at = now.plus(self.retry_delay);
        self.retry_delay = self.retry_delay.saturating_mul(2).min(LAST_RETRY);
        // Left open by a failure that was not the segment's, such as a full queue.
        self.writer.fail();
        if self.writer.open().is_err() {
            return;
        }
        let effects = self.drive(JournalInput::WriteRestored);
        let gap = effects.iter().find_map(|effect| {
            if let Effect::RecordGap(gap) = effect { Some(gap.clone()) } else { None }
        });
        let gap = merged(self.unsynced_gap.take(), gap);
        // Also if no delivery was lost: answers may have been, and a checkpoint follows.
        let gap = gap.unwrap_or_else(|| Gap {
            denied: 0,
            exempt: 0,
            lost: 0,
            why: "the journal could not be written for a while".to_owned(),
        });
        let written = self.writer.stage(Entry::Gap(gap.clone())).map(drop);
        match written.and_then(|()| self.put(false)).and_then(|()| self.sync()) {
            Ok(()) => {
                self.degraded = false;
                self.retry_delay = FIRST_RETRY;
                self.items.gauges().writable.store(true, Ordering::Relaxed);
                self.facts.metrics().journal_writable(true);
                self.perform(effects, false);
            }
            Err(error) => {
                self.unsynced_gap = Some(gap);
                self.writer.fail();
                self.fail(0, &error.to_string());
            }
        }
    }

    fn tell(&mut self, input: JournalInput) {
        let recorded = matches!(input, JournalInput::Synced);
        let effects = self.drive(input);
        self.perform(effects, recorded);
    }

    fn drive(&mut self, input: JournalInput) -> Vec<Effect> {
        let arrival = Arrival { lamport: 0, now: self.clock.now(), root: None };
        match self.gate.drive(&arrival, &Input::Journal(input)) {
            Turn::Done(done) => done.effects,
            Turn::Panicked(panicked) => {
                self.facts.panicked(&panicked.event, &panicked.message);
                self.facts.poison(panicked.event.actor);
                self.deny_everything();
                Vec::new()
            }
            Turn::Refused(_) => {
                self.deny_everything();
                Vec::new()
            }
        }
    }

    fn perform(&mut self, effects: Vec<Effect>, recorded: bool) {
        let mut released = Vec::new();
        for effect in effects {
            match effect {
                // A journal that stays degraded is not news.
                Effect::Note(Fact::JournalDegraded { .. }) if self.retry_delay > FIRST_RETRY => {}
                Effect::Note(fact) => self.facts.note(self.gate.event(), &fact),
                Effect::Release(release) => released.extend(self.release(release, recorded)),
                // Written by `restore`, before these effects are performed.
                Effect::RecordGap(_) => {}
                Effect::Answer(_)
                | Effect::Arm { .. }
                | Effect::Disarm { .. }
                | Effect::Fetch(_)
                | Effect::LookUpOwner(_)
                | Effect::Send { .. } => self.facts.misdirected(self.gate.event(), &effect),
            }
        }
        self.exit.let_out(released);
    }

    /// The answer that the gate releases, and who waits for it, if anybody still does.
    fn release(&mut self, release: Release, recorded: bool) -> Option<(Waiter, Released)> {
        let review = release.review.clone();
        let released = self.held.release(release, recorded)?;
        let waiter = self.items.gauges().reviews.leave(&review)?;
        Some((waiter, released))
    }

    fn deny_everything(&mut self) {
        self.items.gauges().reviews.deny_all("the machine that decides failed");
        self.held.clear();
    }
}

/// What the gate needs to know of an answer.
fn gated(decision: &Decision) -> Gated {
    let (allowed, exempt) = (decision.allowed, decision.is_exempt());
    Gated { allowed, exempt, review: decision.review.clone() }
}

fn merged(earlier: Option<Gap>, later: Option<Gap>) -> Option<Gap> {
    match (earlier, later) {
        (Some(earlier), Some(later)) => Some(Gap {
            denied: earlier.denied.saturating_add(later.denied),
            exempt: earlier.exempt.saturating_add(later.exempt),
            lost: earlier.lost.saturating_add(later.lost),
            why: earlier.why,
        }),
        (earlier, later) => earlier.or(later),
    }
}

#[cfg(test)]
mod tests {
    use portreeve_protocol::entry::Restored;
    use portreeve_protocol::messages::policy::PolicyInput;
    use portreeve_protocol::{Cause, NodeId, Now, Outside, Settings, Wall, codec};

    use super::super::queue::queue;
    use super::super::{FileSystem, Journal, layout};
    use super::*;
    use crate::metrics::Metrics;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    fn started(node: &NodeId) -> Started {
        Started {
            build: "test".to_owned(),
            incarnation: 1,
            jitter_seed: 0,
            node: node.clone(),
            restored: Restored::default(),
            rules: 1,
            settings: Settings::default(),
            settings_digest: Sha256::ZERO,
            wall: Wall(0),
        }
    }

    fn delivery(node: &NodeId, seq: u64) -> Appended {
        let actor = ActorId::Policy;
        let event = EventId { node: node.clone(), incarnation: 1, actor, seq };
        Appended {
            cause: Cause::Outside(Outside::Objects),
            effects: Arc::new(Vec::new()),
            event: event.clone(),
            input: Arc::new(Input::Policy(PolicyInput::WatchRestored)),
            lamport: seq,
            now: Now::default(),
            root: event,
        }
    }

    #[test]
    fn records_beyond_the_queue_are_lost_and_a_gap_says_how_many() -> Outcome {
        const BEYOND: u64 = 3;
        let dir = tempfile::tempdir()?;
        let node: NodeId = "node-1".parse()?;
        std::fs::create_dir_all(layout::segments(dir.path()))?;
        let disk = Arc::new(FileSystem);
        let mut writer = Writer::new(dir.path(), disk, Durability::Group, 1, Sha256::ZERO);
        writer.open()?;
        let (appender, items) = queue();
        let most = limits::JOURNAL_QUEUE as u64;
        for seq in 1..=most + BEYOND {
            appender.delivered(delivery(&node, seq));
        }
        assert!(appender.stalled(Mono(0)));
        appender.stop();
        let log = slog::Logger::root(slog::Discard, slog::o!());
        let started = started(&node);
        let gate = JournalGate::new(&started);
        JournalThread::new(Parts {
            clock: Clock::system(),
            durability: Durability::Group,
            exit: Exit::default(),
            facts: Arc::new(Facts::new(log, Arc::new(Metrics::new("test")))),
            gate: Seat::new(node, 1, ActorId::Journal, gate),
            items,
            lock: Lock::take(dir.path())?,
            started: Arc::new(started),
            writer,
        })
        .run();
        let mut kept = 0;
        let mut lost = Vec::new();
        for line in Journal::open(dir.path())?.lines() {
            let bytes = line?.bytes;
            if bytes.windows(5).take(200).any(|window| window == b"\"Gap\"") {
                let body = bytes.strip_suffix(b"\n").ok_or("a line without an end")?;
                let Entry::Gap(gap) = codec::read_line(body)?.0.entry else { continue };
                lost.push(gap.lost);
            } else {
                kept += 1;
            }
        }
        assert_eq!((kept, lost), (most, vec![BEYOND]));
        Ok(())
    }
}
