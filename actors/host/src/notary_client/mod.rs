//! Asks trust servers for documents.

use std::future::Future;
use std::pin::Pin;

use portreeve_protocol::messages::notary::{FetchOutcome, FetchRequest};

/// Whatever can answer a [`FetchRequest`]. It never fails otherwise than by an outcome, and keeps
/// to the request's limits of bytes and time.
pub trait Fetcher: Send + Sync + 'static {
    /// Asks for one document.
    fn fetch(&self, request: FetchRequest) -> Pin<Box<dyn Future<Output = FetchOutcome> + Send>>;
}
