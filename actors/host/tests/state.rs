//! The trust kept between runs, on a real file system.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

use portreeve_host::HostError;
use portreeve_host::state::{TrustState, TrustSummary};
use portreeve_protocol::evidence::{Floor, TrustedCollection};
use portreeve_protocol::{Blob, Sha256, Wall};

const SERVER: &str = "https://notary.example";

fn collection(gun: &str, version: u64) -> TrustedCollection {
    let blob = |role: &str| Blob::new(format!("{role} {version} of {gun}").into_bytes());
    let floor = Floor { keys: vec![Sha256::of(b"key")], sha256: blob("targets").digest(), version };
    TrustedCollection {
        documents: vec![blob("targets"), blob("snapshot")],
        first_use: true,
        floors: [("targets".to_owned(), floor)].into(),
        gun: gun.to_owned(),
        namespace: String::new(),
        root: blob("root"),
        server: SERVER.to_owned(),
        timestamp: Some(blob("timestamp")),
    }
}

fn blobs(directory: &Path) -> Vec<PathBuf> {
    let shelves = fs::read_dir(directory.join("blobs/sha256")).unwrap();
    let files = shelves.flat_map(|shelf| fs::read_dir(shelf.unwrap().path()).unwrap());
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn what_is_kept_is_there_again_with_every_byte_and_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("trust");
    let mut state = TrustState::open(&place).unwrap();
    assert!(state.trust().is_empty());
    state.replace(vec![collection("r/b", 1), collection("r/a", 1)], None).unwrap();
    drop(state);
    let state = TrustState::open(&place).unwrap();
    assert_eq!(state.trust(), [collection("r/a", 1), collection("r/b", 1)]);
    assert_eq!(state.trust()[0].root.bytes(), b"root 1 of r/a");
    let summary = TrustSummary::from(&state.trust()[0]);
    assert_eq!((summary.documents, summary.roles["targets"].version), (4, 1));
}

#[test]
fn documents_out_of_use_are_removed_and_shared_ones_stay() {
    let directory = tempfile::tempdir().unwrap();
    let mut state = TrustState::open(directory.path()).unwrap();
    let mut second = collection("r/a", 2);
    second.root = collection("r/a", 1).root;
    state.replace(vec![collection("r/a", 1)], None).unwrap();
    assert_eq!(blobs(directory.path()).len(), 4);
    state.replace(vec![second.clone()], None).unwrap();
    assert_eq!(blobs(directory.path()).len(), 4);
    drop(state);
    assert_eq!(TrustState::open(directory.path()).unwrap().trust(), [second]);
}

#[test]
fn a_reset_is_noted_with_its_reason_and_takes_one_collection_at_one_server() {
    let directory = tempfile::tempdir().unwrap();
    let mut state = TrustState::open(directory.path()).unwrap();
    let mut elsewhere = collection("r/a", 1);
    elsewhere.server = "https://other.example".to_owned();
    state
        .replace(vec![collection("r/a", 1), collection("r/b", 1), elsewhere.clone()], None)
        .unwrap();
    assert!(!state.forget("r/c", SERVER, "why not", Wall(7)).unwrap());
    assert!(state.forget("r/a", SERVER, "the key was lost", Wall(7)).unwrap());
    drop(state);
    let state = TrustState::open(directory.path()).unwrap();
    assert_eq!(state.trust(), [collection("r/b", 1), elsewhere]);
    let [reset] = state.resets() else { panic!("{:?}", state.resets()) };
    assert_eq!((reset.gun.as_str(), reset.reason.as_str()), ("r/a", "the key was lost"));
    assert_eq!((reset.server.as_str(), reset.at), (SERVER, Wall(7)));
}

#[test]
fn one_process_at_a_time_uses_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    let state = TrustState::open(directory.path()).unwrap();
    let second = TrustState::open(directory.path());
    assert!(matches!(second, Err(HostError::StateInUse { .. })), "{second:?}");
    drop(state);
    assert!(TrustState::open(directory.path()).is_ok());
}

#[test]
fn a_missing_altered_or_foreign_file_is_a_spoilt_state_and_nothing_is_guessed() {
    let spoil = |harm: &dyn Fn(&Path)| {
        let directory = tempfile::tempdir().unwrap();
        let mut state = TrustState::open(directory.path()).unwrap();
        state.replace(vec![collection("r/a", 1)], None).unwrap();
        drop(state);
        harm(directory.path());
        let opened = TrustState::open(directory.path());
        assert!(matches!(opened, Err(HostError::StateSpoilt { .. })), "{opened:?}");
    };
    spoil(&|place| fs::remove_file(&blobs(place)[0]).unwrap());
    spoil(&|place| fs::write(&blobs(place)[1], "altered").unwrap());
    spoil(&|place| fs::write(place.join("trust.json"), "{").unwrap());
    spoil(&|place| {
        let file = place.join("trust.json");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text.replace("\"schema\":1", "\"schema\":2")).unwrap();
    });
}
