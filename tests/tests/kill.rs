//! A node that is killed under load, again and again: no answered allow is missing afterwards.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portreeve_host::clock::Clock;
use portreeve_host::config::{Config, Overrides};
use portreeve_host::journal::Journal;
use portreeve_host::serve::serve;
use portreeve_lab::LoopbackTls;
use portreeve_protocol::{Entry, codec};
use portreeve_replay::{Outcome as Replayed, verify};
use portreeve_tests::https::Client;
use portreeve_tests::review::{Outcome, pod};
use serde_json::json;
use tokio::runtime::Builder;

/// Names the directory of the node that a child of this test is to be.
const DIRECTORY: &str = "PORTREEVE_TEST_KILLED_NODE";
const KILLS: usize = 20;
/// Reviews at once, and answers to await before a kill.
const CLIENTS: usize = 16;
const ANSWERS: usize = 40;
const PATIENCE: Duration = Duration::from_secs(20);

/// Not a test of its own: the process that the test below kills.
#[test]
fn a_node_that_is_to_be_killed() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let directory = Path::new(&directory);
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let config = Config::load(
            Some(&directory.join("portreeve.yaml")),
            Overrides {
                data_dir: Some(directory.join("data")),
                listen: Some("127.0.0.1:0".to_owned()),
                objects: Some(directory.join("objects")),
                tls_cert: Some(directory.join("tls.crt")),
                tls_key: Some(directory.join("tls.key")),
                ..Overrides::default()
            },
        );
        let log = slog::Logger::root(slog::Discard, slog::o!());
        let running = serve(config.unwrap(), Clock::system(), log).await.unwrap();
        running.ready().await;
        let address = directory.join("address.new");
        std::fs::write(&address, running.address().to_string()).unwrap();
        std::fs::rename(address, directory.join("address")).unwrap();
        std::future::pending::<()>().await;
    });
}

/// A child that does not outlive the test.
struct Node(Child);

impl Drop for Node {
    fn drop(&mut self) {
        // SIGKILL; it may be gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(directory: &Path) -> (Node, std::net::SocketAddr) {
    let address = directory.join("address");
    let _ = std::fs::remove_file(&address);
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_node_that_is_to_be_killed"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut node = Node(child.unwrap());
    let end = Instant::now() + PATIENCE;
    loop {
        if let Ok(text) = std::fs::read_to_string(&address) {
            return (node, text.parse().unwrap());
        }
        assert!(node.0.try_wait().unwrap().is_none(), "the node did not start");
        assert!(Instant::now() < end, "the node does not get ready");
        std::thread::yield_now();
    }
}

fn prepare(directory: &Path, tls: &LoopbackTls) {
    let policy = json!({
        "apiVersion": "portieris.cloud.ibm.com/v1", "kind": "ClusterImagePolicy",
        "metadata": {"name": "all"}, "spec": {"repositories": [{"name": "*", "policy": {}}]},
    });
    std::fs::create_dir(directory.join("objects")).unwrap();
    std::fs::write(directory.join("objects/policy.yaml"), policy.to_string()).unwrap();
    std::fs::write(directory.join("portreeve.yaml"), "node: test\n").unwrap();
    std::fs::write(directory.join("tls.crt"), tls.certificate_pem()).unwrap();
    std::fs::write(directory.join("tls.key"), tls.key_pem()).unwrap();
}

/// Sends reviews until the node is killed; the uids of those that were allowed.
async fn load(client: Arc<Client>, name: String, allowed: Arc<Mutex<Vec<String>>>) {
    for number in 0.. {
        let uid = format!("{name}-{number}");
        let review = pod(&uid, "default", "registry.example/app:1").to_string();
        let Ok(answer) = client.post("/admit?timeout=10s", review).await else { return };
        let Ok(Outcome::Allowed { .. }) = Outcome::read(&uid, &answer.body) else { return };
        allowed.lock().unwrap().push(uid);
    }
}

#[test]
fn no_answered_allow_is_missing_after_a_kill_under_load() {
    let directory = tempfile::tempdir().unwrap();
    let tls = LoopbackTls::new().unwrap();
    prepare(directory.path(), &tls);
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut all = Vec::new();
    for kill in 0..KILLS {
        let (mut node, address) = start(directory.path());
        let allowed = Arc::new(Mutex::new(Vec::new()));
        runtime.block_on(async {
            let loads: Vec<_> = (0..CLIENTS)
                .map(|client| {
                    let name = format!("k{kill}-c{client}");
                    let client = Arc::new(Client::new(address, tls.ca_pem()).unwrap());
                    tokio::spawn(load(client, name, Arc::clone(&allowed)))
                })
                .collect();
            let end = Instant::now() + PATIENCE;
            while allowed.lock().unwrap().len() < ANSWERS + kill {
                assert!(Instant::now() < end, "too few answers before kill {kill}");
                tokio::task::yield_now().await;
            }
            node.0.kill().unwrap();
            for load in loads {
                load.await.unwrap();
            }
        });
        node.0.wait().unwrap();
        all.extend(allowed.lock().unwrap().drain(..));
    }
    // One more start cuts off what the last kill left unfinished.
    drop(start(directory.path()));
    let journal = Journal::open(&directory.path().join("data")).unwrap();
    let report = verify(journal.lines(), &journal.blobs(), &mut |_| {}).unwrap();
    assert_eq!(report.outcome(), Replayed::Identical, "{report:#?}");
    assert_eq!(report.incarnations, KILLS as u64 + 1);
    let mut decided = BTreeMap::new();
    for line in journal.lines() {
        let bytes = line.unwrap().bytes;
        let (record, _) = codec::read_line(bytes.strip_suffix(b"\n").unwrap()).unwrap();
        let Entry::Delivered(delivered) = record.entry else { continue };
        for decision in delivered.decisions {
            decided.insert(decision.uid.clone(), decision.allowed);
        }
    }
    let missing: Vec<_> = all.iter().filter(|uid| decided.get(*uid) != Some(&true)).collect();
    assert!(missing.is_empty(), "{} of {} are missing: {missing:?}", missing.len(), all.len());
}
