//! Start, overload, drain, stop, and start again.

use std::io::Write;
use std::sync::Arc;

use portreeve_host::HostError;
use portreeve_host::node::{Node, NodeOptions};
use portreeve_protocol::messages::policy::PolicyInput;
use portreeve_protocol::{DenyCode, Entry, Sha256, codec, limits};
use portreeve_replay::ReplayError;

use crate::stage::{Stage, code, review};
use crate::toys;

fn refused(stage: &Stage, options: NodeOptions) -> HostError {
    let disk: Arc<crate::stage::TestDisk> = Arc::clone(&stage.disk);
    Node::start_with(options, disk, toys::cast()).map(drop).unwrap_err()
}

#[test]
fn the_node_is_ready_when_policies_were_published() {
    let stage = Stage::new();
    let node = stage.start();
    assert!(!node.health().ready());
    node.objects(PolicyInput::WatchRestored);
    stage.eventually("policies are published", || node.health().ready().then_some(()));
    stage.stop(node);
}

#[test]
fn a_review_beyond_the_limit_is_denied_as_overloaded() {
    let stage = Stage::new();
    let node = stage.start();
    let waiting: Vec<_> = (0..limits::REVIEWS_IN_FLIGHT)
        .map(|_| {
            let node = node.clone();
            stage.runtime.spawn(async move { node.review(review("silent")).await })
        })
        .collect();
    stage.eventually("all places are taken", || {
        (node.health().reviews_in_flight >= limits::REVIEWS_IN_FLIGHT).then_some(())
    });
    assert_eq!(code(&stage.review(&node, "allow")), Some(DenyCode::Overloaded));
    stage.runtime.block_on(node.drain());
    for review in waiting {
        let answer = stage.runtime.block_on(review).unwrap();
        assert_eq!(code(&answer), Some(DenyCode::Draining));
        assert!(answer.record.is_some());
    }
    assert!(node.health().draining && !node.health().ready());
    stage.stop(node);
}

#[test]
fn a_review_without_a_decision_is_denied_when_its_time_is_over() {
    let stage = Stage::new();
    let node = stage.start();
    let facts =
        portreeve_protocol::messages::admission::ReviewFacts { budget: 1_000, ..review("silent") };
    let answer = stage.runtime.block_on(node.review(facts));
    assert_eq!((code(&answer), answer.record), (Some(DenyCode::Deadline), None));
    stage.stop(node);
}

#[test]
fn a_timer_that_was_moved_fires_once_at_its_new_time() {
    let stage = Stage::new();
    let node = stage.start();
    assert_eq!(code(&stage.review(&node, "timer")), None);
    stage.stop(node);
    let deliveries: Vec<_> = stage
        .entries()
        .into_iter()
        .filter_map(
            |entry| if let Entry::Delivered(delivered) = entry { Some(delivered) } else { None },
        )
        .collect();
    let [armed, fired] = deliveries.as_slice() else { panic!("{deliveries:?}") };
    assert!(fired.now.mono >= armed.now.mono.plus(2_000));
}

#[test]
fn a_stopped_node_denies() {
    let stage = Stage::new();
    let node = stage.start();
    let handle = node.clone();
    stage.stop(node);
    assert_eq!(code(&stage.review(&handle, "allow")), Some(DenyCode::Draining));
    assert!(!handle.health().journal_writable);
}

#[test]
fn a_restart_continues_the_chain_in_a_new_incarnation() {
    let stage = Stage::new();
    for _ in 0..3 {
        let node = stage.start();
        assert!(stage.review(&node, "allow").decision.allowed);
        stage.stop(node);
    }
    let incarnations: Vec<u32> = stage
        .entries()
        .into_iter()
        .filter_map(|entry| {
            if let Entry::Started(started) = entry { Some(started.incarnation) } else { None }
        })
        .collect();
    assert_eq!(incarnations, [1, 2, 3]);
    assert_eq!(stage.records().len(), 6);
}

#[test]
fn a_torn_tail_is_cut_off_and_kept_aside() {
    let stage = Stage::new();
    let node = stage.start();
    stage.review(&node, "allow");
    stage.stop(node);
    let torn = b"{\"hash\":\"00";
    let path = stage.segment(1);
    let whole = std::fs::read(&path).unwrap();
    std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(torn).unwrap();
    let node = stage.start();
    stage.review(&node, "allow");
    stage.stop(node);
    assert_eq!(std::fs::read(&path).unwrap(), whole);
    let aside = stage.dir.path().join(format!("journal/cut/00000001.ndjson.{}", whole.len()));
    assert_eq!(std::fs::read(aside).unwrap(), torn);
    assert_eq!(stage.records().len(), 4);
}

#[test]
fn a_journal_altered_in_the_middle_is_not_taken_over() {
    let stage = Stage::new();
    let node = stage.start();
    stage.review(&node, "allow");
    stage.review(&node, "deny");
    stage.stop(node);
    let path = stage.segment(1);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("uid-of-allow", "uid-of-other", 1)).unwrap();
    let error = refused(&stage, stage.options());
    let HostError::Recovery(ReplayError::Damaged { line, .. }) = error else { panic!("{error:?}") };
    assert_eq!(line, 2);
}

#[test]
fn a_journal_that_a_newer_build_went_on_with_is_left_as_it_is() {
    let stage = Stage::new();
    let node = stage.start();
    stage.review(&node, "allow");
    stage.stop(node);
    let (_, prev) = stage.records().pop().unwrap();
    let v = codec::SCHEMA + 1;
    let body = format!("{{\"entry\":{{\"Unheard\":{{}}}},\"prev\":\"{prev}\",\"v\":{v}}}");
    let hash = Sha256::of(body.as_bytes());
    let newer = format!("{{\"hash\":\"{hash}\",\"record\":{body}}}\n");
    std::fs::write(stage.segment(2), &newer).unwrap();
    let error = refused(&stage, stage.options());
    let HostError::Recovery(ReplayError::NewerSchema { segment, line, .. }) = error else {
        panic!("{error:?}")
    };
    assert_eq!((&*segment, line), ("00000002.ndjson", 1));
    assert_eq!(std::fs::read_to_string(stage.segment(2)).unwrap(), newer);
}

#[test]
fn two_nodes_do_not_share_a_journal() {
    let stage = Stage::new();
    let node = stage.start();
    let error = refused(&stage, stage.options());
    assert!(matches!(error, HostError::JournalInUse { .. }), "{error:?}");
    stage.stop(node);
    stage.stop(stage.start());
}

#[test]
fn a_node_does_not_go_on_with_the_journal_of_another() {
    let stage = Stage::new();
    stage.stop(stage.start());
    let options = NodeOptions { node: "node-2".parse().unwrap(), ..stage.options() };
    let error = refused(&stage, options);
    assert!(matches!(error, HostError::OtherNode { .. }), "{error:?}");
    assert!(error.to_string().contains("node-1"), "{error}");
}

#[test]
fn a_data_directory_that_is_a_file_is_named_in_the_error() {
    let stage = Stage::new();
    std::fs::write(stage.dir.path().join("journal"), b"").unwrap();
    let error = refused(&stage, stage.options());
    assert!(matches!(error, HostError::File { .. }), "{error:?}");
    assert!(error.to_string().contains("journal/segments"), "{error}");
}

#[test]
fn a_machine_that_cannot_be_made_is_an_error_and_frees_the_journal() {
    let stage = Stage::new();
    let disk: Arc<crate::stage::TestDisk> = Arc::clone(&stage.disk);
    let error = Node::start_with(stage.options(), disk, toys::stillborn()).map(drop).unwrap_err();
    assert!(matches!(error, HostError::Thread { thread: "machines", .. }), "{error:?}");
    stage.stop(stage.start());
}

#[test]
fn a_node_dropped_without_a_stop_ends_and_leaves_a_whole_journal() {
    let stage = Stage::new();
    let node = stage.start();
    assert!(stage.review(&node, "allow").decision.allowed);
    drop(node);
    let node = stage.eventually("the journal is free", || {
        let disk: Arc<crate::stage::TestDisk> = Arc::clone(&stage.disk);
        Node::start_with(stage.options(), disk, toys::cast()).ok()
    });
    stage.stop(node);
    assert_eq!(stage.records().len(), 3);
}
