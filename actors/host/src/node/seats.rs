//! The machines of an arbiter, all at once: between two deliveries their states are one cut.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use portreeve_protocol::{ActorId, Kept, Machine, ProtocolError};

use super::drive::Seat;

/// A seat whose machine can be asked for its state.
trait Seated {
    /// What the machine knows; `None` if it is gone.
    fn keep(&self) -> Option<Result<Kept, ProtocolError>>;

    /// Whether its machine panicked.
    fn gone(&self) -> bool;

    /// Whether it was given anything yet.
    fn heard(&self) -> bool;
}

impl<M: Machine> Seated for RefCell<Seat<M>> {
    fn keep(&self) -> Option<Result<Kept, ProtocolError>> {
        self.try_borrow().ok()?.machine().map(Machine::keep)
    }

    fn gone(&self) -> bool {
        self.try_borrow().is_ok_and(|seat| seat.machine().is_none())
    }

    fn heard(&self) -> bool {
        self.try_borrow().is_ok_and(|seat| seat.event().seq > 0)
    }
}

thread_local! {
    // A node has one arbiter, which hosts no other node at the same time.
    static SEATS: RefCell<BTreeMap<ActorId, Rc<dyn Seated>>> = RefCell::default();
}

/// Forgets the seats of the node that this thread's arbiter hosted before.
pub(super) fn clear() {
    SEATS.with_borrow_mut(BTreeMap::clear);
}

/// Enters the seat of an actor of this thread's arbiter.
pub(super) fn enter<M: Machine + 'static>(seat: &Rc<RefCell<Seat<M>>>) {
    let actor = seat.borrow().event().actor.clone();
    let seat: Rc<dyn Seated> = Rc::<RefCell<Seat<M>>>::clone(seat);
    SEATS.with_borrow_mut(|seats| seats.insert(actor, seat));
}

/// The states of all machines that were given anything; `None` if one of them is gone.
pub(super) fn cut() -> Option<Result<Vec<(ActorId, Kept)>, ProtocolError>> {
    SEATS.with_borrow(|seats| {
        let heard = seats.iter().filter(|(_, seat)| seat.heard());
        if seats.values().any(|seat| seat.gone()) {
            return None;
        }
        heard
            .map(|(actor, seat)| seat.keep().map(|kept| kept.map(|kept| (actor.clone(), kept))))
            .collect()
    })
}
