//! A journal keeps within its bounds: old segments go, with the blobs that only they named; what is
//! left is whole; and a volume is not filled.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use portreeve_host::journal::{Disk, FileSystem, Journal, Retention, Room, SegmentFile, layout};
use portreeve_host::node::cast::Cast;
use portreeve_host::node::{Node, NodeOptions};
use portreeve_host::notary_client::{FetchAnswer, Fetcher};
use portreeve_lab::{Collection, Keys};
use portreeve_protocol::messages::notary::{FetchOutcome, FetchRequest};
use portreeve_protocol::{Blob, BlobSource, DenyCode, Entry, Settings, Sha256, Wall};

use crate::real::{HOUR, NOW, SIGNED, image, pod, replayed, start_on_disk, storm};
use crate::stage::{Stage, code};

/// A trust server whose collection can be signed anew.
struct Renewed {
    documents: Mutex<BTreeMap<String, Arc<[u8]>>>,
}

impl Fetcher for Renewed {
    fn fetch(&self, request: FetchRequest) -> Pin<Box<dyn Future<Output = FetchAnswer> + Send>> {
        let documents = self.documents.lock().unwrap();
        let found = documents.get(&request.document.to_string()).cloned();
        let found = found.filter(|_| request.gun == SIGNED);
        Box::pin(async move {
            let document = found.map(|bytes| FetchOutcome::Document(Blob::new(bytes)));
            FetchAnswer::from(document.unwrap_or(FetchOutcome::Absent))
        })
    }
}

/// Two states of a collection, the second newer than the first.
fn two_states() -> [BTreeMap<String, Arc<[u8]>>; 2] {
    let before = Wall(NOW.0 - HOUR);
    let mut collection = Collection::new(SIGNED, Keys::deterministic(1), before).unwrap();
    collection.add_signer("alice", before).unwrap();
    collection.sign("1", image(), 1_000, &["alice"]).unwrap();
    let mut publish = |at| {
        let documents = collection.publish(at).unwrap();
        documents.iter().map(|(name, bytes)| (name.clone(), Arc::clone(bytes))).collect()
    };
    [publish(before), publish(Wall(NOW.0 - HOUR / 2))]
}

/// A file system that says of itself what the test wants.
#[derive(Default)]
struct Volume {
    /// What was done, in order: `segment`, `blob`, `settle`.
    done: Mutex<Vec<&'static str>>,
    free: AtomicU64,
}

impl Volume {
    fn empty() -> Arc<Self> {
        Arc::new(Self { free: AtomicU64::new(1 << 40), ..Self::default() })
    }

    fn leave(&self, free: u64) {
        self.free.store(free, Ordering::SeqCst);
    }
}

impl Disk for Volume {
    fn create(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        FileSystem.create(path)
    }

    fn cut(&self, path: &Path, length: u64) -> io::Result<()> {
        FileSystem.cut(path, length)
    }

    fn put(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        FileSystem.put(path, bytes)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let segment = path.extension().is_some_and(|extension| extension == "ndjson");
        self.done.lock().unwrap().push(if segment { "segment" } else { "blob" });
        FileSystem.remove(path)
    }

    fn settle(&self, directory: &Path) -> io::Result<()> {
        self.done.lock().unwrap().push("settle");
        FileSystem.settle(directory)
    }

    fn room(&self, _: &Path) -> io::Result<Room> {
        Ok(Room { free: self.free.load(Ordering::SeqCst), total: 1 << 40 })
    }
}

/// Small segments, within these bounds.
fn small(stage: &Stage, retention: Retention) -> NodeOptions {
    NodeOptions { retention, segment_bytes: 16 << 10, ..stage.options() }
}

/// What a verified collection of this state rests on.
const IN_USE: [&str; 5] =
    ["root.json", "snapshot.json", "targets.json", "targets/releases.json", "timestamp.json"];

fn in_use(state: &BTreeMap<String, Arc<[u8]>>) -> BTreeSet<Sha256> {
    IN_USE.iter().map(|name| Sha256::of(&state[*name])).collect()
}

fn journal(stage: &Stage) -> Journal {
    Journal::open(stage.dir.path()).unwrap()
}

fn stored(stage: &Stage, digest: &Sha256) -> bool {
    layout::blob(journal(stage).dir(), digest).exists()
}

/// Every blob that a record names is there and is what its name says.
fn all_named_are_there(stage: &Stage) {
    let blobs = journal(stage).blobs();
    for entry in stage.entries_left() {
        let Entry::Delivered(delivered) = entry else { continue };
        for blob in delivered.input.blobs() {
            let bytes = blobs.bytes(&blob.digest()).unwrap();
            assert_eq!(Sha256::of(&bytes), blob.digest());
        }
    }
}

fn review_signed(stage: &Stage, node: &Node) -> Option<DenyCode> {
    code(&stage.runtime.block_on(node.review(pod(&format!("{SIGNED}:1")))))
}

#[test]
fn blobs_go_with_the_last_segment_that_names_them_and_are_stored_again_if_seen_again() {
    let stage = Stage::new();
    let [first, second] = two_states();
    let only_first = &in_use(&first) - &in_use(&second);
    assert!(only_first.contains(&Sha256::of(&first["timestamp.json"])));
    assert!(only_first.len() < IN_USE.len(), "some documents are of both states");
    let server = Arc::new(Renewed { documents: Mutex::new(first.clone()) });
    let bounds = Retention { max_bytes: 256 << 10, ..Retention::default() };
    // What was said before is remembered, and so named in checkpoints, while it is fresh.
    let settings = Settings { freshness: 0, ..Settings::default() };
    let options = || NodeOptions {
        fetcher: server.clone(),
        settings: settings.clone(),
        ..small(&stage, bounds)
    };
    let volume = Volume::empty();
    let node = start_on_disk(&stage, Cast::real(), options(), volume.clone());
    storm(&stage, &node, 12);
    assert!(only_first.iter().all(|digest| stored(&stage, digest)));
    server.documents.lock().unwrap().clone_from(&second);
    for _ in 0..20 {
        storm(&stage, &node, 60);
    }
    stage.eventually("the first state is forgotten", || {
        storm(&stage, &node, 6);
        (!only_first.iter().any(|digest| stored(&stage, digest))).then_some(())
    });
    assert!(!stage.segment(1).exists());
    for digest in in_use(&second) {
        assert!(stored(&stage, &digest), "{digest} is in use");
    }
    // The server goes back to what it served before: that is refused, and recorded with evidence.
    server.documents.lock().unwrap().clone_from(&first);
    let unsigned = stage.runtime.block_on(node.review(pod(&format!("{SIGNED}:2"))));
    assert_eq!(code(&unsigned), Some(DenyCode::Rollback));
    assert!(stored(&stage, &Sha256::of(&first["timestamp.json"])));
    stage.stop(node);
    assert!(replayed(&stage).removed);
    // A power cut between any two of these leaves no hole, and no name without a blob.
    let done = volume.done.lock().unwrap();
    assert!(done.contains(&"segment") && done.contains(&"blob"));
    for two in done.windows(2).filter(|two| two[0] == "segment") {
        assert_eq!(two[1], "settle", "{done:?}");
    }
    drop(done);
    all_named_are_there(&stage);
    server.documents.lock().unwrap().clone_from(&second);
    let node = start_on_disk(&stage, Cast::real(), options(), Volume::empty());
    assert_eq!(review_signed(&stage, &node), None);
    stage.stop(node);
    replayed(&stage);
}

#[test]
fn what_crashes_left_goes_with_the_next_removal() {
    let stage = Stage::new();
    let bounds = Retention { max_bytes: 64 << 10, ..Retention::default() };
    let dir = stage.dir.path().join("journal");
    let orphan = layout::blob(&dir, &Sha256::of(b"named by a segment that is gone"));
    let half = orphan.with_extension("tmp");
    std::fs::create_dir_all(orphan.parent().unwrap()).unwrap();
    std::fs::create_dir_all(layout::aside(&dir)).unwrap();
    std::fs::write(&orphan, "named by a segment that is gone").unwrap();
    std::fs::write(&half, "named by a seg").unwrap();
    let tail = layout::aside(&dir).join("00000001.ndjson.77");
    std::fs::write(&tail, "{\"hash\":").unwrap();
    let server = Renewed { documents: Mutex::new(two_states()[0].clone()) };
    let options = NodeOptions { fetcher: Arc::new(server), ..small(&stage, bounds) };
    let node = start_on_disk(&stage, Cast::real(), options, Volume::empty());
    stage.eventually("nothing is left of it", || {
        storm(&stage, &node, 12);
        [&orphan, &half, &tail].into_iter().all(|path| !path.exists()).then_some(())
    });
    stage.stop(node);
    replayed(&stage);
}

#[test]
fn with_little_room_on_the_volume_old_segments_go_before_their_time() {
    let stage = Stage::new();
    let bounds = Retention { min_free: 1 << 20, ..Retention::default() };
    let volume = Volume::empty();
    let server = Renewed { documents: Mutex::new(two_states()[0].clone()) };
    let options = NodeOptions { fetcher: Arc::new(server), ..small(&stage, bounds) };
    let node = start_on_disk(&stage, Cast::real(), options, volume.clone());
    stage.eventually("there are some segments", || {
        storm(&stage, &node, 60);
        stage.segment(4).exists().then_some(())
    });
    assert!(stage.segment(1).exists());
    volume.leave(512 << 10);
    stage.eventually("the first segment is gone", || {
        storm(&stage, &node, 6);
        (!stage.segment(1).exists()).then_some(())
    });
    assert!(node.health().journal_writable);
    stage.stop(node);
    replayed(&stage);
}

#[test]
fn a_volume_is_not_filled_allows_become_denials_until_there_is_room_again() {
    let stage = Stage::new();
    let bounds = Retention { min_free: 1 << 20, ..Retention::default() };
    let volume = Volume::empty();
    let server = Renewed { documents: Mutex::new(two_states()[0].clone()) };
    let options = NodeOptions { fetcher: Arc::new(server), ..small(&stage, bounds) };
    let metrics = Arc::clone(&options.metrics);
    let node = start_on_disk(&stage, Cast::real(), options, volume.clone());
    assert_eq!(review_signed(&stage, &node), None);
    volume.leave((128 << 10) - 1);
    stage.eventually("allows become denials", || {
        let denied = review_signed(&stage, &node)?;
        assert_eq!(denied, DenyCode::JournalUnavailable);
        Some(())
    });
    assert!(!node.health().journal_writable && !node.health().ready());
    assert!(metrics.encode().contains("portreeve_journal_free_bytes 131071.0"));
    // A little more than too little is not enough to begin again.
    volume.leave(130 << 10);
    assert_eq!(review_signed(&stage, &node), Some(DenyCode::JournalUnavailable));
    volume.leave(1 << 40);
    stage.eventually("records are written again", || node.health().journal_writable.then_some(()));
    assert_eq!(review_signed(&stage, &node), None);
    stage.stop(node);
    let gaps = stage
        .entries_left()
        .into_iter()
        .filter_map(|entry| if let Entry::Gap(gap) = entry { Some(gap) } else { None });
    let gaps: Vec<_> = gaps.collect();
    let [gap] = &gaps[..] else { panic!("{gaps:?}") };
    assert!(gap.denied >= 1 && gap.why.contains("131071 bytes free"), "{gap:?}");
    replayed(&stage);
}

#[test]
fn the_bytes_of_a_journal_are_those_of_all_its_files_before_and_after_some_are_removed() {
    let stage = Stage::new();
    let bounds = Retention { max_bytes: 256 << 10, ..Retention::default() };
    let server = Renewed { documents: Mutex::new(two_states()[0].clone()) };
    let options = NodeOptions { fetcher: Arc::new(server), ..small(&stage, bounds) };
    let metrics = Arc::clone(&options.metrics);
    let node = start_on_disk(&stage, Cast::real(), options, Volume::empty());
    let dir = stage.dir.path().join("journal");
    let counted = || {
        let text = metrics.encode();
        let line = text.lines().find_map(|it| it.strip_prefix("portreeve_journal_stored_bytes "));
        (line?.parse() == Ok(length(&dir) as f64)).then_some(())
    };
    storm(&stage, &node, 60);
    stage.eventually("all files are counted", counted);
    stage.eventually("the first segment is gone", || {
        storm(&stage, &node, 60);
        (!stage.segment(1).exists()).then_some(())
    });
    stage.eventually("what is left is counted", counted);
    stage.stop(node);
}

/// Bytes of the files of segments, of blobs, and of what was cut off.
fn length(journal: &Path) -> u64 {
    let mut open = ["segments", "blobs", "cut"].map(|name| journal.join(name)).to_vec();
    let mut sum = 0;
    while let Some(path) = open.pop() {
        // What goes meanwhile has no length.
        let Ok(found) = std::fs::metadata(&path) else { continue };
        if found.is_dir() {
            open.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            sum += found.len();
        }
    }
    sum
}
