//! What a node finds when it starts again.

use std::sync::Arc;

use portreeve_protocol::entry::{Restored, Started};
use portreeve_protocol::messages::admission::{
    AdmissionInput, BundleLoaded, BundleVersions, RevokeSeal,
};
use portreeve_protocol::seal::RevokedSeal;
use portreeve_protocol::{ActorId, Blob, Entry, Outside, Sha256, Wall, codec};
use portreeve_replay::{Line, ReplayError, recover, split};

use crate::rig::{Blobs, Rig, SEGMENT, newer_line};
use crate::{eventful, verified};

fn last_started(rig: &Rig) -> Arc<Started> {
    let records = rig.lines().map(|line| {
        let line: Line = line.unwrap();
        codec::read_line(line.bytes.strip_suffix(b"\n").unwrap()).unwrap().0
    });
    let starts = records.filter_map(|record| match record.entry {
        Entry::Started(started) => Some(started),
        Entry::Checkpoint(_)
        | Entry::Answered(_)
        | Entry::Delivered(_)
        | Entry::Gap(_)
        | Entry::Panicked(_) => None,
    });
    starts.last().unwrap()
}

#[test]
fn an_empty_journal_leaves_nothing() {
    let found = recover(std::iter::empty(), &Blobs::default()).unwrap();
    assert_eq!((found.incarnation, found.prev, found.records), (0, Sha256::ZERO, 0));
    assert_eq!((found.last, found.tail, found.restored), (None, None, Restored::default()));
}

#[test]
pub fn recovery_restores_the_trust_that_the_fetchers_had_gained() {
    let rig = eventful();
    let found = recover(rig.lines(), &rig.blobs).unwrap();
    assert_eq!((found.incarnation, found.prev), (2, rig.prev));
    assert_eq!(found.last.as_ref().unwrap().end, rig.journal.len() as u64);
    assert_eq!(found.tail, None);
    let guns: Vec<&str> = found.restored.trust.iter().map(|kept| kept.gun.as_str()).collect();
    assert_eq!(guns, [crate::rig::GUN]);
    let next = rig.restart();
    let written = codec::digest(&last_started(&next).restored).unwrap();
    assert_eq!(codec::digest(&found.restored).unwrap(), written);
    assert_eq!(verified(&next).first, None);
}

#[test]
pub fn recovery_knows_what_was_learnt_since_the_last_start() {
    let mut rig = Rig::new();
    rig.policies();
    rig.review("u", &["registry.lab:5000/team/signers:alice-only"]);
    let trust = recover(rig.lines(), &rig.blobs).unwrap().restored.trust;
    assert_eq!(trust.iter().map(|kept| kept.gun.as_str()).collect::<Vec<_>>(), [crate::rig::GUN]);
    assert!(!trust[0].floors.is_empty());
}

#[test]
pub fn recovery_restores_the_trust_bundle_and_the_entries_of_seals_that_ended() {
    let mut rig = Rig::new();
    let bundle = BundleLoaded {
        anchors: Blob::new(&br#"{"format":1,"anchors":[]}"#[..]),
        expires: Wall(2_000_000_000_000_000),
        origin: Sha256::of(b"root"),
        root: Blob::new(&b"root"[..]),
        versions: BundleVersions { root: 1, snapshot: 1, targets: 1, timestamp: 1 },
    };
    let loaded = AdmissionInput::BundleLoaded(Box::new(bundle.clone()));
    rig.outside(ActorId::Admission, Outside::Host, loaded.into());
    let (digest, gun) = (Sha256::of(b"image"), "registry.example/app".to_owned());
    let revoke = RevokeSeal { digest, gun: gun.clone(), reason: "stolen".to_owned() };
    rig.outside(ActorId::Admission, Outside::Operator, AdmissionInput::RevokeSeal(revoke).into());
    let restored = recover(rig.lines(), &rig.blobs).unwrap().restored;
    assert_eq!(restored.bundle.as_deref(), Some(&bundle));
    assert_eq!(restored.revoked, [RevokedSeal { digest, gun }].into());
}

#[test]
fn a_torn_tail_is_cut_at_the_last_good_record() {
    let rig = eventful();
    let records = recover(rig.lines(), &rig.blobs).unwrap().records;
    let mut torn = rig.journal.clone();
    torn.truncate(torn.len() - 30);
    let found = recover(split(SEGMENT, &torn), &rig.blobs).unwrap();
    let tail = found.tail.unwrap();
    assert_eq!((found.records, tail.lines, &*tail.segment), (records - 1, 1, SEGMENT));
    torn.truncate(tail.keep as usize);
    let again = recover(split(SEGMENT, &torn), &rig.blobs).unwrap();
    assert_eq!((again.prev, again.tail), (found.prev, None));
}

#[test]
fn a_segment_of_which_only_a_torn_line_was_written_is_cut_to_nothing() {
    let rig = eventful();
    let second = split("00000002.ndjson", b"{\"hash\":\"00");
    let found = recover(rig.lines().chain(second), &rig.blobs).unwrap();
    let tail = found.tail.unwrap();
    assert_eq!((&*tail.segment, tail.keep), ("00000002.ndjson", 0));
    assert_eq!(&*found.last.unwrap().segment, SEGMENT);
}

#[test]
fn garbage_behind_the_last_good_record_is_cut_as_a_whole() {
    let mut rig = eventful();
    let good = rig.journal.len() as u64;
    rig.journal.extend_from_slice(b"\0\0\0\0\n\0\0\n{\"hash\"");
    let tail = recover(rig.lines(), &rig.blobs).unwrap().tail.unwrap();
    assert_eq!((tail.keep, tail.lines), (good, 3));
}

#[test]
fn a_broken_record_with_intact_ones_behind_it_is_damage() {
    let mut rig = eventful();
    rig.journal[100] ^= 1;
    let error = recover(rig.lines(), &rig.blobs).unwrap_err();
    assert!(matches!(error, ReplayError::Damaged { line: 1, .. }), "{error:?}");
    assert!(error.to_string().contains("keep the journal as evidence"), "{error}");
}

#[test]
fn a_last_record_that_is_whole_but_follows_another_is_damage_and_no_unfinished_end() {
    let rig = eventful();
    let lines: Vec<Line> = rig.lines().map(Result::unwrap).collect();
    let (last, before) = (lines.len() - 1, lines.len() - 2);
    let without = |at: usize| lines.iter().enumerate().filter(move |(it, _)| *it != at);
    let missing = without(before).map(|(_, line)| Ok(line.clone()));
    let doubled = lines.iter().chain([&lines[last]]).map(|line| Ok(line.clone()));
    for edited in [missing.collect::<Vec<_>>(), doubled.collect()] {
        let error = recover(edited.into_iter(), &rig.blobs).unwrap_err();
        assert!(matches!(error, ReplayError::Damaged { .. }), "{error:?}");
        assert!(error.to_string().contains("records are missing here"), "{error}");
    }
}

#[test]
fn what_a_newer_build_wrote_is_no_unfinished_end() {
    let rig = eventful();
    let newer = newer_line(rig.prev);
    let lines = || rig.lines().chain(split("00000002.ndjson", &newer));
    let error = recover(lines(), &rig.blobs).unwrap_err();
    assert!(matches!(error, ReplayError::NewerSchema { line: 1, .. }), "{error:?}");
    assert!(error.to_string().contains("use the build that wrote it"), "{error}");
    // Nor is it where a line before it is broken.
    let mut journal = rig.journal.clone();
    journal.extend_from_slice(b"{\"hash\":\"00\n");
    journal.extend_from_slice(&newer);
    let error = recover(split(SEGMENT, &journal), &rig.blobs).unwrap_err();
    assert!(matches!(error, ReplayError::Damaged { .. }), "{error:?}");
}

#[test]
fn trust_is_not_restored_without_its_documents() {
    let rig = eventful();
    rig.blobs.0.borrow_mut().clear();
    let error = recover(rig.lines(), &rig.blobs).unwrap_err();
    assert!(matches!(error, ReplayError::Blob { .. }), "{error:?}");
    assert!(error.to_string().contains("restore the blobs"), "{error}");
}
