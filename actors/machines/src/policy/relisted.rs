//! The whole list of objects.

use portreeve_protocol::Outbox;
use portreeve_protocol::messages::policy::{PolicyEffect, Relisted};
use portreeve_protocol::planted::{self, Bug};

use super::PolicyCache;

impl PolicyCache {
    /// Replaces all that was known. A source that was just listed is being watched.
    pub(super) fn relisted(&mut self, relisted: &Relisted, out: &mut Outbox<PolicyEffect>) {
        if !planted::is(Bug::RelistMerged) {
            self.policies.clear();
        }
        self.secrets.clear();
        for object in &relisted.objects {
            self.take(object);
        }
        if self.listed {
            self.watch_restored(out);
        }
        self.listed = true;
        self.watched = true;
    }
}
