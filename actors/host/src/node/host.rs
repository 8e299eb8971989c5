//! The actix actors: one that hosts any machine on the arbiter, one for members of a pool.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use actix::{Actor, Addr, Context, Handler, Recipient, SyncContext};
use portreeve_protocol::evidence::TrustedCollection;
use portreeve_protocol::{ActorId, Machine, limits};

use super::deliver::{Deliver, Inspect};
use super::drive::Seat;
use super::links::{Links, Survived};
use super::seats;
use crate::metrics::Step;

/// Hosts a machine on the arbiter that all machines share.
pub(crate) struct Host<M> {
    links: Arc<Links>,
    make: Box<dyn Fn() -> M>,
    /// Panics of the machine in this incarnation.
    panics: u32,
    seat: Rc<RefCell<Seat<M>>>,
    trusted: Option<fn(&M) -> Vec<TrustedCollection>>,
}

/// The ways to a notary fetcher.
pub(crate) struct Fetcher {
    pub(crate) deliver: Recipient<Deliver>,
    pub(crate) inspect: Recipient<Inspect>,
}

impl<M: Machine + 'static> Host<M> {
    pub(crate) fn new(links: &Arc<Links>, actor: ActorId, make: Box<dyn Fn() -> M>) -> Self {
        let seat = Seat::new(links.node.clone(), links.incarnation, actor, make());
        let seat = Rc::new(RefCell::new(seat));
        Self { links: Arc::clone(links), make, panics: 0, seat, trusted: None }
    }
}

impl<M: Machine + Unpin + 'static> Host<M> {
    /// Starts the actor on the arbiter of this thread.
    pub(crate) fn run(self) -> Recipient<Deliver> {
        self.start().recipient()
    }

    /// As [`Host::run`], for a machine that can tell what it trusts.
    pub(crate) fn run_fetcher(mut self, trusted: fn(&M) -> Vec<TrustedCollection>) -> Fetcher {
        self.trusted = Some(trusted);
        let actor = self.start();
        Fetcher { deliver: actor.clone().recipient(), inspect: actor.recipient() }
    }

    fn start(self) -> Addr<Self> {
        seats::enter(&self.seat);
        let mut context = Context::new();
        // Not in `started`: that runs when the arbiter is free again, and until then an actor made
        // by another one has actix's default of 16 places.
        context.set_mailbox_capacity(limits::MAILBOX);
        context.run(self)
    }
}

impl<M: Machine + Unpin + 'static> Actor for Host<M> {
    type Context = Context<Self>;
}

impl<M: Machine + Unpin + 'static> Handler<Deliver> for Host<M> {
    type Result = ();

    fn handle(&mut self, deliver: Deliver, _: &mut Self::Context) {
        let mut seat = self.seat.borrow_mut();
        // What is lost with it cannot be had again but by a start.
        let lasting = deliver.input.is_lasting();
        if self.links.take(&mut seat, deliver) == Survived::No {
            self.panics += 1;
            let goes_on = !lasting && self.panics < limits::PANICS;
            let rebuilt = goes_on && self.links.rebuild(&mut seat, &self.make);
            if !rebuilt {
                let actor = seat.event().actor.clone();
                let decides = actor == ActorId::Admission;
                // First, so that whoever sees a denial can see that the node is not alive.
                self.links.facts.poison(actor);
                if decides {
                    self.links.appender.reviews().deny_all("the machine that decides failed");
                }
            }
        }
        drop(seat);
        if self.links.appender.cut_wanted() {
            self.links.cut();
        }
    }
}

impl<M: Machine + Unpin + 'static> Handler<Inspect> for Host<M> {
    type Result = ();

    fn handle(&mut self, Inspect(reply): Inspect, _: &mut Self::Context) {
        let seat = self.seat.borrow();
        let kept = self.trusted.zip(seat.machine()).map(|(trusted, machine)| trusted(machine));
        // Whoever asked may have gone away.
        drop(reply.send(kept.unwrap_or_default()));
    }
}

/// Makes a machine that keeps nothing between inputs.
pub(crate) type Make<M> = Arc<dyn Fn() -> M + Send + Sync>;

/// Hosts a machine without state on a thread of its own, as a member of a pool.
pub(crate) struct Member<M> {
    links: Arc<Links>,
    make: Make<M>,
    seat: Seat<M>,
}

impl<M: Machine> Member<M> {
    pub(crate) fn new(links: &Arc<Links>, actor: ActorId, make: &Make<M>) -> Self {
        let seat = Seat::new(links.node.clone(), links.incarnation, actor, make());
        Self { links: Arc::clone(links), make: Arc::clone(make), seat }
    }
}

impl<M: Machine> Member<M> {
    fn take(&mut self, deliver: Deliver) {
        self.links.directory.verification_taken();
        let begun = self.links.clock.mono();
        let survived = self.links.take(&mut self.seat, deliver);
        let micros = self.links.clock.mono().since(begun);
        self.links.facts.metrics().step(Step::Verify, micros);
        if survived == Survived::No {
            // What keeps nothing between inputs is the same after as before.
            self.seat.replace((self.make)());
        }
    }
}

impl<M: Machine + Unpin + 'static> Actor for Member<M> {
    type Context = SyncContext<Self>;
}

impl<M: Machine + Unpin + 'static> Handler<Deliver> for Member<M> {
    type Result = ();

    fn handle(&mut self, deliver: Deliver, _: &mut Self::Context) {
        self.take(deliver);
    }
}

/// The only member of a pool, on the arbiter of the others.
pub(crate) struct Lone<M>(Member<M>);

impl<M: Machine + Unpin + 'static> Lone<M> {
    /// Starts the member on the arbiter of this thread.
    pub(crate) fn run(member: Member<M>) -> Recipient<Deliver> {
        let mut context = Context::new();
        context.set_mailbox_capacity(limits::MAILBOX);
        context.run(Self(member)).recipient()
    }
}

impl<M: Machine + Unpin + 'static> Actor for Lone<M> {
    type Context = Context<Self>;
}

impl<M: Machine + Unpin + 'static> Handler<Deliver> for Lone<M> {
    type Result = ();

    fn handle(&mut self, deliver: Deliver, _: &mut Self::Context) {
        self.0.take(deliver);
    }
}
