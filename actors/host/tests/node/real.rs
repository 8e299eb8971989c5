//! The real machines: signed images are pinned, others refused, and the journal replays.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use portreeve_host::clock::Clock;
use portreeve_host::journal::{Disk, FileSystem, Journal, Retention};
use portreeve_host::node::cast::Cast;
use portreeve_host::node::{Node, NodeOptions};
use portreeve_host::notary_client::{FetchAnswer, Fetcher};
use portreeve_lab::{Collection, Keys};
use portreeve_machines::{Admission, NotaryFetcher, PolicyCache, Verifier};
use portreeve_protocol::entry::Answered;
use portreeve_protocol::messages::admission::{ContainerList, ImageFact, ReviewFacts};
use portreeve_protocol::messages::notary::{FetchOutcome, FetchRequest, NotaryEffect, NotaryInput};
use portreeve_protocol::messages::policy::{PolicyInput, PolicyObject, Relisted, SourceObject};
use portreeve_protocol::messages::verify::{VerifyEffect, VerifyInput};
use portreeve_protocol::policy::{PolicyGroup, PolicyRef};
use portreeve_protocol::{
    ActorKind, Blob, Delivery, DenyCode, Entry, Input, Machine, Outbox, Sha256, Wall,
};
use portreeve_replay::{Outcome, Report, verify};

use crate::stage::{Stage, code, review};

const SERVER: &str = "https://notary.example:4443";
pub const SIGNED: &str = "registry.example/shop/web";
const SIGNED_TOO: &str = "registry.example/shop/api";
pub const NOW: Wall = Wall(1_795_415_688_000_000);
pub const HOUR: i64 = 3_600_000_000;

/// Collections in memory: GUN and document to bytes.
pub struct Published(BTreeMap<(String, String), Arc<[u8]>>);

impl Published {
    pub fn new() -> Self {
        let before = Wall(NOW.0 - HOUR);
        let mut published = BTreeMap::new();
        for gun in [SIGNED, SIGNED_TOO] {
            let mut collection = Collection::new(gun, Keys::deterministic(1), before).unwrap();
            collection.add_signer("alice", before).unwrap();
            collection.sign("1", image(), 1_000, &["alice"]).unwrap();
            let documents = collection.publish(before).unwrap();
            let named = documents
                .iter()
                .map(|(name, bytes)| ((gun.to_owned(), name.clone()), Arc::clone(bytes)));
            published.extend(named);
        }
        Self(published)
    }
}

impl Fetcher for Published {
    fn fetch(&self, request: FetchRequest) -> Pin<Box<dyn Future<Output = FetchAnswer> + Send>> {
        let found = self.0.get(&(request.gun, request.document.to_string())).cloned();
        Box::pin(async move {
            let document = found.map(|bytes| FetchOutcome::Document(Blob::new(bytes)));
            FetchAnswer::from(document.unwrap_or(FetchOutcome::Absent))
        })
    }
}

pub fn image() -> Sha256 {
    Sha256::of(b"the manifest of shop/web:1")
}

fn policies() -> PolicyInput {
    let spec = format!(
        r#"{{"repositories":[{{"name":"registry.example/*",
            "policy":{{"trust":{{"enabled":true,"trustServer":"{SERVER}"}}}}}}]}}"#
    );
    let id = PolicyRef {
        group: PolicyGroup::Portieris,
        name: "all".to_owned(),
        namespace: Some("default".to_owned()),
    };
    let object = PolicyObject { id, resource_version: None, spec };
    PolicyInput::Relisted(Relisted { objects: vec![SourceObject::Policy(object)] })
}

pub fn pod(image: &str) -> ReviewFacts {
    let image = ImageFact {
        container: "main".into(),
        image: image.into(),
        list: ContainerList::Main,
        pointer: "/spec/containers/0/image".into(),
    };
    ReviewFacts { images: vec![image], ..review("pod") }
}

fn start(stage: &Stage) -> Node {
    start_with(stage, Cast::real())
}

fn start_with<N, V>(stage: &Stage, cast: Cast<Admission, N, PolicyCache, V>) -> Node
where
    N: Machine + Unpin + 'static,
    V: Machine + Unpin + 'static,
{
    start_on(stage, cast, stage.options())
}

fn start_on<N, V>(
    stage: &Stage,
    cast: Cast<Admission, N, PolicyCache, V>,
    options: NodeOptions,
) -> Node
where
    N: Machine + Unpin + 'static,
    V: Machine + Unpin + 'static,
{
    let options = NodeOptions { fetcher: Arc::new(Published::new()), ..options };
    start_on_disk(stage, cast, options, Arc::new(FileSystem))
}

/// A node that is ready, with the fetcher of the options, on this file system.
pub fn start_on_disk<A, N, V>(
    stage: &Stage,
    cast: Cast<A, N, PolicyCache, V>,
    options: NodeOptions,
    disk: Arc<dyn Disk>,
) -> Node
where
    A: Machine + Unpin + 'static,
    N: Machine + Unpin + 'static,
    V: Machine + Unpin + 'static,
{
    start_at(stage, cast, NodeOptions { clock: Clock::showing(NOW), ..options }, disk)
}

/// As [`start_on_disk`], at the time that the clock of the options shows.
fn start_at<A, N, V>(
    stage: &Stage,
    cast: Cast<A, N, PolicyCache, V>,
    mut options: NodeOptions,
    disk: Arc<dyn Disk>,
) -> Node
where
    A: Machine + Unpin + 'static,
    N: Machine + Unpin + 'static,
    V: Machine + Unpin + 'static,
{
    options.settings.approved_servers.insert(SERVER.to_owned());
    let node = Node::start_with(options, disk, cast).unwrap();
    node.objects(policies());
    stage.eventually("policies are published", || node.health().ready().then_some(()));
    node
}

/// The report of a journal that replays identically.
pub fn replayed(stage: &Stage) -> Report {
    let journal = Journal::open(stage.dir.path()).unwrap();
    let report = verify(journal.lines(), &journal.blobs(), &mut |_| {}).unwrap();
    assert_eq!(report.outcome(), Outcome::Identical, "{report:#?}");
    report
}

/// A verifier that panics on everything.
struct PanickingVerifier;

impl Machine for PanickingVerifier {
    type Input = VerifyInput;
    type Effect = VerifyEffect;

    const KIND: ActorKind = ActorKind::Verify;

    fn handle(&mut self, _: &Delivery, input: &VerifyInput, _: &mut Outbox<VerifyEffect>) {
        panic!("a request of {} bytes", input.blobs().len());
    }

    fn accept(input: &Input) -> Option<&VerifyInput> {
        Verifier::accept(input)
    }
}

/// A fetcher that panics on everything.
struct PanickingFetcher;

impl Machine for PanickingFetcher {
    type Input = NotaryInput;
    type Effect = NotaryEffect;

    const KIND: ActorKind = ActorKind::Notary;

    fn handle(&mut self, _: &Delivery, input: &NotaryInput, _: &mut Outbox<NotaryEffect>) {
        panic!("{input:?}");
    }

    fn accept(input: &Input) -> Option<&NotaryInput> {
        NotaryFetcher::accept(input)
    }
}

#[test]
fn a_journal_with_panics_of_verifiers_replays_identically() {
    let stage = Stage::new();
    let real = Cast::real();
    let node = start_with(
        &stage,
        Cast {
            admission: real.admission,
            notary: real.notary,
            policy: real.policy,
            trusted: real.trusted,
            verify: |_| PanickingVerifier,
        },
    );
    // The denial comes before the fetcher knows: a second review of one would join its flight.
    for gun in [SIGNED, SIGNED_TOO] {
        let answer = stage.runtime.block_on(node.review(pod(&format!("{gun}:1"))));
        assert_eq!(code(&answer), Some(DenyCode::Internal));
    }
    stage.stop(node);
    assert_eq!(replayed(&stage).panics, 2);
}

#[test]
fn a_journal_with_a_panic_of_a_fetcher_replays_identically() {
    let stage = Stage::new();
    let real = Cast::real();
    let node = start_with(
        &stage,
        Cast {
            admission: real.admission,
            notary: |_, _| PanickingFetcher,
            policy: real.policy,
            trusted: |_| Vec::new(),
            verify: real.verify,
        },
    );
    for _ in 0..2 {
        let answer = stage.runtime.block_on(node.review(pod(&format!("{SIGNED}:1"))));
        assert_eq!(code(&answer), Some(DenyCode::Internal));
    }
    stage.stop(node);
    let report = replayed(&stage);
    assert_eq!((report.panics, report.decisions), (2, 2));
}

/// Reviews of signed and unsigned images, as fast as they come.
pub fn storm(stage: &Stage, node: &Node, rounds: usize) {
    let images = [format!("{SIGNED}:1"), format!("{SIGNED}:2"), "registry.example/x:1".to_owned()];
    let reviews: Vec<_> = images
        .iter()
        .cycle()
        .take(rounds)
        .map(|reference| {
            let (node, facts) = (node.clone(), pod(reference));
            stage.runtime.spawn(async move {
                let answer = node.review(facts).await;
                node.answered(Answered {
                    allowed: answer.decision.allowed,
                    code: code(&answer),
                    review: answer.decision.review.clone(),
                    wall: NOW,
                });
            })
        })
        .collect();
    for review in reviews {
        stage.runtime.block_on(review).unwrap();
    }
}

#[test]
fn replay_begins_at_any_segment_and_finds_the_same() {
    let stage = Stage::new();
    for last in [7, 14] {
        let options = NodeOptions { segment_bytes: 16 << 10, ..stage.options() };
        let node = start_on(&stage, Cast::real(), options);
        // How much still goes into a full segment, until the checkpoint for the next one is made,
        // hangs on how busy the machine is.
        let storms = (1..=100).find(|_| {
            storm(&stage, &node, 60);
            stage.segment(last).exists()
        });
        assert!(storms.is_some(), "no segment {last} after 100 storms");
        stage.stop(node);
    }
    let whole = replayed(&stage);
    let journal = Journal::open(stage.dir.path()).unwrap();
    assert_eq!(whole.checkpoints + whole.incarnations, journal.segments().len() as u64);
    let mut left = whole.decisions;
    for first in 0..journal.segments().len() {
        let name = journal.segments()[first].file_name().unwrap().to_string_lossy().into_owned();
        let lines = journal
            .lines()
            .filter(|line| line.as_ref().is_ok_and(|line| line.segment.as_ref() >= name.as_str()));
        let report = verify(lines, &journal.blobs(), &mut |_| {}).unwrap();
        assert_eq!(report.outcome(), Outcome::Identical, "from {name}: {report:#?}");
        assert_eq!(report.unverified, 0, "from {name}");
        assert_eq!(report.removed, first > 0);
        assert!(report.decisions <= left);
        left = report.decisions;
    }
}

#[test]
fn old_segments_go_and_what_is_left_replays_and_starts() {
    let stage = Stage::new();
    let options = || NodeOptions {
        retention: Retention { max_bytes: 256 << 10, ..Retention::default() },
        segment_bytes: 16 << 10,
        ..stage.options()
    };
    let node = start_on(&stage, Cast::real(), options());
    for _ in 0..20 {
        storm(&stage, &node, 60);
    }
    stage.eventually("the first segment is gone", || (!stage.segment(1).exists()).then_some(()));
    stage.stop(node);
    assert!(replayed(&stage).removed);
    let node = start_on(&stage, Cast::real(), options());
    let answer = stage.runtime.block_on(node.review(pod(&format!("{SIGNED}:1"))));
    assert_eq!(code(&answer), None);
    stage.stop(node);
    assert_eq!(replayed(&stage).incarnations, 1);
}

#[test]
fn a_storm_of_reviews_over_two_incarnations_replays_identically() {
    let stage = Stage::new();
    let images = [
        (format!("{SIGNED}:1"), None),
        (format!("{SIGNED}:2"), Some(DenyCode::TagNotSigned)),
        ("registry.example/shop/other:1".to_owned(), Some(DenyCode::NotSigned)),
        ("elsewhere.example/app:1".to_owned(), Some(DenyCode::NoPolicy)),
    ];
    for _ in 0..2 {
        let node = start(&stage);
        let reviews: Vec<_> = images
            .iter()
            .cycle()
            .take(200)
            .map(|(reference, expected)| {
                let (node, facts, expected) = (node.clone(), pod(reference), *expected);
                stage.runtime.spawn(async move {
                    let answer = node.review(facts).await;
                    node.answered(Answered {
                        allowed: answer.decision.allowed,
                        code: code(&answer),
                        review: answer.decision.review.clone(),
                        wall: NOW,
                    });
                    assert_eq!(code(&answer), expected, "{}", answer.decision.message);
                    assert!(answer.record.is_some());
                    let pinned = format!("{SIGNED}:1@sha256:{}", image());
                    let patch = answer.decision.patch();
                    let patch = patch.as_deref();
                    assert_eq!(
                        patch.is_some_and(|patch| patch.contains(&pinned)),
                        expected.is_none()
                    );
                })
            })
            .collect();
        for review in reviews {
            stage.runtime.block_on(review).unwrap();
        }
        stage.runtime.block_on(node.drain());
        stage.stop(node);
    }
    let report = replayed(&stage);
    assert_eq!((report.incarnations, report.decisions, report.answered), (2, 400, 400));
}

#[test]
fn what_was_trusted_is_restored_from_the_journal() {
    let stage = Stage::new();
    let node = start(&stage);
    let answer = stage.runtime.block_on(node.review(pod(&format!("{SIGNED}:1"))));
    assert_eq!(code(&answer), None);
    stage.stop(node);
    stage.stop(start(&stage));
    let openings: Vec<usize> = stage
        .entries()
        .into_iter()
        .filter_map(|entry| {
            let Entry::Started(started) = entry else { return None };
            Some(started.restored.trust.len())
        })
        .collect();
    assert_eq!(openings, [0, 1]);
}

#[test]
fn a_restart_starts_the_clock_rule_anew_and_inherits_no_future_time() {
    let stage = Stage::new();
    let ask = |wall: Wall| {
        let options = NodeOptions {
            clock: Clock::showing(wall),
            fetcher: Arc::new(Published::new()),
            ..stage.options()
        };
        let node = start_at(&stage, Cast::real(), options, Arc::new(FileSystem));
        let answer = stage.runtime.block_on(node.review(pod(&format!("{SIGNED}:1"))));
        stage.stop(node);
        code(&answer)
    };
    assert_eq!(ask(Wall(NOW.0 + 24 * HOUR)), None);
    // The clock was a day ahead, and is right now: nothing of that day is held against it.
    assert_eq!(ask(NOW), None);
    let report = replayed(&stage);
    assert_eq!((report.incarnations, report.decisions), (2, 2));
}
