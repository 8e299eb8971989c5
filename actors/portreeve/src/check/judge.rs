//! Runs a node for one review, and reads in its journal what it went by.

use std::sync::Arc;
use std::time::Duration;

use portreeve_host::bundle::{self, Looker};
use portreeve_host::journal::Journal;
use portreeve_host::metrics::Metrics;
use portreeve_host::node::cast::Cast;
use portreeve_host::node::{Durability, Node, NodeOptions};
use portreeve_host::notary_client::HttpFetcher;
use portreeve_host::owners::NoOwners;
use portreeve_protocol::entry::Restored;
use portreeve_protocol::evidence::TrustedCollection;
use portreeve_protocol::messages::admission::{
    AdmissionInput, BundleLoaded, ContainerList, GroupKind, ImageFact, Operation, Peer, Resolution,
    ResolutionOutcome, ReviewFacts, ReviewPath, ReviewVersion,
};
use portreeve_protocol::messages::policy::{PolicyInput, Relisted};
use portreeve_protocol::{Decision, Entry, Input, NodeId, Proof, SealFact, codec, limits};
use tokio::runtime::{Handle, Runtime};

use super::options::Options;
use super::scratch::Scratch;
use crate::error::CommandError;

/// The container's name in the review, which stands before its warnings.
pub(super) const CONTAINER: &str = "image";

/// Time the policies may take to be in force.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often it is looked whether they are.
const LOOK: Duration = Duration::from_micros(200);

/// What the node decided, and what it went by.
pub(super) struct Judged {
    /// The trust bundle it was left with.
    pub(super) bundle: Option<Box<BundleLoaded>>,
    /// The decision.
    pub(super) decision: Arc<Decision>,
    /// The collections verified on the way, each with the trust server it came from.
    pub(super) seen: Vec<(String, Proof)>,
    /// The trust it was left with.
    trust: Vec<TrustedCollection>,
}

impl Judged {
    /// The trust to keep: what was kept before, and what was verified now. What was only taken over
    /// from a cache and not used is not ours to vouch for.
    pub(super) fn to_keep(&self, kept: &[TrustedCollection]) -> Vec<TrustedCollection> {
        let same = |one: &TrustedCollection, server: &str, gun: &str| {
            one.server == server && one.gun == gun
        };
        let ours = |it: &&TrustedCollection| {
            kept.iter().any(|old| same(old, &it.server, &it.gun))
                || self.seen.iter().any(|(server, seen)| same(it, server, &seen.gun))
        };
        self.trust.iter().filter(ours).cloned().collect()
    }
}

/// Runs the review.
pub(super) fn judge(
    options: &Options,
    known: Vec<TrustedCollection>,
    bundle: Option<Box<BundleLoaded>>,
) -> Result<Judged, CommandError> {
    let system = |what, source| CommandError::System { what, source };
    let place = tempfile::Builder::new().prefix("portreeve-check-").tempdir();
    let place = place.map_err(|source| system("make a temporary directory", source))?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|source| system("start threads", source))?;
    let fetcher = HttpFetcher::new(options.fetcher.clone())?;
    let looker = options.bundle.clone().map(|config| Looker {
        before: bundle.clone(),
        clock: options.clock(),
        config,
        fetcher: fetcher.clone(),
        proxies: options.fetcher.proxies.clone(),
        store: None,
        trust_ca: options.fetcher.trust_ca.clone(),
    });
    let node = NodeOptions {
        clock: options.clock(),
        data_dir: place.path().to_owned(),
        durability: Durability::Process,
        fetcher: Arc::new(fetcher),
        jitter_seed: options.clock().now().wall.0.unsigned_abs(),
        journal_dir: place.path().join("journal"),
        log: slog::Logger::root(slog::Discard, slog::o!()),
        metrics: Arc::new(Metrics::new(env!("CARGO_PKG_VERSION"))),
        node: node_id()?,
        owners: Arc::new(NoOwners),
        restored: Restored { bundle, trust: known, ..Restored::default() },
        runtime: Handle::clone(runtime.handle()),
        retention: portreeve_host::journal::Retention::default(),
        segment_bytes: limits::SEGMENT_BYTES,
        settings: options.settings.clone(),
        verifiers: 2,
    };
    let decision = decide(&runtime, node, looker, options)?;
    let journal = Journal::open(place.path())?;
    let recovered = portreeve_replay::recover(journal.lines(), &journal.blobs())?;
    let Restored { bundle, trust, .. } = recovered.restored;
    Ok(Judged { bundle, decision, seen: seen(&journal)?, trust })
}

fn node_id() -> Result<NodeId, CommandError> {
    "check".parse().map_err(|error: portreeve_protocol::ProtocolError| CommandError::Unclear {
        why: error.to_string(),
    })
}

fn decide(
    runtime: &Runtime,
    node: NodeOptions,
    looker: Option<Looker>,
    options: &Options,
) -> Result<Arc<Decision>, CommandError> {
    let node = Node::start_with(node, Arc::new(Scratch), Cast::real())?;
    if let Some(mut looker) = looker {
        looker.resume();
        node.bundle(bundle::input(runtime.block_on(Box::pin(looker.look()))));
    }
    node.objects(PolicyInput::Relisted(Relisted { objects: options.objects.clone() }));
    runtime.block_on(async {
        let in_force = async {
            while !node.health().policies_loaded {
                tokio::time::sleep(LOOK).await;
            }
        };
        let in_force = tokio::time::timeout(PATIENCE, in_force).await;
        let answer = node.review(facts(options)).await;
        node.stop().await;
        let why = "the policies did not get in force";
        in_force.map_err(|_| CommandError::Unclear { why: why.to_owned() })?;
        Ok(answer.decision)
    })
}

/// The review of a pod that runs nothing but the image.
fn facts(options: &Options) -> ReviewFacts {
    let kind = GroupKind { group: String::new(), kind: "Pod".to_owned(), version: "v1".to_owned() };
    let image = ImageFact {
        container: CONTAINER.into(),
        image: options.image.clone().into(),
        list: ContainerList::Main,
        pointer: "/spec/containers/0/image".into(),
    };
    ReviewFacts {
        annotated: false,
        budget: limits::LONGEST_TIMEOUT,
        dry_run: false,
        images: vec![image],
        kind,
        malformed: None,
        name: "check".to_owned(),
        namespace: options.namespace.clone(),
        old_images: Vec::new(),
        old_seal: SealFact::Absent,
        operation: Operation::Create,
        owners: Vec::new(),
        path: ReviewPath::Admit,
        peer: Peer { address: String::new(), authenticated: false },
        pull_secrets: options.pull_secrets.clone(),
        seal: SealFact::Absent,
        sealing: false,
        service_account: String::new(),
        sub_resource: None,
        uid: "check".to_owned(),
        user: String::new(),
        version: ReviewVersion::V1,
    }
}

/// The collections that were verified, as the admission actor was told.
fn seen(journal: &Journal) -> Result<Vec<(String, Proof)>, CommandError> {
    let mut seen = Vec::new();
    for line in journal.lines() {
        let line = line?;
        let body = line.bytes.strip_suffix(b"\n").unwrap_or(&line.bytes);
        let read = codec::read_line(body);
        let (record, _) = read.map_err(|error| CommandError::Unclear { why: error.to_string() })?;
        if let Entry::Delivered(delivered) = &record.entry
            && let Input::Admission(AdmissionInput::Resolution(told)) = &*delivered.input
            && let Resolution { outcome: ResolutionOutcome::Verified(tag), server, .. } = &**told
        {
            seen.push((server.clone(), tag.evidence.clone()));
        }
    }
    Ok(seen)
}
