//! Rules of scenarios, and what is wrong with those that cannot be run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use portreeve_protocol::ProtocolError;
use portreeve_protocol::messages::policy::SourceObject;
use portreeve_simulations::scripted::SERVER;
use portreeve_simulations::{Scenario, SimulationError, run, scripted};

#[test]
fn a_scenario_is_data_and_survives_a_file() {
    let text = serde_json::to_string(&scripted()).unwrap();
    assert_eq!(serde_json::from_str::<Scenario>(&text).unwrap(), scripted());
}

#[test]
fn a_moved_trust_server_is_moved_wherever_it_is_named() {
    let moved = scripted().moved(SERVER, "https://127.0.0.1:7");
    assert!(!serde_json::to_string(&moved).unwrap().contains(SERVER));
    assert_eq!(moved.moved("https://127.0.0.1:7", SERVER), scripted());
}

#[test]
fn signers_with_one_name_and_two_seeds_have_two_keys() {
    let mut keys = Vec::new();
    for object in scripted().objects().unwrap() {
        match object {
            SourceObject::SignerSecret(secret) => keys.push((secret.name, secret.public_key)),
            SourceObject::Policy(_) => {}
        }
    }
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0].0, keys[1].0);
    assert_ne!(keys[0].1, keys[1].1);
}

#[test]
fn a_run_without_end_is_stopped() {
    let scenario = Scenario { most_events: 3, ..scripted() };
    assert!(matches!(run(&scenario, 1), Err(SimulationError::Endless { events: 3 })));
}

#[test]
fn two_reviews_with_one_uid_are_refused() {
    let mut scenario = scripted();
    scenario.reviews.push(scenario.reviews[0].clone());
    let error = run(&scenario, 1).unwrap_err();
    assert!(matches!(error, SimulationError::SameUid { ref uid } if uid == "signed"), "{error}");
}

#[test]
fn a_collection_that_cannot_be_signed_is_named() {
    let mut scenario = scripted();
    scenario.servers[0].collections[0].signers.push("NOT A NAME".to_owned());
    assert!(matches!(run(&scenario, 1), Err(SimulationError::Lab(_))));
}

#[test]
fn a_node_without_a_proper_name_does_not_start() {
    let scenario = Scenario { replicas: vec!["UPPER".to_owned()], ..scripted() };
    let error = run(&scenario, 1).unwrap_err();
    assert!(matches!(error, SimulationError::Protocol(ProtocolError::NodeId { .. })), "{error}");
}
