//! What the tests of the node stand on: machines that do as a review's name says, trust servers in
//! memory, a disk that fails on command.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portreeve_host::clock::Clock;
use portreeve_host::journal::{Disk, FileSystem, Journal, SegmentFile};
use portreeve_host::metrics::Metrics;
use portreeve_host::node::{Answer, Durability, Node, NodeOptions};
use portreeve_host::notary_client::{FetchAnswer, Fetcher};
use portreeve_protocol::entry::Restored;
use portreeve_protocol::messages::admission::{
    GroupKind, Operation, Peer, ReviewFacts, ReviewPath, ReviewVersion,
};
use portreeve_protocol::messages::notary::{FetchOutcome, FetchRequest};
use portreeve_protocol::{Blob, DenyCode, Entry, Record, Settings, Sha256, codec};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::toys;

/// A node on a directory of its own.
pub struct Stage {
    pub dir: TempDir,
    pub disk: Arc<TestDisk>,
    pub runtime: Runtime,
}

impl Stage {
    pub fn new() -> Self {
        Self {
            dir: TempDir::new().unwrap(),
            disk: Arc::new(TestDisk::default()),
            runtime: Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap(),
        }
    }

    pub fn options(&self) -> NodeOptions {
        NodeOptions {
            clock: Clock::system(),
            data_dir: self.dir.path().to_owned(),
            durability: Durability::Group,
            fetcher: Arc::new(MemoryServers),
            jitter_seed: 7,
            journal_dir: self.dir.path().join("journal"),
            log: slog::Logger::root(slog::Discard, slog::o!()),
            metrics: Arc::new(Metrics::new("test")),
            node: "node-1".parse().unwrap(),
            owners: Arc::new(portreeve_host::owners::NoOwners),
            restored: Restored::default(),
            runtime: self.runtime.handle().clone(),
            retention: portreeve_host::journal::Retention::default(),
            segment_bytes: portreeve_protocol::limits::SEGMENT_BYTES,
            settings: Settings::default(),
            verifiers: 2,
        }
    }

    pub fn start(&self) -> Node {
        self.start_with(self.options())
    }

    pub fn start_with(&self, options: NodeOptions) -> Node {
        let disk: Arc<TestDisk> = Arc::clone(&self.disk);
        Node::start_with(options, disk, toys::cast()).unwrap()
    }

    pub fn review(&self, node: &Node, name: &str) -> Answer {
        self.runtime.block_on(node.review(review(name)))
    }

    pub fn stop(&self, node: Node) {
        self.runtime.block_on(node.stop());
    }

    /// All records, each checked by itself and against the one before it.
    pub fn records(&self) -> Vec<(Record, Sha256)> {
        let mut prev = Sha256::ZERO;
        let records = self.records_left();
        for (record, hash) in &records {
            assert_eq!(record.prev, prev);
            prev = *hash;
        }
        records
    }

    /// All records that retention left.
    pub fn records_left(&self) -> Vec<(Record, Sha256)> {
        let journal = Journal::open(self.dir.path()).unwrap();
        let mut records = Vec::new();
        for line in journal.lines() {
            let line = line.unwrap();
            let body = line.bytes.strip_suffix(b"\n").expect("a line has an end");
            records.push(codec::read_line(body).unwrap());
        }
        records
    }

    pub fn entries(&self) -> Vec<Entry> {
        self.records().into_iter().map(|(record, _)| record.entry).collect()
    }

    pub fn entries_left(&self) -> Vec<Entry> {
        self.records_left().into_iter().map(|(record, _)| record.entry).collect()
    }

    pub fn segment(&self, number: u32) -> PathBuf {
        self.dir.path().join(format!("journal/segments/{number:08}.ndjson"))
    }

    /// Repeats `step` until it gives something; a test that waits in vain fails.
    pub fn eventually<T>(&self, what: &str, mut step: impl FnMut() -> Option<T>) -> T {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(found) = step() {
                return found;
            }
            assert!(Instant::now() < end, "waited in vain until {what}");
            self.runtime.block_on(tokio::task::yield_now());
        }
    }
}

/// The code of a denial; `None` for an allow.
pub fn code(answer: &Answer) -> Option<DenyCode> {
    assert_eq!(answer.decision.allowed, answer.decision.denial.is_none());
    answer.decision.denial.as_ref().map(|why| why.code)
}

/// A review whose name says what the machines are to do.
pub fn review(name: &str) -> ReviewFacts {
    ReviewFacts {
        annotated: false,
        budget: 20_000_000,
        dry_run: false,
        images: Vec::new(),
        kind: GroupKind { group: String::new(), kind: "Pod".to_owned(), version: "v1".to_owned() },
        malformed: None,
        name: name.to_owned(),
        namespace: "default".to_owned(),
        old_images: Vec::new(),
        old_seal: Default::default(),
        operation: Operation::Create,
        owners: Vec::new(),
        path: ReviewPath::Admit,
        peer: Peer { address: "192.0.2.1".to_owned(), authenticated: true },
        pull_secrets: Vec::new(),
        seal: Default::default(),
        sealing: false,
        service_account: String::new(),
        sub_resource: None,
        uid: format!("uid-of-{name}"),
        user: "tester".to_owned(),
        version: ReviewVersion::V1,
    }
}

/// The document every server holds.
pub const DOCUMENT: &[u8] = b"{\"signed\":\"by nobody\"}";

/// Trust servers that do as the GUN says.
pub struct MemoryServers;

impl Fetcher for MemoryServers {
    fn fetch(&self, request: FetchRequest) -> Pin<Box<dyn Future<Output = FetchAnswer> + Send>> {
        Box::pin(async move {
            FetchAnswer::from(match request.gun.as_str() {
                "silent-server" => std::future::pending().await,
                "panicking-client" => panic!("the client panics"),
                "large-document" => {
                    FetchOutcome::Document(Blob::new(vec![b' '; request.limit as usize + 1]))
                }
                "absent" => FetchOutcome::Absent,
                _ => FetchOutcome::Document(Blob::new(DOCUMENT)),
            })
        })
    }
}

/// A disk that fails on command and knows what is durable.
#[derive(Default)]
pub struct TestDisk {
    pub broken: Arc<AtomicBool>,
    pub sync_broken: Arc<AtomicBool>,
    pub stuck: Arc<AtomicBool>,
    pub syncs: Arc<AtomicU64>,
    pub written: Arc<Mutex<Vec<u8>>>,
    pub durable: Arc<Mutex<Vec<u8>>>,
}

impl TestDisk {
    /// Whether the text stands in what is durable.
    pub fn holds(&self, text: &str) -> bool {
        let durable = self.durable.lock().unwrap();
        durable.windows(text.len()).any(|window| window == text.as_bytes())
    }
}

struct TestFile {
    file: Box<dyn SegmentFile>,
    broken: Arc<AtomicBool>,
    sync_broken: Arc<AtomicBool>,
    stuck: Arc<AtomicBool>,
    syncs: Arc<AtomicU64>,
    written: Arc<Mutex<Vec<u8>>>,
    durable: Arc<Mutex<Vec<u8>>>,
}

fn full() -> io::Error {
    io::Error::new(io::ErrorKind::StorageFull, "the test says that the disk is full")
}

impl Disk for TestDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        Ok(Box::new(TestFile {
            file: FileSystem.create(path)?,
            broken: Arc::clone(&self.broken),
            sync_broken: Arc::clone(&self.sync_broken),
            stuck: Arc::clone(&self.stuck),
            syncs: Arc::clone(&self.syncs),
            written: Arc::clone(&self.written),
            durable: Arc::clone(&self.durable),
        }))
    }

    fn cut(&self, path: &Path, length: u64) -> io::Result<()> {
        FileSystem.cut(path, length)
    }

    fn put(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(full());
        }
        FileSystem.put(path, bytes)
    }
}

impl SegmentFile for TestFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.broken.load(Ordering::SeqCst) {
            // As a full disk does: part of it is written.
            self.file.append(&bytes[..bytes.len() / 2])?;
            return Err(full());
        }
        self.file.append(bytes)?;
        self.written.lock().unwrap().extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        while self.stuck.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        if self.sync_broken.load(Ordering::SeqCst) {
            return Err(full());
        }
        self.file.sync()?;
        self.syncs.fetch_add(1, Ordering::SeqCst);
        let written = self.written.lock().unwrap();
        self.durable.lock().unwrap().clone_from(&written);
        Ok(())
    }
}
