//! A whole server with its files, and a client of it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use portreeve_host::clock::Clock;
use portreeve_host::config::{Config, Overrides};
use portreeve_host::serve::{Running, serve};
use portreeve_lab::LoopbackTls;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use slog::{Discard, Logger, o};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Nothing here takes this long, however busy the machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub const POLICY: &str = "\
apiVersion: portieris.cloud.ibm.com/v1
kind: ClusterImagePolicy
metadata: {name: all}
spec:
  repositories:
  - {name: 'registry.example/*'}
";

/// A server with its files, and a client's view of it.
pub struct Fixture {
    pub client_ca: Option<ClientCa>,
    pub files: tempfile::TempDir,
    pub running: Running,
    pub tls: LoopbackTls,
}

pub struct ClientCa {
    pub certificate: String,
    pub issuer: Issuer<'static, KeyPair>,
}

impl ClientCa {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap().pem();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    pub fn client(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["api-server".to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
        (vec![certificate.der().clone()], key)
    }
}

pub fn write(directory: &Path, name: &str, content: &str) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, content).unwrap();
    path
}

pub fn config(files: &Path, tls: &LoopbackTls) -> Config {
    fs::create_dir(files.join("objects")).unwrap();
    let overrides = Overrides {
        data_dir: Some(files.join("data")),
        drain_delay: Some("0s".to_owned()),
        listen: Some("127.0.0.1:0".to_owned()),
        metrics_listen: Some("127.0.0.1:0".to_owned()),
        objects: Some(files.join("objects")),
        tls_cert: Some(write(files, "tls.crt", &tls.certificate_pem())),
        tls_key: Some(write(files, "tls.key", &tls.key_pem())),
        ..Overrides::default()
    };
    Config::load(None, overrides).unwrap()
}

pub fn silent() -> Logger {
    Logger::root(Discard, o!())
}

pub async fn fixture(policy: Option<&str>, client_ca: Option<ClientCa>) -> Fixture {
    let files = tempfile::tempdir().unwrap();
    let tls = LoopbackTls::new().unwrap();
    let mut config = config(files.path(), &tls);
    if let Some(policy) = policy {
        write(config.objects.directory().unwrap(), "policy.yaml", policy);
    }
    if let Some(ca) = &client_ca {
        config.client_ca = Some(write(files.path(), "clients.crt", &ca.certificate));
    }
    let running = serve(config, Clock::system(), silent()).await.unwrap();
    if policy.is_some_and(|policy| policy == POLICY) {
        tokio::time::timeout(PATIENCE, running.ready()).await.unwrap();
    }
    Fixture { client_ca, files, running, tls }
}

impl Fixture {
    pub async fn connect(&self, alpn: &[u8], with_certificate: bool) -> TlsStream<TcpStream> {
        self.connect_as(alpn, self.client_ca.as_ref().filter(|_| with_certificate)).await
    }

    pub async fn connect_as(&self, alpn: &[u8], client: Option<&ClientCa>) -> TlsStream<TcpStream> {
        self.connect_by(rustls::DEFAULT_VERSIONS, alpn, client).await
    }

    pub async fn connect_by(
        &self,
        versions: &[&'static rustls::SupportedProtocolVersion],
        alpn: &[u8],
        client: Option<&ClientCa>,
    ) -> TlsStream<TcpStream> {
        connect(self.running.address(), &self.tls, versions, alpn, client).await
    }

    pub async fn send(&self, request: Request<Full<Bytes>>) -> (StatusCode, String) {
        send(self.connect(b"http/1.1", true).await, request).await
    }

    pub async fn get(&self, path: &str) -> (StatusCode, String) {
        self.send(Request::get(path).body(Full::default()).unwrap()).await
    }

    pub async fn admit(&self, body: impl Into<Bytes>) -> (StatusCode, String) {
        self.send(review(body)).await
    }

    pub async fn response(&self, review: &Value) -> Value {
        self.answer(review.to_string()).await["response"].take()
    }

    /// The AdmissionReview that answers this body.
    pub async fn answer(&self, body: impl Into<Bytes>) -> Value {
        let (status, text) = self.admit(body).await;
        assert_eq!(status, StatusCode::OK, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    pub fn journal(&self) -> String {
        journal(self.files.path())
    }
}

pub async fn connect(
    address: SocketAddr,
    tls: &LoopbackTls,
    versions: &[&'static rustls::SupportedProtocolVersion],
    alpn: &[u8],
    client: Option<&ClientCa>,
) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_slice(tls.ca_pem().as_bytes()).unwrap();
    roots.add(ca).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match client {
        None => config.with_no_client_auth(),
        Some(ca) => {
            let (chain, key) = ca.client();
            config.with_client_auth_cert(chain, key).unwrap()
        }
    };
    config.alpn_protocols = vec![alpn.to_vec()];
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

/// HTTP/1.1 over a connection.
pub async fn http1(stream: TlsStream<TcpStream>) -> SendRequest<Full<Bytes>> {
    let (sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// The answer to one request on a connection of its own.
pub async fn send(
    stream: TlsStream<TcpStream>,
    request: Request<Full<Bytes>>,
) -> (StatusCode, String) {
    let mut sender = http1(stream).await;
    read(sender.send_request(request).await.unwrap()).await
}

/// The text of all files of the journal.
pub fn journal(files: &Path) -> String {
    let mut text = String::new();
    let mut folders = vec![files.join("data/journal")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                text.push_str(&String::from_utf8_lossy(&fs::read(path).unwrap()));
            }
        }
    }
    text
}

pub fn review(body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::post("/admit?timeout=10s")
        .header("Content-Type", "application/json")
        .body(Full::new(body.into()))
        .unwrap()
}

pub async fn read(response: Response<Incoming>) -> (StatusCode, String) {
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

pub fn pod(uid: &str, image: &str) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": uid,
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "namespace": "shop",
            "operation": "CREATE",
            "userInfo": {"username": "dev"},
            "object": {
                "metadata": {"name": "p"},
                "spec": {"containers": [{
                    "name": "c", "image": image, "env": [{"name": "P", "value": "s3cret"}]
                }]}
            }
        }
    })
}

pub fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(path).body(Full::default()).unwrap()
}

pub fn post(path: &str) -> Request<Full<Bytes>> {
    Request::builder().method(Method::POST).uri(path).body(Full::default()).unwrap()
}

/// Asks until the answer is as wanted; the caller's clock bounds it.
pub async fn until(wanted: impl AsyncFn() -> bool) {
    let asked = async {
        while !wanted().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.expect("it comes about");
}
