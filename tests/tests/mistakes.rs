//! Mistakes that other webhooks made, each as the rule that forbids it, from the bytes of the
//! review to the bytes of the answer. Rules about servers and credentials are with the client.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

use portreeve_host::clock::Clock;
use portreeve_lab::LoopbackTls;
use portreeve_protocol::messages::admission::ReviewPath;
use portreeve_protocol::{Sha256, Wall};
use portreeve_tests::node::{TestNode, approving};
use portreeve_tests::review::{Outcome, pod};
use portreeve_tests::stage::{Controllers, Script, Stage, Told};
use serde_json::{Value, json};
use tokio::runtime::Builder;

/// 2026-11-23T12:00:00Z
const NOW: Wall = Wall(1_795_435_200_000_000);

fn script() -> Script {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/admission/world.json");
    Script::read(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A script with one cluster policy of these rules.
fn ruled(rules: &Value) -> Script {
    let spec = json!({"repositories": rules}).to_string();
    Script { policies: vec![("only".to_owned(), None, spec)], ..script() }
}

fn told(script: &Script, review: &Value, controllers: &Controllers) -> Told {
    let mut stage = Stage::new("one", script).unwrap();
    stage.review(review.to_string().as_bytes(), ReviewPath::Admit, controllers, 0).unwrap()
}

fn code(told: &Told) -> Option<&'static str> {
    told.decision.denial.as_ref().map(|denial| denial.code.code())
}

fn pod_of(namespace: &str, images: &[&str]) -> Value {
    let mut review = pod("u-1", namespace, "");
    let containers: Vec<Value> = images
        .iter()
        .enumerate()
        .map(|(index, image)| json!({"name": format!("c{index}"), "image": image}))
        .collect();
    review["request"]["object"]["spec"]["containers"] = json!(containers);
    review
}

fn deployment_of(image: &str, replicas: u32) -> Value {
    let mut review = pod("u-1", "shop", image);
    let request = &mut review["request"];
    request["kind"] = json!({"group": "apps", "version": "v1", "kind": "Deployment"});
    let template = json!({"spec": {"containers": [{"name": "main", "image": image}]}});
    request["object"]["spec"] = json!({"replicas": replicas, "template": template});
    review
}

fn trust() -> Value {
    json!({"trust": {"enabled": true, "trustServer": "https://notary.example"}})
}

#[test]
fn an_allow_by_an_earlier_container_never_covers_a_later_one() {
    let (good, bad) = ("registry.example/app:1", "registry.example/unsigned:1");
    for images in [[good, bad], [bad, good]] {
        let told = told(&script(), &pod_of("shop", &images), &Controllers::Absent);
        assert_eq!(code(&told), Some("not-signed"), "{images:?}");
        assert_eq!(told.legible().unwrap()["response"]["patch"], Value::Null);
    }
    // One image in two containers: both are pinned, each at its own place.
    let told = told(&script(), &pod_of("shop", &[good, good]), &Controllers::Absent);
    let answer = told.legible().unwrap();
    assert_eq!(answer["response"]["patch"].as_array().map(Vec::len), Some(2));
}

#[test]
fn no_released_entry_is_a_denial_also_where_references_stay_as_they_are() {
    for namespace in ["shop", "fixed"] {
        let review = pod_of(namespace, &["registry.example/app:9"]);
        let told = told(&script(), &review, &Controllers::Absent);
        assert_eq!(code(&told), Some("tag-not-signed"), "{namespace}");
    }
}

#[test]
fn an_owner_reference_proves_nothing_by_itself() {
    let mut review = pod_of("shop", &["registry.example/unsigned:1"]);
    for kind in ["ReplicaSet", "StatefulSet", "DaemonSet"] {
        review["request"]["object"]["metadata"]["ownerReferences"] = json!([
            {"apiVersion": "apps/v1", "controller": true, "kind": kind, "name": "w", "uid": "u"}
        ]);
        for found in
            [Controllers::Absent, Controllers::Genuine(None, None), Controllers::Other(None)]
        {
            let told = told(&script(), &review, &found);
            assert_eq!(code(&told), Some("not-signed"), "{kind} {found:?}");
        }
    }
}

#[test]
fn zero_replicas_prove_nothing() {
    for replicas in [0, 1] {
        let review = deployment_of("registry.example/unsigned:1", replicas);
        let told = told(&script(), &review, &Controllers::Absent);
        assert_eq!(code(&told), Some("not-signed"), "{replicas}");
    }
}

#[test]
fn a_digest_in_the_reference_is_never_dropped() {
    let (signed, other) = (Sha256::of(b"app 1"), Sha256::of(b"other"));
    let image = |digest: Sha256| format!("registry.example/app:1@{}", digest.to_oci());
    for namespace in ["shop", "fixed"] {
        let review = pod_of(namespace, &[&image(other)]);
        let denied = told(&script(), &review, &Controllers::Absent);
        assert_eq!(code(&denied), Some("digest-mismatch"), "{namespace}");
        let review = pod_of(namespace, &[&image(signed)]);
        let allowed = told(&script(), &review, &Controllers::Absent);
        assert_eq!(code(&allowed), None, "{}", allowed.decision.message);
        assert_eq!(allowed.legible().unwrap()["response"]["patch"], Value::Null);
    }
}

#[test]
fn a_trusted_name_in_the_path_of_another_host_is_no_match() {
    let script = ruled(&json!([{"name": "*.trusted.example/*"}]));
    for (image, allowed) in [
        ("a.trusted.example/x", true),
        ("evil.example/x.trusted.example/y", false),
        ("evil.example/.trusted.example/y", false),
        ("evil.example/a/b.trusted.example/c:1", false),
        ("a.trusted.example.evil.example/x", false),
        ("eviltrusted.example/x", false),
    ] {
        let told = told(&script, &pod_of("shop", &[image]), &Controllers::Absent);
        assert_eq!(told.decision.allowed, allowed, "{image}");
    }
}

#[test]
fn evildocker_io_is_not_docker_io() {
    let script = ruled(&json!([{"name": "docker.io/*"}]));
    for (image, allowed) in [
        ("nginx", true),
        ("docker.io/library/nginx", true),
        ("evildocker.io/library/nginx", false),
        ("docker.io.evil.example/nginx", false),
        ("evil.example/docker.io/nginx", false),
    ] {
        let told = told(&script, &pod_of("shop", &[image]), &Controllers::Absent);
        assert_eq!(told.decision.allowed, allowed, "{image}");
    }
    // Nor does it have docker.io's trust server.
    let script = ruled(&json!([{"name": "*", "policy": {"trust": {"enabled": true}}}]));
    let told = told(&script, &pod_of("shop", &["evildocker.io/a"]), &Controllers::Absent);
    assert_eq!(code(&told), Some("no-trust-server"));
}

#[test]
fn a_digest_of_another_algorithm_is_a_clean_denial() {
    let image = format!("registry.example/app:1@sha512:{}", "0".repeat(128));
    for rules in [json!([{"name": "*"}]), json!([{"name": "*", "policy": trust()}])] {
        let told = told(&ruled(&rules), &pod_of("shop", &[&image]), &Controllers::Absent);
        assert_eq!(code(&told), Some("digest-unsupported"));
    }
}

#[test]
fn a_server_out_of_reach_is_never_a_success() {
    let mut script = script();
    script.down = script.signed.keys().map(|(gun, _)| gun.clone()).collect();
    for namespace in ["shop", "fixed"] {
        let review = pod_of(namespace, &["registry.example/app:1"]);
        let told = told(&script, &review, &Controllers::Absent);
        assert_eq!(code(&told), Some("trust-server-unreachable"), "{namespace}");
    }
}

#[test]
fn twelve_equal_deliveries_give_twelve_equal_answers() {
    let images = ["registry.example/app:1", "registry.example/init:1", "postgres:13"];
    let review = pod_of("shop", &images).to_string();
    let mut stage = Stage::new("one", &script()).unwrap();
    let mut answers: Vec<String> = (0..12)
        .map(|turn| {
            let told =
                stage.review(review.as_bytes(), ReviewPath::Admit, &Controllers::Absent, turn);
            told.unwrap().of_any_event()
        })
        .collect();
    answers.dedup();
    assert_eq!(answers.len(), 1);
}

#[test]
fn a_trust_server_that_is_down_at_start_up_stops_neither_the_start_nor_what_needs_no_trust() {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let tls = LoopbackTls::new().unwrap();
        // Nobody listens there: the port was free a moment ago, and is given back.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}", free.local_addr().unwrap());
        drop(free);
        let objects = format!(
            "apiVersion: portieris.cloud.ibm.com/v1\nkind: ClusterImagePolicy\n\
             metadata: {{name: all}}\nspec:\n  repositories:\n  - name: \"open.example/*\"\n  \
             - name: \"registry.example/*\"\n    policy:\n      \
             trust: {{enabled: true, trustServer: \"{url}\"}}\n"
        );
        let settings = approving([url.as_str()]);
        let node = TestNode::start(&tls, &objects, settings, Clock::showing(NOW)).await.unwrap();
        let review =
            async |uid: &str, image: &str| node.review(&pod(uid, "default", image)).await.unwrap();
        let (open, signed) = tokio::join!(
            review("open", "open.example/app:1"),
            review("signed", "registry.example/app:1"),
        );
        assert_eq!(open, Outcome::Allowed { patch: Vec::new() });
        let Outcome::Denied { code, .. } = signed else { panic!("{signed:?}") };
        assert_eq!(code, "trust-server-unreachable");
        assert_eq!(review("again", "open.example/app:1").await, open);
        node.end().await.unwrap();
    });
}
