//! Credentials that are looked up when somebody asks for them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use portreeve_protocol::CredentialRef;

use super::Keyring;

/// Looks up what is under a name now. It never fails otherwise than by saying what could not be
/// read, and bounds its own time.
pub(crate) trait PullSource: Send + Sync {
    /// What there is under `name`.
    fn look(&self, name: &CredentialRef) -> Pin<Box<dyn Future<Output = Look> + Send>>;

    /// What was found under `name` was of no use: it is to be looked up anew when it is asked for
    /// next.
    fn doubt(&self, name: &CredentialRef);
}

/// What is under a name.
#[derive(Clone, Default)]
pub(crate) struct Look {
    /// The entries of each Secret that could be read, in order.
    pub(crate) keyrings: Vec<Arc<Keyring>>,
    /// What could not be read.
    pub(crate) unread: Vec<Unread>,
}

/// A Secret or service account that could not be read, so that it is as if it were not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unread {
    /// Which.
    pub(crate) name: CredentialRef,
    /// Why, as words that may follow its name and a colon.
    pub(crate) why: String,
}
