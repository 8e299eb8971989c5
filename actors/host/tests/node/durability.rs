//! Every answer is on disk before it is out, and many answers share one sync.

use std::sync::atomic::Ordering;

use portreeve_host::node::{Durability, NodeOptions};
use portreeve_protocol::entry::Answered;
use portreeve_protocol::{Cause, Entry, Outside, Wall, limits};

use crate::stage::{Stage, code, review};

#[test]
fn an_answer_leaves_when_its_record_is_durable() {
    let stage = Stage::new();
    let node = stage.start();
    for name in ["allow", "deny", "exempt"] {
        let answer = stage.review(&node, name);
        let record = answer.record.expect("the decision has a record");
        assert!(stage.disk.holds(&record.to_hex()), "{name}");
        assert_eq!(answer.decision.uid, format!("uid-of-{name}"));
    }
    stage.stop(node);
}

#[test]
fn answers_that_wait_share_one_sync() {
    const REVIEWS: usize = 60;
    let stage = Stage::new();
    let node = stage.start();
    stage.disk.stuck.store(true, Ordering::SeqCst);
    let before = stage.disk.syncs.load(Ordering::SeqCst);
    let reviews: Vec<_> = (0..REVIEWS)
        .map(|_| {
            let node = node.clone();
            stage.runtime.spawn(async move { node.review(review("allow")).await })
        })
        .collect();
    stage.eventually("all reviews are under way", || {
        (node.health().reviews_in_flight == REVIEWS).then_some(())
    });
    assert!(!reviews.iter().any(tokio::task::JoinHandle::is_finished));
    stage.disk.stuck.store(false, Ordering::SeqCst);
    for review in reviews {
        let answer = stage.runtime.block_on(review).unwrap();
        assert!(answer.decision.allowed && answer.record.is_some());
    }
    let syncs = stage.disk.syncs.load(Ordering::SeqCst) - before;
    assert!(syncs < REVIEWS as u64 / 2, "{syncs} syncs for {REVIEWS} answers");
    stage.stop(node);
}

#[test]
fn process_durability_answers_before_the_sync_and_syncs_all_the_same() {
    let stage = Stage::new();
    let options = NodeOptions { durability: Durability::Process, ..stage.options() };
    let node = stage.start_with(options);
    stage.disk.stuck.store(true, Ordering::SeqCst);
    let record = stage.review(&node, "allow").record.expect("the decision has a record").to_hex();
    assert!(!stage.disk.holds(&record));
    stage.disk.stuck.store(false, Ordering::SeqCst);
    stage.eventually("the record is synced", || stage.disk.holds(&record).then_some(()));
    stage.stop(node);
}

#[test]
fn the_journal_holds_what_happened_in_one_chain() {
    let stage = Stage::new();
    let node = stage.start();
    let answer = stage.review(&node, "deny");
    node.answered(Answered {
        allowed: false,
        code: code(&answer),
        review: answer.decision.review.clone(),
        wall: Wall(1),
    });
    stage.stop(node);
    let records = stage.records();
    let [opening, delivery, sent] = records.as_slice() else { panic!("{} records", records.len()) };
    let Entry::Started(started) = &opening.0.entry else { panic!("{opening:?}") };
    assert_eq!((started.incarnation, started.jitter_seed), (1, 7));
    let Entry::Delivered(delivered) = &delivery.0.entry else { panic!("{delivery:?}") };
    assert_eq!(delivered.cause, Cause::Outside(Outside::Webhook));
    assert_eq!(delivered.event.to_string(), "node-1/1/admission/1");
    assert_eq!(delivered.root, delivered.event);
    assert_eq!(delivered.decisions, [answer.decision]);
    assert_eq!(answer.record, Some(delivery.1));
    assert!(matches!(&sent.0.entry, Entry::Answered(answered) if answered[0].wall == Wall(1)));
}

#[test]
fn answers_handed_over_while_the_disk_works_share_a_bounded_record_in_their_order() {
    let stage = Stage::new();
    let node = stage.start();
    let answer = stage.review(&node, "allow");
    stage.disk.stuck.store(true, Ordering::SeqCst);
    let waiting = stage.runtime.spawn({
        let node = node.clone();
        async move { node.review(review("allow")).await }
    });
    stage.eventually("a review is under way", || {
        (node.health().reviews_in_flight == 1).then_some(())
    });
    let handed_over = i64::try_from(limits::ANSWERED_IN_RECORD).unwrap() + 6;
    for at in 0..handed_over {
        let review = answer.decision.review.clone();
        node.answered(Answered { allowed: true, code: None, review, wall: Wall(at) });
    }
    stage.disk.stuck.store(false, Ordering::SeqCst);
    stage.runtime.block_on(waiting).unwrap();
    stage.stop(node);
    let lists: Vec<_> = stage
        .entries()
        .into_iter()
        .filter_map(|entry| if let Entry::Answered(list) = entry { Some(list) } else { None })
        .collect();
    assert!(lists.len() <= 4, "{} records", lists.len());
    assert!(lists.iter().all(|list| list.len() <= limits::ANSWERED_IN_RECORD));
    let times: Vec<i64> = lists.concat().iter().map(|one| one.wall.0).collect();
    assert_eq!(times, (0..handed_over).collect::<Vec<_>>());
}

#[test]
fn a_chain_of_messages_is_recorded_cause_by_cause() {
    let stage = Stage::new();
    let node = stage.start();
    stage.review(&node, "resolve https://n.example some/gun");
    stage.stop(node);
    let mut seen = Vec::new();
    let mut lamport = 0;
    for entry in stage.entries() {
        let Entry::Delivered(delivered) = entry else { continue };
        assert_eq!(delivered.root.to_string(), "node-1/1/admission/1");
        assert!(delivered.lamport > lamport);
        lamport = delivered.lamport;
        let cause = match delivered.cause {
            Cause::Outside(outside) => format!("{outside:?}"),
            Cause::Effect { event, index } => format!("{}[{index}]", event.actor),
        };
        seen.push(format!("{} by {cause}", delivered.event.actor.kind().name()));
    }
    assert_eq!(
        seen,
        [
            "admission by Webhook",
            "notary by admission[0]",
            "notary by notary=https://n.example[2]",
            "verify by notary=https://n.example[0]",
            "notary by verify=0[0]",
            "admission by notary=https://n.example[0]",
        ]
        .map(|line| line.replace("verify=0", verifier(&stage).as_str()))
    );
}

/// The member of the pool that took the one request.
fn verifier(stage: &Stage) -> String {
    stage
        .entries()
        .into_iter()
        .find_map(|entry| {
            let Entry::Delivered(delivered) = entry else { return None };
            let actor = delivered.event.actor;
            (actor.kind().name() == "verify").then(|| actor.to_string())
        })
        .expect("a verifier was asked")
}
