//! The HTTP side: reviews in, answers out, probes and metrics.
//!
//! Wherever the uid of a review can be read, the answer is HTTP 200, if need be with a denial and
//! its reason: under `failurePolicy: Ignore` an HTTP error would be an allow.

mod answer;
mod body;
mod diagnose;
mod pod;
mod review;
mod server;
mod timeout;
mod tls;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use portreeve_protocol::entry::Answered;
use portreeve_protocol::limits;
use portreeve_protocol::messages::admission::{Peer, ReviewFacts, ReviewPath};
use slog::{Logger, error};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use crate::HostError;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::node::Node;
use crate::seals::Sealer;
pub use answer::{RECORD_ANNOTATION, SealChange, decided};
use body::Outgoing;
pub use review::{Circumstances, Unreadable, parse};
use server::{Client, Server};
pub use timeout::budget;

/// What the HTTP side needs.
pub struct WebhookOptions {
    /// PEM file of the CAs whose clients may send reviews; `None` lets anyone.
    pub client_ca: Option<PathBuf>,
    /// The clocks.
    pub clock: Clock,
    /// Where reviews are received.
    pub listen: SocketAddr,
    /// Where troubles with connections are logged.
    pub log: Logger,
    /// What `/metrics` shows.
    pub metrics: Arc<Metrics>,
    /// Where metrics are served without TLS.
    pub metrics_listen: Option<SocketAddr>,
    /// Decides.
    pub node: Node,
    /// Makes and checks seals.
    pub sealer: Sealer,
    /// PEM file of the server's certificate chain, leaf first.
    pub tls_cert: PathBuf,
    /// PEM file of the server's private key.
    pub tls_key: PathBuf,
}

/// The two listeners.
pub struct Listeners {
    main: Server,
    metrics: Option<Server>,
}

/// Which listener a request came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Port {
    Main,
    Metrics,
}

/// What answers requests.
struct Webhook {
    clock: Clock,
    log: Logger,
    /// Room for bodies, in KiB.
    memory: Semaphore,
    metrics: Arc<Metrics>,
    node: Node,
    sealer: Sealer,
    /// Whether reviews are taken only from clients whose certificate was verified.
    verified_only: bool,
}

type Reply = Response<Outgoing>;

impl Listeners {
    /// Starts to listen.
    ///
    /// # Errors
    /// `Tls` for a file that cannot be used, `Listen`.
    pub async fn start(options: WebhookOptions) -> Result<Self, HostError> {
        let WebhookOptions { client_ca, clock, listen, log, metrics, node, sealer, .. } = options;
        let config = tls::server_config(&options.tls_cert, &options.tls_key, client_ca.as_deref())?;
        let webhook = Arc::new(Webhook {
            clock,
            log: log.clone(),
            memory: Semaphore::new(limits::BODIES_BYTES >> 10),
            metrics,
            node,
            sealer,
            verified_only: client_ca.is_some(),
        });
        let acceptor = Some(TlsAcceptor::from(Arc::new(config)));
        let shared = || Arc::clone(&webhook);
        let main = Server::start(listen, acceptor, Port::Main, shared(), log.clone()).await?;
        let metrics = match options.metrics_listen {
            None => None,
            Some(address) => {
                Some(Server::start(address, None, Port::Metrics, shared(), log).await?)
            }
        };
        Ok(Self { main, metrics })
    }

    /// Where reviews are received.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.main.address()
    }

    /// Where metrics are served without TLS.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(Server::address)
    }

    /// Accepts nothing more, lets answers under way out, and ends.
    pub async fn stop(self) {
        self.main.stop().await;
        if let Some(metrics) = self.metrics {
            metrics.stop().await;
        }
    }
}

impl Webhook {
    async fn respond(
        self: Arc<Self>,
        port: Port,
        client: Client,
        request: Request<Incoming>,
    ) -> Result<Reply, Infallible> {
        let path = request.uri().path();
        let reading = matches!(*request.method(), Method::GET | Method::HEAD);
        Ok(match (port, path) {
            (Port::Main, "/admit" | "/validate") if request.method() != Method::POST => {
                wrong_method("POST")
            }
            (Port::Main, "/admit") => self.receive(ReviewPath::Admit, client, request).await,
            (Port::Main, "/validate") => self.receive(ReviewPath::Validate, client, request).await,
            (_, "/livez" | "/readyz" | "/metrics") if !reading => wrong_method("GET, HEAD"),
            (_, "/livez") => self.alive(),
            (_, "/readyz") => self.ready(),
            (_, "/metrics") => with_type(
                StatusCode::OK,
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
                self.metrics.encode().into(),
            ),
            (Port::Main, _) => plain(
                StatusCode::NOT_FOUND,
                "reviews go to /admit and /validate; see also /livez, /readyz, /metrics",
            ),
            (Port::Metrics, _) => plain(StatusCode::NOT_FOUND, "see /metrics, /livez, /readyz"),
        })
    }

    /// Answers a review.
    async fn receive(&self, path: ReviewPath, client: Client, request: Request<Incoming>) -> Reply {
        if self.verified_only && !client.authenticated {
            let why = "reviews are taken only from clients with a certificate of the client CA";
            return plain(StatusCode::FORBIDDEN, why);
        }
        if !is_json(request.headers().get(CONTENT_TYPE)) {
            let why = "a review is sent as Content-Type application/json";
            return plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, why);
        }
        let address = client.address.to_string();
        let circumstances = Circumstances {
            budget: budget(request.uri().query()),
            path,
            peer: Peer { address, authenticated: client.authenticated },
            sealer: self.sealer.clone(),
        };
        let body = match body::read(request.into_body(), &self.memory).await {
            Ok(body) => body,
            Err((status, why)) => return plain(status, &why),
        };
        match parse(&body.bytes, circumstances) {
            Ok(facts) => {
                drop(body);
                self.review(facts).await
            }
            Err(Unreadable(why)) => plain(StatusCode::BAD_REQUEST, &why),
        }
    }

    /// Has the machines decide; the node sees to it that there is an answer in time.
    async fn review(&self, facts: ReviewFacts) -> Reply {
        let (version, annotated) = (facts.version, facts.annotated);
        let answer = self.node.review(facts).await;
        let claims = answer.decision.seal.as_deref();
        let text = claims.and_then(|claims| self.sealer.seal(claims));
        let seal = text.map(|text| SealChange { annotated, text });
        let bytes = match decided(version, &answer, seal.as_ref()) {
            Ok(bytes) => bytes,
            Err(failure) => {
                error!(self.log, "an answer cannot be written"; "why" => %failure);
                let why = "the answer cannot be written";
                return plain(StatusCode::INTERNAL_SERVER_ERROR, why);
            }
        };
        let (node, clock) = (self.node.clone(), self.clock.clone());
        json(Outgoing::noticed(bytes, move || {
            let decision = &answer.decision;
            node.answered(Answered {
                allowed: decision.allowed,
                code: decision.denial.as_ref().map(|denial| denial.code),
                review: decision.review.clone(),
                wall: clock.now().wall,
            });
        }))
    }

    /// A replica that cannot go on is to be restarted, which is what a failed probe brings about.
    fn alive(&self) -> Reply {
        let health = self.node.health();
        if health.alive() {
            return plain(StatusCode::OK, "alive");
        }
        let panicked = health.poisoned.iter().map(|actor| format!("{actor} panicked"));
        let lines: Vec<_> = std::iter::once("not alive".to_owned()).chain(panicked).collect();
        plain(StatusCode::SERVICE_UNAVAILABLE, &lines.join("\n"))
    }

    /// Whether reviews should be sent here, and why not.
    fn ready(&self) -> Reply {
        let health = self.node.health();
        let mut lines = Vec::new();
        if !health.policies_loaded {
            lines.push("the policies have not been read yet".to_owned());
        }
        if !health.journal_writable {
            lines.push("the journal cannot be written".to_owned());
        }
        if health.draining {
            lines.push("this replica is shutting down".to_owned());
        }
        lines.extend(health.poisoned.iter().map(|actor| format!("{actor} panicked")));
        // A failed fetcher of one trust server is worth a line; the others go on.
        let (status, first) = match health.ready() {
            true => (StatusCode::OK, "ready"),
            false => (StatusCode::SERVICE_UNAVAILABLE, "not ready"),
        };
        lines.insert(0, first.to_owned());
        plain(status, &lines.join("\n"))
    }
}

/// Whether a Content-Type is JSON, whatever its parameters.
fn is_json(value: Option<&HeaderValue>) -> bool {
    let text = value.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = text.split(';').next().unwrap_or_default();
    media.trim().eq_ignore_ascii_case("application/json")
}

fn wrong_method(allowed: &'static str) -> Reply {
    let mut reply = plain(StatusCode::METHOD_NOT_ALLOWED, &format!("use {allowed}"));
    reply.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    reply
}

fn plain(status: StatusCode, text: &str) -> Reply {
    with_type(status, "text/plain; charset=utf-8", format!("{text}\n").into())
}

fn json(body: Outgoing) -> Reply {
    with_type(StatusCode::OK, "application/json", body)
}

fn with_type(status: StatusCode, media: &'static str, body: Outgoing) -> Reply {
    let mut reply = Response::new(body);
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
    reply
}
