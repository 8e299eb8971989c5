//! An object is gone.

use portreeve_protocol::messages::policy::{Deleted, ObjectRef};
use portreeve_protocol::planted::{self, Bug};

use super::PolicyCache;

impl PolicyCache {
    /// Forgets the object.
    pub(super) fn deleted(&mut self, deleted: &Deleted) {
        match &deleted.object {
            ObjectRef::Policy(_) if planted::is(Bug::PolicyDeletionIgnored) => {}
            ObjectRef::Policy(id) => {
                self.policies.remove(id);
            }
            ObjectRef::SignerSecret { .. } if planted::is(Bug::SignerDeletionIgnored) => {}
            ObjectRef::SignerSecret { namespace, secret } => {
                self.secrets.remove(&(namespace.clone(), secret.clone()));
            }
        }
    }
}
