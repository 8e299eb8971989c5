//! A whole server over HTTPS: what it answers to whom, when it is ready, and how it ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use portreeve_host::HostError;
use portreeve_host::clock::Clock;
use portreeve_host::config::{Config, Overrides};
use portreeve_host::serve::{Running, serve};
use portreeve_lab::LoopbackTls;
use portreeve_protocol::{Wall, limits};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use slog::{Discard, Drain, Logger, o};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Nothing here takes this long, however busy the machine.
const PATIENCE: Duration = Duration::from_secs(60);

const POLICY: &str = "\
apiVersion: portieris.cloud.ibm.com/v1
kind: ClusterImagePolicy
metadata: {name: all}
spec:
  repositories:
  - {name: 'registry.example/*'}
";

type Sender = hyper::client::conn::http2::SendRequest<Full<Bytes>>;

/// A server with its files, and a client's view of it.
struct Fixture {
    client_ca: Option<ClientCa>,
    files: tempfile::TempDir,
    running: Running,
    tls: LoopbackTls,
}

struct ClientCa {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl ClientCa {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap().pem();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    fn client(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["api-server".to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
        (vec![certificate.der().clone()], key)
    }
}

fn write(directory: &Path, name: &str, content: &str) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, content).unwrap();
    path
}

fn config(files: &Path, tls: &LoopbackTls) -> Config {
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

fn silent() -> Logger {
    Logger::root(Discard, o!())
}

async fn fixture(policy: Option<&str>, client_ca: Option<ClientCa>) -> Fixture {
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
    async fn connect(&self, alpn: &[u8], with_certificate: bool) -> TlsStream<TcpStream> {
        self.connect_as(alpn, self.client_ca.as_ref().filter(|_| with_certificate)).await
    }

    async fn connect_as(&self, alpn: &[u8], client: Option<&ClientCa>) -> TlsStream<TcpStream> {
        self.connect_by(rustls::DEFAULT_VERSIONS, alpn, client).await
    }

    async fn connect_by(
        &self,
        versions: &[&'static rustls::SupportedProtocolVersion],
        alpn: &[u8],
        client: Option<&ClientCa>,
    ) -> TlsStream<TcpStream> {
        connect(self.running.address(), &self.tls, versions, alpn, client).await
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> (StatusCode, String) {
        send(self.connect(b"http/1.1", true).await, request).await
    }

    async fn get(&self, path: &str) -> (StatusCode, String) {
        self.send(Request::get(path).body(Full::default()).unwrap()).await
    }

    async fn admit(&self, body: impl Into<Bytes>) -> (StatusCode, String) {
        self.send(review(body)).await
    }

    async fn response(&self, review: &Value) -> Value {
        let (status, body) = self.admit(review.to_string()).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        serde_json::from_str::<Value>(&body).unwrap()["response"].take()
    }

    fn journal(&self) -> String {
        journal(self.files.path())
    }
}

async fn connect(
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

/// The answer to one request on a connection of its own.
async fn send(stream: TlsStream<TcpStream>, request: Request<Full<Bytes>>) -> (StatusCode, String) {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    read(sender.send_request(request).await.unwrap()).await
}

/// The text of all files of the journal.
fn journal(files: &Path) -> String {
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

fn review(body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::post("/admit?timeout=10s")
        .header("Content-Type", "application/json")
        .body(Full::new(body.into()))
        .unwrap()
}

async fn read(response: Response<Incoming>) -> (StatusCode, String) {
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn pod(uid: &str, image: &str) -> Value {
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

#[tokio::test(flavor = "multi_thread")]
async fn a_review_is_decided_journaled_and_answered_with_the_hash_of_its_record() {
    let fixture = fixture(Some(POLICY), None).await;
    let allowed = fixture.response(&pod("u-allow", "registry.example/app:1")).await;
    assert_eq!((&allowed["uid"], &allowed["allowed"]), (&json!("u-allow"), &json!(true)));
    let denied = fixture.response(&pod("u-deny", "elsewhere.example/app:1")).await;
    assert_eq!(denied["allowed"], json!(false));
    assert_eq!(denied["status"]["code"], json!(403));
    let message = denied["status"]["message"].as_str().unwrap();
    assert!(message.contains("no-policy"), "{message}");
    let records = [&allowed, &denied]
        .map(|response| response["auditAnnotations"]["record"].as_str().unwrap().to_owned());
    let Fixture { running, files, .. } = fixture;
    running.shutdown().await.unwrap();
    let journal = journal(files.path());
    for record in records {
        assert!(journal.contains(&format!("{{\"hash\":\"{record}\",")), "{record}");
    }
    assert_eq!(journal.matches("\"Answered\"").count(), 2);
    assert!(!journal.contains("s3cret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_object_is_denied_with_http_200_and_its_reason() {
    let fixture = fixture(Some(POLICY), None).await;
    let mut review = pod("u-1", "registry.example/app:1");
    review["request"]["object"]["spec"]["containers"] = json!("none");
    let response = fixture.response(&review).await;
    assert_eq!((&response["uid"], &response["allowed"]), (&json!("u-1"), &json!(false)));
    let message = response["status"]["message"].as_str().unwrap();
    assert!(message.contains("`request.object.spec.containers` is not a list"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_without_a_legible_uid_get_a_status_that_says_what_is_wrong() {
    let fixture = fixture(Some(POLICY), None).await;
    let body = pod("u-1", "registry.example/app:1").to_string();
    let plain = Request::post("/admit").header("Content-Type", "text/plain");
    let plain = plain.body(Full::from(body.clone())).unwrap();
    let large = vec![b' '; limits::REVIEW_BYTES + 1];
    let no_review = "the body is not an AdmissionReview of admission.k8s.io/v1 or v1beta1\n";
    for (request, status, expected) in [
        (review("{"), StatusCode::BAD_REQUEST, "the body is not JSON: line 1, column 1\n"),
        (review(""), StatusCode::BAD_REQUEST, "the body is empty; a review is sent in it\n"),
        (review("{}"), StatusCode::BAD_REQUEST, no_review),
        (review("[]"), StatusCode::BAD_REQUEST, no_review),
        (review(large), StatusCode::PAYLOAD_TOO_LARGE, "a review may have 8388608 bytes\n"),
        (
            plain,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "a review is sent as Content-Type application/json\n",
        ),
        (get("/admit"), StatusCode::METHOD_NOT_ALLOWED, "use POST\n"),
        (
            get("/"),
            StatusCode::NOT_FOUND,
            "reviews go to /admit and /validate; see also /livez, /readyz, /metrics\n",
        ),
        (post("/livez"), StatusCode::METHOD_NOT_ALLOWED, "use GET, HEAD\n"),
    ] {
        let what = format!("{} {}", request.method(), request.uri());
        assert_eq!(fixture.send(request).await, (status, expected.to_owned()), "{what}");
    }
    let parameters =
        Request::post("/admit").header("Content-Type", "Application/JSON; charset=utf-8");
    let (status, _) = fixture.send(parameters.body(Full::from(body)).unwrap()).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_not_json_throughout_is_denied_by_the_uid_that_can_be_read() {
    let fixture = fixture(Some(POLICY), None).await;
    let body = pod("u-1", "registry.example/app:1").to_string();
    let mut bytes = body.clone().into_bytes();
    let image = body.find("registry.example").unwrap();
    bytes[image] = 0xff;
    let surrogate = body.replace("registry.example", "registry\\ud800example");
    assert_ne!(surrogate, body);
    for sent in [bytes, surrogate.into_bytes(), format!("{body} x").into_bytes()] {
        let (status, text) = fixture.send(review(sent)).await;
        assert_eq!(status, StatusCode::OK, "{text}");
        let response: Value = serde_json::from_str(&text).unwrap();
        let response = &response["response"];
        assert_eq!((&response["uid"], &response["allowed"]), (&json!("u-1"), &json!(false)));
        let message = response["status"]["message"].as_str().unwrap();
        assert!(message.contains("the body is not JSON: line 1"), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_method_is_told_the_right_one_in_the_header() {
    let fixture = fixture(Some(POLICY), None).await;
    for (request, allowed) in [(get("/admit"), "POST"), (post("/readyz"), "GET, HEAD")] {
        let stream = fixture.connect(b"http/1.1", true).await;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.headers()["allow"], allowed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_of_an_unknown_version_or_none_is_denied_where_its_uid_can_be_read() {
    let fixture = fixture(Some(POLICY), None).await;
    let mut newer = pod("u-1", "registry.example/app:1");
    newer["apiVersion"] = json!("admission.k8s.io/v2");
    let mut stranger = pod("u-1", "registry.example/app:1");
    stranger["kind"] = json!("TokenReview");
    let bare = json!({"request": {"uid": "u-1"}});
    for review in [newer, stranger, bare] {
        let response = fixture.response(&review).await;
        assert_eq!((&response["uid"], &response["allowed"]), (&json!("u-1"), &json!(false)));
        let message = response["status"]["message"].as_str().unwrap();
        let why = "the body is not an AdmissionReview of admission.k8s.io/v1 or v1beta1";
        assert!(message.contains(why) && message.contains("review-malformed"), "{message}");
    }
    assert!(fixture.journal().contains("review-malformed"));
}

fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(path).body(Full::default()).unwrap()
}

fn post(path: &str) -> Request<Full<Bytes>> {
    Request::builder().method(Method::POST).uri(path).body(Full::default()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_recorded_review_is_answered_with_its_uid_over_one_kept_connection() {
    let fixture = fixture(Some(POLICY), None).await;
    let stream = fixture.connect(b"http/1.1", false).await;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus/admission-reviews");
    let mut answered = 0;
    for entry in fs::read_dir(corpus).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let body = fs::read(&path).unwrap();
        let asked: Value = serde_json::from_slice(&body).unwrap();
        sender.ready().await.unwrap();
        let (status, text) = read(sender.send_request(review(body)).await.unwrap()).await;
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(status, StatusCode::OK);
        assert_eq!(answer["apiVersion"], asked["apiVersion"]);
        assert_eq!(answer["response"]["uid"], asked["request"]["uid"]);
        let deletion = asked["request"]["operation"] == "DELETE";
        assert!(!deletion || answer["response"]["allowed"] == true, "{}", path.display());
        answered += 1;
    }
    assert_eq!(answered, 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_is_spoken_where_it_is_offered() {
    let fixture = fixture(Some(POLICY), None).await;
    let stream = fixture.connect(b"h2", false).await;
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let mut request = review(pod("u-2", "registry.example/app:1").to_string());
    *request.uri_mut() = "https://localhost/admit".parse().unwrap();
    let (status, body) = read(sender.send_request(request).await.unwrap()).await;
    assert_eq!(status, StatusCode::OK);
    assert!(body.contains("\"allowed\":true"), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_legible_objects_the_server_lives_is_not_ready_and_denies() {
    let fixture = fixture(Some("kind: ["), None).await;
    assert_eq!(fixture.get("/livez").await.0, StatusCode::OK);
    let (status, text) = fixture.get("/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(text, "not ready\nthe policies have not been read yet\n");
    let denied = fixture.response(&pod("u-1", "registry.example/app:1")).await;
    assert_eq!(denied["allowed"], json!(false));
    write(&fixture.files.path().join("objects"), "policy.yaml", POLICY);
    tokio::time::timeout(PATIENCE, fixture.running.ready()).await.unwrap();
    assert_eq!(fixture.get("/readyz").await, (StatusCode::OK, "ready\n".to_owned()));
    let allowed = fixture.response(&pod("u-2", "registry.example/app:1")).await;
    assert_eq!(allowed["allowed"], json!(true));
    assert!(fixture.journal().contains("WatchLost"));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_client_ca_only_verified_clients_may_send_reviews() {
    let fixture = fixture(Some(POLICY), Some(ClientCa::new())).await;
    let body = pod("u-1", "registry.example/app:1").to_string();
    let (status, _) = fixture.admit(body.clone()).await;
    assert_eq!(status, StatusCode::OK);
    let stream = fixture.connect(b"http/1.1", false).await;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let (status, text) = read(sender.send_request(review(body)).await.unwrap()).await;
    // An HTTP error would be an allow under `failurePolicy: Ignore`.
    assert_eq!(status, StatusCode::OK);
    assert!(text.contains("\"allowed\":false"), "{text}");
    assert!(text.contains("client-unauthenticated") && text.contains("client CA"), "{text}");
    sender.ready().await.unwrap();
    let mut deletion = pod("u-2", "registry.example/app:1");
    deletion["request"]["operation"] = json!("DELETE");
    let request = review(deletion.to_string());
    let (_, text) = read(sender.send_request(request).await.unwrap()).await;
    assert!(text.contains("client-unauthenticated"), "not even what is allowed unseen: {text}");
    sender.ready().await.unwrap();
    let (status, _) = read(sender.send_request(get("/livez")).await.unwrap()).await;
    assert_eq!(status, StatusCode::OK, "probes have no certificate");
    let mut stranger = fixture.connect_as(b"http/1.1", Some(&ClientCa::new())).await;
    // In TLS 1.3 the client learns only afterwards that its certificate was refused.
    let _ = stranger.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(stranger.read_u8().await.is_err(), "a certificate of another CA ends the connection");
    let journal = fixture.journal();
    assert!(journal.contains(r#""peer":{"address":"127.0.0.1","authenticated":true}"#));
    assert!(journal.contains("client-unauthenticated"), "the refusal is recorded");
    assert!(journal.contains(r#""client_required":true"#));
    let (_, metrics) = fixture.get("/metrics").await;
    assert!(metrics.contains("portreeve_handshakes_failed_total{why=\"certificate\"} 1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_is_denied_at_validate_as_well_and_the_journal_says_so() {
    let fixture = fixture(Some(POLICY), Some(ClientCa::new())).await;
    let stream = fixture.connect(b"http/1.1", false).await;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let body = pod("u-stranger", "registry.example/app:1").to_string();
    let request = Request::post("/validate?timeout=10s")
        .header("Content-Type", "application/json")
        .body(Full::new(Bytes::from(body)))
        .unwrap();
    let (status, text) = read(sender.send_request(request).await.unwrap()).await;
    assert_eq!(status, StatusCode::OK);
    assert!(text.contains("client-unauthenticated"), "{text}");
    let text = fixture.journal();
    let record = text.lines().find(|line| line.contains("u-stranger")).expect("it is recorded");
    for part in [
        r#""path":"Validate""#,
        r#""peer":{"address":"127.0.0.1","authenticated":false}"#,
        r#""allowed":false"#,
        "client-unauthenticated",
    ] {
        assert!(record.contains(part), "{part}: {record}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_1_2_is_spoken_and_1_1_is_refused() {
    let fixture = fixture(Some(POLICY), None).await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let stream = fixture.connect_by(&[version], b"http/1.1", None).await;
        assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let body = pod("u-1", "registry.example/app:1").to_string();
        let (status, text) = read(sender.send_request(review(body)).await.unwrap()).await;
        assert_eq!(status, StatusCode::OK, "{text}");
    }
    // A ClientHello of TLS 1.1: no client of ours can say that any more.
    let suites = [0xc0, 0x09, 0xc0, 0x0a, 0x00, 0x2f];
    let mut hello = vec![3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 6]);
    hello.extend(suites);
    hello.extend([1, 0]);
    let length = hello.len() as u8;
    let mut record = vec![22, 3, 1, 0, length + 4, 1, 0, 0, length];
    record.extend(hello);
    let mut stream = TcpStream::connect(fixture.running.address()).await.unwrap();
    stream.write_all(&record).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    // It may also just hang up.
    let _ = read.unwrap();
    assert_eq!(answer.first(), Some(&21), "an alert: {answer:?}");
    // `handshake_failure` or `protocol_version`, whichever is looked at first; both are fatal.
    let refused = [[2, 40], [2, 70]];
    assert!(refused.iter().any(|it| answer.get(5..7) == Some(&it[..])), "{answer:?}");
    assert_eq!(answer.len(), 7, "nothing follows: {answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_ca_is_replaced_while_running() {
    let mut fixture = fixture(Some(POLICY), Some(ClientCa::new())).await;
    let next = ClientCa::new();
    let allowed = async |fixture: &Fixture, ca: &ClientCa| {
        let stream = fixture.connect_as(b"http/1.1", Some(ca)).await;
        let io = TokioIo::new(stream);
        let Ok((mut sender, connection)) = hyper::client::conn::http1::handshake(io).await else {
            return false;
        };
        tokio::spawn(connection);
        let body = pod("u-1", "registry.example/app:1").to_string();
        // A certificate of another CA ends the connection.
        let Ok(answer) = sender.send_request(review(body)).await else { return false };
        read(answer).await.1.contains("\"allowed\":true")
    };
    let old = fixture.client_ca.take().unwrap();
    assert!(allowed(&fixture, &old).await && !allowed(&fixture, &next).await);
    let path = fixture.files.path().join("clients.crt");
    // While both are in the file, clients of both are known: that is how a CA is changed.
    fs::write(&path, [old.certificate.as_str(), &next.certificate].concat()).unwrap();
    until(async || allowed(&fixture, &next).await).await;
    assert!(allowed(&fixture, &old).await);
    fs::write(&path, "no certificate at all").unwrap();
    let metric = "portreeve_certificate_loaded 0";
    fixture.client_ca = Some(next);
    until(async || fixture.get("/metrics").await.1.lines().any(|line| line == metric)).await;
    let next = fixture.client_ca.take().unwrap();
    assert!(allowed(&fixture, &next).await && allowed(&fixture, &old).await);
    fs::write(&path, &next.certificate).unwrap();
    until(async || !allowed(&fixture, &old).await).await;
    assert!(allowed(&fixture, &next).await);
}

/// Log lines, kept.
#[derive(Clone, Default)]
struct Kept(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_ends_within_fourteen_days_is_warned_of() {
    const DAY: i64 = 86_400_000_000;
    let end = Wall(1_798_761_600_000_000);
    for (days, warned) in [(15, false), (13, true)] {
        let files = tempfile::tempdir().unwrap();
        let mut config = config(files.path(), &LoopbackTls::new().unwrap());
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2027, 1, 1);
        let certificate = params.self_signed(&key).unwrap();
        config.tls_cert = write(files.path(), "soon.crt", &certificate.pem());
        config.tls_key = write(files.path(), "soon.key", &key.serialize_pem());
        let lines = Kept::default();
        let drain = std::sync::Mutex::new(slog_json::Json::default(lines.clone())).fuse();
        let clock = Clock::showing(Wall(end.0 - days * DAY));
        let running = serve(config, clock, Logger::root(drain, o!())).await.unwrap();
        running.shutdown().await.unwrap();
        let lines = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let line = lines.lines().find(|line| line.contains("ends soon"));
        assert_eq!(line.is_some(), warned, "{days} days before: {lines}");
        // A moment passes until it is looked at.
        let days = ["\"days\":12", "\"days\":13"];
        let told = |line: &str| line.contains("WARN") && days.iter().any(|it| line.contains(it));
        assert!(line.is_none_or(told), "{line:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_served_on_both_listeners_and_reviews_only_on_one() {
    let fixture = fixture(Some(POLICY), None).await;
    fixture.response(&pod("u-1", "registry.example/app:1")).await;
    let (status, text) = fixture.get("/metrics").await;
    assert_eq!(status, StatusCode::OK);
    assert!(text.ends_with("# EOF\n") && text.contains("portreeve_"), "{text}");
    let address = fixture.running.metrics_address().unwrap();
    for (path, expected) in [("/metrics", "200"), ("/readyz", "200"), ("/admit", "404")] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected} ")), "{path}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_handshakes_and_heads_disturb_nobody() {
    let fixture = fixture(Some(POLICY), None).await;
    drop(TcpStream::connect(fixture.running.address()).await.unwrap());
    let mut noise = TcpStream::connect(fixture.running.address()).await.unwrap();
    noise.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    // The server ends the connection, with or without an alert.
    let _ = noise.read_to_end(&mut rest).await;
    let mut head = fixture.connect(b"http/1.1", false).await;
    head.write_all(b"POST /admit HTTP/1.1\r\nBroken").await.unwrap();
    assert_eq!(fixture.get("/livez").await, (StatusCode::OK, "alive\n".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_may_come_in_pieces() {
    let fixture = fixture(Some(POLICY), None).await;
    let mut stream = fixture.connect(b"http/1.1", false).await;
    let head = "POST /admit HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
        Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    for piece in pod("u-1", "registry.example/app:1").to_string().as_bytes().chunks(50) {
        let text = std::str::from_utf8(piece).unwrap();
        let chunk = format!("{:x}\r\n{text}\r\n", piece.len());
        stream.write_all(chunk.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"allowed\":true"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_announced_and_never_sent_hold_up_nobody() {
    let fixture = fixture(Some(POLICY), None).await;
    let mut silent = Vec::new();
    for _ in 0..=limits::BODIES_BYTES / limits::REVIEW_BYTES {
        let mut stream = fixture.connect(b"http/1.1", false).await;
        let head = format!(
            "POST /admit HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{{",
            limits::REVIEW_BYTES
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        silent.push(stream);
    }
    let response = fixture.response(&pod("u-1", "registry.example/app:1")).await;
    assert_eq!(response["allowed"], json!(true));
    drop(silent);
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_ends_with_idle_connections_open_and_listens_no_more() {
    let fixture = fixture(Some(POLICY), None).await;
    let address = fixture.running.address();
    let idle = fixture.connect(b"http/1.1", false).await;
    let ended = tokio::time::timeout(PATIENCE, fixture.running.shutdown()).await;
    ended.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
    drop(idle);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_and_unusable_files_are_errors_that_name_them() {
    let taken = std::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let address = taken.local_addr().unwrap();
    let tls = LoopbackTls::new().unwrap();
    let fails = async |change: &dyn Fn(&mut Config)| {
        let files = tempfile::tempdir().unwrap();
        let mut config = config(files.path(), &tls);
        change(&mut config);
        match serve(config, Clock::system(), silent()).await {
            Ok(_) => panic!("it started"),
            Err(error) => error,
        }
    };
    let error = fails(&|config| config.listen = address).await;
    assert!(matches!(error, HostError::Listen { address: found, .. } if found == address));
    let error =
        fails(&|config| config.tls_cert = config.objects.directory().unwrap().join("none.crt"))
            .await;
    assert!(error.to_string().contains("none.crt"), "{error}");
    let error = fails(&|config| config.tls_key.clone_from(&config.tls_cert)).await;
    assert!(matches!(error, HostError::Tls { what: "cannot use the private key in", .. }));
    let error = fails(&|config| config.client_ca = Some(config.tls_key.clone())).await;
    assert!(matches!(error, HostError::Tls { what: "cannot use the CA certificates in", .. }));
}

#[tokio::test]
async fn a_server_serves_where_its_operators_socket_cannot_be_made_or_the_journal_lies_elsewhere() {
    let files = tempfile::tempdir().unwrap();
    let tls = LoopbackTls::new().unwrap();
    let mut config = config(files.path(), &tls);
    write(config.objects.directory().unwrap(), "policy.yaml", POLICY);
    config.journal_dir = files.path().join("elsewhere");
    // Longer than the address of a Unix socket may be.
    for data_dir in [files.path().join("data"), files.path().join("d".repeat(120))] {
        config.data_dir = data_dir;
        let running = serve(config.clone(), Clock::system(), silent()).await.unwrap();
        tokio::time::timeout(PATIENCE, running.ready()).await.unwrap();
        running.shutdown().await.unwrap();
    }
}

/// Swaps the files as the kubelet does: a link to a directory is replaced in one step.
fn swap(files: &Path, round: u32, certificate: &str, key: &str) {
    let directory = files.join(format!("..{round}"));
    fs::create_dir(&directory).unwrap();
    write(&directory, "tls.crt", certificate);
    write(&directory, "tls.key", key);
    let link = files.join("..tmp");
    std::os::unix::fs::symlink(&directory, &link).unwrap();
    fs::rename(link, files.join("..data")).unwrap();
}

/// Asks until the answer is as wanted; the caller's clock bounds it.
async fn until(wanted: impl AsyncFn() -> bool) {
    let asked = async {
        while !wanted().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.expect("it comes about");
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_replaced_while_running_and_broken_ones_leave_the_old_in_force() {
    let files = tempfile::tempdir().unwrap();
    let mounted = tempfile::tempdir().unwrap();
    let (first, second) = (LoopbackTls::new().unwrap(), LoopbackTls::new().unwrap());
    let mut config = config(files.path(), &first);
    write(config.objects.directory().unwrap(), "policy.yaml", POLICY);
    swap(mounted.path(), 1, &first.certificate_pem(), &first.key_pem());
    for (name, path) in [("tls.crt", &mut config.tls_cert), ("tls.key", &mut config.tls_key)] {
        *path = mounted.path().join(name);
        std::os::unix::fs::symlink(Path::new("..data").join(name), &*path).unwrap();
    }
    let running = serve(config, Clock::system(), silent()).await.unwrap();
    let mut fixture = Fixture { client_ca: None, files, running, tls: first };
    let old = fixture.connect(b"http/1.1", false).await;
    let shown = async |metric: &str| {
        let mut stream =
            TcpStream::connect(fixture.running.metrics_address().unwrap()).await.unwrap();
        let request = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text.lines().any(|line| line == metric)
    };
    // A key that is not the certificate's.
    swap(mounted.path(), 2, &second.certificate_pem(), &fixture.tls.key_pem());
    until(async || shown("portreeve_certificate_loaded 0").await).await;
    assert!(shown("portreeve_certificate_reloads_total{result=\"failed\"} 1").await);
    assert_eq!(fixture.get("/livez").await.0, StatusCode::OK, "the old one is in force");
    swap(mounted.path(), 3, &second.certificate_pem(), &second.key_pem());
    until(async || shown("portreeve_certificate_loaded 1").await).await;
    fixture.tls = second;
    assert_eq!(fixture.get("/livez").await.0, StatusCode::OK, "the new one is shown");
    // A connection that stands goes on.
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(old)).await.unwrap();
    tokio::spawn(connection);
    let (status, _) = read(sender.send_request(get("/livez")).await.unwrap()).await;
    assert_eq!(status, StatusCode::OK);
}

/// A server that has been told to end, and takes its time.
async fn slow_to_leave() -> Fixture {
    let files = tempfile::tempdir().unwrap();
    let tls = LoopbackTls::new().unwrap();
    let mut config = config(files.path(), &tls);
    config.drain_delay = 4_000_000;
    write(config.objects.directory().unwrap(), "policy.yaml", POLICY);
    let running = serve(config, Clock::system(), silent()).await.unwrap();
    tokio::time::timeout(PATIENCE, running.ready()).await.unwrap();
    Fixture { client_ca: None, files, running, tls }
}

async fn http2(address: SocketAddr, tls: &LoopbackTls) -> (Sender, JoinHandle<hyper::Result<()>>) {
    let stream = connect(address, tls, rustls::DEFAULT_VERSIONS, b"h2", None).await;
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    (sender, tokio::spawn(connection))
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_listener_closes_readiness_is_false_and_reviews_are_still_decided() {
    let Fixture { running, tls, files, .. } = slow_to_leave().await;
    let address = running.address();
    let ended = tokio::spawn(running.shutdown());
    let ready = async {
        loop {
            let stream = connect(address, &tls, rustls::DEFAULT_VERSIONS, b"http/1.1", None).await;
            let answer = send(stream, get("/readyz")).await;
            if answer.0 != StatusCode::OK {
                return answer.1;
            }
        }
    };
    let text = tokio::time::timeout(PATIENCE, ready).await.unwrap();
    assert_eq!(text, "not ready\nthis replica is shutting down\n");
    let stream = connect(address, &tls, rustls::DEFAULT_VERSIONS, b"http/1.1", None).await;
    let body = pod("u-1", "registry.example/app:1").to_string();
    let (_, text) = send(stream, review(body)).await;
    assert!(text.contains("\"allowed\":true"), "{text}");
    tokio::time::timeout(PATIENCE, ended).await.unwrap().unwrap().unwrap();
    drop(files);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_leaves_gives_up_its_connections_so_that_reviews_go_elsewhere() {
    let Fixture { running, tls, files, .. } = slow_to_leave().await;
    let address = running.address();
    let stream = connect(address, &tls, rustls::DEFAULT_VERSIONS, b"http/1.1", None).await;
    let (mut old, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let verbose = "ready\npolicies: ok\ntls: ok\njournal: ok\nserving: ok\n";
    let response = old.send_request(get("/readyz?verbose")).await.unwrap();
    assert!(!response.headers().contains_key("connection"), "it is kept open");
    assert_eq!(read(response).await, (StatusCode::OK, verbose.to_owned()));
    let (mut old_h2, old_h2_ended) = http2(address, &tls).await;
    assert_eq!(read(old_h2.send_request(get("/livez")).await.unwrap()).await.0, StatusCode::OK);
    let ended = tokio::spawn(running.shutdown());
    tokio::time::timeout(PATIENCE, old_h2_ended).await.unwrap().unwrap().unwrap();
    let body = |uid| pod(uid, "registry.example/app:1").to_string();
    old.ready().await.unwrap();
    let response = old.send_request(review(body("u-1"))).await.unwrap();
    assert_eq!(response.headers()["connection"], "close");
    let (_, text) = read(response).await;
    assert!(text.contains("\"allowed\":true"), "{text}");
    // What comes meanwhile is answered, once.
    let (mut new_h2, new_h2_ended) = http2(address, &tls).await;
    let (_, text) = read(new_h2.send_request(review(body("u-2"))).await.unwrap()).await;
    assert!(text.contains("\"allowed\":true"), "{text}");
    tokio::time::timeout(PATIENCE, new_h2_ended).await.unwrap().unwrap().unwrap();
    assert!(!ended.is_finished(), "the delay leaves time for what is shown here");
    tokio::time::timeout(PATIENCE, ended).await.unwrap().unwrap().unwrap();
    drop(files);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_that_dawdle_keep_no_review_of_a_known_client_waiting() {
    let fixture = fixture(Some(POLICY), Some(ClientCa::new())).await;
    let mut silent = Vec::new();
    for _ in 0..limits::STRANGERS_IN_FLIGHT * 4 {
        let mut stream = fixture.connect(b"http/1.1", false).await;
        let head = "POST /admit HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
            Content-Length: 4000000\r\n\r\n{";
        stream.write_all(head.as_bytes()).await.unwrap();
        silent.push(stream);
    }
    let asked = pod("u-1", "registry.example/app:1");
    let asked = fixture.response(&asked);
    let response = tokio::time::timeout(Duration::from_secs(5), asked).await.unwrap();
    assert_eq!(response["allowed"], json!(true));
    drop(silent);
}
