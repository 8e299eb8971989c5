//! One machine, two hosts: the scripted scenario is decided the same way under the seeded scheduler
//! and by a real node, actix and HTTPS and all.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use portreeve_host::clock::Clock;
use portreeve_lab::{LoopbackTls, NotaryServer};
use portreeve_protocol::messages::policy::SourceObject;
use portreeve_replay::Outcome as Replayed;
use portreeve_simulations::scripted::{DOWN, SERVER};
use portreeve_simulations::{Scenario, Summary, run, scripted};
use portreeve_tests::node::{Ended, TestNode};
use portreeve_tests::review::{Outcome, of_facts};
use serde_json::{Value, json};
use tokio::net::TcpSocket;
use tokio::runtime::Builder;
use tokio::task::JoinSet;

/// The objects of the scenario as Kubernetes has them; JSON is YAML.
fn objects(scenario: &Scenario) -> String {
    let mut text = String::new();
    for object in scenario.objects().expect("the signers have keys") {
        let object = match object {
            SourceObject::Policy(policy) => {
                let spec: Value = serde_json::from_str(&policy.spec).expect("a policy is JSON");
                let (name, namespace) = (&policy.id.name, &policy.id.namespace);
                let kind = if namespace.is_some() { "ImagePolicy" } else { "ClusterImagePolicy" };
                json!({"apiVersion": format!("{}/v1", policy.id.group.name()), "kind": kind,
                       "metadata": {"name": name, "namespace": namespace}, "spec": spec})
            }
            SourceObject::SignerSecret(signer) => json!({
                "apiVersion": "v1", "kind": "Secret",
                "metadata": {"name": signer.secret, "namespace": signer.namespace},
                "stringData": {"name": signer.name, "publicKey": signer.public_key},
            }),
        };
        text.push_str(&format!("---\n{object}\n"));
    }
    text
}

/// A real node's answers by uid, and what it left.
async fn on_actix() -> (BTreeMap<String, Outcome>, Ended) {
    let tls = LoopbackTls::new().expect("certificates are made");
    let server = NotaryServer::start(&tls).await.expect("the lab serves");
    // A socket that has the port and does not listen: nobody can connect, or take it.
    let closed = TcpSocket::new_v4().expect("a socket is made");
    closed.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("there is a free port");
    let port = closed.local_addr().expect("the socket is bound").port();
    let scenario = scripted().moved(SERVER, &server.url());
    let scenario = scenario.moved(DOWN, &format!("https://localhost:{port}"));
    for plan in scenario.servers.iter().filter(|plan| plan.url == server.url()) {
        for (gun, documents) in plan.publish(scenario.published).expect("collections are signed") {
            server.publish(&gun, &documents);
        }
    }
    let clock = Clock::showing(scenario.start);
    let node = TestNode::start(&tls, &objects(&scenario), scenario.settings.clone(), clock)
        .await
        .expect("the node starts");
    let node = std::sync::Arc::new(node);
    let mut steps: BTreeMap<u64, Vec<Value>> = BTreeMap::new();
    for planned in &scenario.reviews {
        steps.entry(planned.at).or_default().push(of_facts(&planned.facts));
    }
    let mut answers = BTreeMap::new();
    for reviews in steps.into_values() {
        let mut together = JoinSet::new();
        for review in reviews {
            let node = std::sync::Arc::clone(&node);
            together.spawn(async move {
                let uid = review["request"]["uid"].as_str().unwrap_or_default().to_owned();
                (uid, node.review(&review).await.expect("the node answers"))
            });
        }
        answers.extend(together.join_all().await);
    }
    let node = std::sync::Arc::into_inner(node).expect("nobody else holds the node");
    (answers, node.end().await.expect("the node ends"))
}

#[test]
fn the_scripted_scenario_is_decided_the_same_under_the_scheduler_and_under_actix() {
    let simulated = run(&scripted(), 1).expect("the scenario runs").decisions();
    assert_eq!(simulated.len(), scripted().reviews.len(), "every review is answered");
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let (answers, ended) = runtime.expect("a runtime starts").block_on(on_actix());
    let decisions = ended.decisions().expect("the journal can be read");
    let hosted: BTreeMap<String, Summary> =
        decisions.iter().map(|(uid, it)| (uid.clone(), Summary::from(&**it))).collect();
    assert_eq!(hosted, simulated);
    // What went over the wire is what was decided.
    assert_eq!(answers.keys().collect::<Vec<_>>(), hosted.keys().collect::<Vec<_>>());
    for (uid, summary) in &hosted {
        match &answers[uid] {
            Outcome::Allowed { patch } => {
                let decided: Vec<Value> = summary.patch.as_deref().map_or_else(Vec::new, |text| {
                    serde_json::from_str(text).expect("a patch is a list")
                });
                assert!(summary.allowed && *patch == decided, "{uid}: {patch:?}");
            }
            Outcome::Denied { code, .. } => {
                assert_eq!(Some(code.as_str()), summary.code.map(|code| code.code()), "{uid}");
            }
        }
    }
}

#[test]
fn the_scripted_scenario_holds_allows_with_patches_and_denials_of_every_class() {
    let decisions = run(&scripted(), 1).expect("the scenario runs").decisions();
    assert!(
        decisions.values().any(|it| it.allowed && it.patch.is_some() && !it.digests.is_empty())
    );
    assert!(decisions.values().any(|it| it.allowed && it.patch.is_none()));
    let classes: Vec<&str> =
        decisions.values().filter_map(|it| it.code).map(|code| code.class().name()).collect();
    for class in ["policy", "trust", "unavailable"] {
        assert!(classes.contains(&class), "no denial of class {class}");
    }
}

#[test]
fn one_seed_always_gives_one_trace_and_no_seed_changes_a_decision() {
    let scenario = scripted();
    let first = run(&scenario, 7).expect("the scenario runs");
    let again = run(&scenario, 7).expect("the scenario runs");
    assert_eq!(first.trace_hash, again.trace_hash);
    assert_eq!(first.replicas, again.replicas);
    let mut hashes = std::collections::BTreeSet::from([first.trace_hash]);
    for seed in 8..28 {
        let other = run(&scenario, seed).expect("the scenario runs");
        assert_eq!(other.decisions(), first.decisions(), "seed {seed}");
        hashes.insert(other.trace_hash);
    }
    assert!(hashes.len() > 10, "the seed moves nothing: {} traces", hashes.len());
}

#[test]
fn the_journal_of_a_simulated_run_replays_to_the_same_decisions() {
    let outcome = run(&scripted(), 3).expect("the scenario runs");
    let report = outcome.replicas[0].journal.audit().expect("the journal can be read");
    assert_eq!(report.outcome(), Replayed::Identical, "{:?}", report.first);
    assert_eq!(report.decisions, scripted().reviews.len() as u64);
}
