//! Listening, connections, and their end.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use portreeve_protocol::limits;
use rustls::ServerConfig;
use slog::{Logger, debug, info, warn};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinHandle;
use tokio_io_timeout::TimeoutStream;

use super::guests::Guests;
use super::sockets::Socket;
use super::tls_stream::TlsStream;
use super::{Port, Webhook};
use crate::HostError;

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a connection may be idle or spell out a request's head. Longer than the 90 seconds
/// after which an API server closes its idle connections: the client must be the one who closes.
const HEAD: Duration = Duration::from_secs(300);
const _: () = assert!(HEAD.as_secs() > 90, "an API server closes after 90 seconds; we must not");
/// How long answers under way may take once the server is told to end.
const GRACE: Duration = Duration::from_secs(5);
/// How long a client may take none of what is sent to it.
const TAKE: Duration = Duration::from_secs(60);
/// What the head of a stranger's request over HTTP/2 may have, in bytes.
const STRANGERS_HEAD: u32 = 16 << 10;
/// What a stranger may send over HTTP/2 before somebody reads it, in bytes.
const STRANGERS_WINDOW: u32 = 64 << 10;
/// How long to wait before accepting again when the system is out of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// A listening socket with all its connections.
pub(super) struct Server {
    address: SocketAddr,
    context: Context,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// A client, as far as its connection tells.
#[derive(Debug, Clone, Copy)]
pub(super) struct Client {
    pub(super) address: IpAddr,
    pub(super) authenticated: bool,
}

#[derive(Clone)]
struct Context {
    log: Logger,
    port: Port,
    shaking: Arc<Guests>,
    stop: watch::Receiver<bool>,
    tls: Tls,
    webhook: Arc<Webhook>,
}

/// The configuration of TLS in force when a connection begins; `None` speaks without.
pub(super) type Tls = Option<watch::Receiver<Arc<ServerConfig>>>;

impl Server {
    /// Listens on `socket`; with `tls`, speaks nothing else. It needs a tokio runtime around it.
    pub(super) fn start(
        socket: Socket,
        tls: Tls,
        port: Port,
        webhook: Arc<Webhook>,
        log: Logger,
    ) -> Result<Self, HostError> {
        let (listener, address) = socket.listen()?;
        let (stop, stopped) = watch::channel(false);
        let shaking = Guests::new(limits::CONNECTIONS, limits::HANDSHAKES_EACH);
        let context = Context { log, port, shaking, stop: stopped, tls, webhook };
        let task = tokio::spawn(accept(listener, context.clone()));
        Ok(Self { address, context, stop, task })
    }

    /// Serves a connection that did not come through the socket.
    pub(super) async fn attend<S>(&self, stream: S, address: IpAddr)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        connection(stream, address, self.context.clone()).await;
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts nothing more, lets answers under way out, and ends.
    pub(super) async fn stop(self) {
        self.stop.send_replace(true);
        // A panic in the loop has ended it as well.
        let _ = self.task.await;
    }
}

/// Accepts connections until told to stop, then waits for those there are.
async fn accept(listener: TcpListener, mut context: Context) {
    let slots = Arc::new(Semaphore::new(limits::CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            () = told(&mut context.stop) => break,
            accepted = next(&listener, &slots) => accepted,
        };
        match accepted {
            Ok((stream, address, slot)) => {
                let context = context.clone();
                tokio::spawn(async move {
                    let _ = stream.set_nodelay(true);
                    connection(stream, address.ip().to_canonical(), context).await;
                    drop(slot);
                });
            }
            Err(failure) => {
                warn!(context.log, "a connection could not be accepted";
                    "port" => ?context.port, "why" => %failure);
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    let all = u32::try_from(limits::CONNECTIONS).unwrap_or(u32::MAX);
    // Every connection ends within its grace.
    let _ = slots.acquire_many(all).await;
}

/// Waits until the server is told to end.
async fn told(stop: &mut watch::Receiver<bool>) {
    // An error means that nobody is left to tell, which is as good.
    let _ = stop.wait_for(|stop| *stop).await;
}

type Accepted = (TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit);

async fn next(listener: &TcpListener, slots: &Arc<Semaphore>) -> std::io::Result<Accepted> {
    let slot = Arc::clone(slots).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, address) = listener.accept().await?;
    Ok((stream, address, slot))
}

/// Serves one connection. Clients that go away in the middle are nothing to speak of.
async fn connection<S>(stream: S, address: IpAddr, mut context: Context)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    // Who takes nothing would hold a connection for as long as they like.
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(TAKE));
    let stream = Box::pin(stream);
    let config = context.tls.as_ref().map(|tls| Arc::clone(&tls.borrow()));
    let Some(config) = config else {
        let client = Client { address, authenticated: false };
        return serve(stream, false, client, context).await;
    };
    let Some(shaking) = context.shaking.admit(address) else {
        return context.webhook.metrics.handshake_failed("crowded");
    };
    let shaken = tokio::select! {
        () = told(&mut context.stop) => return,
        shaken = tokio::time::timeout(HANDSHAKE, TlsStream::accept(stream, config)) => shaken,
    };
    let stream = match shaken {
        Ok(Ok(stream)) => stream,
        Ok(Err(failure)) => return context.not_shaken(address, &failure),
        Err(_) => {
            context.webhook.metrics.handshake_failed("timeout");
            return debug!(context.log, "a TLS handshake took too long"; "peer" => %address);
        }
    };
    drop(shaking);
    let agreed = stream.state();
    let authenticated = agreed.peer_certificates().is_some();
    let http2 = agreed.alpn_protocol() == Some(b"h2");
    let client = Client { address, authenticated };
    let webhook = Arc::clone(&context.webhook);
    let Some(strangers) = webhook.room_of_strangers(client) else {
        return serve(stream, http2, client, context).await;
    };
    let Some(_place) = strangers.connections().admit(address) else {
        return webhook.metrics.handshake_failed("crowded");
    };
    serve(stream, http2, client, context).await;
}

impl Context {
    /// Clients that go away, or speak something else, are nothing to speak of; a certificate that
    /// does not verify is, since the API server may be the one whose reviews are lost.
    fn not_shaken(&self, address: IpAddr, failure: &std::io::Error) {
        let inner = failure.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        if let Some(rustls::Error::InvalidCertificate(why)) = inner {
            self.webhook.metrics.handshake_failed("certificate");
            info!(self.log, "a client's certificate was refused";
                "peer" => %address, "why" => %why);
        } else {
            self.webhook.metrics.handshake_failed("aborted");
            debug!(self.log, "a TLS handshake came to nothing"; "peer" => %address);
        }
    }
}

async fn serve<S>(stream: S, http2: bool, client: Client, mut context: Context)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (webhook, port) = (Arc::clone(&context.webhook), context.port);
    let stranger = webhook.room_of_strangers(client).is_some();
    let asked = Arc::new(Notify::new());
    let begun = Arc::new(AtomicBool::new(false));
    let (mut leaving, leave) = (webhook.leaving.subscribe(), Arc::clone(&asked));
    let begins = Arc::clone(&begun);
    let service = service_fn(move |request| {
        let webhook = Arc::clone(&webhook);
        begins.store(true, Ordering::Relaxed);
        asked.notify_one();
        async move { webhook.respond(port, client, request).await }
    });
    let builder = protocol(http2, stranger);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    // `hyper` waits for the first bytes of HTTP/2 for as long as it takes.
    let silent = tokio::time::sleep(HEAD);
    // A connection that comes while this replica leaves is of use for one request.
    let leave = async {
        told(&mut leaving).await;
        leave.notified().await;
    };
    tokio::pin!(connection, leave, silent);
    let (mut staying, mut patient) = (http2, http2);
    loop {
        tokio::select! {
            () = silent.as_mut(), if patient => {
                patient = false;
                if !begun.load(Ordering::Relaxed) {
                    return;
                }
            }
            ended = connection.as_mut() => {
                if ended.is_err() {
                    debug!(context.log, "a connection broke"; "peer" => %client.address);
                }
                return;
            }
            () = told(&mut context.stop) => {
                connection.as_mut().graceful_shutdown();
                let _ = tokio::time::timeout(GRACE, connection).await;
                return;
            }
            () = leave.as_mut(), if staying => {
                staying = false;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

/// How HTTP is spoken on a connection; with less room for a stranger.
fn protocol(http2: bool, stranger: bool) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // Otherwise `hyper` takes new room to see whether the client leaves while it waits.
        .half_close(true)
        .header_read_timeout(HEAD)
        .max_buf_size(limits::HEAD_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(Duration::from_secs(60)))
        .max_concurrent_streams(limits::STREAMS)
        .max_header_list_size(u32::try_from(limits::HEAD_BYTES).unwrap_or(u32::MAX));
    if stranger {
        builder
            .http2()
            .initial_connection_window_size(STRANGERS_WINDOW)
            .initial_stream_window_size(STRANGERS_WINDOW)
            .max_concurrent_streams(u32::try_from(limits::STRANGERS_IN_FLIGHT).unwrap_or(1))
            .max_header_list_size(STRANGERS_HEAD);
    }
    if http2 { builder.http2_only() } else { builder.http1_only() }
}
