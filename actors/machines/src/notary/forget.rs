//! An operator forgets what is trusted of a collection.

use portreeve_protocol::Fact;
use portreeve_protocol::messages::admission::Forgotten;
use portreeve_protocol::messages::notary::{Forget, NotaryEffect};
use portreeve_protocol::planted::{self, Bug};

use super::{NotaryFetcher, Turn};

impl NotaryFetcher {
    /// Drops all that is kept of the collection. A flight under way set out from it: it is given
    /// up, and whoever waits is served by another that sets out from nothing.
    pub(super) fn forget(&mut self, forget: &Forget, turn: &mut Turn<'_>) {
        let Forget { gun, reason } = forget;
        if !planted::is(Bug::ResetIgnored)
            && let Some(kept) = self.collections.remove(gun)
        {
            self.accounts.remove(&(kept.namespace, gun.clone()));
        }
        turn.out.push(NotaryEffect::Note(Fact::TrustReset {
            gun: gun.clone(),
            reason: reason.clone(),
            server: self.server.clone(),
        }));
        let server = self.server.clone();
        turn.out.push(NotaryEffect::Forgotten(Forgotten { gun: gun.clone(), server }));
        let Some(mut flight) = self.flights.remove(gun) else { return };
        for tag in std::mem::take(&mut flight.waiting) {
            flight.queue(tag, turn.mono);
        }
        self.land(gun, flight, turn);
    }
}
