//! One GET: bounded in bytes, without redirects, on a kept connection where there is one.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, USER_AGENT, WWW_AUTHENTICATE};
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use portreeve_protocol::limits;
use rustls::ClientConfig;

use super::address::{Reach, Resolver};
use super::challenge::{self, Bearer};
use super::token::Token;
use super::trouble::{Broken, Trouble};

type Pool = Client<HttpsConnector<HttpConnector<Resolver>>, Empty<Bytes>>;

/// Connections, apart for each reach, so that none is used beyond what it was made for.
pub(super) struct Exchange {
    any: Pool,
    loopback: Pool,
    public: Pool,
}

/// What a server replied, as far as there is something to do with it.
pub(super) enum Reply {
    /// 404.
    Absent,
    /// 200, and its body.
    Body(Vec<u8>),
    /// 401, and the bearer challenge if it holds one.
    Challenge(Option<Bearer>),
}

/// Idle connections kept for each server.
const IDLE: usize = 16;
/// How long an idle connection is kept.
const IDLE_TIME: Duration = Duration::from_secs(90);
/// How long connecting may take, all addresses of a name together.
const CONNECT_TIME: Duration = Duration::from_secs(3);
/// Bytes read from an answer that is of no use, so that its connection can be kept.
const USELESS_BYTES: u64 = 16 << 10;

impl Exchange {
    pub(super) fn new(tls: &ClientConfig) -> Self {
        Self {
            any: pool(tls, Reach::Any),
            loopback: pool(tls, Reach::Loopback),
            public: pool(tls, Reach::Public),
        }
    }

    /// Asks for `uri`. The body may have `limit` bytes.
    pub(super) async fn get(
        &self,
        reach: Reach,
        uri: &Uri,
        token: Option<&Token>,
        limit: u64,
    ) -> Result<Reply, Trouble> {
        let pool = match reach {
            Reach::Any => &self.any,
            Reach::Loopback => &self.loopback,
            Reach::Public => &self.public,
        };
        let response = match pool.request(request(uri, token)?).await {
            Ok(response) => response,
            Err(error) if error.is_connect() => return Err(Trouble::of(&error)),
            // A kept connection may be closed by the server just when it is used again.
            Err(_) => {
                pool.request(request(uri, token)?).await.map_err(|error| Trouble::of(&error))?
            }
        };
        match response.status() {
            StatusCode::OK => read(response.into_body(), limit).await.map(Reply::Body),
            StatusCode::NOT_FOUND => {
                discard(response).await;
                Ok(Reply::Absent)
            }
            StatusCode::UNAUTHORIZED => {
                let challenge = challenge_in(response.headers());
                discard(response).await;
                Ok(Reply::Challenge(challenge))
            }
            other => Err(Trouble::Status(other.as_u16())),
        }
    }
}

fn pool(tls: &ClientConfig, reach: Reach) -> Pool {
    let mut http = HttpConnector::new_with_resolver(Resolver(reach));
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(CONNECT_TIME));
    let https = HttpsConnectorBuilder::new().with_tls_config(tls.clone());
    let connector = match reach {
        Reach::Any | Reach::Public => https.https_only().enable_http1().wrap_connector(http),
        Reach::Loopback => https.https_or_http().enable_http1().wrap_connector(http),
    };
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIME)
        .pool_max_idle_per_host(IDLE)
        .http1_max_buf_size(limits::HEAD_BYTES)
        .build(connector)
}

fn request(uri: &Uri, token: Option<&Token>) -> Result<Request<Empty<Bytes>>, Trouble> {
    let mut request = Request::get(uri.clone())
        .header(ACCEPT, "application/json")
        .header(USER_AGENT, concat!("portreeve/", env!("CARGO_PKG_VERSION")))
        .body(Empty::new())
        .map_err(|_| Trouble::Refused("its URL cannot be asked for"))?;
    if let Some(token) = token {
        request.headers_mut().insert(AUTHORIZATION, token.header());
    }
    Ok(request)
}

/// The first bearer challenge in the answer's head.
fn challenge_in(headers: &HeaderMap) -> Option<Bearer> {
    let mut values = headers.get_all(WWW_AUTHENTICATE).iter();
    values.find_map(|value| challenge::bearer(value.to_str().ok()?))
}

/// Reads a body of at most `limit` bytes.
async fn read(mut body: Incoming, limit: u64) -> Result<Vec<u8>, Trouble> {
    let stated = body.size_hint().exact();
    if stated.is_some_and(|length| length > limit) {
        return Err(Trouble::Oversize(limit));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(stated.unwrap_or_default()).unwrap_or(0));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Trouble::Unreachable(Broken::Closed))?;
        let Ok(data) = frame.into_data() else { continue };
        if (bytes.len() + data.len()) as u64 > limit {
            return Err(Trouble::Oversize(limit));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

/// Reads on a little, so that the connection can serve again; what it was does not matter.
async fn discard(response: Response<Incoming>) {
    let _ = read(response.into_body(), USELESS_BYTES).await;
}
