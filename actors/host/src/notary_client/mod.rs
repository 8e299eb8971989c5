//! Asks trust servers for documents.

mod address;
pub(crate) mod anchors;
mod challenge;
mod exchange;
mod server_url;
mod token;
mod trouble;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Uri;
use portreeve_protocol::messages::notary::{FetchOutcome, FetchRequest};
use portreeve_protocol::{Blob, limits};

use crate::HostError;
use address::Reach;
use challenge::Bearer;
use exchange::{Exchange, Reply};
pub use server_url::ServerUrl;
use token::{Token, Tokens};
use trouble::{Broken, NoToken, PRIVATE_ADDRESS, Party, Trouble};

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

/// The client for Notary servers: HTTP/1.1 over TLS on kept connections. Clones share connections.
#[derive(Clone)]
pub struct HttpFetcher(Arc<Client>);

struct Client {
    allow_realm: BTreeMap<String, BTreeSet<String>>,
    approved: BTreeSet<String>,
    exchange: Exchange,
    tokens: Tokens,
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
        let FetcherOptions { allow_realm, approved, trust_ca } = options;
        let exchange = Exchange::new(&anchors::client_config(&trust_ca)?);
        Ok(Self(Arc::new(Client { allow_realm, approved, exchange, tokens: Tokens::default() })))
    }
}

impl Fetcher for HttpFetcher {
    fn fetch(&self, request: FetchRequest) -> Pin<Box<dyn Future<Output = FetchOutcome> + Send>> {
        let client = Arc::clone(&self.0);
        Box::pin(async move {
            let time = Duration::from_micros(request.timeout);
            let outcome = tokio::time::timeout(time, client.document(&request)).await;
            let (party, trouble) = match outcome {
                Ok(Ok(outcome)) => return outcome,
                Ok(Err(failure)) => failure,
                Err(_) => {
                    let late = Broken::Timeout(request.timeout / 1_000);
                    (Party::TrustServer, Trouble::Unreachable(late))
                }
            };
            let document = request.document.to_string();
            FetchOutcome::Failed(trouble.denial(party, &request.server, &document))
        })
    }
}

impl Client {
    /// Asks for the document; once more with a new token when the server wants one.
    async fn document(&self, request: &FetchRequest) -> Result<FetchOutcome, Failure> {
        let at_server = |trouble| (Party::TrustServer, trouble);
        let server = self.server(&request.server).map_err(at_server)?;
        let uri = document_uri(&server.url, request).map_err(at_server)?;
        let kept = self.tokens.get(&request.server, &request.gun, Instant::now());
        let ask = async |token: Option<&Token>| {
            self.exchange.get(server.reach, &uri, token, request.limit).await.map_err(at_server)
        };
        let challenge = match ask(kept.as_ref()).await? {
            Reply::Absent => return Ok(FetchOutcome::Absent),
            Reply::Body(bytes) => return Ok(FetchOutcome::Document(Blob::new(bytes))),
            Reply::Challenge(challenge) => challenge,
        };
        self.tokens.forget(&request.server, &request.gun);
        let challenge = challenge.ok_or(at_server(Trouble::Token(NoToken::Challenge)))?;
        let token = self.token(&server, &request.server, &request.gun, &challenge).await?;
        match ask(Some(&token)).await? {
            Reply::Absent => Ok(FetchOutcome::Absent),
            Reply::Body(bytes) => Ok(FetchOutcome::Document(Blob::new(bytes))),
            Reply::Challenge(_) => {
                self.tokens.forget(&request.server, &request.gun);
                Err(at_server(Trouble::Token(NoToken::NotTaken)))
            }
        }
    }

    /// Whether, and how far, a trust server may be asked: https only, and no address private to the
    /// node, unless the operator approved the server.
    fn server(&self, text: &str) -> Result<Server, Trouble> {
        let url = ServerUrl::parse(text).map_err(Trouble::Refused)?;
        let approved = self.approved.contains(&url.to_string());
        let reach = reach(&url, approved)?;
        Ok(Server { approved, reach, url })
    }

    /// Asks the realm of a challenge for a token without credentials, and keeps it.
    async fn token(
        &self,
        server: &Server,
        name: &str,
        gun: &str,
        challenge: &Bearer,
    ) -> Result<Token, Failure> {
        let (uri, reach) =
            self.realm(server, gun, challenge).map_err(|trouble| (Party::TrustServer, trouble))?;
        let at_realm = |trouble| (Party::TokenServer, trouble);
        let reply = self.exchange.get(reach, &uri, None, limits::TOKEN_BYTES).await;
        let body = match reply.map_err(at_realm)? {
            Reply::Body(body) => body,
            Reply::Absent | Reply::Challenge(_) => {
                return Err(at_realm(Trouble::Token(NoToken::Denied)));
            }
        };
        let unusable = at_realm(Trouble::Token(NoToken::Unusable));
        let grant = token::read_grant(&body).ok_or(unusable)?;
        self.tokens.put(name, gun, &grant, Instant::now());
        Ok(grant.token)
    }

    /// The URL to ask for a token, if the realm is the trust server's own host or the operator
    /// allowed it for that server.
    fn realm(
        &self,
        server: &Server,
        gun: &str,
        challenge: &Bearer,
    ) -> Result<(Uri, Reach), Trouble> {
        let (base, query) = match challenge.realm.split_once('?') {
            Some((base, query)) => (base, Some(query)),
            None => (challenge.realm.as_str(), None),
        };
        let url = ServerUrl::parse(base).map_err(|_| Trouble::Token(NoToken::Unusable))?;
        let own = url.host() == server.url.host();
        let allowed = self.allow_realm.get(server.url.authority());
        if !own && !allowed.is_some_and(|hosts| hosts.contains(url.authority())) {
            return Err(Trouble::Token(NoToken::Realm(url.authority().to_owned())));
        }
        let reach = reach(&url, server.approved)?;
        let mut text = format!("{url}?");
        if let Some(query) = query.filter(|query| !query.is_empty()) {
            text.extend([query, "&"]);
        }
        if let Some(service) = &challenge.service {
            text.push_str("service=");
            encode(&mut text, service);
            text.push('&');
        }
        text.push_str("scope=");
        encode(&mut text, &format!("repository:{gun}:pull"));
        let uri = text.parse().map_err(|_| Trouble::Token(NoToken::Unusable))?;
        Ok((uri, reach))
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
fn encode(into: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            into.push_str(&format!("%{byte:02X}"));
        }
    }
}
