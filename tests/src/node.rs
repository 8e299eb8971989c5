//! A real node on loopback addresses, with objects and a data directory of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use portreeve_host::clock::Clock;
use portreeve_host::config::{Config, Overrides};
use portreeve_host::journal::Journal;
use portreeve_host::seals::make_key;
use portreeve_host::serve::{Running, serve};
use portreeve_lab::LoopbackTls;
use portreeve_protocol::{Decision, Entry, Record, Settings, Sha256, codec};
use serde_json::Value;
use slog::Logger;
use tempfile::TempDir;

use crate::TestError;
use crate::https::Client;
use crate::review::Outcome;

/// Time a node has to get ready.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running node.
pub struct TestNode {
    client: Client,
    directory: TempDir,
    journal: PathBuf,
    running: Running,
}

/// How a node of a test is, besides what its settings say.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// What an answer waits for, as `--durability` says it.
    durability: &'static str,
    /// Whether it has a key of its own to seal with.
    seals: bool,
}

impl Manner {
    /// Without a key to seal with; no answer waits for the disk.
    pub const PLAIN: Self = Self { durability: "process", seals: false };
    /// With a key to seal with.
    pub const SEALING: Self = Self { durability: "process", seals: true };
    /// With a key to seal with; each answer waits for the disk.
    pub const DURABLE: Self = Self { durability: "group", seals: true };
}

/// What is left of a node that was ended: its files, until this is dropped.
pub struct Ended {
    _directory: TempDir,
    journal: PathBuf,
}

impl Ended {
    /// A node whose files are in `directory`, its journal in `journal`.
    pub(crate) const fn new(directory: TempDir, journal: PathBuf) -> Self {
        Self { _directory: directory, journal }
    }

    /// The journal.
    ///
    /// # Errors
    /// `Node` if there is none.
    pub fn journal(&self) -> Result<Journal, TestError> {
        Journal::open(&self.journal).map_err(|error| TestError::Node(error.to_string()))
    }

    /// The decisions in the journal, by the uid of their review.
    ///
    /// # Errors
    /// `Node` if the journal cannot be read, `Content` if it holds no records.
    pub fn decisions(&self) -> Result<BTreeMap<String, Arc<Decision>>, TestError> {
        let mut found = BTreeMap::new();
        for (record, _) in self.records()? {
            if let Entry::Delivered(delivered) = record.entry {
                for decision in delivered.decisions {
                    found.insert(decision.uid.clone(), decision);
                }
            }
        }
        Ok(found)
    }

    /// The records of the journal, each with its hash.
    ///
    /// # Errors
    /// As [`Ended::decisions`].
    pub fn records(&self) -> Result<Vec<(Record, Sha256)>, TestError> {
        let mut records = Vec::new();
        for line in self.journal()?.lines() {
            let line = line.map_err(|error| TestError::Node(error.to_string()))?;
            let bytes = line.bytes.strip_suffix(b"\n").unwrap_or(&line.bytes);
            let read = codec::read_line(bytes);
            records.push(read.map_err(|error| TestError::Content {
                path: format!("line {} of the journal", line.number),
                why: error.to_string(),
            })?);
        }
        Ok(records)
    }
}

impl TestNode {
    /// Starts a node that trusts servers with certificates of `tls`, uses `tls` itself, reads
    /// `objects`, a text of Kubernetes YAML, and obeys `settings`. Waits until it is ready.
    ///
    /// # Errors
    /// `File`, `Node` if it does not start or get ready, `Content`.
    pub async fn start(
        tls: &LoopbackTls,
        objects: &str,
        settings: Settings,
        clock: Clock,
    ) -> Result<Self, TestError> {
        Self::start_as(Manner::PLAIN, tls, objects, settings, clock).await
    }

    /// As [`TestNode::start`], in another manner.
    ///
    /// # Errors
    /// As [`TestNode::start`].
    pub async fn start_as(
        manner: Manner,
        tls: &LoopbackTls,
        objects: &str,
        settings: Settings,
        clock: Clock,
    ) -> Result<Self, TestError> {
        let Manner { durability, seals } = manner;
        let directory = tempfile::tempdir().map_err(TestError::file("a temporary directory"))?;
        let mut config = config(tls, objects, (settings, durability), directory.path())?;
        if seals {
            let seal_key = directory.path().join("seal.key");
            make_key(&seal_key).map_err(|error| TestError::Node(error.to_string()))?;
            config.seal_key = Some(seal_key);
        }
        let journal = config.journal_dir.clone();
        let logger = Logger::root(slog::Discard, slog::o!());
        let started = serve(config, clock, logger).await;
        let running = started.map_err(|error| TestError::Node(error.to_string()))?;
        let client = Client::new(running.address(), tls.ca_pem())?;
        let ready = tokio::time::timeout(PATIENCE, running.ready()).await;
        ready.map_err(|_| TestError::Node("the node does not get ready".to_owned()))?;
        Ok(Self { client, directory, journal, running })
    }

    /// The node's own files, its operator's socket among them.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Puts a file among the node's objects, as a whole; it is seen within a second.
    ///
    /// # Errors
    /// `File`.
    pub fn store(&self, name: &str, text: &str) -> Result<(), TestError> {
        let path = self.directory.path().join("objects").join(name);
        let beside = path.with_extension("new");
        std::fs::write(&beside, text).map_err(TestError::file(&beside))?;
        std::fs::rename(&beside, &path).map_err(TestError::file(&path))
    }

    /// A client for the node.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Sends a review and reads the answer.
    ///
    /// # Errors
    /// `Http`; `Content` for an answer that is none, or a status other than 200.
    pub async fn review(&self, review: &Value) -> Result<Outcome, TestError> {
        self.send("/admit?timeout=10s", review).await
    }

    /// Sends the object as it is to be stored, and reads the answer.
    ///
    /// # Errors
    /// As [`TestNode::review`].
    pub async fn validate(&self, review: &Value) -> Result<Outcome, TestError> {
        self.send("/validate?timeout=10s", review).await
    }

    async fn send(&self, path: &str, review: &Value) -> Result<Outcome, TestError> {
        let uid = review["request"]["uid"].as_str().unwrap_or_default();
        let answer = self.client.post(path, review.to_string()).await?;
        if answer.status != 200 {
            let why = format!("status {}", answer.status);
            return Err(TestError::Content { path: format!("the answer to {uid}"), why });
        }
        Outcome::read(uid, &answer.body)
    }

    /// Ends the node in order and leaves its files.
    ///
    /// # Errors
    /// `Node` if it does not end in order.
    pub async fn end(self) -> Result<Ended, TestError> {
        let Self { directory, journal, running, client } = self;
        drop(client);
        let ended = tokio::time::timeout(PATIENCE, running.shutdown()).await;
        let ended = ended.map_err(|_| TestError::Node("the node does not end".to_owned()))?;
        ended.map_err(|error| TestError::Node(error.to_string()))?;
        Ok(Ended::new(directory, journal))
    }
}

/// The built-in settings, with these trust servers approved.
#[must_use]
pub fn approving<'a>(servers: impl IntoIterator<Item = &'a str>) -> Settings {
    let approved_servers = servers.into_iter().map(str::to_owned).collect();
    Settings { approved_servers, ..Settings::default() }
}

fn config(
    tls: &LoopbackTls,
    objects: &str,
    (settings, durability): (Settings, &str),
    directory: &Path,
) -> Result<Config, TestError> {
    let write = |name: &str, text: &str| {
        let path = directory.join(name);
        std::fs::write(&path, text).map_err(TestError::file(&path))?;
        Ok::<PathBuf, TestError>(path)
    };
    let held = directory.join("objects");
    std::fs::create_dir(&held).map_err(TestError::file(&held))?;
    write("objects/objects.yaml", objects)?;
    let config = Config::load(
        Some(&write("portreeve.yaml", "node: test\n")?),
        Overrides {
            data_dir: Some(directory.join("data")),
            drain_delay: Some("0s".to_owned()),
            durability: Some(durability.to_owned()),
            listen: Some("127.0.0.1:0".to_owned()),
            objects: Some(held),
            tls_cert: Some(write("tls.crt", &tls.certificate_pem())?),
            tls_key: Some(write("tls.key", &tls.key_pem())?),
            trust_ca: vec![write("ca.crt", tls.ca_pem())?],
            ..Overrides::default()
        },
    );
    let config = config.map_err(|error| TestError::Node(error.to_string()))?;
    Ok(Config { settings, ..config })
}
