//! A machine that panics takes nothing down but itself, and nothing it should have judged is
//! allowed.

use portreeve_protocol::{ActorId, DenyCode, Entry};

use crate::stage::{Stage, code, review};

#[test]
fn a_machine_that_panicked_is_rebuilt_and_those_that_wait_are_not_denied() {
    let stage = Stage::new();
    let node = stage.start();
    let waiting = {
        let node = node.clone();
        stage.runtime.spawn(async move { node.review(review("silent")).await })
    };
    stage.eventually("the review waits", || (node.health().reviews_in_flight == 1).then_some(()));
    let answer = stage.review(&node, "panic");
    assert_eq!(code(&answer), Some(DenyCode::Internal));
    assert_eq!(answer.decision.uid, "uid-of-panic");
    assert_eq!(node.health().poisoned, []);
    assert_eq!(code(&stage.review(&node, "allow")), None);
    for _ in 0..2 {
        assert_eq!(node.health().reviews_in_flight, 1, "the review waits on");
        assert_eq!(code(&stage.review(&node, "panic")), Some(DenyCode::Internal));
    }
    let waited = stage.runtime.block_on(waiting).unwrap();
    assert_eq!(code(&waited), Some(DenyCode::Internal));
    assert_eq!(waited.decision.uid, "uid-of-silent");
    stage.eventually("it is given up", || (!node.health().alive()).then_some(()));
    assert_eq!(node.health().poisoned, [ActorId::Admission]);
    assert!(!node.health().alive());
    assert!(!node.health().ready());
    assert_eq!(code(&stage.review(&node, "allow")), Some(DenyCode::Internal));
    stage.stop(node);
    let panics: Vec<_> = stage
        .entries()
        .into_iter()
        .filter_map(
            |entry| if let Entry::Panicked(panicked) = entry { Some(panicked) } else { None },
        )
        .collect();
    let [panicked, _, _] = panics.as_slice() else { panic!("{panics:?}") };
    assert_eq!(panicked.event, answer.decision.review);
}

#[test]
fn a_fetcher_that_panicked_is_rebuilt_twice_and_then_refuses_and_others_go_on() {
    let stage = Stage::new();
    let node = stage.start();
    let ask = |server: &str, gun: &str| {
        code(&stage.review(&node, &format!("resolve https://{server}.example {gun}")))
    };
    for _ in 0..2 {
        assert_eq!(ask("a", "panicking-fetcher"), Some(DenyCode::Internal));
        assert_eq!(ask("a", "absent"), Some(DenyCode::NotSigned));
    }
    assert_eq!(ask("a", "panicking-fetcher"), Some(DenyCode::Internal));
    assert_eq!(ask("a", "absent"), Some(DenyCode::Internal));
    assert_eq!(ask("b", "absent"), Some(DenyCode::NotSigned));
    let server = "https://a.example".to_owned();
    assert_eq!(node.health().poisoned, [ActorId::Notary(server)]);
    assert!(node.health().alive());
    stage.stop(node);
    stage.records();
}

#[test]
fn a_verifier_that_panics_is_replaced_and_its_request_refused() {
    let stage = Stage::new();
    let node = stage.start();
    for _ in 0..4 {
        let answer = stage.review(&node, "resolve https://n.example panicking-verifier");
        assert_eq!(code(&answer), Some(DenyCode::Internal));
    }
    let answer = stage.review(&node, "resolve https://n.example some/gun");
    assert_eq!(code(&answer), Some(DenyCode::Signature));
    assert_eq!(node.health().poisoned, []);
    stage.stop(node);
    stage.records();
}
