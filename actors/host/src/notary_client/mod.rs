//! Asks trust servers for documents.

mod address;
pub(crate) mod anchors;
mod authorize;
pub mod challenge;
mod connect;
mod exchange;
mod files;
mod proxy;
mod realm;
mod server_url;
mod token;
mod trouble;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http::Uri;
use portreeve_protocol::CredentialRef;
use portreeve_protocol::messages::notary::{FetchOutcome, FetchRequest};

use crate::HostError;
use crate::credentials::Credentials;
use address::Reach;
use exchange::Exchange;
pub(crate) use files::{FileReply, FileServer};
pub use proxy::Proxies;
pub use server_url::ServerUrl;
use token::Tokens;
use trouble::{Broken, PRIVATE_ADDRESS, Party, Trouble};

/// What came of a [`FetchRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchAnswer {
    /// The credential that the server accepted; `None` if it asked for none or took none.
    pub credential: Option<CredentialRef>,
    /// The document, or why there is none.
    pub outcome: FetchOutcome,
    /// For a failure that may pass: how long to wait before asking again, in microseconds, 0 if
    /// the server named no time.
    pub retry_after: Option<u64>,
}

impl From<FetchOutcome> for FetchAnswer {
    /// An outcome without credentials, which is final.
    fn from(outcome: FetchOutcome) -> Self {
        Self { credential: None, outcome, retry_after: None }
    }
}

/// Whatever can answer a [`FetchRequest`]. It never fails otherwise than by an outcome, and keeps
/// to the request's limits of bytes and time.
pub trait Fetcher: Send + Sync + 'static {
    /// Asks for one document.
    fn fetch(&self, request: FetchRequest) -> Pin<Box<dyn Future<Output = FetchAnswer> + Send>>;
}

/// Whom the client may talk to, and whom it believes. The default talks to no proxy and has no
/// credentials.
#[derive(Debug, Clone, Default)]
pub struct FetcherOptions {
    /// Host (with port unless 443) of a trust server to hosts its tokens may come from.
    pub allow_realm: BTreeMap<String, BTreeSet<String>>,
    /// Trust servers the operator approved, as [`ServerUrl`] spells them.
    pub approved: BTreeSet<String>,
    /// The credentials that requests name.
    pub credentials: Credentials,
    /// Host, with port unless 443 or all ports are meant, to PEM files of CAs that are trusted
    /// there alone, besides the others.
    pub host_ca: BTreeMap<String, Vec<PathBuf>>,
    /// Through whom to ask.
    pub proxies: Proxies,
    /// PEM files of CAs trusted besides the system's.
    pub trust_ca: Vec<PathBuf>,
}

/// The client for Notary servers: HTTP/1.1 over TLS on kept connections. Clones share connections.
#[derive(Clone)]
pub struct HttpFetcher(Arc<Client>);

struct Client {
    allow_realm: BTreeMap<String, BTreeSet<String>>,
    approved: BTreeSet<String>,
    credentials: Credentials,
    exchange: Exchange,
    tokens: Tokens,
    /// The trust servers that the trust bundle names, as [`ServerUrl`] spells them.
    vouched: RwLock<BTreeSet<String>>,
}

/// A trust server that may be asked.
struct Server {
    approved: bool,
    reach: Reach,
    url: ServerUrl,
}

type Failure = (Party, Trouble);

impl HttpFetcher {
    /// Reads the trust anchors and makes a client without connections.
    ///
    /// # Errors
    /// `Tls` for a CA file that cannot be read or used.
    pub fn new(options: FetcherOptions) -> Result<Self, HostError> {
        let FetcherOptions { allow_realm, approved, credentials, host_ca, proxies, trust_ca } =
            options;
        let exchange = Exchange::new(anchors::Anchors::read(&trust_ca, &host_ca)?, proxies);
        let (tokens, vouched) = (Tokens::default(), RwLock::default());
        let client = Client { allow_realm, approved, credentials, exchange, tokens, vouched };
        Ok(Self(Arc::new(client)))
    }

    /// Takes the trust servers that a trust bundle names for approved, and believes them by the CAs
    /// that it gives; those of the bundle before count no more.
    ///
    /// # Errors
    /// What is wrong with a server or its CAs; then nothing is changed.
    pub fn vouch(&self, servers: &BTreeMap<&str, Option<&str>>) -> Result<(), String> {
        let (mut urls, mut hosts) = (BTreeSet::new(), BTreeMap::new());
        for (text, ca) in servers {
            let url = ServerUrl::parse(text).map_err(|why| format!("`{text}`: {why}"))?;
            if let Some(pem) = ca {
                hosts.insert(url.authority().to_owned(), (*pem).to_owned());
            }
            urls.insert(url.to_string());
        }
        self.0.exchange.vouch(&hosts)?;
        *self.0.vouched.write().unwrap_or_else(PoisonError::into_inner) = urls;
        Ok(())
    }
}

impl Fetcher for HttpFetcher {
    fn fetch(&self, request: FetchRequest) -> Pin<Box<dyn Future<Output = FetchAnswer> + Send>> {
        let client = Arc::clone(&self.0);
        Box::pin(async move {
            let time = Duration::from_micros(request.timeout);
            let outcome = tokio::time::timeout(time, client.document(&request)).await;
            let (party, trouble) = match outcome {
                Ok(Ok((outcome, credential))) => {
                    return FetchAnswer { credential, outcome, retry_after: None };
                }
                Ok(Err(failure)) => failure,
                Err(_) => {
                    let late = Broken::Timeout(request.timeout / 1_000);
                    (Party::TrustServer, Trouble::Unreachable(late))
                }
            };
            let document = request.document.to_string();
            let denial = trouble.denial(party, &request.server, &document);
            let outcome = FetchOutcome::Failed(denial);
            FetchAnswer { credential: None, outcome, retry_after: trouble.retry_after() }
        })
    }
}

impl Client {
    /// Whether, and how far, a trust server may be asked: https only, and no address private to the
    /// node, unless the operator approved the server.
    fn server(&self, text: &str) -> Result<Server, Trouble> {
        let url = ServerUrl::parse(text).map_err(Trouble::Refused)?;
        let vouched = self.vouched.read().unwrap_or_else(PoisonError::into_inner);
        let name = url.to_string();
        let approved = self.approved.contains(&name) || vouched.contains(&name);
        let reach = reach(&url, approved)?;
        Ok(Server { approved, reach, url })
    }
}

fn reach(url: &ServerUrl, approved: bool) -> Result<Reach, Trouble> {
    let reach = match (approved, url.secure()) {
        (true, true) => Reach::Any,
        (true, false) => Reach::Loopback,
        (false, true) => Reach::Public,
        (false, false) => return Err(Trouble::Refused("only https servers are asked")),
    };
    match url.literal() {
        Some(address) if !reach.allows(address) => Err(Trouble::Refused(match reach {
            Reach::Loopback => "without TLS only a loopback address is asked",
            Reach::Any | Reach::Public => PRIVATE_ADDRESS,
        })),
        _ => Ok(reach),
    }
}

/// `{server}/v2/{gun}/_trust/tuf/{document}` (Notary `storage/httpstore.go:buildMetaURL`).
fn document_uri(server: &ServerUrl, request: &FetchRequest) -> Result<Uri, Trouble> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:/".contains(&byte);
    let gun = &request.gun;
    let climbs = gun.split('/').any(|segment| matches!(segment, "" | "." | ".."));
    if climbs || !gun.bytes().all(plain) {
        return Err(Trouble::Refused("the repository's name does not fit into a URL"));
    }
    let document = request.document.to_string();
    if !document.bytes().all(|byte| plain(byte) || byte == b'_') || document.contains("..") {
        return Err(Trouble::Refused("the document's name does not fit into a URL"));
    }
    format!("{server}/v2/{gun}/_trust/tuf/{document}")
        .parse()
        .map_err(|_| Trouble::Refused("its URL is too long"))
}

/// Appends `text` with everything but unreserved characters percent-encoded (RFC 3986, 2.3).
pub(crate) fn encode(into: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            into.push_str(&format!("%{byte:02X}"));
        }
    }
}
