//! Seals in a whole node: a workload that entered is stored, and what its controllers make of it
//! enters without the trust server, while forgeries of every kind are judged like anything else.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use portreeve_host::clock::Clock;
use portreeve_host::control::{Reply, Request, ask};
use portreeve_host::owners::SealState;
use portreeve_lab::server::tuf_path;
use portreeve_lab::{LoopbackTls, NotaryServer, Route};
use portreeve_protocol::Settings;
use portreeve_protocol::seal::ANNOTATION;
use portreeve_replay::{Outcome as Replayed, verify};
use portreeve_tests::node::{Manner, TestNode, approving};
use portreeve_tests::review::Outcome;
use portreeve_tests::signed::{GUN, NOW, TAGGED, digest, policy, publish};
use serde_json::{Value, json};
use tokio::runtime::Builder;
use tokio::task::spawn_blocking;

/// The node sees a change of its objects within a second, however busy the machine.
const PATIENCE: Duration = Duration::from_secs(20);

fn pinned() -> String {
    format!("{TAGGED}@{}", digest().to_oci())
}

fn deployment(name: &str, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"template": {"spec": {"containers": [{"name": "main", "image": image}]}}},
    })
}

fn pod_of(owner: &str, uid: &str, image: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": format!("{owner}-"),
            "namespace": "shop",
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owner,
                                 "uid": uid, "controller": true}],
        },
        "spec": {"containers": [{"name": "main", "image": image}]},
    })
}

fn review(uid: &str, object: &Value, old: Option<&Value>) -> Value {
    let kind = &object["kind"];
    let group = if kind == "Pod" { "" } else { "apps" };
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": uid,
            "kind": {"group": group, "version": "v1", "kind": kind},
            "name": object["metadata"]["name"],
            "namespace": "shop",
            "operation": if old.is_some() { "UPDATE" } else { "CREATE" },
            "userInfo": {"username": "tests"},
            "object": object,
            "oldObject": old,
            "dryRun": false,
        },
    })
}

/// The object as the API server stores it behind this answer.
fn patched(object: &Value, outcome: &Outcome) -> Value {
    let Outcome::Allowed { patch } = outcome else { panic!("{outcome:?}") };
    let patch: json_patch::Patch = serde_json::from_value(json!(patch)).unwrap();
    let mut object = object.clone();
    json_patch::patch(&mut object, &patch).unwrap();
    object
}

fn stored(object: &Value, uid: &str) -> Value {
    let mut object = object.clone();
    object["metadata"]["uid"] = json!(uid);
    object
}

/// The ReplicaSet that the Deployment's controller makes, with a copy of its annotations.
fn replica_set(name: &str, uid: &str, of: &Value) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "annotations": of["metadata"]["annotations"],
            "name": name,
            "namespace": "shop",
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment",
                                 "name": of["metadata"]["name"], "uid": of["metadata"]["uid"],
                                 "controller": true}],
            "uid": uid,
        },
        "spec": of["spec"],
    })
}

/// Stores the workloads and waits until the node has seen them.
async fn store(node: &TestNode, workloads: &[Value]) {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": workloads});
    node.store("workloads.json", &list.to_string()).unwrap();
    let wanted = workloads.len();
    let seen = async {
        loop {
            let place = node.data_dir();
            let asked = spawn_blocking(move || ask(&place, &Request::SealStatus).unwrap());
            let Reply::Seals { workloads } = asked.await.unwrap() else { panic!("no seals") };
            if workloads.len() == wanted {
                return workloads;
            }
            tokio::task::yield_now().await;
        }
    };
    let seen = tokio::time::timeout(PATIENCE, seen).await.unwrap();
    // A copied seal is told as what it is; it has opened nothing, as was seen above.
    let invalid: Vec<_> = seen.iter().filter(|one| one.state == SealState::Invalid).collect();
    let [evil] = invalid[..] else { panic!("{seen:?}") };
    assert_eq!((evil.kind.as_str(), evil.name.as_str()), ("Deployment", "evil"));
    assert_eq!(evil.why.as_deref(), Some("it is the seal of Deployment shop/web"));
}

fn code(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Allowed { .. } => "allowed",
        Outcome::Denied { code, .. } => code,
    }
}

async fn ask_about(node: &TestNode, uid: &str, object: &Value, old: Option<&Value>) -> Outcome {
    node.review(&review(uid, object, old)).await.unwrap()
}

async fn forgeries_are_judged(node: &TestNode, plain: &Value, web: &Value) {
    let unavailable = "trust-server-error";
    for (uid, object) in [
        ("forged uid", pod_of("web-1", "u-other", &pinned())),
        ("no such owner", pod_of("web-2", "u-set", &pinned())),
        ("copied seal", pod_of("evil-1", "u-evil-set", &pinned())),
        ("another image", pod_of("web-1", "u-set", "registry.example/app:v2")),
    ] {
        assert_eq!(code(&ask_about(node, uid, &object, None).await), unavailable, "{uid}");
    }
    // The tag over the digest that runs already goes on; a new image does not.
    let again = stored(plain, "u-web");
    let outcome = ask_about(node, "re-applied", &again, Some(web)).await;
    let after = patched(&again, &outcome);
    assert_eq!(after["spec"], web["spec"]);
    let mut edited = web.clone();
    edited["spec"]["template"]["spec"]["containers"][0]["image"] = json!("registry.example/app:v2");
    assert_eq!(code(&ask_about(node, "edited", &edited, Some(web)).await), unavailable);
}

async fn an_ended_entry_counts_no_more(node: &TestNode, child: &Value) {
    let place = node.data_dir();
    let revoke = Request::SealRevoke {
        digest: digest(),
        gun: GUN.to_owned(),
        reason: "built from the wrong commit".to_owned(),
    };
    let done = spawn_blocking(move || ask(&place, &revoke).unwrap());
    assert_eq!(done.await.unwrap(), Reply::Done);
    assert_eq!(code(&ask_about(node, "revoked", child, None).await), "trust-server-error");
}

#[test]
fn what_a_sealed_deployment_makes_enters_without_the_trust_server_and_no_forgery_does() {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let tls = LoopbackTls::new().unwrap();
        let server = NotaryServer::start(&tls).await.unwrap();
        publish(&server, 1).unwrap();
        let url = server.url();
        // Nothing that was resolved before may serve: only seals are left when the server is gone.
        let settings = Settings { freshness: 0, ..approving([url.as_str()]) };
        let node =
            TestNode::start_as(Manner::SEALING, &tls, &policy(&url), settings, Clock::showing(NOW))
                .await
                .unwrap();

        let plain = deployment("web", TAGGED);
        let created = node.review(&review("create", &plain, None)).await.unwrap();
        let web = stored(&patched(&plain, &created), "u-web");
        assert_eq!(web["spec"]["template"]["spec"]["containers"][0]["image"], json!(pinned()));
        assert!(web["metadata"]["annotations"][ANNOTATION].is_string(), "{web}");

        let set = replica_set("web-1", "u-set", &web);
        // A copy of the seal on a workload of another name, by someone who may make Deployments.
        let mut copied = stored(&deployment("evil", "evil.example/x:1"), "u-evil");
        copied["metadata"]["annotations"] = web["metadata"]["annotations"].clone();
        let evil_set = replica_set("evil-1", "u-evil-set", &copied);
        store(&node, &[web.clone(), set.clone(), copied, evil_set]).await;
        server.set(tuf_path(GUN, "timestamp.json"), Route::status(503, &b""[..]));
        let asked = server.answered();

        let ask = async |uid: &str, object: &Value, old: Option<&Value>| {
            node.review(&review(uid, object, old)).await.unwrap()
        };
        assert_eq!(code(&ask("set", &set, None).await), "allowed");
        let child = pod_of("web-1", "u-set", &pinned());
        let outcome = ask("pod", &child, None).await;
        assert_eq!(outcome, Outcome::Allowed { patch: Vec::new() });
        let by_tag = ask("tag", &pod_of("web-1", "u-set", TAGGED), None).await;
        assert_eq!(by_tag.image(TAGGED), Some(pinned()));
        assert_eq!(node.validate(&review("final", &child, None)).await.unwrap(), outcome);
        // Scaling, a label, a finalizer: the images are those of before.
        assert_eq!(ask("same", &web, Some(&web)).await, Outcome::Allowed { patch: Vec::new() });
        assert_eq!(server.answered(), asked, "the trust server was asked");

        forgeries_are_judged(&node, &plain, &web).await;
        an_ended_entry_counts_no_more(&node, &child).await;

        let ended = node.end().await.unwrap();
        let journal = ended.journal().unwrap();
        let report = verify(journal.lines(), &journal.blobs(), &mut |_| {}).unwrap();
        assert_eq!(report.outcome(), Replayed::Identical, "{report:?}");
        let left = portreeve_replay::recover(journal.lines(), &journal.blobs()).unwrap();
        assert_eq!(left.restored.revoked.len(), 1, "an end outlives the incarnation");
    });
}
