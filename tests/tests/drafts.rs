//! Answers that are written while their records are synced: many reviews at once, of which each
//! gets the answer to its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use portreeve_host::clock::Clock;
use portreeve_lab::{LoopbackTls, NotaryServer};
use portreeve_protocol::Entry;
use portreeve_protocol::seal::{ANNOTATION, SealClaims};
use portreeve_replay::{Outcome as Replayed, verify};
use portreeve_tests::node::{Ended, Manner, TestNode, approving};
use portreeve_tests::signed::{NOW, TAGGED, policy, publish};
use serde_json::{Value, json};
use tokio::runtime::Builder;
use tokio::task::JoinSet;

/// Reviews at the same time.
const AT_ONCE: usize = 48;
const ROUNDS: usize = 8;

/// A Deployment of this name. Every other one has annotations already.
fn review(name: &str, annotated: bool) -> Value {
    let annotations = annotated.then(|| json!({"team": "shop"}));
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": format!("uid-{name}"),
            "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
            "name": name,
            "namespace": "shop",
            "operation": "CREATE",
            "userInfo": {"username": "tests"},
            "object": {
                "metadata": {"name": name, "namespace": "shop", "annotations": annotations},
                "spec": {"template": {"spec": {"containers": [{"name": "c", "image": TAGGED}]}}},
            },
        },
    })
}

/// The answers to many reviews at once, by uid.
async fn ask(node: &TestNode, round: usize) -> BTreeMap<String, Value> {
    let mut asked = JoinSet::new();
    for index in 0..AT_ONCE {
        let client = node.client().clone();
        let review = review(&format!("web-{round}-{index}"), index % 2 == 0);
        asked.spawn(async move {
            let answer = client.post("/admit?timeout=10s", review.to_string()).await.unwrap();
            assert_eq!(answer.status, 200);
            let answer: Value = serde_json::from_slice(&answer.body).unwrap();
            (review["request"]["uid"].as_str().unwrap().to_owned(), answer)
        });
    }
    asked.join_all().await.into_iter().collect()
}

/// The hashes of the records that hold the decisions, by uid.
fn recorded(ended: &Ended) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (record, hash) in ended.records().unwrap() {
        let Entry::Delivered(delivered) = record.entry else { continue };
        for decision in &delivered.decisions {
            found.insert(decision.uid.clone(), hash.to_hex());
        }
    }
    found
}

fn is_the_answer_to(uid: &str, answer: &Value, record: &str) {
    let response = &answer["response"];
    assert_eq!((&response["uid"], &response["allowed"]), (&json!(uid), &json!(true)), "{answer}");
    assert_eq!(response["auditAnnotations"]["record"], json!(record), "{answer}");
    let patch = STANDARD.decode(response["patch"].as_str().unwrap()).unwrap();
    let patch: Vec<Value> = serde_json::from_slice(&patch).unwrap();
    let path = format!("/metadata/annotations/{}", ANNOTATION.replace('/', "~1"));
    let seal = patch.iter().find(|it| it["path"] == json!(path)).expect("a seal");
    let name = uid.strip_prefix("uid-").unwrap();
    let claims = seal["value"].as_str().unwrap().split('.').nth(2).unwrap();
    let claims: SealClaims =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    assert_eq!((claims.kind.as_str(), claims.name.as_str()), ("Deployment", name));
    let makes = patch.iter().any(|it| it["path"] == json!("/metadata/annotations"));
    let annotated = name.rsplit('-').next().unwrap().parse::<usize>().unwrap() % 2 == 0;
    assert_eq!(makes, !annotated, "{patch:?}");
}

#[test]
fn of_many_reviews_at_once_each_gets_its_own_answer_with_its_own_record_and_seal() {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let tls = LoopbackTls::new().unwrap();
        let server = NotaryServer::start(&tls).await.unwrap();
        publish(&server, 1).unwrap();
        let url = server.url();
        let (settings, clock) = (approving([url.as_str()]), Clock::showing(NOW));
        let node = TestNode::start_as(Manner::DURABLE, &tls, &policy(&url), settings, clock)
            .await
            .unwrap();
        let mut answers = BTreeMap::new();
        for round in 0..ROUNDS {
            answers.append(&mut ask(&node, round).await);
        }
        let ended = node.end().await.unwrap();
        let records = recorded(&ended);
        assert_eq!((answers.len(), records.len()), (ROUNDS * AT_ONCE, ROUNDS * AT_ONCE));
        for (uid, answer) in &answers {
            is_the_answer_to(uid, answer, &records[uid]);
        }
        let journal = ended.journal().unwrap();
        let report = verify(journal.lines(), &journal.blobs(), &mut |_| {}).unwrap();
        assert_eq!(report.outcome(), Replayed::Identical, "{report:?}");
    });
}
