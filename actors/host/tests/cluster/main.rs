//! The cluster as the source of objects, against an API server on loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod faults;
mod secrets;
mod server;
mod status;
mod whole;

use std::sync::Arc;
use std::time::{Duration, Instant};

use portreeve_host::cluster::{Cluster, ClusterOptions};
use portreeve_host::metrics::Metrics;
use portreeve_protocol::messages::policy::{ObjectRef, PolicyInput, SourceObject};
use serde_json::{Value, json};
use server::{ApiServer, CLUSTER, IMAGE, OLD_CLUSTER, OLD_IMAGE, Rule, in_time};
use tokio::sync::mpsc;

/// A watch on a server, and what it tells.
struct Watched {
    cluster: Cluster,
    inputs: mpsc::UnboundedReceiver<PolicyInput>,
    metrics: Arc<Metrics>,
}

impl Watched {
    async fn start(server: &ApiServer) -> Self {
        let files = tempfile::tempdir().unwrap();
        let kubeconfig = files.path().join("kubeconfig");
        std::fs::write(&kubeconfig, server.kubeconfig()).unwrap();
        let options = ClusterOptions { kubeconfig: Some(kubeconfig) };
        let mut cluster = Cluster::connect(&options).await.unwrap();
        let (sender, inputs) = mpsc::unbounded_channel();
        let metrics = Arc::new(Metrics::new("0"));
        let log = slog::Logger::root(slog::Discard, slog::o!());
        cluster.watch("portreeve", &metrics, &log, move |input| drop(sender.send(input)));
        Self { cluster, inputs, metrics }
    }

    async fn next(&mut self) -> PolicyInput {
        in_time("a message", self.inputs.recv()).await.unwrap()
    }

    /// The names of the objects of the next message, which is a whole list.
    async fn relisted(&mut self) -> Vec<String> {
        let input = self.next().await;
        let PolicyInput::Relisted(list) = input else { panic!("not a list: {input:?}") };
        list.objects.iter().map(name).collect()
    }

    /// The next message, in short.
    async fn short(&mut self) -> String {
        match self.next().await {
            PolicyInput::Applied(applied) => format!("applied {}", name(&applied.object)),
            PolicyInput::Deleted(deleted) => format!("deleted {}", identity(&deleted.object)),
            PolicyInput::Relisted(_) => "relisted".to_owned(),
            PolicyInput::WatchLost(_) => "lost".to_owned(),
            PolicyInput::WatchRestored => "restored".to_owned(),
        }
    }

    /// Nothing was told so far.
    fn is_quiet(&mut self) -> bool {
        self.inputs.try_recv().is_err()
    }

    async fn stop(self) {
        in_time("the end", self.cluster.stop()).await;
    }
}

fn identity(object: &ObjectRef) -> String {
    match object {
        ObjectRef::Policy(policy) => policy.to_string(),
        ObjectRef::SignerSecret { namespace, secret } => format!("Secret {namespace}/{secret}"),
    }
}

fn name(object: &SourceObject) -> String {
    match object {
        SourceObject::Policy(policy) => policy.id.to_string(),
        SourceObject::SignerSecret(secret) => {
            format!("Secret {}/{} of {}", secret.namespace, secret.secret, secret.name)
        }
    }
}

fn policy(namespace: Option<&str>, name: &str, repository: &str) -> Value {
    let mut metadata = json!({ "name": name });
    if let Some(namespace) = namespace {
        metadata["namespace"] = namespace.into();
    }
    json!({ "apiVersion": "portieris.cloud.ibm.com/v1", "kind": "ImagePolicy",
        "metadata": metadata, "spec": { "repositories": [{ "name": repository }] } })
}

/// A policy that asks for the signer of a Secret.
fn signed(namespace: Option<&str>, name: &str, secret: &str) -> Value {
    let mut policy = policy(namespace, name, "*");
    policy["spec"]["repositories"][0]["policy"] =
        json!({ "trust": { "enabled": true, "signerSecrets": [{ "name": secret }] } });
    policy
}

/// Waits until `holds`, looking again and again.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let mut looks = tokio::time::interval(Duration::from_millis(5));
    let looks = async {
        while !holds() {
            looks.tick().await;
        }
    };
    in_time(what, looks).await;
}

#[tokio::test]
async fn nothing_is_told_before_every_kind_was_listed() {
    let server = ApiServer::start().await;
    server.apply(CLUSTER, policy(None, "all", "*"));
    server.apply(IMAGE, policy(Some("shop"), "own", "a.example/*"));
    server.apply(OLD_IMAGE, policy(Some("shop"), "old", "b.example/*"));
    server.rule(OLD_CLUSTER, Rule::Fails(500));
    let mut watched = Watched::start(&server).await;
    until("two tries", || server.asked(OLD_CLUSTER).len() > 2).await;
    assert!(watched.is_quiet());
    server.rule(OLD_CLUSTER, Rule::Obeys);
    let expected = ["ClusterImagePolicy all", "ImagePolicy shop/own", "ImagePolicy shop/old"];
    assert_eq!(watched.relisted().await, expected);
    watched.stop().await;
}

#[tokio::test]
async fn a_kind_that_nobody_defined_is_an_empty_list_and_is_seen_when_it_comes() {
    let server = ApiServer::start().await;
    for kind in [IMAGE, CLUSTER, OLD_IMAGE, OLD_CLUSTER] {
        server.rule(kind, Rule::Absent);
    }
    let mut watched = Watched::start(&server).await;
    assert!(watched.relisted().await.is_empty());
    server.apply(IMAGE, policy(Some("shop"), "own", "*"));
    server.rule(IMAGE, Rule::Obeys);
    assert_eq!(watched.relisted().await, ["ImagePolicy shop/own"]);
}

#[tokio::test]
async fn a_kind_is_not_believed_to_be_missing_while_the_api_server_starts() {
    let server = ApiServer::start().await;
    server.apply(CLUSTER, policy(None, "all", "*"));
    server.apply(IMAGE, policy(Some("shop"), "own", "*"));
    server.rule(IMAGE, Rule::Absent);
    server.ready(false);
    let mut watched = Watched::start(&server).await;
    until("two looks", || server.asked("/readyz").len() > 1).await;
    assert!(watched.is_quiet());
    server.rule(IMAGE, Rule::Obeys);
    assert_eq!(watched.relisted().await, ["ClusterImagePolicy all", "ImagePolicy shop/own"]);
}

#[tokio::test]
async fn a_change_is_told_alone_and_within_a_second() {
    let server = ApiServer::start().await;
    server.apply(CLUSTER, policy(None, "all", "*"));
    let mut watched = Watched::start(&server).await;
    assert_eq!(watched.relisted().await, ["ClusterImagePolicy all"]);
    until("the watches", || server.asked("watch=true").len() == 4).await;
    let begun = Instant::now();
    server.apply(IMAGE, policy(Some("shop"), "own", "*"));
    assert_eq!(watched.short().await, "applied ImagePolicy shop/own");
    server.apply(IMAGE, policy(Some("shop"), "own", "a.example/*"));
    assert_eq!(watched.short().await, "applied ImagePolicy shop/own");
    server.delete(IMAGE, "shop", "own");
    assert_eq!(watched.short().await, "deleted ImagePolicy shop/own");
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    let text = watched.metrics.encode();
    let line = "portreeve_watch_changes_total{source=\"imagepolicies.portieris\"} 3";
    assert!(text.contains(line), "{text}");
    watched.stop().await;
}

#[tokio::test]
async fn a_new_version_that_says_the_same_is_not_told() {
    let server = ApiServer::start().await;
    server.apply(CLUSTER, policy(None, "all", "*"));
    let mut watched = Watched::start(&server).await;
    watched.relisted().await;
    let mut same = policy(None, "all", "*");
    same["metadata"]["annotations"] = json!({ "note": "another" });
    server.apply(CLUSTER, same);
    server.apply(CLUSTER, policy(None, "next", "*"));
    assert_eq!(watched.short().await, "applied ClusterImagePolicy next");
}

#[tokio::test]
async fn what_a_bookmark_says_is_not_told() {
    let server = ApiServer::start().await;
    let mut watched = Watched::start(&server).await;
    watched.relisted().await;
    let bookmark = json!({ "type": "BOOKMARK", "object": { "apiVersion": "v1", "kind": "X",
        "metadata": { "resourceVersion": "200" } } });
    server.event(IMAGE, bookmark);
    server.apply(IMAGE, policy(Some("shop"), "own", "*"));
    assert_eq!(watched.short().await, "applied ImagePolicy shop/own");
}
