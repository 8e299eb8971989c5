//! Checkpoints that were edited, or forged with all hashes made right again.

use std::sync::Arc;

use portreeve_protocol::entry::Checkpoint;
use portreeve_protocol::{ActorId, Entry, codec};
use portreeve_replay::{Finding, ReplayError, recover, split, verify};
use serde_json::{Value, json};

use crate::rig::{Rig, SEGMENT, SERVER};
use crate::verified;

const IMAGE: &str = "registry.lab:5000/team/signers:alice-only";

/// A journal with a checkpoint between two reviews, which begins with it, or with a start before.
fn with_checkpoint(head: bool) -> Rig {
    let mut rig = Rig::new();
    rig.policies();
    rig.review("u-before", &[IMAGE]);
    let before = rig.journal.clone();
    rig.cut();
    if !head {
        rig.journal.splice(0..0, before);
    }
    rig.review("u-after", &[IMAGE]);
    assert_eq!(verified(&rig).first, None);
    rig
}

/// The journal with another checkpoint and all hashes behind it right, and the checkpoint's line.
fn forge(rig: &Rig, change: impl Fn(&mut Checkpoint)) -> (Vec<u8>, u64) {
    let (mut journal, mut prev, mut at) = (Vec::new(), None, 0);
    for line in rig.lines() {
        let line = line.unwrap();
        let (record, _) = codec::read_line(line.bytes.strip_suffix(b"\n").unwrap()).unwrap();
        let mut entry = record.entry;
        if let Entry::Checkpoint(checkpoint) = &mut entry {
            change(checkpoint);
            at = line.number;
        }
        let follows = prev.unwrap_or(record.prev);
        prev = Some(codec::write_line(&entry, follows, &mut journal).unwrap());
    }
    (journal, at)
}

fn state<'a>(checkpoint: &'a mut Checkpoint, actor: &ActorId) -> &'a mut Value {
    let mut machines = checkpoint.machines.iter_mut();
    &mut machines.find(|machine| machine.actor == *actor).expect("it has a state").state
}

fn fetcher() -> ActorId {
    ActorId::Notary(SERVER.to_owned())
}

fn finding(rig: &Rig, journal: &[u8]) -> Option<Finding> {
    verify(split(SEGMENT, journal), &rig.blobs, &mut |_| {}).unwrap().first
}

/// Lowers the floor of a role wherever the checkpoint names it.
fn lower_everywhere(checkpoint: &mut Checkpoint) {
    lower_in_state(checkpoint);
    for kept in &mut Arc::make_mut(&mut checkpoint.started).restored.trust {
        kept.floors.get_mut("timestamp").unwrap().version = 1;
    }
}

fn lower_in_state(checkpoint: &mut Checkpoint) {
    let state = state(checkpoint, &fetcher());
    let collections = state["collections"].as_object_mut().unwrap();
    for (_, kept) in collections {
        kept["floors"]["timestamp"]["version"] = json!(1);
    }
}

#[test]
fn an_edited_checkpoint_is_reported_at_its_record_by_verification_and_recovery() {
    for head in [false, true] {
        let rig = with_checkpoint(head);
        let (same, at) = forge(&rig, |_| {});
        assert_eq!(same, rig.journal);
        let start: usize =
            rig.lines().take(at as usize - 1).map(|it| it.unwrap().bytes.len()).sum();
        let length = rig.lines().nth(at as usize - 1).unwrap().unwrap().bytes.len();
        for place in (start..start + length - 1).step_by(997) {
            let mut edited = rig.journal.clone();
            edited[place] ^= 1;
            let found = finding(&rig, &edited).expect("it is noticed");
            assert_eq!(found.line, at, "byte {place}: {found:?}");
            let error = recover(split(SEGMENT, &edited), &rig.blobs).unwrap_err();
            assert!(
                matches!(error, ReplayError::Damaged { line, .. } if line == at),
                "byte {place}: {error:?}"
            );
        }
    }
}

#[test]
fn a_forged_checkpoint_is_not_the_state_that_the_records_before_it_lead_to() {
    let rig = with_checkpoint(false);
    let draining = |it: &mut Checkpoint| state(it, &ActorId::Admission)["draining"] = json!(true);
    let unwatched = |it: &mut Checkpoint| state(it, &ActorId::Policy)["watched"] = json!(false);
    let unheard = |it: &mut Checkpoint| it.heard[0].seq += 1;
    let unseen = |it: &mut Checkpoint| it.machines.truncate(1);
    let reseeded = |it: &mut Checkpoint| Arc::make_mut(&mut it.started).jitter_seed += 1;
    let changes: [&dyn Fn(&mut Checkpoint); 6] =
        [&draining, &unwatched, &unheard, &unseen, &reseeded, &lower_everywhere];
    for (number, change) in changes.into_iter().enumerate() {
        let (forged, at) = forge(&rig, change);
        let found = finding(&rig, &forged).expect("it is noticed");
        assert_eq!(
            (found.kind.name(), found.line),
            ("checkpoint-mismatch", at),
            "change {number}: {found:?}"
        );
    }
}

#[test]
fn a_forged_checkpoint_at_the_head_is_noticed_where_the_machines_do_otherwise_than_recorded() {
    let rig = with_checkpoint(true);
    let (forged, at) = forge(&rig, |checkpoint| {
        state(checkpoint, &ActorId::Admission)["draining"] = json!(true);
    });
    let found = finding(&rig, &forged).expect("it is noticed");
    assert_eq!((found.kind.name(), at), ("divergence", 1), "{found:?}");
    assert!(found.line > at, "the first delivery that comes out otherwise: {found:?}");
}

#[test]
fn a_state_of_no_machine_is_reported_at_its_record_by_verification_and_recovery() {
    let rig = with_checkpoint(true);
    let (forged, at) = forge(&rig, |checkpoint| {
        *state(checkpoint, &fetcher()) = json!({"collections": 7});
    });
    let found = finding(&rig, &forged).expect("it is noticed");
    assert_eq!((found.kind.name(), found.line), ("checkpoint-mismatch", at), "{found:?}");
    let error = recover(split(SEGMENT, &forged), &rig.blobs).unwrap_err();
    assert!(error.to_string().starts_with(&format!("{SEGMENT} line {at}: ")), "{error}");
}

#[test]
fn recovery_refuses_a_checkpoint_that_says_two_things_of_a_collection() {
    let rig = with_checkpoint(true);
    assert!(recover(rig.lines(), &rig.blobs).is_ok());
    let (forged, at) = forge(&rig, lower_in_state);
    let error = recover(split(SEGMENT, &forged), &rig.blobs).unwrap_err();
    assert!(matches!(error, ReplayError::Damaged { line, .. } if line == at), "{error:?}");
    assert!(error.to_string().contains("contradicts itself"), "{error}");
    let (forged, at) = forge(&rig, |checkpoint| {
        Arc::make_mut(&mut checkpoint.started).restored.trust.clear();
    });
    let error = recover(split(SEGMENT, &forged), &rig.blobs).unwrap_err();
    assert!(matches!(error, ReplayError::Damaged { line, .. } if line == at), "{error:?}");
}
