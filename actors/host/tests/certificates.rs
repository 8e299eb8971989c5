//! `gencerts` held against an API server on loopback: what is asked in which order, who wins a
//! race, and what an operator is told.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use portreeve_host::HostError;
use portreeve_host::certificates::{Extra, Places, Step, Wanted, provide};
use portreeve_host::cluster::access::{Actor, Done};
use portreeve_host::cluster::{Cluster, ClusterOptions};
use portreeve_host::seals::SealKeys;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};
use tokio::net::TcpListener;

const NOW: i64 = 1_800_000_000;
const DAY: i64 = 86_400;
const CERTS: &str = "/api/v1/namespaces/trust/secrets/certs";
const SEAL: &str = "/api/v1/namespaces/trust/secrets/seal";
const MUTATING: &str =
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/portreeve";
const VALIDATING: &str =
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/portreeve";

#[derive(Default)]
struct State {
    /// Requests, as `METHOD path`.
    asked: Vec<String>,
    /// Requests that are answered with this status once.
    fails: BTreeMap<String, u16>,
    objects: BTreeMap<String, Value>,
    /// Put there just before the next POST, as by someone who is faster.
    rival: Option<(String, Value)>,
    version: u64,
}

#[derive(Clone, Default)]
struct ApiServer {
    state: Arc<Mutex<State>>,
}

fn answer(code: u16, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = StatusCode::from_u16(code).unwrap();
    response
}

fn status(code: u16, message: &str) -> Response<Full<Bytes>> {
    let reason = match code {
        403 => "Forbidden",
        404 => "NotFound",
        _ => "Conflict",
    };
    answer(
        code,
        &json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code,
        "message": message, "reason": reason}),
    )
}

/// A merge patch; lists of webhooks are merged by name, as a strategic one does.
fn patch(object: &mut Value, with: &Value) {
    for (name, value) in with.as_object().unwrap() {
        if name == "webhooks" {
            for webhook in value.as_array().unwrap() {
                let all = object["webhooks"].as_array_mut().unwrap();
                let same = all.iter_mut().find(|it| it["name"] == webhook["name"]).unwrap();
                patch(same, webhook);
            }
        } else if value.is_object() && object[name].is_object() {
            patch(&mut object[name], value);
        } else {
            object[name] = value.clone();
        }
    }
}

impl State {
    fn put(&mut self, path: &str, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        self.objects.insert(path.to_owned(), object.clone());
        object
    }

    fn answer(&mut self, method: &Method, path: &str, body: &Value) -> Response<Full<Bytes>> {
        self.asked.push(format!("{method} {path}"));
        if let Some(code) = self.fails.remove(&format!("{method} {path}")) {
            return status(code, "told to fail");
        }
        if method == Method::POST {
            if let Some((path, object)) = self.rival.take() {
                self.put(&path, object);
            }
            let path = format!("{path}/{}", body["metadata"]["name"].as_str().unwrap());
            if self.objects.contains_key(&path) {
                return status(409, "already exists");
            }
            return answer(201, &self.put(&path, body.clone()));
        }
        let Some(mut object) = self.objects.get(path).cloned() else {
            return status(404, "not found");
        };
        if method == Method::PATCH {
            let expected = &body["metadata"]["resourceVersion"];
            if !expected.is_null() && *expected != object["metadata"]["resourceVersion"] {
                return status(409, "the object has been modified");
            }
            patch(&mut object, body);
            object = self.put(path, object);
        }
        answer(200, &object)
    }
}

impl ApiServer {
    /// Starts it, and a client of it.
    async fn start() -> (Self, Cluster) {
        let server = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let accepting = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = accepting.clone();
                tokio::spawn(async move {
                    let service = service_fn(|request| server.clone().serve(request));
                    let http = hyper::server::conn::http1::Builder::new();
                    let _ = http.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(
            file.path(),
            format!(
                "{{apiVersion: v1, kind: Config, current-context: a, clusters: [{{name: a, \
                 cluster: {{server: 'http://127.0.0.1:{port}'}}}}], contexts: [{{name: a, \
                 context: {{cluster: a, user: a}}}}], users: [{{name: a, user: {{}}}}]}}"
            ),
        )
        .unwrap();
        let options = ClusterOptions { kubeconfig: Some(file.path().to_owned()) };
        let cluster = Cluster::connect(&options).await.unwrap();
        (server, cluster)
    }

    async fn serve(
        self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, hyper::Error> {
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Ok(self.state.lock().unwrap().answer(&head.method, head.uri.path(), &body))
    }

    fn put(&self, path: &str, object: Value) {
        self.state.lock().unwrap().put(path, object);
    }

    /// Has the next such request fail.
    fn fails(&self, method: &str, path: &str, code: u16) {
        self.state.lock().unwrap().fails.insert(format!("{method} {path}"), code);
    }

    fn webhooks(&self) {
        for (path, names) in [(MUTATING, vec!["admit"]), (VALIDATING, vec!["validate", "more"])] {
            let webhooks: Vec<Value> = names
                .iter()
                .map(|name| json!({"name": name, "clientConfig": {"service": {"name": "p"}}}))
                .collect();
            let kind = if path == MUTATING { "Mutating" } else { "Validating" };
            self.put(
                path,
                json!({"apiVersion": "admissionregistration.k8s.io/v1",
                "kind": format!("{kind}WebhookConfiguration"), "metadata": {"name": "portreeve"},
                "webhooks": webhooks}),
            );
        }
    }

    fn object(&self, path: &str) -> Value {
        self.state.lock().unwrap().objects.get(path).cloned().unwrap_or(Value::Null)
    }

    fn member(&self, path: &str, name: &str) -> String {
        let object = self.object(path);
        let text = object["data"][name].as_str().expect(name);
        String::from_utf8(STANDARD.decode(text).unwrap()).unwrap()
    }

    /// What each webhook was told.
    fn told(&self) -> Vec<String> {
        let all = [MUTATING, VALIDATING].map(|path| self.object(path)["webhooks"].clone());
        let each = all.iter().flat_map(|webhooks| webhooks.as_array().unwrap());
        each.map(|webhook| {
            let text = webhook["clientConfig"]["caBundle"].as_str().unwrap_or_default();
            String::from_utf8(STANDARD.decode(text).unwrap()).unwrap()
        })
        .collect()
    }

    /// The requests that change something, since the last time.
    fn changes(&self) -> Vec<String> {
        let asked = std::mem::take(&mut self.state.lock().unwrap().asked);
        for line in &asked {
            let (method, path) = line.split_once(' ').unwrap();
            let done = Done::by(method, path).expect(line);
            assert!(done.is_granted_to(Actor::Gencerts), "nobody grants {line}");
        }
        asked.into_iter().filter(|line| !line.starts_with("GET")).collect()
    }
}

fn places() -> Places {
    Places {
        namespace: "trust".to_owned(),
        seal_secret: Some("seal".to_owned()),
        secret: Some("certs".to_owned()),
        webhooks: Some("portreeve".to_owned()),
    }
}

fn wanted() -> Wanted {
    Wanted {
        names: Wanted::names_of_service("portreeve", "trust"),
        renew_before: Duration::from_secs(100 * 86_400),
        validity: Duration::from_secs(365 * 86_400),
    }
}

async fn run(cluster: &Cluster, extra: Extra, now: i64) -> Result<Vec<Step>, HostError> {
    provide(cluster.client(), &places(), &wanted(), extra, false, now).await
}

fn count(bundle: &str) -> usize {
    CertificateDer::pem_slice_iter(bundle.as_bytes()).count()
}

#[tokio::test]
async fn before_and_after_an_installation_everything_is_made_once() {
    let (server, cluster) = ApiServer::start().await;
    // The hook before the installation: there are no webhook configurations yet.
    let steps = run(&cluster, Extra::Nothing, NOW).await.unwrap();
    let text: Vec<String> = steps.iter().map(Step::to_string).collect();
    assert!(text[0].starts_with("Secret trust/seal: written, with the new key"), "{text:?}");
    assert!(text[1].starts_with("Secret trust/certs: written, valid until 2028-01-15"), "{text:?}");
    assert!(text[2].contains("MutatingWebhookConfiguration portreeve: not there yet"), "{text:?}");
    let (seal, certs) = (server.object(SEAL), server.object(CERTS));
    assert_eq!(certs["type"], "kubernetes.io/tls");
    assert_eq!(SealKeys::parse(&server.member(SEAL, "seal.key")).unwrap().ids().count(), 1);
    server.changes();
    // The hook after it.
    server.webhooks();
    run(&cluster, Extra::Nothing, NOW).await.unwrap();
    assert_eq!(server.changes(), [format!("PATCH {MUTATING}"), format!("PATCH {VALIDATING}")]);
    let bundle = server.member(CERTS, "ca.crt");
    assert_eq!(server.told(), vec![bundle; 3]);
    // And every night.
    let steps = run(&cluster, Extra::Nothing, NOW + DAY).await.unwrap();
    assert!(steps.iter().all(|step| matches!(step, Step::Kept { .. })), "{steps:?}");
    assert_eq!(server.changes(), Vec::<String>::new());
    assert_eq!((server.object(SEAL), server.object(CERTS)), (seal, certs));
}

#[tokio::test]
async fn the_api_server_is_told_before_a_new_certificate_is_there() {
    let (server, cluster) = ApiServer::start().await;
    server.webhooks();
    run(&cluster, Extra::Nothing, NOW).await.unwrap();
    let (old, seal) = (server.member(CERTS, "tls.crt"), server.object(SEAL));
    server.changes();
    run(&cluster, Extra::Nothing, NOW + 300 * DAY).await.unwrap();
    let changes = server.changes();
    assert_eq!(changes.last(), Some(&format!("PATCH {CERTS}")), "{changes:?}");
    assert_eq!(changes.len(), 3, "{changes:?}");
    assert_ne!(server.member(CERTS, "tls.crt"), old);
    assert_eq!(server.told().iter().map(|told| count(told)).collect::<Vec<_>>(), [2, 2, 2]);
    assert_eq!(count(&server.member(CERTS, "ca.crt")), 2);
    assert_eq!(server.object(SEAL), seal, "keys of seals are never changed");
    // When all replicas have the new one, an operator may have the old authority forgotten.
    run(&cluster, Extra::ForgetOld, NOW + 301 * DAY).await.unwrap();
    assert_eq!(server.told(), vec![server.member(CERTS, "ca.crt"); 3]);
    assert_eq!(count(&server.member(CERTS, "ca.crt")), 1);
}

#[tokio::test]
async fn if_the_api_server_cannot_be_told_the_certificate_stays() {
    let (server, cluster) = ApiServer::start().await;
    server.webhooks();
    run(&cluster, Extra::Nothing, NOW).await.unwrap();
    let certs = server.object(CERTS);
    // One of the two is told, the other is not.
    server.fails("PATCH", VALIDATING, 403);
    let refused = run(&cluster, Extra::Renew, NOW).await.unwrap_err().to_string();
    assert!(refused.contains("not allowed to patch ValidatingWebhookConfiguration portreeve"));
    assert!(refused.contains("the chart's role of gencerts"), "{refused}");
    assert_eq!(server.object(CERTS), certs);
}

#[tokio::test]
async fn of_two_that_run_at_once_one_wins_and_both_are_content() {
    let (rival, other) = ApiServer::start().await;
    rival.webhooks();
    run(&other, Extra::Nothing, NOW).await.unwrap();
    for path in [SEAL, CERTS] {
        let (server, cluster) = ApiServer::start().await;
        server.webhooks();
        if path == CERTS {
            server.put(SEAL, rival.object(SEAL));
        }
        server.state.lock().unwrap().rival = Some((path.to_owned(), rival.object(path)));
        run(&cluster, Extra::Nothing, NOW).await.unwrap();
        let member = if path == SEAL { "seal.key" } else { "tls.key" };
        assert_eq!(server.member(path, member), rival.member(path, member), "the first one stays");
        // The loser's authority does no harm, the winner's comes first.
        let own = server.member(CERTS, "ca.crt");
        assert_eq!(server.told(), vec![own; 3]);
    }
    let winner = rival.member(CERTS, "ca.crt");
    let before = rival.member(CERTS, "tls.crt");
    // One that was changed between reading and writing is read again.
    rival.fails("PATCH", CERTS, 409);
    run(&other, Extra::Renew, NOW).await.unwrap();
    assert_ne!(rival.member(CERTS, "tls.crt"), before);
    assert!(rival.told().iter().all(|told| told.contains(winner.trim())), "still believed");
}

#[tokio::test]
async fn what_someone_else_made_is_left_alone() {
    let (server, cluster) = ApiServer::start().await;
    server.webhooks();
    let theirs = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "certs"},
        "type": "kubernetes.io/tls", "data": {"tls.crt": "", "tls.key": ""}});
    server.put(CERTS, theirs);
    let theirs = server.object(CERTS);
    let refused = run(&cluster, Extra::Nothing, NOW).await.unwrap_err().to_string();
    assert!(refused.contains("was not made by gencerts"), "{refused}");
    assert_eq!(server.object(CERTS), theirs);
    assert_eq!(server.told(), vec![String::new(); 3]);
}

#[tokio::test]
async fn a_spoilt_key_of_seals_is_reported_and_stays() {
    let (server, cluster) = ApiServer::start().await;
    let spoilt = STANDARD.encode("hunter2");
    server.put(
        SEAL,
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "seal"},
        "data": {"seal.key": spoilt}}),
    );
    let refused = run(&cluster, Extra::Nothing, NOW).await.unwrap_err().to_string();
    assert!(
        refused.contains("Secret trust/seal") && refused.contains("left as it is"),
        "{refused}"
    );
    assert!(!refused.contains("hunter2"), "{refused}");
    assert_eq!(server.object(SEAL)["data"]["seal.key"], spoilt);
}

#[tokio::test]
async fn a_dry_run_changes_nothing_and_says_what_it_would() {
    let (server, cluster) = ApiServer::start().await;
    server.webhooks();
    let steps = provide(cluster.client(), &places(), &wanted(), Extra::Nothing, true, NOW).await;
    let steps = steps.unwrap();
    assert!(steps.iter().all(|step| matches!(step, Step::Made { .. })), "{steps:?}");
    assert_eq!((steps.len(), server.changes()), (4, Vec::new()));
}

#[tokio::test]
async fn no_key_is_in_what_an_operator_is_told() {
    let (server, cluster) = ApiServer::start().await;
    server.webhooks();
    let steps = run(&cluster, Extra::Nothing, NOW).await.unwrap();
    let said = format!("{steps:?}");
    let key = server.member(CERTS, "tls.key");
    let lines = key.lines().filter(|line| !line.contains("-----")).map(str::to_owned);
    for secret in lines.chain([server.member(SEAL, "seal.key").trim().to_owned()]) {
        assert!(!said.contains(&secret));
    }
}
