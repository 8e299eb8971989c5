//! The load: reviews over kept TLS connections, each answer looked at, each latency kept.
//!
//! HTTP/1.1 is written and read by hand, so that the generator costs far less than any server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::error::{BenchError, system, talk};
use crate::review::Template;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes of a head and a body that an answer may have.
const ANSWER_BYTES: usize = 1 << 20;

/// How reviews are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    /// This many HTTP/1.1 connections, one review at a time on each.
    Http1(usize),
    /// One HTTP/2 connection with this many streams at once.
    Http2(usize),
}

impl Way {
    /// As it stands in tables.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Http1(connections) => format!("h1 x{connections}"),
            Self::Http2(streams) => format!("h2 x{streams}"),
        }
    }
}

/// What a client needs to reach a server.
#[derive(Clone)]
pub(crate) struct Client {
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
    uids: Arc<AtomicU64>,
}

/// The connections of one way to one server; they are kept while it is measured.
pub(crate) enum Held {
    Http1(Vec<Connection>),
    Http2 { sender: http2::SendRequest<Full<Bytes>>, streams: usize },
}

/// The latencies that one worker saw, and its connection, where it has one of its own.
type Pressed = (Vec<u64>, Option<Connection>);

/// What came of one stretch of load.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stretch {
    pub(crate) elapsed: Duration,
    /// Of each answer, in nanoseconds; sorted.
    pub(crate) latencies: Vec<u64>,
}

impl Stretch {
    /// What came of several under the same load, as of one.
    pub(crate) fn joined(parts: Vec<Self>) -> Self {
        let mut all = Self::default();
        for part in parts {
            all.elapsed += part.elapsed;
            all.latencies.extend(part.latencies);
        }
        all.latencies.sort_unstable();
        all
    }

    /// Answers in a second.
    pub(crate) fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// The latency that `share` of the answers did not exceed, in microseconds.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        let at = (last as f64 * share).round() as usize;
        self.latencies.get(at).map_or(0.0, |nanos| *nanos as f64 / 1_000.0)
    }
}

impl Client {
    /// A client that trusts only `ca` (PEM text).
    pub(crate) fn new(ca: &str) -> Result<Self, BenchError> {
        const CLIENT: &str = "set up a client";
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(ca.as_bytes()) {
            roots.add(certificate.map_err(talk(CLIENT))?).map_err(talk(CLIENT))?;
        }
        let config = |protocol: &[u8]| {
            let mut config =
                ClientConfig::builder().with_root_certificates(roots.clone()).with_no_client_auth();
            config.alpn_protocols = vec![protocol.to_vec()];
            Arc::new(config)
        };
        let uids = Arc::new(AtomicU64::new(1));
        Ok(Self { http1: config(b"http/1.1"), http2: config(b"h2"), uids })
    }

    /// Makes the connections of one way, and has each of them answer once.
    pub(crate) async fn hold(
        &self,
        address: SocketAddr,
        way: Way,
        template: &Template,
    ) -> Result<Held, BenchError> {
        match way {
            Way::Http1(count) => {
                let mut connections = Vec::with_capacity(count);
                for _ in 0..count {
                    let mut connection = self.connect(address).await?;
                    connection.ask(template, self.uid()).await?;
                    connections.push(connection);
                }
                Ok(Held::Http1(connections))
            }
            Way::Http2(streams) => {
                let mut sender = self.connect2(address).await?;
                ask2(&mut sender, template, self.uid()).await?;
                Ok(Held::Http2 { sender, streams })
            }
        }
    }

    /// Sends `template` again and again for `time`, over connections that are still good after it.
    pub(crate) async fn press(
        &self,
        held: &mut Held,
        template: &Arc<Template>,
        time: Duration,
    ) -> Result<Stretch, BenchError> {
        let started = Instant::now();
        let until = started + time;
        let mut workers: JoinSet<Result<Pressed, BenchError>> = JoinSet::new();
        match held {
            Held::Http1(connections) => {
                for connection in std::mem::take(connections) {
                    let (client, template) = (self.clone(), Arc::clone(template));
                    workers
                        .spawn(async move { client.worker1(connection, &template, until).await });
                }
            }
            Held::Http2 { sender, streams } => {
                for _ in 0..*streams {
                    let (client, template) = (self.clone(), Arc::clone(template));
                    let sender = sender.clone();
                    workers.spawn(async move { client.worker2(sender, &template, until).await });
                }
            }
        }
        let mut stretch = Stretch::default();
        while let Some(done) = workers.join_next().await {
            let (latencies, connection) = done.map_err(talk("send reviews"))??;
            stretch.latencies.extend(latencies);
            if let Held::Http1(connections) = held {
                connections.extend(connection);
            }
        }
        stretch.elapsed = started.elapsed();
        stretch.latencies.sort_unstable();
        Ok(stretch)
    }

    /// Sends each of `templates` once, `connections` at a time.
    pub(crate) async fn each(
        &self,
        address: SocketAddr,
        connections: usize,
        templates: Vec<Template>,
    ) -> Result<Stretch, BenchError> {
        let templates = Arc::new(templates);
        let next = Arc::new(AtomicU64::new(0));
        let mut workers = JoinSet::new();
        let started = Instant::now();
        for _ in 0..connections {
            let mut connection = self.connect(address).await?;
            let (templates, next) = (Arc::clone(&templates), Arc::clone(&next));
            let client = self.clone();
            workers.spawn(async move {
                let mut latencies = Vec::new();
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let at = usize::try_from(at).unwrap_or(usize::MAX);
                    let Some(template) = templates.get(at) else { return Ok(latencies) };
                    latencies.push(connection.ask(template, client.uid()).await?);
                }
            });
        }
        let mut stretch = Stretch::default();
        while let Some(done) = workers.join_next().await {
            let done: Result<Vec<u64>, BenchError> = done.map_err(talk("send reviews"))?;
            stretch.latencies.extend(done?);
        }
        stretch.elapsed = started.elapsed();
        stretch.latencies.sort_unstable();
        Ok(stretch)
    }

    async fn worker1(
        &self,
        mut connection: Connection,
        template: &Template,
        until: Instant,
    ) -> Result<Pressed, BenchError> {
        let mut latencies = Vec::new();
        while Instant::now() < until {
            latencies.push(connection.ask(template, self.uid()).await?);
        }
        Ok((latencies, Some(connection)))
    }

    async fn worker2(
        &self,
        mut sender: http2::SendRequest<Full<Bytes>>,
        template: &Template,
        until: Instant,
    ) -> Result<Pressed, BenchError> {
        let mut latencies = Vec::new();
        while Instant::now() < until {
            latencies.push(ask2(&mut sender, template, self.uid()).await?);
        }
        Ok((latencies, None))
    }

    fn uid(&self) -> u64 {
        self.uids.fetch_add(1, Ordering::Relaxed)
    }

    /// One kept HTTP/1.1 connection.
    pub(crate) async fn connect(&self, address: SocketAddr) -> Result<Connection, BenchError> {
        let stream = tls(address, &self.http1).await?;
        Ok(Connection { read: Vec::new(), stream, write: Vec::new() })
    }

    async fn connect2(
        &self,
        address: SocketAddr,
    ) -> Result<http2::SendRequest<Full<Bytes>>, BenchError> {
        const CONNECT: &str = "connect over HTTP/2";
        let stream = tls(address, &self.http2).await?;
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .initial_connection_window_size(4 << 20)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(talk(CONNECT))?;
        // It ends with the senders; what breaks it shows in the next request.
        tokio::spawn(connection);
        Ok(sender)
    }
}

/// Sends one review as a stream of its own; the time it took, in nanoseconds.
async fn ask2(
    sender: &mut http2::SendRequest<Full<Bytes>>,
    template: &Template,
    uid: u64,
) -> Result<u64, BenchError> {
    const ASK: &str = "send a review over HTTP/2";
    let mut body = Vec::with_capacity(template.body_length());
    template.write_body(uid, &mut body);
    let request = Request::post("https://portreeve.portreeve.svc/admit?timeout=10s")
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))
        .map_err(talk(ASK))?;
    let started = Instant::now();
    let exchange = async {
        sender.ready().await.map_err(talk(ASK))?;
        let response = sender.send_request(request).await.map_err(talk(ASK))?;
        let body = response.into_body().collect().await.map_err(talk(ASK))?;
        Ok::<_, BenchError>(body.to_bytes())
    };
    let body = tokio::time::timeout(PATIENCE, exchange).await.map_err(talk(ASK))??;
    let took = nanos(started);
    template.check(uid, &body)?;
    Ok(took)
}

async fn tls(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
) -> Result<TlsStream<TcpStream>, BenchError> {
    const CONNECT: &str = "connect to a server";
    let stream = TcpStream::connect(address).await.map_err(system(CONNECT))?;
    stream.set_nodelay(true).map_err(system(CONNECT))?;
    let name = ServerName::from(address.ip());
    let connector = TlsConnector::from(Arc::clone(config));
    connector.connect(name, stream).await.map_err(system(CONNECT))
}

/// One kept HTTP/1.1 connection over TLS.
pub(crate) struct Connection {
    read: Vec<u8>,
    stream: TlsStream<TcpStream>,
    write: Vec<u8>,
}

impl Connection {
    /// Sends one review and reads its answer; the time it took, in nanoseconds.
    pub(crate) async fn ask(&mut self, template: &Template, uid: u64) -> Result<u64, BenchError> {
        const ASK: &str = "send a review";
        self.write.clear();
        template.write_request(uid, &mut self.write);
        let started = Instant::now();
        let exchange = async {
            self.stream.write_all(&self.write).await.map_err(system(ASK))?;
            self.stream.flush().await.map_err(system(ASK))?;
            self.answer().await
        };
        let body = tokio::time::timeout(PATIENCE, exchange).await.map_err(talk(ASK))??;
        let took = nanos(started);
        template.check(uid, &self.read[body..])?;
        Ok(took)
    }

    /// Reads a whole answer; where its body begins.
    async fn answer(&mut self) -> Result<usize, BenchError> {
        const ANSWER: &str = "read an answer";
        self.read.clear();
        let mut ends = None;
        loop {
            if let Some((body, end)) = ends
                && self.read.len() >= end
            {
                return Ok(body);
            }
            let got = self.stream.read_buf(&mut self.read).await.map_err(system(ANSWER))?;
            if got == 0 || self.read.len() > ANSWER_BYTES {
                return Err(talk(ANSWER)("the server closed the connection in the middle"));
            }
            if ends.is_none() {
                ends = head(&self.read)?;
            }
        }
    }
}

/// Where the body begins and ends, once the head is there.
fn head(bytes: &[u8]) -> Result<Option<(usize, usize)>, BenchError> {
    let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = String::from_utf8_lossy(&bytes[..at]);
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    match length {
        Some(length) if status.starts_with("HTTP/1.1 200") => Ok(Some((at + 4, at + 4 + length))),
        _ => Err(talk("read an answer")(format!("it begins with `{status}`"))),
    }
}

fn nanos(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_where_its_length_says() -> Result<(), BenchError> {
        let text = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
        assert_eq!(head(text)?, Some((text.len() - 3, text.len())));
        assert_eq!(head(b"HTTP/1.1 200 OK\r\n")?, None);
        assert!(head(b"HTTP/1.1 500 No\r\nContent-Length: 3\r\n\r\n").is_err());
        Ok(())
    }

    #[test]
    fn a_quantile_is_one_of_the_latencies() {
        let latencies = (1..=100).map(|it| it * 1_000).collect();
        let stretch = Stretch { elapsed: Duration::from_secs(2), latencies };
        assert!((stretch.quantile(0.5) - 51.0).abs() < 1.1);
        assert!((stretch.quantile(1.0) - 100.0).abs() < f64::EPSILON);
        assert!((stretch.rate() - 50.0).abs() < f64::EPSILON);
    }

    #[test]
    fn what_is_joined_counts_all_answers_over_all_of_the_time() {
        let part = |latencies| Stretch { elapsed: Duration::from_secs(1), latencies };
        let all = Stretch::joined(vec![part(vec![2_000, 9_000]), part(vec![1_000])]);
        assert!((all.rate() - 1.5).abs() < f64::EPSILON);
        assert_eq!(all.latencies, [1_000, 2_000, 9_000]);
    }
}
