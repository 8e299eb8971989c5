//! Asks trust servers for documents.

mod server_url;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;

use portreeve_protocol::messages::notary::{FetchOutcome, FetchRequest};
use portreeve_protocol::{Denial, DenyCode};

use crate::HostError;
pub use server_url::ServerUrl;

/// Whatever can answer a [`FetchRequest`]. It never fails otherwise than by an outcome, and keeps
/// to the request's limits of bytes and time.
pub trait Fetcher: Send + Sync + 'static {
    /// Asks for one document.
    fn fetch(&self, request: FetchRequest) -> Pin<Box<dyn Future<Output = FetchOutcome> + Send>>;
}

/// Whom the client may talk to, and whom it believes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FetcherOptions {
    /// Host (with port unless 443) of a trust server to hosts its tokens may come from.
    pub allow_realm: BTreeMap<String, BTreeSet<String>>,
    /// Trust servers the operator approved, as [`ServerUrl`] spells them.
    pub approved: BTreeSet<String>,
    /// PEM files of CAs trusted besides the system's.
    pub trust_ca: Vec<PathBuf>,
}

/// The client for Notary servers: HTTP/1.1 over TLS on kept connections.
pub struct HttpFetcher {}

impl HttpFetcher {
    /// Reads the trust anchors and makes a client without connections.
    ///
    /// # Errors
    /// `File` or `Tls` for a CA file that cannot be read or used.
    pub fn new(_options: FetcherOptions) -> Result<Self, HostError> {
        Ok(Self {})
    }
}

impl Fetcher for HttpFetcher {
    fn fetch(&self, _request: FetchRequest) -> Pin<Box<dyn Future<Output = FetchOutcome> + Send>> {
        let why = Denial::new(DenyCode::Internal, "the client is being written");
        Box::pin(std::future::ready(FetchOutcome::Failed(why)))
    }
}
