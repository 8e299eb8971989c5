//! The HTTP side: reviews in, answers out, probes and metrics.
//!
//! Wherever the uid of a review can be read, the answer is HTTP 200, if need be with a denial and
//! its reason: under `failurePolicy: Ignore` an HTTP error would be an allow.

mod answer;
mod body;
mod diagnose;
mod guests;
mod members;
mod pod;
mod probes;
mod refusal;
mod reload;
mod review;
mod server;
mod sockets;
mod strangers;
mod timeout;
mod tls;
mod tls_stream;

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use portreeve_protocol::entry::Answered;
use portreeve_protocol::messages::admission::{Peer, ReviewFacts, ReviewPath};
use portreeve_protocol::{Denial, DenyCode, ProtocolError, limits};
use slog::{Logger, error};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, watch};

use crate::HostError;
use crate::clock::Clock;
use crate::events::{About, EventSink, Occurrence};
use crate::metrics::{Metrics, Step};
use crate::node::{Answer, Node};
use crate::seals::Sealer;
pub use answer::{EVENT_ANNOTATION, RECORD_ANNOTATION, SealChange, decided};
use answer::{Form, sealed};
use body::{Outgoing, Unread};
pub use reload::Certificates;
pub use review::{Circumstances, Unreadable, parse};
use server::{Client, Server};
pub use sockets::Sockets;
use strangers::Strangers;
pub use timeout::budget;
pub use tls::TlsPaths;

/// What the HTTP side needs.
pub struct WebhookOptions {
    /// The certificate to show, and of whom to ask one.
    pub certificates: Certificates,
    /// The clocks.
    pub clock: Clock,
    /// Who is told of decisions besides the sender of a workload, if anybody is.
    pub events: Option<Arc<dyn EventSink>>,
    /// Where troubles with connections are logged.
    pub log: Logger,
    /// What `/metrics` shows.
    pub metrics: Arc<Metrics>,
    /// Decides.
    pub node: Node,
    /// Makes and checks seals.
    pub sealer: Sealer,
    /// Where reviews are received and metrics served.
    pub sockets: Sockets,
}

/// The two listeners.
pub struct Listeners {
    _certificates: Certificates,
    main: Server,
    metrics: Option<Server>,
    webhook: Arc<Webhook>,
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
    events: Option<Arc<dyn EventSink>>,
    /// Whether reviews should be sent elsewhere, though they are still decided here.
    leaving: watch::Sender<bool>,
    log: Logger,
    /// Room for bodies, in KiB.
    memory: Semaphore,
    metrics: Arc<Metrics>,
    node: Node,
    sealer: Sealer,
    /// Room for clients without a certificate, where one is asked for.
    strangers: Option<Strangers>,
}

type Reply = Response<Outgoing>;

impl Listeners {
    /// Starts to listen. It needs a tokio runtime around it.
    ///
    /// # Errors
    /// `Listen`.
    pub fn start(options: WebhookOptions) -> Result<Self, HostError> {
        let WebhookOptions { certificates, clock, events, log, metrics, sockets, .. } = options;
        let strangers = certificates.asks_clients().then(Strangers::new);
        let webhook = Arc::new(Webhook {
            clock,
            events,
            leaving: watch::Sender::new(false),
            log: log.clone(),
            memory: Semaphore::new(limits::BODIES_BYTES >> 10),
            metrics,
            node: options.node,
            sealer: options.sealer,
            strangers,
        });
        let shared = || Arc::clone(&webhook);
        let tls = Some(certificates.follow());
        let main = Server::start(sockets.main, tls, Port::Main, shared(), log.clone())?;
        let metrics =
            sockets.metrics.map(|it| Server::start(it, None, Port::Metrics, shared(), log));
        let metrics = metrics.transpose()?;
        Ok(Self { _certificates: certificates, main, metrics, webhook })
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

    /// Serves a connection that came by another way than the sockets, as one to the main listener:
    /// from the TLS handshake to its end.
    pub async fn attend<S>(&self, stream: S, peer: IpAddr)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.main.attend(stream, peer).await;
    }

    /// Says from now on that this replica is not ready. Reviews are decided as before, but no
    /// connection outlives the answers under way on it: an API server keeps a connection for as
    /// long as it can, and would go on asking here.
    pub fn leave(&self) {
        self.webhook.leaving.send_replace(true);
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
        let keeps_open = request.version() == Version::HTTP_11;
        let mut reply = self.reply(port, client, request).await;
        // HTTP/2 has a frame for it, which `server` sends.
        if keeps_open && *self.leaving.borrow() {
            reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(reply)
    }

    async fn reply(&self, port: Port, client: Client, request: Request<Incoming>) -> Reply {
        let path = request.uri().path();
        let reading = matches!(*request.method(), Method::GET | Method::HEAD);
        match (port, path) {
            (Port::Main, "/admit" | "/validate") if request.method() != Method::POST => {
                self.metrics.unreadable(StatusCode::METHOD_NOT_ALLOWED.as_u16());
                wrong_method("POST")
            }
            (Port::Main, "/admit" | "/validate") => {
                let admits = path == "/admit";
                let path = if admits { ReviewPath::Admit } else { ReviewPath::Validate };
                // In a box, since what it holds would be moved with every future around it.
                Box::pin(self.receive(path, client, request)).await
            }
            (_, "/livez" | "/readyz" | "/metrics") if !reading => wrong_method("GET, HEAD"),
            (_, "/livez") => self.alive(),
            (_, "/readyz") => self.ready(probes::is_verbose(request.uri().query())),
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
        }
    }

    /// The room of strangers, if the client is one.
    fn room_of_strangers(&self, client: Client) -> Option<&Strangers> {
        self.strangers.as_ref().filter(|_| !client.authenticated)
    }

    /// Answers a review.
    async fn receive(&self, path: ReviewPath, client: Client, request: Request<Incoming>) -> Reply {
        if !is_json(request.headers().get(CONTENT_TYPE)) {
            let why = "a review is sent as Content-Type application/json";
            return self.refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, why);
        }
        let budget = budget(request.uri().query());
        // While it waits, the rest of the head only takes room.
        let body = request.into_body();
        let circumstances = || Circumstances {
            budget,
            path,
            peer: Peer { address: client.address.to_string(), authenticated: client.authenticated },
            sealer: self.sealer.clone(),
        };
        let strangers = self.room_of_strangers(client);
        // Held until the answer is there.
        let _place = match strangers {
            None => None,
            Some(strangers) => match strangers.place().await {
                Some(place) => Some(place),
                None => {
                    return self.refuse(StatusCode::SERVICE_UNAVAILABLE, strangers::TOO_MANY);
                }
            },
        };
        let memory = strangers.map_or(&self.memory, Strangers::memory);
        let begun = self.clock.mono();
        let body = match body::read(body, memory).await {
            Ok(body) => body,
            Err(Unread { begun, status, why }) => {
                return match refusal::rescue(&begun, circumstances(), Unreadable(why)) {
                    Ok(facts) => self.review_from(strangers, facts).await,
                    Err(Unreadable(why)) => self.refuse(status, &why),
                };
            }
        };
        if body.bytes.is_empty() {
            let why = "the body is empty; a review is sent in it";
            return self.refuse(StatusCode::BAD_REQUEST, why);
        }
        let received = self.clock.mono();
        self.metrics.step(Step::Receive, received.since(begun));
        let parsed = parse(&body.bytes, circumstances());
        let parsed = parsed.or_else(|why| refusal::rescue(&body.bytes, circumstances(), why));
        self.metrics.step(Step::Parse, self.clock.mono().since(received));
        match parsed {
            Ok(facts) => {
                drop(body);
                self.review_from(strangers, facts).await
            }
            Err(Unreadable(why)) => self.refuse(StatusCode::BAD_REQUEST, &why),
        }
    }

    /// Refuses what cannot be answered as a review.
    fn refuse(&self, status: StatusCode, why: &str) -> Reply {
        self.metrics.unreadable(status.as_u16());
        plain(status, why)
    }

    /// As [`Webhook::review`], at less cost for a stranger, whose reviews are denied anyway.
    async fn review_from(&self, strangers: Option<&Strangers>, facts: ReviewFacts) -> Reply {
        let Some(strangers) = strangers else { return self.review(Arc::new(facts)).await };
        let facts = strangers::reduced(facts);
        if strangers.may_record(self.clock.mono()) {
            return self.review(Arc::new(facts)).await;
        }
        let why = Denial::new(DenyCode::ClientUnauthenticated, strangers::UNRECORDED);
        let answer = self.node.deny_unrecorded(&facts.uid, why);
        match decided(facts.version, &answer, None) {
            Ok(bytes) => json(bytes.into()),
            Err(failure) => self.unwritten(&failure),
        }
    }

    fn unwritten(&self, failure: &ProtocolError) -> Reply {
        error!(self.log, "an answer cannot be written"; "why" => %failure);
        self.refuse(StatusCode::INTERNAL_SERVER_ERROR, "the answer cannot be written")
    }

    /// Has the machines decide; the node sees to it that there is an answer in time.
    async fn review(&self, facts: Arc<ReviewFacts>) -> Reply {
        let (version, annotated, path) = (facts.version, facts.annotated, facts.path);
        let about = self.events.as_ref().and_then(|_| About::of(&facts));
        let (sealer, form) = (self.sealer.clone(), Form { annotated, version });
        let scribe = Box::new(move |answer: &Answer| sealed(answer, form, &sealer).ok());
        let (answer, written) = self.node.review_as(facts, Some(scribe)).await;
        let released = self.clock.mono();
        if let (Some(events), Some(about)) = (&self.events, about)
            && let Some(occurrence) = Occurrence::of(about, path, &answer.decision)
        {
            events.tell(occurrence);
        }
        let bytes = match written.map_or_else(|| sealed(&answer, form, &self.sealer), Ok) {
            Ok(bytes) => bytes,
            Err(failure) => return self.unwritten(&failure),
        };
        self.metrics.stands_on(&answer.decision);
        self.metrics.step(Step::Answer, self.clock.mono().since(released));
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
