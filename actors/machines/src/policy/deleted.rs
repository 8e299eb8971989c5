//! An object is gone.

use portreeve_protocol::messages::policy::{Deleted, ObjectRef};

use super::PolicyCache;

impl PolicyCache {
    /// Forgets the object.
    pub(super) fn deleted(&mut self, deleted: &Deleted) {
        match &deleted.object {
            ObjectRef::Policy(id) => {
                self.policies.remove(id);
            }
            ObjectRef::SignerSecret { namespace, secret } => {
                self.secrets.remove(&(namespace.clone(), secret.clone()));
            }
        }
    }
}
