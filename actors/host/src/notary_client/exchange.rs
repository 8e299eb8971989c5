//! One request and its answer: bounded in bytes, without redirects, on a kept connection where
//! there is one.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, RETRY_AFTER, USER_AGENT, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use portreeve_protocol::limits;
use rustls::ClientConfig;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::address::Reach;
use super::anchors::Anchors;
use super::challenge::{self, Challenge};
use super::connect::Connector;
use super::proxy::Proxies;
use super::trouble::{Broken, Trouble};

type Pool = Client<HttpsConnector<Connector>, Full<Bytes>>;

/// Connections, apart for each host with CAs of its own.
pub(super) struct Exchange {
    anchors: Anchors,
    hosts: BTreeMap<String, Pools>,
    proxies: Arc<Proxies>,
    shared: Pools,
    /// As [`Exchange::hosts`], for as long as the trust bundle says so; each with its CAs.
    vouched: RwLock<BTreeMap<String, (String, Pools)>>,
}

/// Connections, apart for each reach, so that none is used beyond what it was made for; clones
/// share them.
#[derive(Clone)]
struct Pools {
    any: Pool,
    loopback: Pool,
    public: Pool,
}

/// What to ask for.
pub(super) struct Question<'a> {
    /// The `Authorization` header.
    pub(super) authorization: Option<HeaderValue>,
    /// A form to be posted; without it the question is a GET.
    pub(super) form: Option<String>,
    /// The most bytes the answer's body may have.
    pub(super) limit: u64,
    /// Where it may lead.
    pub(super) reach: Reach,
    /// The URL.
    pub(super) uri: &'a Uri,
}

/// What a server replied, as far as there is something to do with it.
pub(super) enum Reply {
    /// 404.
    Absent,
    /// 200, and its body.
    Body(Vec<u8>),
    /// 401, and the challenge if it holds one.
    Challenge(Option<Challenge>),
}

/// Idle connections kept for each server.
const IDLE: usize = 16;
/// How long an idle connection is kept.
const IDLE_TIME: Duration = Duration::from_secs(90);
/// Bytes that get room before they have come.
const FIRST_BYTES: u64 = 64 << 10;
/// Bytes read from an answer that is of no use, so that its connection can be kept.
const USELESS_BYTES: u64 = 16 << 10;
/// The longest a server's wish to be left alone is passed on, in seconds.
const LONGEST_WAIT: u64 = 3_600;

impl Exchange {
    pub(super) fn new(anchors: Anchors, proxies: Proxies) -> Self {
        let proxies = Arc::new(proxies);
        let pools = |tls| Pools::new(tls, &anchors.shared, &proxies);
        let hosts = anchors.hosts.iter().map(|(host, tls)| (host.clone(), pools(tls))).collect();
        let (shared, vouched) = (pools(&anchors.shared), RwLock::default());
        Self { anchors, hosts, proxies, shared, vouched }
    }

    /// Believes these hosts by these CAs too, and no others any more by CAs said here before.
    ///
    /// # Errors
    /// What is wrong with the CAs of a host; then nothing is changed.
    pub(super) fn vouch(&self, hosts: &BTreeMap<String, String>) -> Result<(), String> {
        let mut made = BTreeMap::new();
        let before = self.vouched.read().unwrap_or_else(PoisonError::into_inner).clone();
        for (host, pem) in hosts {
            let kept = before.get(host).filter(|(old, _)| old == pem);
            let pools = match kept {
                Some((_, pools)) => pools.clone(),
                None => {
                    let tls = self.anchors.with(host, pem);
                    let tls = tls.map_err(|why| format!("the trust server {host}: {why}"))?;
                    Pools::new(&tls, &self.anchors.shared, &self.proxies)
                }
            };
            made.insert(host.clone(), (pem.clone(), pools));
        }
        *self.vouched.write().unwrap_or_else(PoisonError::into_inner) = made;
        Ok(())
    }

    /// Asks, and reads what comes.
    pub(super) async fn ask(&self, question: &Question<'_>) -> Result<Reply, Trouble> {
        let pool = self.pool(question);
        let response = match pool.request(request(question)?).await {
            Ok(response) => response,
            Err(error) if error.is_connect() => return Err(Trouble::of(&error)),
            // A kept connection may be closed by the server just when it is used again.
            Err(_) => {
                let again = pool.request(request(question)?).await;
                again.map_err(|error| Trouble::of(&error))?
            }
        };
        match response.status() {
            StatusCode::OK => read(response.into_body(), question.limit).await.map(Reply::Body),
            StatusCode::NOT_FOUND => {
                discard(response).await;
                Ok(Reply::Absent)
            }
            StatusCode::UNAUTHORIZED => {
                let challenge = challenge_in(response.headers());
                discard(response).await;
                Ok(Reply::Challenge(challenge))
            }
            other => Err(Trouble::Status(other.as_u16(), wait_in(response.headers()))),
        }
    }

    fn pool(&self, question: &Question<'_>) -> Pool {
        let authority = question.uri.authority().map_or("", http::uri::Authority::as_str);
        let host = question.uri.host().unwrap_or_default();
        let vouched = self.vouched.read().unwrap_or_else(PoisonError::into_inner);
        let own = vouched.get(authority).map(|(_, pools)| pools);
        let own = own.or_else(|| self.hosts.get(authority)).or_else(|| self.hosts.get(host));
        let pools = own.unwrap_or(&self.shared);
        let pool = match question.reach {
            Reach::Any => &pools.any,
            Reach::Loopback => &pools.loopback,
            Reach::Public => &pools.public,
        };
        pool.clone()
    }
}

impl Pools {
    /// `to_proxy` is for proxies that are themselves asked over TLS.
    fn new(tls: &ClientConfig, to_proxy: &ClientConfig, proxies: &Arc<Proxies>) -> Self {
        let pool = |reach| {
            let connector = Connector::new(reach, Arc::clone(proxies), to_proxy);
            let https = HttpsConnectorBuilder::new().with_tls_config(tls.clone());
            let https = match reach {
                Reach::Any | Reach::Public => https.https_only(),
                Reach::Loopback => https.https_or_http(),
            };
            Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(IDLE_TIME)
                .pool_max_idle_per_host(IDLE)
                .http1_max_buf_size(limits::HEAD_BYTES)
                .build(https.enable_http1().wrap_connector(connector))
        };
        Self { any: pool(Reach::Any), loopback: pool(Reach::Loopback), public: pool(Reach::Public) }
    }
}

fn request(question: &Question<'_>) -> Result<Request<Full<Bytes>>, Trouble> {
    let (method, body) = match &question.form {
        None => (Method::GET, Full::default()),
        Some(form) => (Method::POST, Full::from(form.clone())),
    };
    let mut request = Request::builder()
        .method(method)
        .uri(question.uri.clone())
        .header(ACCEPT, "application/json")
        .header(USER_AGENT, concat!("portreeve/", env!("CARGO_PKG_VERSION")))
        .body(body)
        .map_err(|_| Trouble::Refused("its URL cannot be asked for"))?;
    if question.form.is_some() {
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(CONTENT_TYPE, form);
    }
    if let Some(authorization) = &question.authorization {
        request.headers_mut().insert(AUTHORIZATION, authorization.clone());
    }
    Ok(request)
}

/// The first challenge in the answer's head that can be met, Bearer before Basic.
fn challenge_in(headers: &HeaderMap) -> Option<Challenge> {
    let values = headers.get_all(WWW_AUTHENTICATE).iter();
    let values: Vec<_> = values.filter_map(|value| value.to_str().ok()).collect();
    let bearer = values.iter().find_map(|value| challenge::bearer(value));
    let basic = || values.iter().any(|value| challenge::is_basic(value));
    bearer.map(Challenge::Bearer).or_else(|| basic().then_some(Challenge::Basic))
}

/// `Retry-After` in seconds (RFC 9110, section 10.2.3). A date is reckoned from that of the answer,
/// so that the two clocks need not agree; forms that senders must not use are passed over.
fn wait_in(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(text.parse().unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT));
    }
    let date = |text: &str| OffsetDateTime::parse(text, &Rfc2822).ok();
    let until = date(text)?;
    let sent = headers.get(DATE).and_then(|value| value.to_str().ok()).and_then(date);
    let wait = until - sent.unwrap_or_else(OffsetDateTime::now_utc);
    // One that is over asks for nothing.
    let seconds = u64::try_from(wait.whole_seconds()).ok().filter(|seconds| *seconds > 0)?;
    Some(seconds.min(LONGEST_WAIT))
}

/// Reads a body of at most `limit` bytes.
async fn read(mut body: Incoming, limit: u64) -> Result<Vec<u8>, Trouble> {
    let stated = body.size_hint().exact();
    if stated.is_some_and(|length| length > limit) {
        return Err(Trouble::Oversize(limit));
    }
    // What is announced need not come, so not all of it gets room at once.
    let room = stated.unwrap_or_default().min(FIRST_BYTES);
    let mut bytes = Vec::with_capacity(usize::try_from(room).unwrap_or(0));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_a_number_of_seconds_or_a_date_by_the_servers_own_clock() {
        let wait = |after: &'static str, date: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_static(after));
            headers.extend(date.map(|date| (DATE, HeaderValue::from_static(date))));
            wait_in(&headers)
        };
        let sent = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(wait("7", None), Some(7));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:57 GMT", sent), Some(20));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:07 GMT", sent), None);
        assert_eq!(wait("Mon, 07 Nov 1994 08:49:37 GMT", sent), Some(LONGEST_WAIT));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:57 GMT", None), None, "long over by now");
        assert_eq!(wait("99999999999999999999999", None), Some(LONGEST_WAIT));
        for other in ["", "soon", "-1", "1.5", "Sunday, 06-Nov-94 08:49:37 GMT"] {
            assert_eq!(wait(other, sent), None, "{other}");
        }
    }
}
