//! What an API server that fails does to what is known: nothing, until it can be told as a whole.

use portreeve_protocol::messages::policy::PolicyInput;
use serde_json::{Value, json};

use crate::server::{ApiServer, CLUSTER, IMAGE, Rule};
use crate::{Watched, name, policy, until};

async fn started(server: &ApiServer) -> Watched {
    server.apply(CLUSTER, policy(None, "all", "*"));
    server.apply(IMAGE, policy(Some("shop"), "own", "a.example/*"));
    let mut watched = Watched::start(server).await;
    assert_eq!(watched.relisted().await.len(), 2);
    until("the watches", || server.asked("watch=true").len() >= 4).await;
    watched
}

#[tokio::test]
async fn a_watch_that_is_too_old_is_followed_by_one_message_with_everything() {
    let server = ApiServer::start().await;
    let mut watched = started(&server).await;
    server.down(true);
    server.delete(IMAGE, "shop", "own");
    server.apply(IMAGE, policy(Some("shop"), "two", "*"));
    server.apply(IMAGE, policy(Some("shop"), "three", "*"));
    server.forget_events(IMAGE);
    server.down(false);
    let expected = ["ClusterImagePolicy all", "ImagePolicy shop/three", "ImagePolicy shop/two"];
    assert_eq!(watched.relisted().await, expected);
    server.apply(IMAGE, policy(Some("shop"), "two", "b.example/*"));
    assert_eq!(watched.short().await, "applied ImagePolicy shop/two");
}

#[tokio::test]
async fn an_expired_event_in_a_watch_makes_it_list_again() {
    let server = ApiServer::start().await;
    let mut watched = started(&server).await;
    let lists = server.asked(IMAGE).len();
    server.forget_events(IMAGE);
    until("another list", || server.asked(IMAGE).len() >= lists + 2).await;
    server.apply(IMAGE, policy(Some("shop"), "own", "b.example/*"));
    assert_eq!(watched.short().await, "applied ImagePolicy shop/own");
}

#[tokio::test]
async fn a_list_that_breaks_off_is_never_used() {
    let server = ApiServer::start().await;
    let mut watched = started(&server).await;
    server.rule(IMAGE, Rule::HalfList);
    server.apply(IMAGE, policy(Some("shop"), "a-first", "*"));
    assert_eq!(watched.short().await, "applied ImagePolicy shop/a-first");
    server.forget_events(IMAGE);
    until("half lists", || server.asked("continue=").len() > 2).await;
    assert!(watched.is_quiet(), "what was on the second page is not gone");
    server.rule(IMAGE, Rule::Obeys);
    server.apply(IMAGE, policy(Some("shop"), "z-last", "*"));
    assert_eq!(watched.short().await, "relisted");
}

#[tokio::test]
async fn a_watch_that_stays_away_is_told_to_be_lost_and_to_be_back() {
    let server = ApiServer::start().await;
    let mut watched = started(&server).await;
    server.down(true);
    let PolicyInput::WatchLost(lost) = watched.next().await else { panic!("not lost") };
    assert!(lost.why.contains("policies."), "{}", lost.why);
    server.down(false);
    assert_eq!(watched.short().await, "restored");
    let text = watched.metrics.encode();
    for kind in ["imagepolicies", "clusterimagepolicies"] {
        let line = format!("portreeve_watched{{source=\"{kind}.portieris\"}} 1");
        assert!(text.contains(&line), "{text}");
    }
}

#[tokio::test]
async fn a_watch_that_is_cut_for_a_moment_is_not_told() {
    let server = ApiServer::start().await;
    let mut watched = started(&server).await;
    let watches = server.asked("watch=true").len();
    server.cut();
    until("the watches", || server.asked("watch=true").len() >= watches + 4).await;
    server.apply(CLUSTER, policy(None, "all", "b.example/*"));
    assert_eq!(watched.short().await, "applied ClusterImagePolicy all");
}

#[tokio::test]
async fn policies_that_may_not_be_read_are_no_empty_list() {
    let server = ApiServer::start().await;
    server.apply(CLUSTER, policy(None, "all", "*"));
    server.rule(IMAGE, Rule::Fails(403));
    let mut watched = Watched::start(&server).await;
    let PolicyInput::WatchLost(lost) = watched.next().await else { panic!("not lost") };
    assert!(lost.why.contains("403") && lost.why.contains("grant"), "{}", lost.why);
    server.rule(IMAGE, Rule::Obeys);
    assert_eq!(watched.relisted().await, ["ClusterImagePolicy all"]);
}

#[tokio::test]
async fn a_kind_that_is_gone_is_told_only_when_it_stays_away() {
    let server = ApiServer::start().await;
    let mut watched = started(&server).await;
    server.rule(IMAGE, Rule::Absent);
    server.cut();
    // Decisions say so before it is believed.
    assert_eq!(watched.short().await, "lost");
    assert_eq!(watched.relisted().await, ["ClusterImagePolicy all"]);
}

fn unnamed(metadata: Value) -> Value {
    let mut object = policy(None, "x", "*");
    object["metadata"] = metadata;
    object
}

/// The policies that are refused in the next message, a whole list.
async fn refused(watched: &mut Watched) -> Vec<String> {
    let PolicyInput::Relisted(list) = watched.next().await else { panic!("not a list") };
    let refused = list.objects.iter().filter(|object| {
        let portreeve_protocol::messages::policy::SourceObject::Policy(policy) = object else {
            return false;
        };
        portreeve_machines::policy::outline(&policy.spec).is_err()
    });
    refused.map(name).collect()
}

#[tokio::test]
async fn a_policy_without_a_name_closes_its_scope_and_keeps_nothing_else_from_being_read() {
    let server = ApiServer::start().await;
    server.apply(CLUSTER, policy(None, "all", "*"));
    server.apply(IMAGE, policy(Some("bank"), "own", "*"));
    server.extra(IMAGE, vec![unnamed(json!({ "namespace": "shop" }))]);
    let mut watched = Watched::start(&server).await;
    assert_eq!(refused(&mut watched).await, ["ImagePolicy shop/(no name)"]);
    // Where not even the namespace is known, it may be any.
    server.extra(IMAGE, vec![Value::Null, json!(5), unnamed(json!({ "name": 7 }))]);
    server.forget_events(IMAGE);
    let everywhere = ["ClusterImagePolicy (no name)", "ImagePolicy bank/(no name)"];
    assert_eq!(refused(&mut watched).await, everywhere);
    server.extra(IMAGE, Vec::new());
    server.forget_events(IMAGE);
    assert!(refused(&mut watched).await.is_empty());
}

#[tokio::test]
async fn policies_of_any_form_are_told_so_that_they_are_refused() {
    let server = ApiServer::start().await;
    let mut bad = policy(Some("shop"), "bad", "*");
    bad["spec"] = json!({ "repositories": 5 });
    server.apply(IMAGE, bad);
    let mut odd = policy(Some("shop"), "odd", "*");
    odd["metadata"]["labels"] = json!([1]);
    server.apply(IMAGE, odd);
    let mut none = policy(None, "none", "*");
    none.as_object_mut().unwrap().remove("spec");
    server.apply(CLUSTER, none);
    let mut watched = Watched::start(&server).await;
    let refused = refused(&mut watched).await;
    assert_eq!(refused, ["ImagePolicy shop/bad", "ImagePolicy shop/odd"]);
}

#[tokio::test]
async fn events_of_any_form_neither_end_the_watch_nor_lose_what_comes_after() {
    let server = ApiServer::start().await;
    let mut watched = started(&server).await;
    for event in [
        json!({ "type": "MODIFIED", "object": 5 }),
        json!({ "type": "NEW", "object": {} }),
        json!({ "type": "ADDED", "object": unnamed(json!({ "resourceVersion": "9" })) }),
        json!([1, 2]),
    ] {
        server.event(IMAGE, event);
    }
    server.apply(IMAGE, policy(Some("shop"), "next", "*"));
    let told = watched.short().await;
    assert!(told == "relisted" || told == "applied ImagePolicy shop/next", "{told}");
}
