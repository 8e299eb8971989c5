//! The machines on actix, behind one handle.
//!
//! All machines but the verifiers share one arbiter, so their deliveries have one order; the
//! verifiers are a pool of threads; the journal is written by a thread of its own, which lets the
//! answers out; fetches run on the runtime that the caller brings. Nothing here uses `do_send`,
//! which knows no bound.

pub mod cast;
mod deliver;
pub mod denial;
mod directory;
pub mod drive;
pub mod facts;
mod fetches;
mod host;
mod links;
mod lookups;
mod options;
mod rebuild;
mod residence;
mod seats;
mod start;
mod timers;
mod trust;
pub(crate) mod unhurried;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use actix::ArbiterHandle;
use portreeve_protocol::entry::Answered;
use portreeve_protocol::messages::admission::{AdmissionInput, BundleLoaded, ReviewFacts};
use portreeve_protocol::messages::policy::PolicyInput;
use portreeve_protocol::{
    ActorId, Decision, Denial, DenyCode, EventId, Machine, Outside, Sha256, limits,
};
use tokio::sync::Notify;

pub use options::{Durability, NodeOptions};

use self::cast::Cast;
use self::deliver::Deliver;
use self::directory::NotTaken;
use self::links::Links;
use self::residence::{Machines, Residence};
use crate::HostError;
use crate::journal::drafts::{Draft, Scribe};
use crate::journal::waiting::{Released, Unanswered, Waiter};
use crate::journal::{Disk, FileSystem};

/// What the webhook sends back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The decision.
    pub decision: Arc<Decision>,
    /// The hash of the record that holds the decision; `None` if no durable record does.
    pub record: Option<Sha256>,
}

/// How long the journal's thread is waited for.
const JOURNAL_PATIENCE: Duration = Duration::from_secs(10);

/// How a node is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// What is to be said of the trust bundle: why there is none, no newer one, or only an expired
    /// one. It does not make a node unready.
    pub bundle: Option<String>,
    /// Whether the node was told to drain.
    pub draining: bool,
    /// Whether records can be written, and are written without undue delay.
    pub journal_writable: bool,
    /// Actors that panicked and take nothing any more, in order.
    pub poisoned: Vec<ActorId>,
    /// Whether a snapshot of the policies was published since the start.
    pub policies_loaded: bool,
    /// Reviews being decided.
    pub reviews_in_flight: usize,
}

impl Health {
    /// Whether reviews should be sent here.
    #[must_use]
    pub fn ready(&self) -> bool {
        self.policies_loaded && self.journal_writable && !self.draining && self.alive()
    }

    /// Whether the node can go on without a restart: `false` once an actor that every review needs
    /// has panicked, because it takes nothing any more in this incarnation.
    #[must_use]
    pub fn alive(&self) -> bool {
        let needed = [ActorId::Admission, ActorId::Journal, ActorId::Policy];
        !needed.iter().any(|actor| self.poisoned.contains(actor))
    }
}

/// A running node; clones are handles on the same one. When the last is dropped the node ends.
#[derive(Clone)]
pub struct Node {
    inner: Arc<Inner>,
}

struct Inner {
    draining: AtomicBool,
    left: Notify,
    links: Arc<Links>,
    stopped: AtomicBool,
    threads: Mutex<Option<Threads>>,
}

struct Threads {
    journal: JoinHandle<()>,
    machines: Machines,
}

impl Node {
    /// Recovers the journal, opens a new incarnation and starts the actors.
    ///
    /// # Errors
    /// `File`, `JournalInUse`, `OtherNode`, `Recovery`, `Thread`.
    pub fn start(options: NodeOptions) -> Result<Self, HostError> {
        Self::start_with(options, Arc::new(FileSystem), Cast::real())
    }

    /// As [`Node::start`], on another file system or with other machines: for tests of the host.
    ///
    /// # Errors
    /// As [`Node::start`].
    pub fn start_with<A, N, P, V>(
        options: NodeOptions,
        disk: Arc<dyn Disk>,
        cast: Cast<A, N, P, V>,
    ) -> Result<Self, HostError>
    where
        A: Machine + Unpin + 'static,
        N: Machine + Unpin + 'static,
        P: Machine + Unpin + 'static,
        V: Machine + Unpin + 'static,
    {
        start::start(options, disk, cast, Residence::OwnThread).map(Self::of)
    }

    /// As [`Node::start`], within the actix system of this thread, verifiers and all: only the
    /// journal has a thread. Where the time of that system's runtime stands still, so does the
    /// node's, if its clock is [of that runtime](crate::clock::Clock::of_runtime). A system hosts
    /// one node at a time.
    ///
    /// # Errors
    /// As [`Node::start`].
    pub fn start_here(options: NodeOptions) -> Result<Self, HostError> {
        start::start(options, Arc::new(FileSystem), Cast::real(), Residence::Here).map(Self::of)
    }

    fn of(running: start::Running) -> Self {
        let start::Running { journal, links, machines } = running;
        let inner = Inner {
            draining: AtomicBool::new(false),
            left: Notify::new(),
            links,
            stopped: AtomicBool::new(false),
            threads: Mutex::new(Some(Threads { journal, machines })),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Waits until the journal's thread has done what it was given: when this returns, it has
    /// written that, let the answers out, and has nothing in hand. It blocks; it is for whoever
    /// moves the node's time on, which must not pass while the thread is at work.
    pub fn await_journal(&self) {
        // The reply comes in the midst of a batch; the second one, when that batch is done.
        for _ in 0..2 {
            self.inner.links.appender.flush(JOURNAL_PATIENCE);
        }
    }

    /// Decides a review. There always is an answer: a denial, if the machines cannot be asked,
    /// fail, or are silent beyond the review's budget.
    pub async fn review(&self, facts: impl Into<Arc<ReviewFacts>>) -> Answer {
        self.review_as(facts.into(), None).await.0
    }

    /// As [`Node::review`]. If `scribe` has written the answer by the time that it is let out, its
    /// text comes along.
    pub(crate) async fn review_as(
        &self,
        facts: Arc<ReviewFacts>,
        scribe: Option<Scribe>,
    ) -> (Answer, Option<Vec<u8>>) {
        let links = &self.inner.links;
        let begun = links.clock.mono();
        let released = self.ask(&facts, scribe).await.unwrap_or_else(|unanswered| {
            let (uid, why) = (&facts.uid, &unanswered.why);
            slog::info!(links.facts.log(), "denied by the host"; "uid" => uid,
                "code" => why.code.code(), "why" => &why.detail);
            unrecorded(uid, unanswered).into()
        });
        let Released { answer, draft } = released;
        let micros = links.clock.mono().since(begun);
        links.facts.metrics().reviewed(&answer.decision, micros);
        (answer, draft.and_then(Draft::into_text))
    }

    /// The answer to a review that is denied and becomes no event, so that nothing is recorded.
    pub(crate) fn deny_unrecorded(&self, uid: &str, why: Denial) -> Answer {
        let answer = unrecorded(uid, self.denied(why.code, why.detail));
        self.inner.links.facts.metrics().reviewed(&answer.decision, 0);
        answer
    }

    async fn ask(
        &self,
        facts: &Arc<ReviewFacts>,
        scribe: Option<Scribe>,
    ) -> Result<Released, Unanswered> {
        let links = &self.inner.links;
        let Some(_place) = Place::take(&self.inner) else {
            let most = limits::REVIEWS_IN_FLIGHT;
            return Err(self.denied(DenyCode::Overloaded, format!("{most} reviews are under way")));
        };
        if links.facts.is_poisoned(&ActorId::Admission) {
            let why = "the machine that decides failed; it needs a restart";
            return Err(self.denied(DenyCode::Internal, why));
        }
        let budget = facts.budget.saturating_add(limits::DEADLINE_MARGIN / 2);
        let (waiter, answer) = Waiter::new(scribe);
        let mut deliver =
            Deliver::outside(Outside::Webhook, AdmissionInput::Review(Arc::clone(facts)));
        deliver.waiter = Some(waiter);
        match links.directory.try_send(&ActorId::Admission, deliver) {
            Ok(()) => {}
            Err(NotTaken::Full(_)) => {
                return Err(self.denied(DenyCode::Overloaded, "the admission actor is too busy"));
            }
            Err(NotTaken::Closed | NotTaken::Unknown(_)) => return Err(self.gone()),
        }
        match tokio::time::timeout(Duration::from_micros(budget), answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(self.gone()),
            Err(_) if !links.appender.writable(links.clock.mono()) => {
                Err(self.denied(DenyCode::JournalUnavailable, "the journal does not answer"))
            }
            Err(_) => Err(self.denied(DenyCode::Deadline, "no decision was made in time")),
        }
    }

    /// The denial of a review whose way to an answer ended.
    fn gone(&self) -> Unanswered {
        if self.inner.stopped.load(Ordering::Relaxed) {
            self.denied(DenyCode::Draining, "this replica has stopped")
        } else {
            self.denied(DenyCode::JournalUnavailable, "the record of the review was lost")
        }
    }

    fn denied(&self, code: DenyCode, detail: impl Into<String>) -> Unanswered {
        let links = &self.inner.links;
        // No delivery has the number 0: the review never became an event.
        let review = EventId {
            node: links.node.clone(),
            incarnation: links.incarnation,
            actor: ActorId::Admission,
            seq: 0,
        };
        Unanswered { review, why: Denial::new(code, detail) }
    }

    /// Tells the policy cache what the policy source said. Never dropped: it waits if it must.
    pub fn objects(&self, input: PolicyInput) {
        let deliver = Deliver::outside(Outside::Objects, input);
        self.inner.links.send_or_wait(&ActorId::Policy, deliver);
    }

    /// Tells the admission actor what came of a look at the trust bundle. Never dropped: it waits
    /// if it must.
    pub fn bundle(&self, input: AdmissionInput) {
        let deliver = Deliver::outside(Outside::Host, input);
        self.inner.links.send_or_wait(&ActorId::Admission, deliver);
    }

    /// The trust bundle that the last incarnation left.
    #[must_use]
    pub fn bundle_left(&self) -> Option<Box<BundleLoaded>> {
        self.inner.links.started.restored.bundle.clone()
    }

    /// Records that an answer was sent, at best effort. Answers to reviews that never became an
    /// event leave no record.
    pub fn answered(&self, answered: Answered) {
        if answered.review.seq > 0 {
            self.inner.links.appender.answered(answered);
        }
    }

    /// Denies all reviews that wait, and all later ones, as `draining`; ends when the last of them
    /// is answered, or after the time that no review outlasts.
    pub async fn drain(&self) {
        self.inner.draining.store(true, Ordering::Relaxed);
        let deliver = Deliver::outside(Outside::Host, AdmissionInput::Drain);
        self.inner.links.send_or_wait(&ActorId::Admission, deliver);
        let all = Duration::from_micros(limits::DEFAULT_TIMEOUT);
        // If it takes longer than that, whoever waits is answered by the review's own budget.
        let _ = tokio::time::timeout(all, self.inner.empty()).await;
    }

    /// Writes what there is to write and ends all threads.
    pub async fn stop(self) {
        self.inner.stopped.store(true, Ordering::Relaxed);
        let threads = self.inner.take_threads();
        let Some(Threads { journal, machines }) = threads else { return };
        let links = Arc::clone(&self.inner.links);
        let ended = tokio::task::spawn_blocking(move || {
            let machines = machines.end();
            links.directory.clear();
            links.appender.stop();
            machines && journal.join().is_ok()
        });
        if !matches!(ended.await, Ok(true)) {
            slog::error!(self.inner.links.facts.log(), "a thread of the node panicked");
        }
    }

    /// How the node is.
    #[must_use]
    pub fn health(&self) -> Health {
        let links = &self.inner.links;
        Health {
            bundle: links.facts.bundle(),
            draining: self.inner.draining.load(Ordering::Relaxed),
            journal_writable: links.appender.writable(links.clock.mono()),
            poisoned: links.facts.poisoned(),
            policies_loaded: links.facts.policies_loaded(),
            reviews_in_flight: links.appender.in_flight().load(Ordering::Relaxed),
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Node").field("health", &self.health()).finish_non_exhaustive()
    }
}

impl Inner {
    /// The arbiter that all machines but the verifiers share; `None` once the node stopped.
    fn arbiter(&self) -> Option<ArbiterHandle> {
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.as_ref().map(|threads| threads.machines.arbiter().clone())
    }

    fn take_threads(&self) -> Option<Threads> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Ends when no review is under way.
    async fn empty(&self) {
        let left = self.left.notified();
        tokio::pin!(left);
        loop {
            left.as_mut().enable();
            if self.links.appender.in_flight().load(Ordering::SeqCst) == 0 {
                return;
            }
            left.as_mut().await;
            left.set(self.left.notified());
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(threads) = self.take_threads() {
            threads.machines.leave();
            self.links.appender.stop();
            self.links.directory.clear();
        }
    }
}

/// A place among the reviews being decided.
struct Place<'a> {
    inner: &'a Inner,
}

impl<'a> Place<'a> {
    fn take(inner: &'a Inner) -> Option<Self> {
        let before = inner.links.appender.in_flight().fetch_add(1, Ordering::SeqCst);
        let place = Self { inner };
        inner.links.facts.metrics().in_flight(before + 1);
        (before < limits::REVIEWS_IN_FLIGHT).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let before = self.inner.links.appender.in_flight().fetch_sub(1, Ordering::SeqCst);
        self.inner.links.facts.metrics().in_flight(before.saturating_sub(1));
        if before <= 1 {
            self.inner.left.notify_waiters();
        }
    }
}

/// The answer to a review of which no record says anything.
fn unrecorded(uid: &str, Unanswered { review, why }: Unanswered) -> Answer {
    Answer { decision: denial::local(review, uid, why), record: None }
}
