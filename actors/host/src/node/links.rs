//! What the hosts of a node share: the way to each other, to the journal, to the trust servers and
//! to the log.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use portreeve_protocol::effect::Effect;
use portreeve_protocol::entry::Started;
use portreeve_protocol::messages::admission::{AdmissionInput, HopRefused};
use portreeve_protocol::messages::notary::{NotaryInput, VerifierRefused};
use portreeve_protocol::messages::verify::VerifyInput;
use portreeve_protocol::{ActorId, Cause, Denial, DenyCode, EventId, Input, NodeId};

use super::deliver::Deliver;
use super::directory::{Directory, NotTaken};
use super::drive::{Arrival, Done, Refusal, Seat, Turn};
use super::facts::Facts;
use super::fetches::Fetches;
use super::host::Fetcher;
use super::lookups;
use super::timers::{Armed, Timers};
use super::{rebuild, seats};
use crate::clock::Clock;
use crate::journal::Appender;
use crate::journal::queue::Appended;
use crate::journal::waiting::Unanswered;
use crate::owners::OwnerSource;

/// Makes the notary fetcher of a trust server; called on the arbiter only.
pub(crate) type MakeNotary = Box<dyn Fn(&Arc<Links>, &str) -> Fetcher + Send + Sync>;

/// What the hosts of a node share.
pub(crate) struct Links {
    pub(crate) appender: Appender,
    pub(crate) clock: Clock,
    pub(crate) directory: Directory,
    pub(crate) facts: Arc<Facts>,
    pub(crate) fetches: Fetches,
    pub(crate) incarnation: u32,
    pub(crate) journal_dir: PathBuf,
    pub(crate) make_notary: MakeNotary,
    pub(crate) node: NodeId,
    pub(crate) owners: Arc<dyn OwnerSource>,
    pub(crate) started: Arc<Started>,
    pub(crate) timers: Timers,
}

/// Time between two looks at the journal's thread.
const WATCH: Duration = Duration::from_millis(200);

/// How long the machines wait for the journal before one of them is rebuilt.
const REBUILD_PATIENCE: Duration = Duration::from_secs(5);

/// Whether a machine survived a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Survived {
    No,
    Yes,
}

impl Links {
    /// Runs one delivery: machine, journal, effects, in this order.
    pub(crate) fn take<M: portreeve_protocol::Machine>(
        self: &Arc<Self>,
        seat: &mut Seat<M>,
        deliver: Deliver,
    ) -> Survived {
        let Deliver { cause, input, lamport, root, ticket, waiter } = deliver;
        if ticket.is_some_and(|ticket| !self.timers.claim(&seat.event().actor, &ticket)) {
            return Survived::Yes;
        }
        let arrival = Arrival { lamport, now: self.clock.now(), root: root.as_ref() };
        match seat.drive(&arrival, &input) {
            Turn::Done(done) => {
                let Done { effects, event, lamport, now, root } = done;
                let effects = Arc::new(effects);
                // Before the journal's thread can let the answer out.
                if let Some(waiter) = waiter {
                    self.appender.reviews().enter(event.clone(), waiter);
                }
                self.appender.delivered(Appended {
                    cause,
                    effects: Arc::clone(&effects),
                    event: event.clone(),
                    input,
                    lamport,
                    now,
                    root: root.clone(),
                });
                self.perform(&event, lamport, &root, &effects);
                Survived::Yes
            }
            Turn::Panicked(panic) => {
                self.facts.panicked(&panic.event, &panic.message);
                let panicked = portreeve_protocol::entry::Panicked {
                    cause: cause.clone(),
                    event: panic.event.clone(),
                    input: Arc::clone(&input),
                    now: panic.now,
                    root: panic.root.clone(),
                };
                if let Some(waiter) = waiter {
                    self.appender.reviews().enter(panic.event.clone(), waiter);
                }
                self.appender.panicked(panicked);
                let why = failed(&panic.event);
                self.refuse(&panic.event.actor, cause, Some(panic.root), lamport, &input, why);
                Survived::No
            }
            Turn::Refused(refusal) => {
                let event = seat.event();
                if refusal == Refusal::Foreign {
                    slog::error!(self.facts.log(), "an input reached an actor of another kind";
                        "actor" => event.actor.to_string(), "for" => input.kind().name());
                }
                let why = failed(event);
                if let Some(waiter) = waiter {
                    waiter.tell(Err(Unanswered { review: event.clone(), why }));
                } else {
                    self.refuse(&event.actor, cause, root, lamport, &input, why);
                }
                Survived::Yes
            }
        }
    }

    /// Puts a machine in the place of one that panicked, in the state it had before; false if that
    /// cannot be done. What comes meanwhile waits.
    pub(crate) fn rebuild<M: portreeve_protocol::Machine>(
        &self,
        seat: &mut Seat<M>,
        make: &dyn Fn() -> M,
    ) -> bool {
        let panicked = seat.event().clone();
        let rebuilt = match self.appender.flush(REBUILD_PATIENCE) {
            Some(first) => rebuild::rebuild(&self.journal_dir, first, make(), &panicked),
            None => Err("the journal lacks records since the last checkpoint".to_owned()),
        };
        match rebuilt {
            Ok(machine) => {
                slog::warn!(self.facts.log(), "a machine that panicked was rebuilt";
                    "event" => panicked.to_string());
                seat.replace(machine);
                true
            }
            Err(why) => {
                slog::error!(self.facts.log(), "a machine that panicked cannot be rebuilt";
                    "event" => panicked.to_string(), "why" => why);
                false
            }
        }
    }

    /// Hands the states of all machines to the journal, for a checkpoint. On the arbiter only, and
    /// between two deliveries.
    pub(crate) fn cut(&self) {
        match seats::cut() {
            Some(Ok(machines)) => self.appender.cut(machines),
            Some(Err(error)) => {
                slog::error!(self.facts.log(), "no checkpoint can be written";
                    "why" => error.to_string());
            }
            // A machine is gone: nothing to go on from.
            None => {}
        }
    }

    fn perform(
        self: &Arc<Self>,
        event: &EventId,
        lamport: u64,
        root: &EventId,
        effects: &[Effect],
    ) {
        for (effect, index) in effects.iter().zip(0..) {
            let cause = Cause::Effect { event: event.clone(), index };
            match effect {
                // The journal's thread lets it out, if it is not stuck.
                Effect::Answer(decision) => self.appender.reviews().decided(decision),
                Effect::Arm { at, key } => {
                    let armed = Armed { at: *at, cause, lamport, root: root.clone() };
                    self.timers.arm(&event.actor, key.clone(), armed);
                }
                Effect::Disarm { key } => self.timers.disarm(&event.actor, key),
                Effect::Fetch(request) => {
                    Fetches::start(self, &event.actor, request.clone(), cause, lamport, root);
                }
                Effect::LookUpOwner(query) => {
                    lookups::start(self, query.clone(), cause, lamport, root);
                }
                Effect::Note(fact) => self.facts.note(event, fact),
                Effect::Send { message, to } => {
                    let (message, root) = (Arc::clone(message), Some(root.clone()));
                    self.hop(to, Deliver::caused(cause, message, lamport, root));
                }
                Effect::RecordGap(_) | Effect::Release(_) => {
                    self.facts.misdirected(event, effect);
                }
            }
        }
    }

    /// Sends a message from one actor to another. A request that cannot be taken goes back to the
    /// sender as a refusal; everything else waits.
    fn hop(self: &Arc<Self>, to: &ActorId, deliver: Deliver) {
        if !refusable(&deliver.input) {
            return self.send_or_wait(to, deliver);
        }
        if let ActorId::Notary(server) = to
            && !self.has_fetcher(server)
        {
            let why = Denial::new(DenyCode::Capacity, "too many trust servers are in use");
            return self.give_back(to, deliver, why);
        }
        match self.directory.try_send(to, deliver) {
            Ok(()) | Err(NotTaken::Closed) => {}
            Err(NotTaken::Full(deliver) | NotTaken::Unknown(deliver)) => {
                let why = Denial::new(DenyCode::Overloaded, format!("{to} has too much to do"));
                self.give_back(to, *deliver, why);
            }
        }
    }

    /// Whether there is a fetcher of `server`; it is made if there may be one more. On the arbiter
    /// only.
    pub(crate) fn has_fetcher(self: &Arc<Self>, server: &str) -> bool {
        if self.directory.knows(&ActorId::Notary(server.to_owned())) {
            return true;
        }
        if self.directory.full() {
            return false;
        }
        let fetcher = (self.make_notary)(self, server);
        self.directory.enter_fetcher(server, fetcher);
        true
    }

    fn give_back(self: &Arc<Self>, to: &ActorId, deliver: Deliver, why: Denial) {
        let Deliver { cause, input, lamport, root, .. } = deliver;
        self.refuse(to, cause, root, lamport, &input, why);
    }

    /// Tells the sender of a request that `to` did not take it; other messages are just gone.
    fn refuse(
        self: &Arc<Self>,
        to: &ActorId,
        cause: Cause,
        root: Option<EventId>,
        lamport: u64,
        input: &Input,
        why: Denial,
    ) {
        let Cause::Effect { event, .. } = &cause else { return };
        let sender = event.actor.clone();
        if let Some(input) = refusal(to, input, why) {
            self.facts.metrics().hop_refused(to.kind());
            let deliver = Deliver::caused(cause, Arc::new(input), lamport, root);
            self.send_or_wait(&sender, deliver);
        }
    }

    /// Lets decided answers out while the journal's thread is stuck, for ever.
    pub(crate) async fn watch_journal(self: Arc<Self>) {
        let mut stuck = false;
        loop {
            tokio::time::sleep(WATCH).await;
            let now_stuck = self.appender.stalled(self.clock.mono());
            if now_stuck {
                self.appender.reviews().relieve();
            }
            if now_stuck != stuck {
                stuck = now_stuck;
                self.facts.metrics().journal_stalled(stuck);
                if stuck {
                    slog::error!(
                        self.facts.log(),
                        "the journal's thread is stuck; allows become \
                        denials"
                    );
                } else {
                    slog::info!(self.facts.log(), "the journal's thread goes on");
                }
            }
        }
    }

    /// Sends a message that must not be refused.
    pub(crate) fn send_or_wait(&self, to: &ActorId, deliver: Deliver) {
        match self.directory.send_or_wait(to, deliver) {
            Ok(()) | Err(NotTaken::Closed) => {}
            Err(NotTaken::Full(_)) => {
                self.facts.metrics().hop_lost(to.kind());
                slog::crit!(self.facts.log(), "a message was lost: too many wait";
                    "to" => to.to_string());
            }
            Err(NotTaken::Unknown(_)) => {
                slog::error!(self.facts.log(), "a message to an actor that does not exist";
                    "to" => to.to_string());
            }
        }
    }
}

fn failed(event: &EventId) -> Denial {
    Denial::new(DenyCode::Internal, format!("{} failed (event {event})", event.actor))
}

/// Whether the sender of the input knows what to do when it is refused.
fn refusable(input: &Input) -> bool {
    match input {
        Input::Notary(input) => matches!(input, NotaryInput::Resolve(_)),
        Input::Verify(VerifyInput::Verify(_)) => true,
        Input::Admission(_) | Input::Journal(_) | Input::Policy(_) => false,
    }
}

/// What the sender of `input` is told when it is refused.
fn refusal(to: &ActorId, input: &Input, why: Denial) -> Option<Input> {
    match input {
        Input::Notary(NotaryInput::Resolve(_)) => {
            let refused = HopRefused { to: to.clone(), why };
            Some(Input::Admission(AdmissionInput::HopRefused(refused)))
        }
        Input::Verify(VerifyInput::Verify(request)) => {
            let refused = VerifierRefused { flight: request.flight, gun: request.gun.clone(), why };
            Some(Input::Notary(NotaryInput::VerifierRefused(refused)))
        }
        Input::Admission(_) | Input::Journal(_) | Input::Notary(_) | Input::Policy(_) => None,
    }
}
