//! The way of records from the actors to the journal's thread.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::time::Duration;

use portreeve_protocol::entry::{Answered, Panicked};
use portreeve_protocol::{ActorId, Cause, Effect, EventId, Input, Kept, Mono, Now, limits};

use super::waiting::Waiting;

/// A delivery as the actor that took it hands it over; hashing and writing are not its business.
#[derive(Debug)]
pub struct Appended {
    /// Why the delivery happened.
    pub cause: Cause,
    /// What the machine emitted.
    pub effects: Arc<Vec<Effect>>,
    /// The delivery.
    pub event: EventId,
    /// What was delivered.
    pub input: Arc<Input>,
    /// Lamport time.
    pub lamport: u64,
    /// The clocks the machine was told.
    pub now: Now,
    /// The first event of the chain.
    pub root: EventId,
}

/// What the journal's thread is told.
#[derive(Debug)]
pub(crate) enum Item {
    /// The states of all machines between two deliveries.
    Cut(Vec<(ActorId, Kept)>),
    /// A machine took an input.
    Delivered(Box<Appended>),
    /// A machine panicked.
    Panicked(Box<Panicked>),
    /// Write what is there and say from which segment on the machines can be run again.
    Flush(mpsc::SyncSender<Option<u32>>),
    /// Write what is there and end.
    Stop,
}

/// What both ends of the queue share.
#[derive(Debug, Default)]
pub(crate) struct Gauges {
    /// When the batch in hand was begun, in microseconds of the monotonic clock; 0 for none.
    pub(crate) busy_since: AtomicU64,
    /// Records dropped because the queue was full, not yet accounted for in a gap.
    pub(crate) dropped: AtomicU64,
    /// Whether the segment is full, so that the next is to begin with a checkpoint.
    pub(crate) cut_wanted: AtomicBool,
    ended: AtomicBool,
    hurry: Condvar,
    /// Reviews being decided, from their receipt to their answer.
    pub(crate) in_flight: AtomicUsize,
    /// Reviews that wait for their answers.
    pub(crate) reviews: Waiting,
    /// Whether something came that no pause of the thread may hold up.
    urgent: Mutex<bool>,
    /// Whether records can be written.
    pub(crate) writable: AtomicBool,
    waiting: AtomicUsize,
}

/// Hands records to the journal's thread; clones share one queue. The order in which records are
/// handed over is the order of the journal.
#[derive(Debug, Clone)]
pub struct Appender {
    answered: mpsc::Sender<Answered>,
    gauges: Arc<Gauges>,
    queue: mpsc::Sender<Item>,
}

/// The thread's end of the queue.
#[derive(Debug)]
pub(crate) struct Items {
    answered: mpsc::Receiver<Answered>,
    gauges: Arc<Gauges>,
    queue: mpsc::Receiver<Item>,
}

/// A new queue.
pub(crate) fn queue() -> (Appender, Items) {
    let gauges = Arc::new(Gauges::default());
    let (sender, receiver) = mpsc::channel();
    let (answer, answered) = mpsc::channel();
    let appender = Appender { answered: answer, gauges: Arc::clone(&gauges), queue: sender };
    (appender, Items { answered, gauges, queue: receiver })
}

impl Appender {
    /// Hands over a delivery. If too many wait already, the record is lost and counted as such.
    pub fn delivered(&self, appended: Appended) {
        self.push(Item::Delivered(Box::new(appended)));
    }

    /// Whether a segment is full: the next begins with the states of all machines.
    #[must_use]
    pub fn cut_wanted(&self) -> bool {
        self.gauges.cut_wanted.load(Ordering::Relaxed)
    }

    /// Hands over the states of all machines, taken between two deliveries.
    pub(crate) fn cut(&self, machines: Vec<(ActorId, Kept)>) {
        self.gauges.cut_wanted.store(false, Ordering::Relaxed);
        self.push(Item::Cut(machines));
    }

    /// The first segment from which on the machines can be run again, once all that was handed over
    /// is written; `None` if records are missing.
    pub(crate) fn flush(&self, patience: Duration) -> Option<u32> {
        let (reply, told) = mpsc::sync_channel(1);
        self.push(Item::Flush(reply));
        told.recv_timeout(patience).ok().flatten()
    }

    /// Hands over a panic.
    pub fn panicked(&self, panicked: Panicked) {
        self.push(Item::Panicked(Box::new(panicked)));
    }

    /// Hands over the end of an answer, unless records wait in numbers: it is dispensable, and
    /// so it goes into the next batch or waits for the next look, but wakes nobody.
    pub fn answered(&self, answered: Answered) {
        let gauges = &self.gauges;
        if gauges.waiting.load(Ordering::Relaxed) >= limits::JOURNAL_QUEUE / 2 {
            return;
        }
        gauges.waiting.fetch_add(1, Ordering::Relaxed);
        if self.answered.send(answered).is_err() {
            gauges.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Tells the thread to write what is there and end.
    pub(crate) fn stop(&self) {
        // The thread may be gone already, which is what is wanted.
        let _ = self.queue.send(Item::Stop);
        self.gauges.hurry();
    }

    /// Whether records are written, and without undue delay.
    #[must_use]
    pub fn writable(&self, now: Mono) -> bool {
        self.gauges.writable.load(Ordering::Relaxed) && !self.stalled(now)
    }

    /// Whether the thread has been busy with one batch for too long, too many records wait for it,
    /// or it has ended.
    #[must_use]
    pub fn stalled(&self, now: Mono) -> bool {
        let since = self.gauges.busy_since.load(Ordering::Relaxed);
        self.gauges.ended.load(Ordering::Relaxed)
            || (since > 0 && now.0.saturating_sub(since) >= limits::JOURNAL_STALL)
            || self.gauges.waiting.load(Ordering::Relaxed) >= limits::JOURNAL_QUEUE
    }

    /// The reviews whose answers the thread lets out.
    pub(crate) fn reviews(&self) -> &Waiting {
        &self.gauges.reviews
    }

    /// How many reviews are being decided.
    pub(crate) fn in_flight(&self) -> &AtomicUsize {
        &self.gauges.in_flight
    }

    fn push(&self, item: Item) {
        let gauges = &self.gauges;
        if gauges.waiting.fetch_add(1, Ordering::Relaxed) >= limits::JOURNAL_QUEUE {
            gauges.waiting.fetch_sub(1, Ordering::Relaxed);
            gauges.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let urgent = !matches!(item, Item::Delivered(_));
        if self.queue.send(item).is_err() {
            gauges.waiting.fetch_sub(1, Ordering::Relaxed);
        }
        if urgent {
            gauges.hurry();
        }
    }
}

impl Gauges {
    /// Ends a pause of the thread, or its next one.
    fn hurry(&self) {
        *self.urgent.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.hurry.notify_one();
    }
}

impl Drop for Items {
    fn drop(&mut self) {
        self.gauges.writable.store(false, Ordering::Relaxed);
        self.gauges.ended.store(true, Ordering::Relaxed);
    }
}

impl Items {
    pub(crate) fn gauges(&self) -> &Gauges {
        &self.gauges
    }

    /// The next item, waiting up to `patience`.
    pub(crate) fn wait(&self, patience: Duration) -> Result<Item, mpsc::RecvTimeoutError> {
        let item = self.queue.recv_timeout(patience)?;
        Ok(self.taken(item))
    }

    /// The next item, if one is there.
    pub(crate) fn next(&self) -> Option<Item> {
        self.queue.try_recv().ok().map(|item| self.taken(item))
    }

    /// Lets this time pass, unless something urgent comes or came: deliveries wake nobody.
    pub(crate) fn pause(&self, time: Duration) {
        let urgent = self.gauges.urgent.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.gauges.hurry.wait_timeout_while(urgent, time, |urgent| !*urgent);
        let (mut urgent, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *urgent = false;
    }

    /// How much waits.
    pub(crate) fn waiting(&self) -> usize {
        self.gauges.waiting.load(Ordering::Relaxed)
    }

    /// The end of an answer, if one is there.
    pub(crate) fn next_answered(&self) -> Option<Answered> {
        let answered = self.answered.try_recv().ok()?;
        self.gauges.waiting.fetch_sub(1, Ordering::Relaxed);
        Some(answered)
    }

    fn taken(&self, item: Item) -> Item {
        if !matches!(item, Item::Stop) {
            self.gauges.waiting.fetch_sub(1, Ordering::Relaxed);
        }
        item
    }
}
