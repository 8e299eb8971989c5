//! Kubernetes Events, as an API server is asked to keep them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use portreeve_host::clock::Clock;
use portreeve_host::cluster::access::Actor;
use portreeve_host::cluster::{Cluster, ClusterOptions};
use portreeve_host::events::{About, EventSink, Occurrence, Reason, Uid};
use portreeve_host::metrics::Metrics;
use portreeve_protocol::{Wall, limits};
use serde_json::{Value, json};
use slog::{Drain, Logger, o};

use crate::cluster::{Objects, assert_granted};
use crate::decisions::Lines;
use crate::server::{Reply, Server, status};

/// 2026-11-23T12:00:00Z
const NOW: Wall = Wall(1_795_435_200_000_000);
const EVENTS: &str = "/api/v1/namespaces/shop/events";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/shop/deployments/web";

/// A cluster that writes Events to a server.
struct Scene {
    cluster: Cluster,
    lines: Lines,
    metrics: Arc<Metrics>,
    server: Server,
    sink: Arc<dyn EventSink>,
}

impl Scene {
    async fn start(server: Server) -> Self {
        let files = tempfile::tempdir().unwrap();
        let kubeconfig = files.path().join("kubeconfig");
        let of = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": server.url()}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
            "users": [{"name": "c", "user": {}}]
        });
        std::fs::write(&kubeconfig, of.to_string()).unwrap();
        let options = ClusterOptions { kubeconfig: Some(kubeconfig) };
        let mut cluster = Cluster::connect(&options).await.unwrap();
        let lines = Lines::default();
        let drain = Mutex::new(slog_json::Json::default(lines.clone())).fuse();
        let log = Logger::root(drain, o!());
        let metrics = Arc::new(Metrics::new("0"));
        let node = "portreeve-0".parse().unwrap();
        let sink = cluster.events(&node, &Clock::showing(NOW), &metrics, &log);
        Self { cluster, lines, metrics, server, sink }
    }

    fn tell(&self, occurrence: Occurrence) {
        self.sink.tell(occurrence);
    }

    /// Waits until the server was asked so often; what it was asked with.
    async fn asked(&self, times: usize) -> Vec<String> {
        let asked = async {
            while self.server.requests().len() < times {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), asked).await.unwrap();
        self.server.requests()
    }

    fn log(&self) -> String {
        String::from_utf8(self.lines.0.lock().unwrap().clone()).unwrap()
    }

    fn counted(&self, result: &str) -> u64 {
        let text = self.metrics.encode();
        let prefix = format!("portreeve_events_total{{result=\"{result}\"}} ");
        let found = text.lines().find_map(|line| line.strip_prefix(&prefix));
        found.map_or(0, |number| number.parse().unwrap())
    }

    /// Waits until so many Events have come to this.
    async fn wait_for(&self, result: &str, times: u64) {
        let counted = async {
            while self.counted(result) < times {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), counted).await.unwrap();
    }
}

fn about(uid: Uid) -> About {
    About {
        api_version: "apps/v1".to_owned(),
        kind: "Deployment".to_owned(),
        name: "web".to_owned(),
        namespace: "shop".to_owned(),
        uid,
    }
}

fn denied(about: About, text: &str) -> Occurrence {
    Occurrence { about, reason: Reason::Denied, text: text.to_owned() }
}

/// An API server that makes what it is asked to make, and answers for `objects`.
async fn keeping(objects: &Objects) -> Server {
    let objects = objects.clone();
    Server::listen(false, move |request| match request.split(' ').next().unwrap() {
        "GET" => objects.answer(request),
        _ => status(201, "Content-Type: application/json\r\n", "{}"),
    })
    .await
}

fn body(request: &str) -> Value {
    serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[tokio::test]
async fn a_denial_is_an_event_of_the_core_group_about_the_object_with_its_uid() {
    let objects = Objects::default();
    objects.put(DEPLOYMENT, json!({"metadata": {"name": "web", "uid": "u-1"}}));
    let scene = Scene::start(keeping(&objects).await).await;
    scene.tell(denied(about(Uid::Unread), "container `app`: not signed"));
    let asked = scene.asked(2).await;
    assert!(asked[0].starts_with(&format!("GET {DEPLOYMENT} ")), "{}", asked[0]);
    assert!(asked[1].starts_with(&format!("POST {EVENTS} ")), "{}", asked[1]);
    let mut event = body(&asked[1]);
    let name = event["metadata"]["name"].take();
    assert!(name.as_str().unwrap().starts_with("web."), "{name}");
    let expected = json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": {"name": null, "namespace": "shop"},
        "involvedObject": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web",
            "namespace": "shop", "uid": "u-1"},
        "reason": "ImageDenied", "message": "container `app`: not signed", "type": "Warning",
        "count": 1, "firstTimestamp": "2026-11-23T12:00:00Z",
        "lastTimestamp": "2026-11-23T12:00:00Z",
        "source": {"component": "portreeve", "host": "portreeve-0"},
        "reportingComponent": "portreeve.dev/portreeve", "reportingInstance": "portreeve-0"
    });
    let seconds = |value: &Value| value.as_str().unwrap().starts_with("2026-11-23T12:0");
    assert!(seconds(&event["firstTimestamp"]) && seconds(&event["lastTimestamp"]));
    for member in ["firstTimestamp", "lastTimestamp"] {
        event[member] = "2026-11-23T12:00:00Z".into();
    }
    assert_eq!(event, expected);
    assert_granted(&scene.server, Actor::Server);
}

#[tokio::test]
async fn equal_denials_are_counted_in_the_event_that_is_there() {
    let scene = Scene::start(keeping(&Objects::default()).await).await;
    let one = || denied(about(Uid::Known("u-1".to_owned())), "not signed");
    scene.tell(one());
    let asked = scene.asked(1).await;
    let name = body(&asked[0])["metadata"]["name"].as_str().unwrap().to_owned();
    scene.wait_for("written", 1).await;
    (0..3).for_each(|_| scene.tell(one()));
    let asked = scene.asked(2).await;
    assert!(asked[1].starts_with(&format!("PATCH {EVENTS}/{name} ")), "{}", asked[1]);
    assert!(asked[1].contains("application/merge-patch+json"), "{}", asked[1]);
    let patch = body(&asked[1]);
    assert_eq!(patch["count"], 4);
    assert_eq!(patch.as_object().unwrap().len(), 2, "{patch}");
    scene.wait_for("counted", 1).await;
    assert_granted(&scene.server, Actor::Server);
}

#[tokio::test]
async fn an_event_that_the_api_server_has_forgotten_is_made_anew() {
    let server = Server::listen(false, |request| {
        let absent = r#"{"details":{"name":"web.1","kind":"events"}}"#;
        match request.split(' ').next().unwrap() {
            "PATCH" => status(404, "", absent),
            _ => status(201, "", "{}"),
        }
    });
    let scene = Scene::start(server.await).await;
    scene.tell(denied(about(Uid::None), "not signed"));
    scene.wait_for("written", 1).await;
    scene.tell(denied(about(Uid::None), "not signed"));
    let asked = scene.asked(3).await;
    assert!(asked[2].starts_with("POST "), "{}", asked[2]);
    assert_eq!(body(&asked[2])["count"], 2);
}

#[tokio::test]
async fn what_has_no_namespace_is_told_of_in_default_and_what_has_no_proper_name_as_it_is() {
    let scene = Scene::start(keeping(&Objects::default()).await).await;
    let cluster = About { namespace: String::new(), ..about(Uid::None) };
    scene.tell(denied(cluster, "unknown"));
    let asked = scene.asked(1).await;
    assert!(asked[0].starts_with("POST /api/v1/namespaces/default/events "), "{}", asked[0]);
    scene.tell(denied(About { name: "web-*".to_owned(), ..about(Uid::None) }, "not signed"));
    let asked = scene.asked(2).await;
    let event = body(&asked[1]);
    assert_eq!(event["involvedObject"]["name"], "web-*");
    assert!(event["involvedObject"].get("uid").is_none());
    let name = event["metadata"]["name"].as_str().unwrap();
    assert!(name.starts_with("portreeve."), "{name}");
    scene.tell(denied(About { namespace: "../x".to_owned(), ..about(Uid::None) }, "odd"));
    scene.wait_for("failed", 1).await;
    assert_eq!(scene.server.asked().len(), 2, "what is no namespace is not asked about");
}

#[tokio::test]
async fn events_that_may_not_be_written_are_said_so_once_and_dropped() {
    let server = Server::listen(false, |_| status(403, "", r#"{"message":"canary"}"#)).await;
    let scene = Scene::start(server).await;
    for number in 0..3 {
        scene.tell(denied(about(Uid::None), &format!("{number}")));
    }
    scene.wait_for("failed", 3).await;
    let log = scene.log();
    assert_eq!(log.matches("an Event cannot be written").count(), 1, "{log}");
    assert!(log.contains("the API server forbids it") && !log.contains("canary"), "{log}");
    assert_eq!(scene.server.asked().len(), 3, "and not tried again");
}

#[tokio::test]
async fn what_there_is_no_room_for_is_dropped_and_counted_and_nobody_waits() {
    let scene = Scene::start(Server::listen(false, |_| Reply::Silence).await).await;
    // Nothing of this yields, so the writer does not run meanwhile.
    for number in 0..limits::EVENTS_WAITING + 10 {
        scene.tell(denied(about(Uid::None), &number.to_string()));
    }
    assert_eq!(scene.counted("dropped"), 10);
}

#[tokio::test]
async fn what_waits_at_the_end_is_written() {
    let scene = Scene::start(keeping(&Objects::default()).await).await;
    scene.tell(denied(about(Uid::None), "first"));
    scene.tell(denied(about(Uid::None), "second"));
    let Scene { cluster, server, .. } = scene;
    tokio::time::timeout(Duration::from_secs(20), cluster.stop()).await.unwrap();
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn entries_of_seals_that_were_ended_for_the_cluster_are_told_before_anything_is_decided() {
    let digest = "a".repeat(64);
    let text = format!("registry.example/web@sha256:{digest} wrong commit\nnonsense\n");
    let objects = Objects::default();
    let map = json!({"metadata": {}, "data": {"revoked": format!("{text}{text}")}});
    objects.put("/api/v1/namespaces/portreeve/configmaps/portreeve-revocations", map);
    let mut scene = Scene::start(objects.serve().await).await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = {
        let told = Arc::clone(&told);
        move |revoke: portreeve_protocol::messages::admission::RevokeSeal| {
            told.lock().unwrap().push((revoke.gun, revoke.reason));
        }
    };
    let log = Logger::root(Mutex::new(slog_json::Json::default(scene.lines.clone())).fuse(), o!());
    scene.cluster.follow_revocations("portreeve", &scene.metrics, &log, tell).await;
    let expected = [("registry.example/web".to_owned(), "wrong commit".to_owned())];
    assert_eq!(*told.lock().unwrap(), expected);
    assert!(scene.log().contains("line 2 is not repository@sha256:digest"), "{}", scene.log());
    assert_granted(&scene.server, Actor::Server);
}
