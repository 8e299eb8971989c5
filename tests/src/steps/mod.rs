//! A real node in one thread, with a network in memory and a time that its caller moves: the host
//! of production, actix, HTTP and TLS and all, under the scenarios of the simulator.
//!
//! Nobody waits for real time. The runtime's stands still, and goes on to the next timer when
//! nobody has anything to do; connections are pipes in memory, so that whoever waits for bytes is
//! woken by whoever writes them; and time passes in short steps, between which the journal's
//! thread, the only other one, is waited for. What is decided, and when, is therefore the same in
//! every run.

mod lasting;
mod servers;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use portreeve_host::clock::Clock;
use portreeve_host::journal::Retention;
use portreeve_host::metrics::Metrics;
use portreeve_host::node::{Durability, Node, NodeOptions};
use portreeve_host::owners::NoOwners;
use portreeve_host::seals::Sealer;
use portreeve_host::webhook::{Certificates, Listeners, Sockets, TlsPaths, WebhookOptions, budget};
use portreeve_lab::LoopbackTls;
use portreeve_protocol::entry::Restored;
use portreeve_protocol::messages::admission::ReviewFacts;
use portreeve_protocol::messages::policy::{PolicyInput, Relisted};
use portreeve_protocol::time::SECOND;
use portreeve_protocol::{Mono, limits};
use portreeve_simulations::Scenario;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use serde_json::Value;
use slog::Logger;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use crate::TestError;
use crate::https::believing;
use crate::node::Ended;
use crate::review::{Outcome, of_facts};
pub use lasting::{Idler, lasting};
use servers::Servers;

/// The longest time that passes without a look at the journal: by so much an answer may leave later
/// than it was decided.
const STEP: Duration = Duration::from_millis(10);
/// Bytes on the way in one direction of a connection.
const PIPE: usize = 64 << 10;
/// Time by which every review is answered, after the last of them was sent.
const PATIENCE: u64 = 40 * SECOND;

/// What came of a scenario.
pub struct Played {
    /// Uid of each review to its answer, and when that was there.
    pub answers: BTreeMap<String, (Mono, Outcome)>,
    /// What the node left.
    pub ended: Ended,
}

/// A node that has no policies yet, its listeners, and a client that believes it.
struct Standing {
    client: ClientConfig,
    clock: Clock,
    directory: TempDir,
    listeners: Listeners,
    node: Node,
}

impl Standing {
    /// With the settings, trust servers and clock of the scenario.
    fn start(scenario: &Scenario) -> Result<Self, TestError> {
        let tls = LoopbackTls::new().map_err(node_failed)?;
        let directory = tempfile::tempdir().map_err(TestError::file("a temporary directory"))?;
        let clock = Clock::of_runtime(tokio::runtime::Handle::current(), scenario.start);
        let servers = Servers::of(scenario, &clock)?;
        let node = Node::start_here(options(scenario, &directory, &clock, servers)?);
        let node = node.map_err(node_failed)?;
        let listeners = Listeners::start(webhook(&node, &clock, &tls, directory.path())?);
        let listeners = listeners.map_err(node_failed)?;
        let client = believing(tls.ca_pem())?;
        Ok(Self { client, clock, directory, listeners, node })
    }
}

/// Has a node live through the scenario: its reviews are sent and its trust servers changed when
/// that is due. Of its faults those count that concern fetches: what becomes of requests and
/// answers on their way, and what a server makes of a request.
///
/// It must run in an actix system on a current-thread runtime whose time stands still.
///
/// # Errors
/// `Node`, `File`, `Http`, `Content`.
pub async fn play(scenario: &Scenario) -> Result<Played, TestError> {
    let Standing { client, clock, directory, listeners, node } = Standing::start(scenario)?;
    let (client, listeners) = (Arc::new(client), Arc::new(listeners));
    let objects = scenario.objects().map_err(node_failed)?;
    node.objects(PolicyInput::Relisted(Relisted { objects }));
    let answers = send(scenario, &node, &clock, &listeners, &client).await?;
    // The last connections end when they are next looked at.
    while Arc::strong_count(&listeners) > 1 {
        pass(&node, STEP).await;
    }
    if let Some(listeners) = Arc::into_inner(listeners) {
        listeners.stop().await;
    }
    node.stop().await;
    let journal = directory.path().join("journal");
    Ok(Played { answers, ended: Ended::new(directory, journal) })
}

/// Lets time pass, timers go off, and the journal be written.
async fn pass(node: &Node, time: Duration) {
    tokio::time::sleep(time).await;
    node.await_journal();
}

/// Sends the reviews, each at its time, and gathers the answers.
async fn send(
    scenario: &Scenario,
    node: &Node,
    clock: &Clock,
    listeners: &Arc<Listeners>,
    client: &Arc<ClientConfig>,
) -> Result<BTreeMap<String, (Mono, Outcome)>, TestError> {
    let mut planned: Vec<(u64, &ReviewFacts)> =
        scenario.reviews.iter().map(|review| (review.at, &review.facts)).collect();
    planned.sort_by_key(|(at, _)| *at);
    let last = planned.last().map_or(0, |(at, _)| *at).saturating_add(PATIENCE);
    let mut planned = planned.into_iter().peekable();
    let (mut asked, mut answers) = (JoinSet::new(), BTreeMap::new());
    loop {
        let now = clock.now().mono;
        while let Some((_, facts)) = planned.next_if(|(at, _)| *at <= now.0) {
            let (listeners, client) = (Arc::clone(listeners), Arc::clone(client));
            let (review, timeout) = (of_facts(facts), timeout(facts.budget)?);
            let (uid, clock) = (facts.uid.clone(), clock.clone());
            asked.spawn(async move {
                let outcome = ask(listeners, client, &timeout, &review).await?;
                Ok::<_, TestError>((uid, (clock.now().mono, outcome)))
            });
        }
        while let Some(done) = asked.try_join_next() {
            let (uid, answer) = done.map_err(node_failed)??;
            answers.insert(uid, answer);
        }
        let next = match planned.peek() {
            Some((at, _)) => Duration::from_micros(at.saturating_sub(now.0)),
            None if asked.is_empty() => return Ok(answers),
            None => STEP,
        };
        if now.0 > last {
            return Err(TestError::Node(format!("{} reviews have no answer", asked.len())));
        }
        pass(node, next.min(STEP)).await;
    }
}

/// The query that leaves a decision `budget` microseconds.
fn timeout(budget: u64) -> Result<String, TestError> {
    let stated = if budget < limits::DEADLINE_MARGIN {
        budget.saturating_mul(2)
    } else {
        budget.saturating_add(limits::DEADLINE_MARGIN)
    };
    let query = format!("timeout={stated}us");
    if self::budget(Some(&query)) == budget {
        return Ok(query);
    }
    let why = format!("no timeout leaves {budget} microseconds");
    Err(TestError::Content { path: "the scenario".to_owned(), why })
}

/// Sends one review on a connection of its own.
async fn ask(
    listeners: Arc<Listeners>,
    client: Arc<ClientConfig>,
    timeout: &str,
    review: &Value,
) -> Result<Outcome, TestError> {
    let failed = |why: String| TestError::Http { url: "the webhook".to_owned(), why };
    let (near, far) = tokio::io::duplex(PIPE);
    tokio::spawn(async move { listeners.attend(far, IpAddr::V4(Ipv4Addr::LOCALHOST)).await });
    let name = ServerName::try_from("localhost").map_err(|error| failed(error.to_string()))?;
    let shaken = TlsConnector::from(client).connect(name, near).await;
    let stream = shaken.map_err(|error| failed(error.to_string()))?;
    let opened = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = opened.map_err(|error| failed(error.to_string()))?;
    tokio::spawn(connection);
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("/admit?{timeout}"))
        .header(header::HOST, "localhost")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(review.to_string())))
        .map_err(|error| failed(error.to_string()))?;
    let response = sender.send_request(request).await;
    let response = response.map_err(|error| failed(error.to_string()))?;
    let status = response.status();
    let body = response.into_body().collect().await.map_err(|error| failed(error.to_string()))?;
    if status != http::StatusCode::OK {
        return Err(failed(format!("status {status}")));
    }
    let uid = review["request"]["uid"].as_str().unwrap_or_default();
    Outcome::read(uid, &body.to_bytes())
}

fn options(
    scenario: &Scenario,
    directory: &TempDir,
    clock: &Clock,
    servers: Servers,
) -> Result<NodeOptions, TestError> {
    Ok(NodeOptions {
        clock: clock.clone(),
        data_dir: directory.path().to_owned(),
        durability: Durability::Process,
        fetcher: Arc::new(servers),
        jitter_seed: 7,
        journal_dir: directory.path().join("journal"),
        log: Logger::root(slog::Discard, slog::o!()),
        metrics: Arc::new(Metrics::new("test")),
        node: "steps".parse().map_err(node_failed)?,
        owners: Arc::new(NoOwners),
        restored: Restored::default(),
        runtime: tokio::runtime::Handle::current(),
        retention: Retention::default(),
        segment_bytes: limits::SEGMENT_BYTES,
        settings: scenario.settings.clone(),
        verifiers: 1,
    })
}

fn webhook(
    node: &Node,
    clock: &Clock,
    tls: &LoopbackTls,
    directory: &Path,
) -> Result<WebhookOptions, TestError> {
    let write = |name: &str, text: &str| {
        let path = directory.join(name);
        std::fs::write(&path, text).map_err(TestError::file(&path))?;
        Ok::<_, TestError>(path)
    };
    let paths = TlsPaths {
        certificate: write("tls.crt", &tls.certificate_pem())?,
        client_ca: None,
        key: write("tls.key", &tls.key_pem())?,
    };
    let log = Logger::root(slog::Discard, slog::o!());
    let metrics = Arc::new(Metrics::new("test"));
    // Nobody connects to it.
    let sockets = Sockets::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), None);
    let certificates = Certificates::start(paths, clock.clone(), log.clone(), Arc::clone(&metrics));
    Ok(WebhookOptions {
        certificates: certificates.map_err(node_failed)?,
        clock: clock.clone(),
        events: None,
        log,
        metrics,
        node: node.clone(),
        sealer: Sealer::default(),
        sockets: sockets.map_err(node_failed)?,
    })
}

fn node_failed(error: impl ToString) -> TestError {
    TestError::Node(error.to_string())
}
