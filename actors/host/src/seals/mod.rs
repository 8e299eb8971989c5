//! Seals as annotations: made and checked here, so that no key ever enters a message.

mod file;
mod keys;
mod text;
mod watch;

use std::sync::{Arc, PoisonError, RwLock};

use portreeve_protocol::NewSeal;
use portreeve_protocol::seal::{SealClaims, SealFact};

pub(crate) use file::new_line;
pub use file::{KeyFile, make_current, make_key, make_standby_key};
pub use keys::{KeyId, SealKeys};
pub use text::{Seal, read};
pub use watch::KeyWatch;

/// The keys in force, shared by whoever makes or checks seals; they may be replaced while in use.
#[derive(Clone, Default)]
pub struct Sealer {
    keys: Arc<RwLock<Arc<SealKeys>>>,
}

impl Sealer {
    /// The keys in force.
    #[must_use]
    pub fn keys(&self) -> Arc<SealKeys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts other keys in force.
    pub fn replace(&self, keys: SealKeys) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }

    /// What the text of an annotation says.
    #[must_use]
    pub fn check(&self, text: &str) -> SealFact {
        match read(&self.keys(), text) {
            Ok(seal) => SealFact::Valid(Box::new(seal.claims)),
            Err(fault) => SealFact::Invalid(fault),
        }
    }

    /// The text of the annotation that says `claims`; `None` without a key, or if it would be
    /// larger than a seal may be.
    #[must_use]
    pub fn seal(&self, claims: &SealClaims) -> Option<String> {
        text::write(&self.keys(), claims)
    }

    /// As [`Sealer::seal`], of the seal that a decision gives; `None` also if that was read from a
    /// record, which does not tell all that it says.
    #[must_use]
    pub fn give(&self, seal: &NewSeal) -> Option<String> {
        text::sign(&self.keys(), seal.json()?)
    }

    /// Whether there is a key to seal with.
    #[must_use]
    pub fn can_seal(&self) -> bool {
        self.keys().current().is_some()
    }
}

impl From<SealKeys> for Sealer {
    fn from(keys: SealKeys) -> Self {
        Self { keys: Arc::new(RwLock::new(Arc::new(keys))) }
    }
}

impl std::fmt::Debug for Sealer {
    /// The names of the keys; what is in them is secret.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_list().entries(self.keys().ids()).finish()
    }
}
