//! Which machines a node runs.

use std::fmt;

use portreeve_machines::{Admission, NotaryFetcher, PolicyCache, Verifier};
use portreeve_protocol::entry::Started;
use portreeve_protocol::evidence::TrustedCollection;

/// How the machines of a node are made, once its incarnation is opened. Tests put machines of their
/// own here, to see what the host does with them.
pub struct Cast<A, N, P, V> {
    /// Makes the admission machine.
    pub admission: fn(&Started) -> A,
    /// Makes the notary fetcher of a trust server, given by its URL.
    pub notary: fn(&Started, &str) -> N,
    /// What a notary fetcher keeps, for operators to see.
    pub trusted: fn(&N) -> Vec<TrustedCollection>,
    /// Makes the policy cache.
    pub policy: fn(&Started) -> P,
    /// Makes a verifier; it keeps nothing between inputs.
    pub verify: fn(&Started) -> V,
}

impl Cast<Admission, NotaryFetcher, PolicyCache, Verifier> {
    /// The machines of Portreeve.
    #[must_use]
    pub fn real() -> Self {
        Self {
            admission: Admission::new,
            notary: NotaryFetcher::new,
            policy: PolicyCache::new,
            trusted: NotaryFetcher::trusted,
            verify: Verifier::new,
        }
    }
}

impl<A, N, P, V> fmt::Debug for Cast<A, N, P, V> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Cast").finish_non_exhaustive()
    }
}

impl<A, N, P, V> Clone for Cast<A, N, P, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A, N, P, V> Copy for Cast<A, N, P, V> {}
