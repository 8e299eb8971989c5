//! The status of policies.

use serde_json::{Value, json};

use crate::server::{ApiServer, CLUSTER, IMAGE, Rule};
use crate::{Watched, policy, until};

fn condition(patch: &Value) -> &Value {
    &patch["status"]["conditions"][0]
}

#[tokio::test]
async fn policies_are_told_whether_they_are_obeyed_and_why_not() {
    let server = ApiServer::start().await;
    server.apply(CLUSTER, policy(None, "all", "*"));
    let mut simple = policy(Some("shop"), "simple", "*");
    simple["spec"]["repositories"][0]["policy"] =
        json!({ "simple": { "requirements": [{ "type": "signedBy" }] } });
    server.apply(IMAGE, simple);
    let _watched = Watched::start(&server).await;
    until("both", || server.patches().len() == 2).await;
    let patches = server.patches();
    let of = |end: &str| &patches.iter().find(|(path, _)| path.ends_with(end)).unwrap().1;
    let good = of("clusterimagepolicies/all/status");
    assert_eq!(condition(good)["status"], "True", "{good}");
    assert_eq!(good["status"]["observedGeneration"], 1);
    let bad = of("namespaces/shop/imagepolicies/simple/status");
    assert_eq!(condition(bad)["status"], "False");
    assert_eq!(condition(bad)["reason"], "NotSupported");
    let message = condition(bad)["message"].as_str().unwrap();
    assert!(message.contains("simple") && message.contains("denied"), "{message}");
}

#[tokio::test]
async fn several_replicas_write_a_status_once_and_then_leave_it() {
    let server = ApiServer::start().await;
    server.apply(CLUSTER, policy(None, "all", "*"));
    let mut one = Watched::start(&server).await;
    let mut other = Watched::start(&server).await;
    one.relisted().await;
    other.relisted().await;
    until("the status", || !server.patches().is_empty()).await;
    server.apply(CLUSTER, policy(None, "next", "*"));
    until("the next", || {
        let patches = server.patches();
        patches.iter().any(|(path, _)| path.ends_with("next/status"))
    })
    .await;
    let patches = server.patches();
    for (path, patch) in &patches {
        let first = patches.iter().find(|(other, _)| other == path).unwrap();
        assert_eq!(patch["status"], first.1["status"]);
    }
    // Both may have written at the same moment; nobody answers a write with another.
    assert!(patches.len() <= 4, "{patches:?}");
}

#[tokio::test]
async fn a_kind_without_a_status_is_left_alone() {
    let server = ApiServer::start().await;
    for number in 0..20 {
        server.apply(IMAGE, policy(Some("shop"), &format!("p-{number}"), "*"));
    }
    let mut watched = Watched::start(&server).await;
    watched.relisted().await;
    // Watches go on; only requests after this fail.
    server.rule(IMAGE, Rule::Absent);
    until("a try", || server.asked("PATCH").len() == 1).await;
    server.apply(CLUSTER, policy(None, "all", "*"));
    until("the other kind", || !server.patches().is_empty()).await;
    assert_eq!(server.asked("PATCH").len(), 2);
}
