//! The documented forms are those that are written: by golden lines, and by a node that lives.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use portreeve_host::clock::Clock;
use portreeve_host::journal::{Journal, Retention};
use portreeve_host::metrics::Metrics;
use portreeve_host::node::{Durability, Node, NodeOptions};
use portreeve_host::notary_client::{FetchAnswer, Fetcher};
use portreeve_host::owners::NoOwners;
use portreeve_lab::{Collection, Keys};
use portreeve_protocol::codec::SCHEMA;
use portreeve_protocol::entry::Restored;
use portreeve_protocol::messages::admission::{
    ContainerList, GroupKind, ImageFact, Operation, Peer, ReviewFacts, ReviewPath, ReviewVersion,
};
use portreeve_protocol::messages::notary::{FetchOutcome, FetchRequest};
use portreeve_protocol::messages::policy::{PolicyInput, PolicyObject, Relisted, SourceObject};
use portreeve_protocol::policy::{PolicyGroup, PolicyRef};
use portreeve_protocol::{Blob, Settings, Sha256, Wall};
use portreeve_tests::tidy::shapes::Shapes;
use portreeve_tests::tidy::{forms, tree};
use serde_json::Value;
use tokio::sync::watch;

const RECORD: (&str, &str) = ("Record", "protocol/src/entry.rs");
const SERVER: &str = "https://notary.example:4443";
const GUN: &str = "registry.example/shop/web";
const HELD: &str = "registry.example/shop/held";
const NOW: Wall = Wall(1_795_415_688_000_000);

fn shapes() -> Shapes {
    forms::declared(&tree::root()).unwrap()
}

/// The states in a checkpoint; none in any other line.
fn machines(line: &Value) -> &[Value] {
    line["record"]["entry"]["Checkpoint"]["machines"].as_array().map_or(&[], Vec::as_slice)
}

/// Holds the record of a line against the documented forms, with the states of machines in it;
/// gives the actors whose states were held.
#[track_caller]
fn hold(shapes: &Shapes, line: &Value) -> BTreeSet<String> {
    let record = &line["record"];
    let fits = shapes.fits(RECORD.0, RECORD.1, record);
    assert_eq!(fits, Ok(()), "{record}");
    let mut held = BTreeSet::new();
    for machine in machines(line) {
        let actor = machine["actor"].as_str().unwrap().to_owned();
        let (name, file) = forms::state_of(&actor).expect("only these keep a state");
        assert_eq!(shapes.fits(name, file, &machine["state"]), Ok(()), "{machine}");
        held.insert(actor);
    }
    held
}

#[test]
fn golden_lines_have_the_documented_forms() {
    let shapes = shapes();
    let mut lines = 0;
    let root = tree::root();
    let folder = format!("protocol/tests/golden/v{SCHEMA}/");
    for path in tree::files(&root).unwrap() {
        let golden = path.starts_with(&folder) && path.ends_with(".jsonl");
        // The effects of machines stand in no line, and the sample of a checkpoint has no real
        // states in it.
        if !golden || path.ends_with("/effects.jsonl") {
            continue;
        }
        for line in tree::read(&root, &path).unwrap().lines() {
            let mut line: Value = serde_json::from_str(line).unwrap();
            if let Some(machines) = line["record"]["entry"].pointer_mut("/Checkpoint/machines") {
                *machines = Value::Array(Vec::new());
            }
            hold(&shapes, &line);
            lines += 1;
        }
    }
    assert!(lines > 30, "only {lines} golden lines");
}

/// A trust server in memory. About [`HELD`] it says nothing before it is told to.
struct Published {
    documents: BTreeMap<String, Arc<[u8]>>,
    open: watch::Receiver<bool>,
}

impl Fetcher for Published {
    fn fetch(&self, request: FetchRequest) -> Pin<Box<dyn Future<Output = FetchAnswer> + Send>> {
        let found = self.documents.get(&request.document.to_string());
        let found = found.filter(|_| request.gun == GUN).cloned();
        let mut open = self.open.clone();
        Box::pin(async move {
            if request.gun == HELD {
                // The sender outlives the node.
                let _ = open.wait_for(|open| *open).await;
            }
            let document = found.map(|bytes| FetchOutcome::Document(Blob::new(bytes)));
            FetchAnswer::from(document.unwrap_or(FetchOutcome::Absent))
        })
    }
}

fn server(open: watch::Receiver<bool>) -> Published {
    let before = Wall(NOW.0 - 3_600_000_000);
    let mut collection = Collection::new(GUN, Keys::deterministic(1), before).unwrap();
    collection.add_signer("alice", before).unwrap();
    collection.sign("1", Sha256::of(b"image"), 1_000, &["alice"]).unwrap();
    let documents = collection.publish(before).unwrap();
    let documents = documents.iter().map(|(name, bytes)| (name.clone(), Arc::clone(bytes)));
    Published { documents: documents.collect(), open }
}

fn pod(number: usize) -> ReviewFacts {
    let image = |(at, tag): (usize, &str)| ImageFact {
        container: format!("c{at}").into(),
        image: format!("{GUN}:{tag}").into(),
        list: ContainerList::Main,
        pointer: format!("/spec/containers/{at}/image").into(),
    };
    let other = format!("unsigned-{number}");
    ReviewFacts {
        annotated: false,
        budget: 20_000_000,
        dry_run: false,
        images: ["1", other.as_str()].into_iter().enumerate().map(image).collect(),
        kind: GroupKind { group: String::new(), kind: "Pod".to_owned(), version: "v1".to_owned() },
        malformed: None,
        name: "web".to_owned(),
        namespace: "shop".to_owned(),
        old_images: Vec::new(),
        old_seal: Default::default(),
        operation: Operation::Create,
        owners: Vec::new(),
        path: ReviewPath::Admit,
        peer: Peer { address: "192.0.2.1".to_owned(), authenticated: true },
        pull_secrets: vec!["pull".to_owned()],
        seal: Default::default(),
        sealing: false,
        service_account: String::new(),
        sub_resource: None,
        uid: format!("uid-{number}"),
        user: "tester".to_owned(),
        version: ReviewVersion::V1,
    }
}

fn policies() -> PolicyInput {
    let trust = format!(r#"{{"enabled":true,"trustServer":"{SERVER}","maxStaleness":"1m"}}"#);
    let rule = format!(r#"{{"name":"registry.example/*","policy":{{"trust":{trust}}}}}"#);
    let id = PolicyRef { group: PolicyGroup::Portieris, name: "all".to_owned(), namespace: None };
    let spec = format!(r#"{{"repositories":[{rule}]}}"#);
    let object = PolicyObject { id, resource_version: None, spec };
    PolicyInput::Relisted(Relisted { objects: vec![SourceObject::Policy(object)] })
}

/// Lines that a node writes which begins a segment now and then, with reviews that wait.
fn lived_lines() -> Vec<Vec<u8>> {
    let directory = tempfile::tempdir().unwrap();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (opener, open) = watch::channel(false);
    let mut settings = Settings::default();
    settings.approved_servers.insert(SERVER.to_owned());
    let options = NodeOptions {
        clock: Clock::showing(NOW),
        data_dir: directory.path().to_owned(),
        durability: Durability::Process,
        fetcher: Arc::new(server(open)),
        jitter_seed: 7,
        journal_dir: directory.path().join("journal"),
        log: slog::Logger::root(slog::Discard, slog::o!()),
        metrics: Arc::new(Metrics::new("test")),
        node: "node-1".parse().unwrap(),
        owners: Arc::new(NoOwners),
        restored: Restored::default(),
        runtime: runtime.handle().clone(),
        retention: Retention::default(),
        segment_bytes: 16 << 10,
        settings,
        verifiers: 2,
    };
    let node = Node::start(options).unwrap();
    node.objects(policies());
    let end = Instant::now() + Duration::from_secs(20);
    while !node.health().ready() {
        assert!(Instant::now() < end, "the node does not get ready");
        std::thread::yield_now();
    }
    let waiting = {
        let (node, mut facts) = (node.clone(), pod(0));
        facts.images[1].image = format!("{HELD}:1").into();
        runtime.spawn(async move { node.review(facts).await })
    };
    for round in 0..8 {
        let reviews: Vec<_> = (0..20)
            .map(|number| {
                let (node, facts) = (node.clone(), pod(round * 20 + number));
                runtime.spawn(async move { node.review(facts).await })
            })
            .collect();
        for review in reviews {
            runtime.block_on(review).unwrap();
        }
    }
    opener.send(true).unwrap();
    assert!(!runtime.block_on(waiting).unwrap().decision.allowed);
    runtime.block_on(node.stop());
    let journal = Journal::open(directory.path()).unwrap();
    journal.lines().map(|line| line.unwrap().bytes).collect()
}

#[test]
fn a_living_node_writes_the_documented_forms_and_states() {
    let shapes = shapes();
    let mut held = BTreeSet::new();
    let (mut waiting, mut flights) = (false, false);
    for line in lived_lines() {
        let line: Value = serde_json::from_slice(&line).unwrap();
        for machine in machines(&line) {
            let is_some = |member: &str| {
                machine["state"][member].as_object().is_some_and(|found| !found.is_empty())
            };
            waiting |= is_some("pending");
            flights |= is_some("flights");
        }
        held.extend(hold(&shapes, &line));
    }
    let notary = format!("notary={SERVER}");
    assert_eq!(held, BTreeSet::from(["admission".to_owned(), notary, "policy".to_owned()]));
    assert!(waiting && flights, "a checkpoint has reviews and flights under way");
}

/// A reader that knows nothing but the table of bytes in `docs/journal.md`.
#[test]
fn a_line_is_laid_out_byte_for_byte_as_documented() {
    let page = tree::read(&tree::root(), "docs/journal.md").unwrap();
    for row in [
        "| 0 to 8 | `{\"hash\":\"` |",
        "| 9 to 72 | 64 digits |",
        "| 73 to 83 | `\",\"record\":` |",
        "| 84 to the last but one |",
        "| the last | `}`",
    ] {
        assert!(page.contains(row), "{row}");
    }
    let mut prev = Sha256::ZERO.to_hex();
    for line in lived_lines() {
        let line = line.strip_suffix(b"\n").expect("a newline ends the line");
        let (record, last) = line[84..].split_at(line.len() - 85);
        assert_eq!((&line[..9], &line[73..84]), (&b"{\"hash\":\""[..], &b"\",\"record\":"[..]));
        assert_eq!(last, b"}");
        let hash = String::from_utf8(line[9..73].to_vec()).unwrap();
        assert_eq!(Sha256::of(record).to_hex(), hash);
        let end = format!(",\"prev\":\"{prev}\",\"v\":{SCHEMA}}}");
        assert!(record.ends_with(end.as_bytes()), "the record says what it follows");
        prev = hash;
    }
}
