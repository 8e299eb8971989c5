//! An object was created or changed.

use portreeve_protocol::messages::policy::{Applied, SourceObject};
use portreeve_protocol::planted::{self, Bug};

use super::{PolicyCache, signer_key, spec};

impl PolicyCache {
    /// Takes the object in place of what was known of it.
    pub(super) fn applied(&mut self, applied: &Applied) {
        self.take(&applied.object);
    }

    pub(super) fn take(&mut self, object: &SourceObject) {
        match object {
            SourceObject::Policy(policy)
                if self.policies.contains_key(&policy.id)
                    && planted::is(Bug::PolicyChangeIgnored) => {}
            SourceObject::Policy(policy) => {
                self.policies.insert(policy.id.clone(), spec::parse(&policy.spec));
            }
            SourceObject::SignerSecret(secret) => {
                let id = (secret.namespace.clone(), secret.secret.clone());
                self.secrets.insert(id, signer_key(&secret.name, &secret.public_key));
            }
        }
    }
}
