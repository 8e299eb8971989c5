//! The only place that runs a machine: numbers the delivery, gives it the clocks, and keeps a panic
//! from going any further.

use std::panic::{AssertUnwindSafe, catch_unwind};

use portreeve_protocol::{
    ActorId, Delivery, Effect, EventId, Input, Machine, Mono, NodeId, Now, Outbox,
};

/// A machine in its place: its actor, and how many deliveries it has taken.
#[derive(Debug)]
pub struct Seat<M> {
    event: EventId,
    lamport: u64,
    latest: Mono,
    /// In a box, since each delivery takes it out and puts it back.
    machine: Option<Box<M>>,
}

/// How an input arrives.
#[derive(Debug)]
pub struct Arrival<'a> {
    /// Lamport time of the cause; 0 if it comes from outside.
    pub lamport: u64,
    /// The clocks.
    pub now: Now,
    /// The first event of the chain; `None` if this is the first.
    pub root: Option<&'a EventId>,
}

/// What came of a delivery.
#[derive(Debug)]
pub enum Turn {
    /// The machine took the input.
    Done(Done),
    /// The machine panicked; it is gone, and what it emitted with it.
    Panicked(Panic),
    /// The machine is gone, or the input is for another kind of machine: nothing happened.
    Refused(Refusal),
}

/// A delivery that a machine took.
#[derive(Debug)]
pub struct Done {
    /// What the machine emitted.
    pub effects: Vec<Effect>,
    /// The delivery.
    pub event: EventId,
    /// Its Lamport time.
    pub lamport: u64,
    /// The clocks the machine was told.
    pub now: Now,
    /// The first event of the chain.
    pub root: EventId,
}

/// A delivery on which a machine panicked.
#[derive(Debug)]
pub struct Panic {
    /// The delivery.
    pub event: EventId,
    /// What the panic said.
    pub message: String,
    /// The clocks the machine was told.
    pub now: Now,
    /// The first event of the chain.
    pub root: EventId,
}

/// Why a machine did not get an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The input is for another kind of machine.
    Foreign,
    /// The machine panicked earlier.
    Poisoned,
}

impl<M: Machine> Seat<M> {
    /// A machine that has taken nothing yet.
    #[must_use]
    pub fn new(node: NodeId, incarnation: u32, actor: ActorId, machine: M) -> Self {
        let event = EventId { node, incarnation, actor, seq: 0 };
        Self { event, lamport: 0, latest: Mono(0), machine: Some(Box::new(machine)) }
    }

    /// The last delivery; its sequence number is 0 before the first.
    #[must_use]
    pub const fn event(&self) -> &EventId {
        &self.event
    }

    /// The machine; `None` once it panicked.
    #[must_use]
    pub fn machine(&self) -> Option<&M> {
        self.machine.as_deref()
    }

    /// Puts a machine in the place of one that panicked; the numbering goes on.
    pub fn replace(&mut self, machine: M) {
        self.machine = Some(Box::new(machine));
    }

    /// Runs the machine on one input.
    pub fn drive(&mut self, arrival: &Arrival<'_>, input: &Input) -> Turn {
        let Some(accepted) = M::accept(input) else {
            return Turn::Refused(Refusal::Foreign);
        };
        let Some(mut machine) = self.machine.take() else {
            return Turn::Refused(Refusal::Poisoned);
        };
        self.event.seq += 1;
        self.lamport = self.lamport.max(arrival.lamport) + 1;
        // The clock is monotonic, but nothing here relies on who read it where.
        self.latest = self.latest.max(arrival.now.mono);
        let now = Now { mono: self.latest, wall: arrival.now.wall };
        let event = self.event.clone();
        let root = arrival.root.cloned().unwrap_or_else(|| event.clone());
        let delivery = Delivery { event: event.clone(), now, root: root.clone() };
        // The machine is moved in and comes back only if it did not panic, so that nobody can see
        // it in a state in between.
        let handled = catch_unwind(AssertUnwindSafe(move || {
            let mut out = Outbox::default();
            machine.handle(&delivery, accepted, &mut out);
            let effects = out.into_effects().into_iter().map(Into::into).collect();
            (machine, effects)
        }));
        match handled {
            Ok((machine, effects)) => {
                self.machine = Some(machine);
                Turn::Done(Done { effects, event, lamport: self.lamport, now, root })
            }
            Err(payload) => {
                let message = payload
                    .downcast_ref::<&str>()
                    .map(|text| (*text).to_owned())
                    .or_else(|| payload.downcast_ref::<String>().cloned())
                    .unwrap_or_else(|| "no message".to_owned());
                Turn::Panicked(Panic { event, message, now, root })
            }
        }
    }
}
