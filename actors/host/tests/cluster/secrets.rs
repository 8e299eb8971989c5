//! The Secrets of signers: those that policies name, and no others.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::server::{ApiServer, CLUSTER, IMAGE, Rule, SECRETS};
use crate::{Watched, policy, signed, until};

fn secret(namespace: &str, name: &str, signer: &str) -> Value {
    let encoded = |text: &str| STANDARD.encode(text);
    // As the API server does, the items of lists leave their kind out.
    json!({ "metadata": { "name": name, "namespace": namespace }, "type": "Opaque",
        "data": { "name": encoded(signer), "publicKey": encoded("pem"), "more": encoded("x") } })
}

#[tokio::test]
async fn the_secrets_that_policies_name_are_told_with_them_and_no_other_is_asked_for() {
    let server = ApiServer::start().await;
    server.apply(CLUSTER, signed(None, "all", "alice-key"));
    server.apply(IMAGE, signed(Some("shop"), "own", "bob-key"));
    server.apply(SECRETS, secret("portreeve", "alice-key", "alice"));
    server.apply(SECRETS, secret("shop", "bob-key", "bob"));
    server.apply(SECRETS, secret("shop", "alice-key", "mallory"));
    let mut watched = Watched::start(&server).await;
    let expected = [
        "ClusterImagePolicy all",
        "ImagePolicy shop/own",
        "Secret portreeve/alice-key of alice",
        "Secret shop/bob-key of bob",
    ];
    assert_eq!(watched.relisted().await, expected);
    let asked = server.asked("secrets");
    assert!(asked.iter().all(|line| line.contains("fieldSelector=metadata.name")), "{asked:?}");
    assert!(asked.iter().all(|line| line.contains("/namespaces/")), "{asked:?}");
}

#[tokio::test]
async fn a_policy_that_names_another_secret_is_told_behind_it() {
    let server = ApiServer::start().await;
    server.apply(IMAGE, policy(Some("shop"), "own", "*"));
    server.apply(SECRETS, secret("shop", "bob-key", "bob"));
    let mut watched = Watched::start(&server).await;
    assert_eq!(watched.relisted().await, ["ImagePolicy shop/own"]);
    server.apply(IMAGE, signed(Some("shop"), "own", "bob-key"));
    assert_eq!(watched.short().await, "applied Secret shop/bob-key of bob");
    assert_eq!(watched.short().await, "applied ImagePolicy shop/own");
    server.apply(SECRETS, secret("shop", "bob-key", "robert"));
    assert_eq!(watched.short().await, "applied Secret shop/bob-key of robert");
    server.delete(SECRETS, "shop", "bob-key");
    assert_eq!(watched.short().await, "deleted Secret shop/bob-key");
}

#[tokio::test]
async fn a_secret_that_no_policy_names_any_more_is_forgotten_and_not_watched() {
    let server = ApiServer::start().await;
    server.apply(IMAGE, signed(Some("shop"), "own", "bob-key"));
    server.apply(SECRETS, secret("shop", "bob-key", "bob"));
    let mut watched = Watched::start(&server).await;
    assert_eq!(watched.relisted().await.len(), 2);
    server.apply(IMAGE, policy(Some("shop"), "own", "*"));
    assert_eq!(watched.short().await, "applied ImagePolicy shop/own");
    assert_eq!(watched.short().await, "deleted Secret shop/bob-key");
    server.apply(SECRETS, secret("shop", "bob-key", "robert"));
    server.apply(IMAGE, policy(Some("shop"), "own", "a.example/*"));
    assert_eq!(watched.short().await, "applied ImagePolicy shop/own");
}

#[tokio::test]
async fn a_secret_of_no_signer_or_that_was_not_asked_for_is_not_told() {
    let server = ApiServer::start().await;
    server.generous();
    server.apply(IMAGE, signed(Some("shop"), "own", "tls"));
    let mut other = secret("shop", "tls", "x");
    other["data"] = json!({ "tls.key": "Y2FuYXJ5" });
    server.apply(SECRETS, other);
    server.apply(SECRETS, secret("shop", "bob-key", "bob"));
    let mut watched = Watched::start(&server).await;
    assert_eq!(watched.relisted().await, ["ImagePolicy shop/own"]);
}

#[tokio::test]
async fn secrets_that_may_not_be_read_keep_nothing_else_from_being_told() {
    let server = ApiServer::start().await;
    server.apply(IMAGE, signed(Some("shop"), "own", "bob-key"));
    server.apply(CLUSTER, policy(None, "all", "*"));
    server.rule(SECRETS, Rule::Fails(403));
    let mut watched = Watched::start(&server).await;
    assert_eq!(watched.relisted().await.len(), 2);
    // With the right granted, it is read.
    server.apply(SECRETS, secret("shop", "bob-key", "bob"));
    server.rule(SECRETS, Rule::Obeys);
    assert_eq!(watched.short().await, "applied Secret shop/bob-key of bob");
}

#[tokio::test]
async fn secrets_that_do_not_come_delay_the_policies_for_a_while_only() {
    let server = ApiServer::start().await;
    server.apply(IMAGE, signed(Some("shop"), "own", "bob-key"));
    server.rule(SECRETS, Rule::Hangs);
    let mut watched = Watched::start(&server).await;
    until("the question", || !server.asked("secrets").is_empty()).await;
    assert!(watched.is_quiet());
    assert_eq!(watched.relisted().await, ["ImagePolicy shop/own"]);
    // What has kept it waiting once does not do so again.
    server.apply(IMAGE, policy(Some("shop"), "two", "*"));
    assert_eq!(watched.short().await, "applied ImagePolicy shop/two");
}

#[tokio::test]
async fn a_name_with_which_a_policy_would_write_a_selector_is_not_asked_for() {
    let server = ApiServer::start().await;
    server.apply(IMAGE, signed(Some("shop"), "own", "x,metadata.namespace!=y"));
    let mut watched = Watched::start(&server).await;
    assert_eq!(watched.relisted().await, ["ImagePolicy shop/own"]);
    assert!(server.asked("secrets").is_empty());
}
