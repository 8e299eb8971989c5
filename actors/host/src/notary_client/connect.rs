//! Connections to servers, straight or through a proxy.
//!
//! The address rule is applied to the very addresses that are connected to. Through a proxy it is
//! the proxy that resolves the name, so the rule then holds for addresses in URLs, and for names as
//! far as they can be resolved here; what else may not be reached is for the proxy to refuse.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower_service::Service;

use super::address::{self, Forbidden, Reach, Resolver};
use super::proxy::{Proxies, Proxy};

/// How long connecting may take, all addresses of a name together.
const CONNECT_TIME: Duration = Duration::from_secs(3);
/// Bytes a proxy may answer to CONNECT.
const TUNNEL_HEAD_BYTES: usize = 8 << 10;

/// A connection before the trust server's TLS: plain, or through a proxy that itself wants TLS.
type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Makes connections.
#[derive(Clone)]
pub(super) struct Connector {
    direct: HttpConnector<Resolver>,
    proxies: Arc<Proxies>,
    reach: Reach,
    to_proxy: HttpsConnector<HttpConnector<Resolver>>,
}

/// A proxy did not connect us.
#[derive(Debug)]
pub(super) enum ProxyFailed {
    /// It answered with this status.
    Status(u16),
    /// It cannot be talked to.
    Unreachable,
}

impl fmt::Display for ProxyFailed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(formatter, "the proxy answered with status {status}"),
            Self::Unreachable => formatter.write_str("the proxy could not be talked to"),
        }
    }
}

impl std::error::Error for ProxyFailed {}

impl Connector {
    /// `tls` is for a proxy that is itself asked over TLS.
    pub(super) fn new(reach: Reach, proxies: Arc<Proxies>, tls: &ClientConfig) -> Self {
        let to_proxy = HttpsConnectorBuilder::new().with_tls_config(tls.clone());
        let to_proxy = to_proxy.https_or_http().enable_http1().wrap_connector(tcp(Reach::Any));
        Self { direct: tcp(reach), proxies, reach, to_proxy }
    }
}

fn tcp(reach: Reach) -> HttpConnector<Resolver> {
    let mut http = HttpConnector::new_with_resolver(Resolver(reach));
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(CONNECT_TIME));
    http
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, Failure>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let Some(proxy) = self.proxies.through(&uri) else {
            let connecting = self.direct.call(uri);
            return Box::pin(async move { Ok(MaybeHttpsStream::Http(connecting.await?)) });
        };
        let (proxy, reach, mut connector) = (proxy.clone(), self.reach, self.to_proxy.clone());
        Box::pin(async move {
            let host = uri.host().unwrap_or_default().to_owned();
            if reach == Reach::Public && address::is_forbidden_here(&host).await {
                return Err(Failure::from(Forbidden));
            }
            let stream = connector.call(proxy.uri.clone()).await;
            let stream = stream.map_err(|_| ProxyFailed::Unreachable)?;
            Ok(tunnel(stream, &proxy, &host, uri.port_u16().unwrap_or(443)).await?)
        })
    }
}

/// Has the proxy connect us (RFC 9110, section 9.3.6).
async fn tunnel(
    stream: Stream,
    proxy: &Proxy,
    host: &str,
    port: u16,
) -> Result<Stream, ProxyFailed> {
    let mut head =
        format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n").into_bytes();
    if let Some(value) = &proxy.authorization {
        head.extend_from_slice(b"Proxy-Authorization: ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    let mut stream = TokioIo::new(stream);
    let broken = |_| ProxyFailed::Unreachable;
    stream.write_all(&head).await.map_err(broken)?;
    stream.flush().await.map_err(broken)?;
    let mut answer = Vec::new();
    // By bytes, so that nothing that comes through the tunnel is taken out of it.
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() == TUNNEL_HEAD_BYTES {
            return Err(ProxyFailed::Unreachable);
        }
        answer.push(stream.read_u8().await.map_err(broken)?);
    }
    match status(&answer) {
        Some(200..300) => Ok(stream.into_inner()),
        Some(other) => Err(ProxyFailed::Status(other)),
        None => Err(ProxyFailed::Unreachable),
    }
}

/// The number in a status line such as `HTTP/1.1 200 Connection established`.
fn status(answer: &[u8]) -> Option<u16> {
    let rest = answer.strip_prefix(b"HTTP/1.").and_then(|rest| rest.get(1..))?;
    let number = rest.strip_prefix(b" ")?.get(..3)?;
    std::str::from_utf8(number).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_of_a_proxy_is_a_number_in_its_place() {
        assert_eq!(status(b"HTTP/1.1 200 Connection established\r\n\r\n"), Some(200));
        assert_eq!(status(b"HTTP/1.0 407\r\n\r\n"), Some(407));
        for answer in [&b"HTTP/2 200 \r\n"[..], b"200", b"HTTP/1.1 2", b"HTTP/1.1  200", b""] {
            assert_eq!(status(answer), None);
        }
    }
}
