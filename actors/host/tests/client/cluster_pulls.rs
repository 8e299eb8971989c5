//! Pull secrets and service accounts, read from an API server when an image needs them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use portreeve_host::cluster::access::Actor;
use portreeve_host::cluster::{ClusterPulls, Ticks};
use portreeve_host::credentials::Credentials;
use portreeve_host::metrics::Metrics;
use portreeve_host::notary_client::{FetchAnswer, Fetcher};
use portreeve_protocol::messages::notary::{FetchOutcome, FetchRequest};
use portreeve_protocol::{CredentialRef, DenyCode, Mono};
use serde_json::{Value, json};
use slog::{Drain, Logger, o};

use crate::cluster::{Objects, account, api, assert_granted, pull_secret};
use crate::decisions::Lines;
use crate::server::*;

const CANARY: &str = "canary-in-the-pull-secret";
const SECOND: u64 = 1_000_000;

fn at(name: &str) -> String {
    format!("/api/v1/namespaces/web/secrets/{name}")
}

const ACCOUNT: &str = "/api/v1/namespaces/web/serviceaccounts/default";

/// Credentials of an API server, and a clock that is set by hand.
struct Scene {
    credentials: Credentials,
    lines: Lines,
    metrics: Arc<Metrics>,
    now: Arc<AtomicU64>,
    objects: Objects,
    registry: Server,
    server: Server,
}

impl Scene {
    async fn start() -> Self {
        let objects = Objects::default();
        let server = objects.serve().await;
        let now = Arc::new(AtomicU64::new(0));
        let ticks: Ticks = {
            let now = Arc::clone(&now);
            Arc::new(move || Mono(now.load(Ordering::SeqCst)))
        };
        let lines = Lines::default();
        let drain = Mutex::new(slog_json::Json::default(lines.clone())).fuse();
        let metrics = Arc::new(Metrics::new("0"));
        let pulls = ClusterPulls::start(api(&server, &metrics), ticks, Logger::root(drain, o!()));
        let credentials = pulls.credentials();
        Self { credentials, lines, metrics, now, objects, registry: registry().await, server }
    }

    fn pass(&self, micros: u64) {
        self.now.fetch_add(micros, Ordering::SeqCst);
    }

    /// Asks the registry, which wants a password, with a new client, so that no token is at hand.
    async fn ask(&self, names: &[CredentialRef]) -> FetchAnswer {
        let request = FetchRequest {
            credentials: names.to_vec(),
            gun: "reg.example/app".to_owned(),
            ..request(&self.registry.url())
        };
        self.registry.client_with(&self.credentials).fetch(request).await
    }

    /// All lines of the log, of whatever level.
    fn log(&self) -> String {
        String::from_utf8(self.lines.0.lock().unwrap().clone()).unwrap()
    }

    /// What the API server was asked for.
    fn asked(&self) -> Vec<String> {
        self.server.asked()
    }
}

/// A trust server that takes the password of `good` and `new`.
async fn registry() -> Server {
    Server::start(|request| {
        let shown = header(request, "authorization");
        let basic =
            |user: &str| format!("Basic {}", STANDARD.encode(format!("{user}:{CANARY}-of-{user}")));
        if shown == basic("good") || shown == basic("new") {
            ok("{}")
        } else {
            status(401, "WWW-Authenticate: Basic realm=\"r\"\r\n", "")
        }
    })
    .await
}

fn config(user: &str) -> Value {
    json!({"auths": {"reg.example": {"username": user, "password": format!("{CANARY}-of-{user}")}}})
}

fn service_account() -> CredentialRef {
    CredentialRef::ServiceAccount { name: "default".to_owned(), namespace: "web".to_owned() }
}

fn denied(answer: FetchAnswer) -> String {
    let (code, detail) = failed(answer.outcome);
    assert_eq!(code, DenyCode::Unauthorized);
    assert!(!detail.contains("canary"), "{detail}");
    detail
}

fn let_in(answer: &FetchAnswer) -> bool {
    matches!(answer.outcome, FetchOutcome::Document(_))
}

#[tokio::test]
async fn a_pull_secret_is_read_when_it_is_needed_and_serves_for_ten_seconds() {
    let scene = Scene::start().await;
    scene.objects.put(&at("a"), pull_secret("a", 1, &config("good")));
    assert_eq!(scene.asked(), [""; 0]);
    let answer = scene.ask(&[secret("a")]).await;
    assert!(let_in(&answer));
    assert_eq!(answer.credential, Some(secret("a")));
    scene.pass(10 * SECOND - 1);
    assert!(let_in(&scene.ask(&[secret("a")]).await));
    assert_eq!(scene.asked(), [format!("GET {}", at("a"))]);
    scene.objects.remove(&at("a"));
    scene.pass(1);
    let detail = denied(scene.ask(&[secret("a")]).await);
    assert!(detail.contains("; Secret web/a: there is no such object"), "{detail}");
    assert_eq!(scene.asked().len(), 2);
    assert_granted(&scene.server, Actor::Server);
}

#[tokio::test]
async fn a_service_account_stands_for_the_secrets_it_lists() {
    let scene = Scene::start().await;
    scene.objects.put(ACCOUNT, account(&["missing", "a"]));
    scene.objects.put(&at("a"), pull_secret("a", 1, &config("good")));
    let answer = scene.ask(&[service_account()]).await;
    assert!(let_in(&answer));
    assert_eq!(answer.credential, Some(service_account()));
    let mut asked = scene.asked();
    asked.sort();
    let wanted = [&at("a"), &at("missing"), ACCOUNT].map(|path| format!("GET {path}"));
    assert_eq!(asked, wanted);
    scene.objects.put(ACCOUNT, account(&["missing"]));
    scene.pass(11 * SECOND);
    let detail = denied(scene.ask(&[service_account()]).await);
    assert!(detail.contains("ServiceAccount web/default"), "{detail}");
    assert!(detail.contains("; Secret web/missing: there is no such object"), "{detail}");
    assert_granted(&scene.server, Actor::Server);
}

#[tokio::test]
async fn what_may_not_be_read_is_named_with_the_reason_and_the_rest_goes_on() {
    let scene = Scene::start().await;
    scene.objects.fail(&at("forbidden"), 403);
    scene.objects.fail(&at("broken"), 500);
    let mut other = pull_secret("other", 1, &config("good"));
    other["type"] = "Opaque".into();
    scene.objects.put(&at("other"), other);
    let mut garbled = pull_secret("garbled", 1, &config("good"));
    garbled["data"][".dockerconfigjson"] = "canary!".into();
    scene.objects.put(&at("garbled"), garbled);
    scene.objects.put(&at("odd"), pull_secret("odd", 1, &json!("canary")));
    let names = ["forbidden", "broken", "other", "garbled", "odd", "../a"].map(secret);
    let detail = denied(scene.ask(&names).await);
    for said in [
        "Secret web/forbidden: the API server forbids it",
        "Secret web/broken: the API server answered with status 500",
        "Secret web/other: its type is neither",
        "Secret web/garbled: its data is not base64",
        "Secret web/odd: line 1: it is not the JSON of docker's credentials",
        "Secret web/../a: that is not the name of an object",
    ] {
        assert!(detail.contains(said), "{said} is not in {detail}");
    }
    assert_eq!(scene.asked().len(), 5, "what is no name is not asked for");
    scene.objects.put(&at("good"), pull_secret("good", 1, &config("good")));
    let all: Vec<_> = names.iter().cloned().chain([secret("good")]).collect();
    assert!(let_in(&scene.ask(&all).await));
    let log = scene.log();
    assert!(log.contains("a credential for registries cannot be read, and is left out"), "{log}");
    assert!(log.contains("Secret web/forbidden"), "{log}");
    assert!(!log.contains("canary"), "{log}");
    let text = scene.metrics.encode();
    let line = "portreeve_api_questions_total{result=\"forbidden\",what=\"secret\"} 1";
    assert!(text.lines().any(|found| found == line), "{text}");
}

#[tokio::test]
async fn what_is_not_there_is_asked_for_again_sooner_and_trouble_the_soonest() {
    let scene = Scene::start().await;
    scene.objects.fail(&at("broken"), 500);
    for (pass, missing, broken) in [(0, 1, 1), (SECOND, 1, 2), (2 * SECOND, 2, 3)] {
        scene.pass(pass);
        denied(scene.ask(&[secret("missing"), secret("broken")]).await);
        let times =
            |name: &str| scene.asked().iter().filter(|line| line.ends_with(&at(name))).count();
        assert_eq!((times("missing"), times("broken")), (missing, broken));
    }
    let said = scene.log().matches("cannot be read").count();
    assert_eq!(said, 2, "once for each");
}

#[tokio::test]
async fn a_password_that_was_changed_is_read_as_soon_as_the_old_one_is_refused() {
    let scene = Scene::start().await;
    scene.objects.put(ACCOUNT, account(&["a"]));
    scene.objects.put(&at("a"), pull_secret("a", 1, &config("old")));
    let detail = denied(scene.ask(&[service_account()]).await);
    assert!(detail.contains("none of the credentials was accepted"), "{detail}");
    scene.objects.put(&at("a"), pull_secret("a", 2, &config("new")));
    denied(scene.ask(&[service_account()]).await);
    assert_eq!(scene.asked().len(), 2, "not read anew within a second");
    scene.pass(SECOND);
    denied(scene.ask(&[service_account()]).await);
    assert!(let_in(&scene.ask(&[service_account()]).await));
}

#[tokio::test]
async fn equal_names_at_the_same_time_are_one_request_each() {
    let scene = Scene::start().await;
    scene.objects.put(ACCOUNT, account(&["a", "b"]));
    scene.objects.put(&at("a"), pull_secret("a", 1, &config("good")));
    scene.objects.put(&at("b"), pull_secret("b", 1, &config("bad")));
    let names = [service_account()];
    let answers = join_all((0..50).map(|_| scene.ask(&names))).await;
    assert!(answers.iter().all(let_in));
    let mut asked = scene.asked();
    asked.sort();
    let wanted = [&at("a"), &at("b"), ACCOUNT].map(|path| format!("GET {path}"));
    assert_eq!(asked, wanted);
}

#[tokio::test]
async fn neither_the_log_nor_an_answer_tells_more_than_names_and_versions() {
    let scene = Scene::start().await;
    let mut odd = config("good");
    odd["auths"]["user:canary@reg.example"] = json!({"auth": "canary!"});
    odd["credHelpers"] = json!({"other.example": "canary-program"});
    scene.objects.put(&at("a"), pull_secret("a", 41, &odd));
    assert!(let_in(&scene.ask(&[secret("a")]).await));
    let log = scene.log();
    assert!(log.contains("Secret web/a") && log.contains("\"41\""), "{log}");
    assert!(log.contains("which is never run"), "{log}");
    assert!(!log.contains("canary"), "{log}");
    assert!(!format!("{:?}", scene.credentials).contains("canary"));
    assert!(!scene.metrics.encode().contains("web"), "no label names a namespace");
}
