//! The watch on the policy source broke, or works again.

use portreeve_protocol::messages::policy::{PolicyEffect, WatchLost};
use portreeve_protocol::planted::{self, Bug};
use portreeve_protocol::{Fact, Outbox};

use super::PolicyCache;

impl PolicyCache {
    /// Keeps what is known, and says that it may be out of date.
    pub(super) fn watch_lost(&mut self, lost: &WatchLost, out: &mut Outbox<PolicyEffect>) {
        if self.watched || !self.listed {
            out.push(PolicyEffect::Note(Fact::WatchLost { why: lost.why.clone() }));
        }
        self.watched = planted::is(Bug::WatchLossHidden);
    }

    /// What is known is up to date again.
    pub(super) fn watch_restored(&mut self, out: &mut Outbox<PolicyEffect>) {
        if !self.watched {
            out.push(PolicyEffect::Note(Fact::WatchRestored));
        }
        self.watched = !planted::is(Bug::RestoredAsLost);
    }
}
