//! A static Notary server on a loopback address: it serves what it is told, over TLS.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Response, StatusCode, header};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::{Documents, LabError, LoopbackTls};

/// Requests kept in the log; older ones are forgotten.
const LOGGED: usize = 10_000;
/// Blanks sent in one piece.
const BLANKS: usize = 64 << 10;
/// Time a client has to speak.
const PATIENCE: Duration = Duration::from_secs(10);
const NOT_FOUND: &str = concat!(
    r#"{"errors":[{"code":"METADATA_NOT_FOUND","message":"You have requested metadata that "#,
    r#"does not exist.","detail":null}]}"#,
);

/// How one path is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The body.
    pub body: Arc<[u8]>,
    /// Whether the body is sent in chunks, without Content-Length.
    pub chunked: bool,
    /// How long to wait before answering.
    pub delay: Duration,
    /// How many blanks to append to the body.
    pub pad_spaces: u64,
    /// The status code, 200 to 599.
    pub status: u16,
}

impl Route {
    /// Answers 200 with `body`.
    #[must_use]
    pub fn document(body: impl Into<Arc<[u8]>>) -> Self {
        Self::status(200, body)
    }

    /// Answers with `status` and `body`.
    #[must_use]
    pub fn status(status: u16, body: impl Into<Arc<[u8]>>) -> Self {
        let body = body.into();
        Self { body, chunked: false, delay: Duration::ZERO, pad_spaces: 0, status }
    }
}

/// A request that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its path, such as `/v2/host/app/_trust/tuf/root.json`.
    pub path: String,
    /// The status it was answered with.
    pub status: u16,
}

#[derive(Default)]
struct Shared {
    answered: u64,
    log: VecDeque<Request>,
    routes: BTreeMap<String, Route>,
}

/// A running server; it stops when it is dropped.
pub struct NotaryServer {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    task: JoinHandle<()>,
}

impl NotaryServer {
    /// Listens on a free port of 127.0.0.1 with the certificate in `tls`. Call it within a tokio
    /// runtime; the server lives on that runtime.
    ///
    /// # Errors
    /// `Tls`, or `Listen` if there is no free port.
    pub async fn start(tls: &LoopbackTls) -> Result<Self, LabError> {
        let failed = |error: std::io::Error| LabError::Listen { why: error.to_string() };
        let acceptor = TlsAcceptor::from(tls.server_config()?);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let shared = Arc::new(Mutex::new(Shared::default()));
        let task = tokio::spawn(accept(listener, acceptor, Arc::clone(&shared)));
        Ok(Self { address, shared, task })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL, without trailing slash: `https://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Serves `documents` as those of the collection `gun`; names not among them are 404 from now.
    pub fn publish(&self, gun: &str, documents: &Documents) {
        let prefix = tuf_path(gun, "");
        let mut shared = lock(&self.shared);
        shared.routes.retain(|path, _| !path.starts_with(&prefix));
        for (name, body) in documents {
            shared.routes.insert(format!("{prefix}{name}"), Route::document(Arc::clone(body)));
        }
    }

    /// Answers `path` by `route` from now on.
    pub fn set(&self, path: impl Into<String>, route: Route) {
        lock(&self.shared).routes.insert(path.into(), route);
    }

    /// Answers `path` with 404 from now on.
    pub fn forget(&self, path: &str) {
        lock(&self.shared).routes.remove(path);
    }

    /// How many requests were answered so far.
    #[must_use]
    pub fn answered(&self) -> u64 {
        lock(&self.shared).answered
    }

    /// The last requests, oldest first, at most 10,000.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.shared).log.iter().cloned().collect()
    }
}

impl Drop for NotaryServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The path of a document of a collection (`storage/httpstore.go:buildMetaURL`).
#[must_use]
pub fn tuf_path(gun: &str, name: &str) -> String {
    format!("/v2/{gun}/_trust/tuf/{name}")
}

/// Nothing of ours can panic while it holds the lock, so a poisoned one is as good as any.
fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Accepts until it is aborted; its connections then end with it.
async fn accept(listener: TcpListener, acceptor: TlsAcceptor, shared: Arc<Mutex<Shared>>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(converse(stream, acceptor.clone(), Arc::clone(&shared)));
                } else {
                    // Out of descriptors, most likely; do not spin on it.
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

/// A client that goes away or speaks nonsense ends its own connection, and nothing else.
async fn converse(stream: TcpStream, acceptor: TlsAcceptor, shared: Arc<Mutex<Shared>>) {
    let handshake = tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await;
    let Ok(Ok(stream)) = handshake else { return };
    let service = service_fn(move |request: http::Request<Incoming>| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(answer(&request, &shared).await) }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    drop(server.serve_connection(TokioIo::new(stream), service).await);
}

async fn answer(request: &http::Request<Incoming>, shared: &Mutex<Shared>) -> Response<Content> {
    let path = request.uri().path();
    let route = if path == "/v2/" && request.method() == Method::GET {
        Route::document(&b"{}"[..])
    } else if request.method() == Method::GET {
        let known = lock(shared).routes.get(path).cloned();
        known.unwrap_or_else(|| Route::status(404, NOT_FOUND.as_bytes()))
    } else {
        Route::status(404, NOT_FOUND.as_bytes())
    };
    if !route.delay.is_zero() {
        tokio::time::sleep(route.delay).await;
    }
    let mut response = Response::new(Content::of(&route));
    *response.status_mut() =
        StatusCode::from_u16(route.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let plain = header::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    let mut shared = lock(shared);
    shared.answered += 1;
    if shared.log.len() == LOGGED {
        shared.log.pop_front();
    }
    shared.log.push_back(Request { path: path.to_owned(), status: route.status });
    response
}

/// A body, then blanks; hyper sends chunks if the length is not told.
struct Content {
    blanks: u64,
    chunked: bool,
    head: Bytes,
}

impl Content {
    fn of(route: &Route) -> Self {
        Self {
            blanks: route.pad_spaces,
            chunked: route.chunked,
            head: Bytes::from_owner(Arc::clone(&route.body)),
        }
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        static SPACES: [u8; BLANKS] = [b' '; BLANKS];
        let piece = if !self.head.is_empty() {
            std::mem::take(&mut self.head)
        } else if self.blanks > 0 {
            let length = usize::try_from(self.blanks).unwrap_or(BLANKS).min(BLANKS);
            self.blanks -= length as u64;
            Bytes::from_static(&SPACES[..length])
        } else {
            return Poll::Ready(None);
        };
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.head.is_empty() && self.blanks == 0
    }

    fn size_hint(&self) -> SizeHint {
        if self.chunked {
            SizeHint::default()
        } else {
            SizeHint::with_exact(self.head.len() as u64 + self.blanks)
        }
    }
}
