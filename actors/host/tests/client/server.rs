//! Scripted servers on loopback, which remember what they were asked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portreeve_host::credentials::Credentials;
use portreeve_host::notary_client::{FetchAnswer, Fetcher, FetcherOptions, HttpFetcher};
use portreeve_lab::LoopbackTls;
use portreeve_protocol::messages::notary::{DocumentName, FetchOutcome, FetchRequest};
use portreeve_protocol::{CredentialRef, DenyCode};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

type Script = Arc<dyn Fn(&str) -> Reply + Send + Sync>;

/// What a scripted server does after a request.
pub enum Reply {
    Close,
    /// Says this, and then this again and again.
    Endless(String, String),
    Say(String),
    SayAndClose(String),
    Silence,
    /// Says this, and then one byte after the other, with a pause between them.
    SlowDrip(String),
}

/// A server that answers each request as a script says, and remembers what it was asked.
pub struct Server {
    ca: String,
    connections: Arc<Mutex<usize>>,
    pub port: u16,
    /// Heads, and bodies behind them.
    requests: Arc<Mutex<Vec<String>>>,
    secure: bool,
}

impl Server {
    pub async fn start(script: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        Self::listen(true, script).await
    }

    pub async fn listen(
        secure: bool,
        script: impl Fn(&str) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let tls = LoopbackTls::new().unwrap();
        let config = tls.server_config().unwrap();
        Self::run(tls.ca_pem().to_owned(), config, secure, script).await
    }

    /// A server whose certificate is for these names only.
    pub async fn named(
        names: &[&str],
        script: impl Fn(&str) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let (ca, config) = certified(names);
        Self::run(ca, config, true, script).await
    }

    async fn run(
        ca: String,
        config: Arc<ServerConfig>,
        secure: bool,
        script: impl Fn(&str) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let script: Script = Arc::new(script);
        let acceptor = TlsAcceptor::from(config);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(Mutex::new(0));
        let (log, count) = (Arc::clone(&requests), Arc::clone(&connections));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *count.lock().unwrap() += 1;
                let (log, script, acceptor) =
                    (Arc::clone(&log), Arc::clone(&script), acceptor.clone());
                tokio::spawn(async move {
                    if !secure {
                        converse(stream, &log, &script).await;
                    } else if let Ok(stream) = acceptor.accept(stream).await {
                        converse(stream, &log, &script).await;
                    }
                });
            }
        });
        Self { ca, connections, port, requests, secure }
    }

    pub fn url(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// The same machine under another name, so another host.
    pub fn elsewhere(&self) -> String {
        format!("localhost:{}", self.port)
    }

    pub fn ca_pem(&self) -> &str {
        &self.ca
    }

    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// The first lines of all requests, without the version.
    pub fn asked(&self) -> Vec<String> {
        let first = |request: &String| {
            request.lines().next().unwrap().trim_end_matches(" HTTP/1.1").to_owned()
        };
        self.requests().iter().map(first).collect()
    }

    pub fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }

    /// A client that believes this server's CA, with `approved` servers.
    pub fn client(&self, approved: &[String]) -> HttpFetcher {
        let approved = approved.iter().cloned().collect();
        client(&[self], FetcherOptions { approved, ..Default::default() })
    }

    /// A client that approves of this server and has credentials.
    pub fn client_with(&self, credentials: &Credentials) -> HttpFetcher {
        let approved = BTreeSet::from([self.url()]);
        let credentials = credentials.clone();
        client(&[self], FetcherOptions { approved, credentials, ..Default::default() })
    }

    /// What came of asking this server, approved, for the timestamp of `h/app`.
    pub async fn ask(&self) -> FetchOutcome {
        self.client(&[self.url()]).fetch(request(&self.url())).await.outcome
    }

    /// What came of asking with these credentials for the timestamp of `reg.example/app`.
    pub async fn ask_with(&self, credentials: &Credentials, names: &[&str]) -> FetchAnswer {
        self.client_with(credentials).fetch(request_with(&self.url(), names)).await
    }
}

/// A client that believes the CAs of these servers.
pub fn client(servers: &[&Server], options: FetcherOptions) -> HttpFetcher {
    let directory = tempfile::tempdir().unwrap();
    let trust_ca: Vec<_> = servers.iter().map(|server| ca_file(directory.path(), server)).collect();
    HttpFetcher::new(FetcherOptions { trust_ca, ..options }).unwrap()
}

pub fn ca_file(directory: &std::path::Path, server: &Server) -> PathBuf {
    let file = directory.join(format!("{}.pem", server.port));
    std::fs::write(&file, &server.ca).unwrap();
    file
}

pub fn allow_realm(server: &Server, host: String) -> BTreeMap<String, BTreeSet<String>> {
    BTreeMap::from([(format!("127.0.0.1:{}", server.port), BTreeSet::from([host]))])
}

/// A new CA, and a server's side of TLS with a leaf for these names.
fn certified(names: &[&str]) -> (String, Arc<ServerConfig>) {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let key = KeyPair::generate().unwrap();
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut leaf = CertificateParams::new(names).unwrap();
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = leaf.signed_by(&key, &Issuer::new(ca, ca_key)).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    (ca_pem, Arc::new(config))
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    log: &Mutex<Vec<String>>,
    script: &Script,
) {
    let mut head = Vec::new();
    while let Ok(byte) = stream.read_u8().await {
        head.push(byte);
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        let mut text = String::from_utf8(std::mem::take(&mut head)).unwrap();
        let mut body = vec![0; header(&text, "content-length").parse().unwrap_or(0)];
        stream.read_exact(&mut body).await.unwrap();
        text.push_str(&String::from_utf8(body).unwrap());
        let reply = script(&text);
        log.lock().unwrap().push(text);
        let (said, more, close) = match reply {
            Reply::Close => return,
            Reply::Endless(said, more) => (said, Some((more, Duration::ZERO)), true),
            Reply::Say(said) => (said, None, false),
            Reply::SayAndClose(said) => (said, None, true),
            Reply::Silence => (String::new(), None, false),
            Reply::SlowDrip(said) => (said, Some((" ".to_owned(), PAUSE)), true),
        };
        // Whoever has heard enough ends the connection.
        if stream.write_all(said.as_bytes()).await.is_err() || stream.flush().await.is_err() {
            return;
        }
        if let Some((more, pause)) = more {
            let mut pauses = tokio::time::interval(pause.max(Duration::from_nanos(1)));
            while stream.write_all(more.as_bytes()).await.is_ok() && stream.flush().await.is_ok() {
                if pause > Duration::ZERO {
                    pauses.tick().await;
                }
            }
        }
        if close {
            return;
        }
    }
}

/// Between the bytes of a slow drip.
const PAUSE: Duration = Duration::from_millis(10);

/// The value of a header, in lower case where it is the host; empty if there is none.
pub fn header(request: &str, name: &str) -> String {
    let prefix = format!("{name}: ");
    let mut lines = request.lines();
    let found = lines.find(|line| line.to_lowercase().starts_with(&prefix));
    found.map_or_else(String::new, |line| line[prefix.len()..].to_owned())
}

pub fn request(server: &str) -> FetchRequest {
    FetchRequest {
        credentials: Vec::new(),
        document: DocumentName::Timestamp,
        flight: 1,
        gun: "h/app".to_owned(),
        limit: 1_000,
        server: server.to_owned(),
        timeout: 20_000_000,
    }
}

/// For the timestamp of `reg.example/app`, with Secrets of the namespace `web`.
pub fn request_with(server: &str, names: &[&str]) -> FetchRequest {
    let credentials = names.iter().map(|name| secret(name)).collect();
    FetchRequest { credentials, gun: "reg.example/app".to_owned(), ..request(server) }
}

pub fn secret(name: &str) -> CredentialRef {
    CredentialRef::PullSecret { name: name.to_owned(), namespace: "web".to_owned() }
}

pub fn status(status: u16, header: &str, body: &str) -> Reply {
    let length = body.len();
    Reply::Say(format!("HTTP/1.1 {status} X\r\n{header}Content-Length: {length}\r\n\r\n{body}"))
}

pub fn ok(body: &str) -> Reply {
    status(200, "", body)
}

/// 401 with a bearer challenge that leads to this realm.
pub fn challenge(realm: &str) -> Reply {
    status(401, &format!("WWW-Authenticate: Bearer realm=\"{realm}\",service=\"a b\"\r\n"), "")
}

/// 401 with a bearer challenge that leads to `/token` of the very server that was asked.
pub fn challenge_to_itself(request: &str) -> Reply {
    challenge(&format!("https://{}/token", header(request, "host")))
}

pub fn document(outcome: FetchOutcome) -> Vec<u8> {
    let FetchOutcome::Document(blob) = outcome else { panic!("no document: {outcome:?}") };
    blob.bytes().to_vec()
}

pub fn failed(outcome: FetchOutcome) -> (DenyCode, String) {
    let FetchOutcome::Failed(denial) = outcome else { panic!("not failed: {outcome:?}") };
    (denial.code, denial.detail)
}
