//! Secrets planted wherever they could leak from, and every byte that a whole server writes.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use portreeve_host::clock::Clock;
use portreeve_host::config::{Config, Overrides};
use portreeve_host::control;
use portreeve_host::journal::Journal;
use portreeve_host::serve::{Running, serve};
use portreeve_lab::LoopbackTls;
use portreeve_protocol::{Settings, limits};
use portreeve_replay::explain::Selection;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use slog::{Drain, Logger, o};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::decisions::{GOOD, Lines, NOW, PASSWORD, TOKEN, objects, private, read_all};
use crate::server::*;

/// Nothing here takes this long, however busy the machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Every secret that no review may spread begins so.
const CANARY: &str = "cn4ry";

struct Scene {
    files: TempDir,
    lines: Lines,
    running: Running,
    tls: LoopbackTls,
    watched: TempDir,
    /// Everything that left over a socket.
    written: Vec<Vec<u8>>,
}

impl Scene {
    async fn start(server: &Server) -> Self {
        let (files, watched) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        objects(watched.path(), &server.url());
        plant(watched.path());
        let tls = LoopbackTls::new().unwrap();
        let file = |name: &str, text: &str| {
            let path = watched.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let config = Config::load(
            None,
            Overrides {
                data_dir: Some(files.path().join("data")),
                drain_delay: Some("0s".to_owned()),
                listen: Some("127.0.0.1:0".to_owned()),
                objects: Some(watched.path().to_owned()),
                tls_cert: Some(file("tls.crt", &tls.certificate_pem())),
                tls_key: Some(file("tls.key", &tls.key_pem())),
                trust_ca: vec![ca_file(watched.path(), server)],
                ..Overrides::default()
            },
        )
        .unwrap();
        let approved_servers = [server.url()].into();
        let settings = Settings { approved_servers, freshness: 0, ..config.settings };
        let lines = Lines::default();
        // Without a filter: every level.
        let drain = Mutex::new(slog_json::Json::default(lines.clone())).fuse();
        let config = Config { settings, ..config };
        let started = serve(config, Clock::showing(NOW), Logger::root(drain, o!()));
        let running = Box::pin(started).await.unwrap();
        tokio::time::timeout(PATIENCE, running.ready()).await.unwrap();
        Self { files, lines, running, tls, watched, written: Vec::new() }
    }

    /// Sends a request and keeps the whole answer.
    async fn send(&mut self, request: Request<Full<Bytes>>) -> String {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.tls.ca_pem().as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(self.running.address()).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let answer = sender.send_request(request).await.unwrap();
        self.written.push(format!("{:?}", answer.headers()).into_bytes());
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        self.written.push(body.to_vec());
        String::from_utf8(body.to_vec()).unwrap()
    }

    async fn review(&mut self, body: impl Into<Bytes>) -> String {
        let request = Request::post(format!("/admit?timeout=10s&token={CANARY}-in-the-query"))
            .header("Content-Type", "application/json")
            .header("Authorization", format!("Bearer {CANARY}-in-the-header"));
        self.send(request.body(Full::new(body.into())).unwrap()).await
    }

    /// Ends the server; what it wrote, all of it.
    async fn end(mut self, uids: &[&str]) -> Vec<Vec<u8>> {
        for path in ["/metrics", "/readyz?verbose", "/livez"] {
            self.send(Request::get(path).body(Full::default()).unwrap()).await;
        }
        let place = self.files.path().join("data");
        let list = tokio::task::spawn_blocking(move || {
            control::ask(&place, &control::Request::TrustList).unwrap()
        });
        self.written.push(serde_json::to_vec(&list.await.unwrap()).unwrap());
        tokio::time::timeout(PATIENCE, self.running.shutdown()).await.unwrap().unwrap();
        let journal = Journal::open(&self.files.path().join("data/journal")).unwrap();
        for uid in uids {
            let uid = (*uid).to_owned();
            let selection = Selection { uid: Some(uid.clone()), ..Selection::default() };
            let found = portreeve_replay::find(journal.lines(), &selection, 10);
            let events = found.matches.into_iter().map(|it| it.event).collect();
            let told = portreeve_replay::explain(journal.lines(), &journal.blobs(), events);
            assert_eq!((found.broken_off, told.broken_off), (None, None));
            assert!(!told.reviews.is_empty(), "{uid} is not in the journal");
            let told = told.reviews.iter().map(|explanation| explanation.render(100).into_bytes());
            self.written.extend(told);
        }
        read_all(self.files.path(), &mut self.written);
        self.written.push(self.lines.0.lock().unwrap().clone());
        drop(self.watched);
        self.written
    }
}

/// Objects that hold secrets in places where nobody looks for them.
fn plant(directory: &Path) {
    let other = json!({"apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "tls", "namespace": "web",
            "annotations": {"kubectl": format!("{CANARY}-in-an-annotation-of-a-secret")}},
        "type": "Opaque",
        "data": {"key": STANDARD.encode(format!("{CANARY}-in-the-data"))},
        "stringData": {"plain": format!("{CANARY}-in-the-string-data")}});
    let broken = json!({"apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "broken", "namespace": "web"},
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": format!("{{\"auths\": {CANARY}-in-a-broken-secret")}});
    let auth = STANDARD.encode(format!("mallory:{CANARY}-in-an-auth"));
    let wrong = json!({"auths": {"good.example": {"auth": auth}}});
    let refused = json!({"apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "wrong", "namespace": "web"},
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": wrong.to_string()}});
    for (name, object) in [("1.json", other), ("2.json", broken), ("3.json", refused)] {
        fs::write(directory.join(name), object.to_string()).unwrap();
    }
}

/// A Pod with secrets everywhere but in its image and names.
fn pod(uid: &str, image: &str, secrets: &[&str]) -> Value {
    let canary = |place: &str| format!("{CANARY}-in-{place}");
    let pull: Vec<Value> = secrets.iter().map(|name| json!({"name": name})).collect();
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": uid,
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "namespace": "web",
            "name": "p",
            "operation": "CREATE",
            "userInfo": {"username": "dev", "extra": {"token": [canary("the-extra")]}},
            "options": {"fieldManager": canary("the-options")},
            "object": {
                "metadata": {"name": "p",
                    "annotations": {"last-applied": canary("an-annotation")},
                    "labels": {"label": canary("a-label")}},
                "spec": {
                    "imagePullSecrets": pull,
                    "containers": [{
                        "name": "c",
                        "image": image,
                        "args": [canary("the-args")],
                        "command": [canary("the-command")],
                        "env": [{"name": "P", "value": canary("the-env")}],
                        "livenessProbe": {"httpGet": {"httpHeaders": [
                            {"name": "Authorization", "value": canary("a-probe")}]}}
                    }]
                }
            },
            "oldObject": {"metadata": {"annotations": {"old": canary("the-old-object")}},
                "spec": {"containers": [{"image": image, "env": [{"value": canary("old-env")}]}]}}
        }
    })
}

/// Reviews that cannot be read where they should hold something else than a secret.
fn odd(uid: &str) -> Vec<Value> {
    let secret = json!(format!("{CANARY}-in-the-wrong-place"));
    let at = |pointer: &str| {
        let mut review = pod(uid, &format!("{GOOD}:1"), &["pull"]);
        *review.pointer_mut(pointer).unwrap() = secret.clone();
        review
    };
    [
        "/request/object/spec",
        "/request/object/spec/containers",
        "/request/object/spec/containers/0",
        "/request/object/metadata",
        "/request/operation",
        "/request/kind",
        "/request/userInfo",
        "/apiVersion",
        "/request",
    ]
    .map(at)
    .to_vec()
}

fn assert_clean(written: &[Vec<u8>], tls: &str) {
    let line = tls.lines().nth(1).unwrap();
    let auth = STANDARD.encode(format!("alice:{PASSWORD}"));
    let mallory = STANDARD.encode(format!("mallory:{CANARY}-in-an-auth"));
    let data = STANDARD.encode(format!("{CANARY}-in-the-data"));
    for secret in [CANARY, PASSWORD, TOKEN, &auth, &mallory, &data, line, "PRIVATE KEY"] {
        for bytes in written {
            let text = String::from_utf8_lossy(bytes);
            let found = text.find(secret);
            let around = found.map(|at| text[..at].chars().rev().take(300).collect::<String>());
            let around = around.map(|text| text.chars().rev().collect::<String>());
            assert_eq!(around, None, "{secret} stands behind this");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_any_byte_that_a_server_writes() {
    let server = private().await;
    let mut scene = Scene::start(&server).await;
    let key = scene.tls.key_pem();
    let image = format!("{GOOD}:1");
    let uids = ["u-allow", "u-wrong", "u-broken", "u-none", "u-absent", "u-odd"];
    let cases: [(&str, &[&str], &str, bool); 5] = [
        ("u-wrong", &["wrong"], &image, false),
        ("u-broken", &["broken", "tls"], &image, false),
        ("u-none", &[], &image, false),
        ("u-absent", &["pull"], "good.example/shop/other:1", false),
        ("u-allow", &["wrong", "broken", "pull"], &image, true),
    ];
    for (uid, secrets, image, allowed) in cases {
        let answer = scene.review(pod(uid, image, secrets).to_string()).await;
        let expected = format!("\"allowed\":{allowed}");
        assert!(answer.contains(&expected), "{uid}: {answer}");
    }
    for review in odd("u-odd") {
        scene.review(review.to_string()).await;
    }
    // What is cut off, doubled, no JSON, and too large.
    let whole = pod("u-odd", &image, &["pull"]).to_string();
    let cut = &whole[..whole.find("in-the-env").unwrap() + 4];
    scene.review(cut.to_owned()).await;
    scene.review(whole.replace("\"image\"", &format!("\"image\":\"{CANARY}\",\"image\""))).await;
    scene.review(format!("{CANARY} is no JSON")).await;
    let large = format!("{{\"{CANARY}\":\"{}\"}}", CANARY.repeat(limits::REVIEW_BYTES / 5));
    scene.review(large).await;
    let written = scene.end(&uids).await;
    let bytes: usize = written.iter().map(Vec::len).sum();
    assert!(written.len() > 40 && bytes > 50_000, "{} writings, {bytes} bytes", written.len());
    assert!(written.iter().any(|it| String::from_utf8_lossy(it).contains("u-allow")));
    assert_clean(&written, &key);
}
