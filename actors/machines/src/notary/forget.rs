//! An operator forgets what is trusted of a collection.

use portreeve_protocol::Fact;
use portreeve_protocol::messages::notary::{Forget, NotaryEffect};

use super::{NotaryFetcher, Turn};

impl NotaryFetcher {
    /// Drops all that is kept of the collection. A flight under way set out from it, so it is told
    /// to begin anew when it ends; until then nothing of it is kept.
    pub(super) fn forget(&mut self, forget: &Forget, turn: &mut Turn<'_>) {
        self.collections.remove(&forget.gun);
        turn.out.push(NotaryEffect::Note(Fact::TrustReset {
            gun: forget.gun.clone(),
            reason: forget.reason.clone(),
            server: self.server.clone(),
        }));
    }
}
