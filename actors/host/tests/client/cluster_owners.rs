//! The controllers of workloads, looked at by an API server.

use std::sync::Arc;

use futures_util::future::join_all;
use portreeve_host::cluster::ClusterOwners;
use portreeve_host::cluster::access::Actor;
use portreeve_host::metrics::Metrics;
use portreeve_host::owners::OwnerSource;
use portreeve_host::seals::{SealKeys, Sealer};
use portreeve_protocol::DenyCode;
use portreeve_protocol::messages::admission::{FoundOwner, OwnerOutcome, OwnerQuery};
use portreeve_protocol::seal::{ANNOTATION, SealClaims, SealFact, SealFault};
use serde_json::{Value, json};

use crate::cluster::{Objects, api, assert_granted};
use crate::server::{Reply, Server};

const REPLICA_SET: &str = "/apis/apps/v1/namespaces/shop/replicasets/web-1";
const BETA: &str = "/apis/batch/v1beta1/namespaces/shop/cronjobs/night";
const STABLE: &str = "/apis/batch/v1/namespaces/shop/cronjobs/night";

fn query(api_version: &str, kind: &str, name: &str) -> OwnerQuery {
    OwnerQuery {
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
        name: name.to_owned(),
        namespace: "shop".to_owned(),
        review: "n/1/admission/1".parse().unwrap(),
    }
}

fn replica_set() -> OwnerQuery {
    query("apps/v1", "ReplicaSet", "web-1")
}

fn owners(server: &Server, sealer: &Sealer) -> ClusterOwners {
    ClusterOwners::new(api(server, &Arc::new(Metrics::new("0"))), sealer.clone())
}

fn sealer() -> Sealer {
    let key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
    SealKeys::parse(key).unwrap().into()
}

fn found(outcome: OwnerOutcome) -> FoundOwner {
    let OwnerOutcome::Found(found) = outcome else { panic!("not found: {outcome:?}") };
    *found
}

fn metadata(seal: Option<&str>) -> Value {
    let mut object = json!({
        "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
        "metadata": {
            "name": "web-1", "namespace": "shop", "uid": "u-1", "annotations": {"a\"b": "c\"d"},
            "managedFields": [{"manager": "kubectl"}],
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "Node", "name": "other", "uid": "u-0"},
                {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "u-2",
                 "controller": true, "blockOwnerDeletion": true}
            ]
        }
    });
    if let Some(seal) = seal {
        object["metadata"]["annotations"][ANNOTATION] = seal.into();
    }
    object
}

#[tokio::test]
async fn an_owner_is_found_by_one_look_at_its_metadata_with_its_seal_and_its_own_controller() {
    let sealer = sealer();
    let claims = SealClaims {
        generations: Vec::new(),
        kind: "Deployment".to_owned(),
        name: "web".to_owned(),
        namespace: "shop".to_owned(),
    };
    let objects = Objects::default();
    objects.put(REPLICA_SET, metadata(sealer.seal(&claims).as_deref()));
    let server = objects.serve().await;
    let owners = owners(&server, &sealer);
    let owner = found(owners.find(&replica_set()).await);
    assert_eq!(owner.uid, "u-1");
    assert_eq!(owner.seal, SealFact::Valid(Box::new(claims)));
    let controller = owner.controller.unwrap();
    assert_eq!(
        (&*controller.kind, &*controller.name, &*controller.uid),
        ("Deployment", "web", "u-2")
    );
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].contains("as=PartialObjectMetadata"), "{}", requests[0]);
    assert_granted(&server, Actor::Server);

    objects.put(REPLICA_SET, metadata(Some("v1.forged")));
    let seal = found(owners.find(&replica_set()).await).seal;
    assert_eq!(seal, SealFact::Invalid(SealFault::Malformed));
    objects.put(REPLICA_SET, metadata(None));
    assert_eq!(found(owners.find(&replica_set()).await).seal, SealFact::Absent);
}

#[tokio::test]
async fn an_owner_that_is_not_there_is_another_thing_than_one_that_cannot_be_seen() {
    let objects = Objects::default();
    let server = objects.serve().await;
    let owners = owners(&server, &Sealer::default());
    assert_eq!(owners.find(&replica_set()).await, OwnerOutcome::Absent);
    for (code, words) in [
        (403, "the API server forbids it"),
        (401, "does not know who asks"),
        (429, "status 429"),
        (500, "status 500"),
    ] {
        objects.fail(REPLICA_SET, code);
        let OwnerOutcome::Unavailable(why) = owners.find(&replica_set()).await else {
            panic!("{code} is not an absence")
        };
        assert_eq!(why.code, DenyCode::ApiServer);
        assert!(why.detail.contains(words) && !why.detail.contains("canary"), "{}", why.detail);
    }
    for unreadable in [json!({}), json!({"metadata": {"name": "web-1"}}), json!([])] {
        objects.put(REPLICA_SET, unreadable);
        let outcome = owners.find(&replica_set()).await;
        assert!(matches!(outcome, OwnerOutcome::Unavailable(_)), "{outcome:?}");
    }
    drop(server);
}

#[tokio::test]
async fn an_answer_without_an_end_is_not_read_to_the_end() {
    let more = "x".repeat(64 << 10);
    let endless = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n".to_owned();
    let server =
        Server::listen(false, move |_| Reply::Endless(endless.clone(), more.clone())).await;
    let outcome = owners(&server, &Sealer::default()).find(&replica_set()).await;
    let OwnerOutcome::Unavailable(why) = outcome else { panic!("{outcome:?}") };
    assert!(why.detail.contains("longer than any object"), "{}", why.detail);
}

#[tokio::test]
async fn a_connection_that_ends_or_is_silent_is_an_owner_that_cannot_be_seen() {
    let server = Server::listen(false, |_| Reply::Close).await;
    let OwnerOutcome::Unavailable(why) =
        owners(&server, &Sealer::default()).find(&replica_set()).await
    else {
        panic!("the connection was closed")
    };
    assert_eq!((why.code, &*why.detail), (DenyCode::ApiServer, "the API server cannot be reached"));
    let server = Server::listen(false, |_| Reply::Silence).await;
    let OwnerOutcome::Unavailable(why) =
        owners(&server, &Sealer::default()).find(&replica_set()).await
    else {
        panic!("nothing was said")
    };
    assert_eq!(why.code, DenyCode::Deadline);
    assert!(why.detail.contains("did not answer within 1800 ms"), "{}", why.detail);
}

#[tokio::test]
async fn equal_questions_at_the_same_time_are_one_request() {
    let objects = Objects::default();
    objects.put(REPLICA_SET, metadata(None));
    let server = objects.serve().await;
    let owners = owners(&server, &Sealer::default());
    let queries: Vec<_> = (0..100)
        .map(|number| OwnerQuery {
            review: format!("n/1/admission/{number}").parse().unwrap(),
            ..replica_set()
        })
        .collect();
    let outcomes = join_all(queries.iter().map(|query| owners.find(query))).await;
    assert!(outcomes.into_iter().all(|outcome| found(outcome).uid == "u-1"));
    assert_eq!(server.asked().len(), 1);
    // What was found is not kept: the next look is a look.
    objects.remove(REPLICA_SET);
    assert_eq!(owners.find(&replica_set()).await, OwnerOutcome::Absent);
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn a_cron_job_is_found_in_whichever_version_the_api_server_has() {
    let objects = Objects::default();
    let server = objects.serve().await;
    let owners = owners(&server, &Sealer::default());
    let unknown = |path: &str| objects.fail(path, 404);
    for (named, served, other) in [
        ("batch/v1beta1", BETA, STABLE),
        ("batch/v1beta1", STABLE, BETA),
        ("batch/v1", BETA, STABLE),
        ("batch/v2", STABLE, BETA),
    ] {
        objects.put(served, metadata(None));
        unknown(other);
        let outcome = owners.find(&query(named, "CronJob", "night")).await;
        assert_eq!(found(outcome).uid, "u-1", "{named} where {served} is served");
    }
    unknown(STABLE);
    unknown(BETA);
    let outcome = owners.find(&query("batch/v1", "CronJob", "night")).await;
    assert_eq!(outcome, OwnerOutcome::Absent);
    assert_granted(&server, Actor::Server);
}

#[tokio::test]
async fn what_cannot_carry_a_seal_or_be_a_name_is_not_asked_for() {
    let server = Objects::default().serve().await;
    let owners = owners(&server, &Sealer::default());
    let long = "a".repeat(254);
    for (api_version, kind, name) in [
        ("argoproj.io/v1alpha1", "Rollout", "web"),
        ("v1", "Node", "web"),
        ("example.com/v1", "ReplicaSet", "web"),
        ("apps/v1", "ReplicaSet", "../../../../api/v1/namespaces/shop/secrets/x"),
        ("apps/v1", "ReplicaSet", "web?watch=true"),
        ("apps/v1", "ReplicaSet", ""),
        ("apps/v1", "ReplicaSet", &long),
    ] {
        let outcome = owners.find(&query(api_version, kind, name)).await;
        assert_eq!(outcome, OwnerOutcome::Absent, "{kind} {name}");
    }
    let elsewhere = OwnerQuery { namespace: "a/b".to_owned(), ..replica_set() };
    assert_eq!(owners.find(&elsewhere).await, OwnerOutcome::Absent);
    assert_eq!(server.asked(), [""; 0]);
}
