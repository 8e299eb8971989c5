//! What servers that mean harm do to decisions: nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io::Write;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use portreeve_host::clock::Clock;
use portreeve_host::credentials::Credentials;
use portreeve_host::metrics::Metrics;
use portreeve_host::node::{Answer, Durability, Node, NodeOptions};
use portreeve_host::notary_client::{FetchAnswer, Fetcher, FetcherOptions, HttpFetcher};
use portreeve_host::objects::Directory;
use portreeve_host::owners::OwnerStore;
use portreeve_lab::{Collection, Keys, LoopbackTls, NotaryServer};
use portreeve_protocol::entry::Restored;
use portreeve_protocol::messages::admission::{
    ContainerList, GroupKind, ImageFact, Operation, Peer, ReviewFacts, ReviewPath, ReviewVersion,
};
use portreeve_protocol::messages::notary::FetchRequest;
use portreeve_protocol::messages::policy::{PolicyInput, PolicyObject, Relisted, SourceObject};
use portreeve_protocol::policy::{PolicyGroup, PolicyRef};
use portreeve_protocol::{DenyCode, Settings, Sha256, Wall, limits};
use serde_json::json;
use slog::{Drain, Logger, o};
use tempfile::TempDir;

use crate::server::*;

pub const PASSWORD: &str = "canary-in-the-password";
pub const TOKEN: &str = "canary-in-the-token";
pub const NOW: Wall = Wall(1_795_415_688_000_000);
const HOUR: i64 = 3_600_000_000;
pub const GOOD: &str = "good.example/shop/web";
/// Nothing here takes this long, however busy the machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The client, which shows a credential at every opportunity.
struct Showing(HttpFetcher);

impl Fetcher for Showing {
    fn fetch(&self, request: FetchRequest) -> Pin<Box<dyn Future<Output = FetchAnswer> + Send>> {
        self.0.fetch(FetchRequest { credentials: vec![secret("pull")], ..request })
    }
}

/// Log lines in memory.
#[derive(Clone, Default)]
pub struct Lines(pub Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A node whose policies name a trust server for each registry.
struct Scene {
    directory: TempDir,
    lines: Lines,
    metrics: Arc<Metrics>,
    node: Node,
}

impl Scene {
    /// `servers` by registry; `files` are those of their CAs.
    async fn start(servers: &[(String, String)], authorities: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let fetcher = Arc::new(Showing(fetcher(directory.path(), servers, authorities)));
        let approved = servers.iter().map(|(_, url)| url.clone()).collect();
        Self::run(directory, fetcher, approved, policies(servers)).await
    }

    async fn run(
        directory: TempDir,
        fetcher: Arc<dyn Fetcher>,
        approved_servers: BTreeSet<String>,
        objects: PolicyInput,
    ) -> Self {
        let lines = Lines::default();
        let drain = Mutex::new(slog_json::Json::default(lines.clone())).fuse();
        let metrics = Arc::new(Metrics::new("test"));
        let options = NodeOptions {
            clock: Clock::showing(NOW),
            data_dir: directory.path().to_owned(),
            durability: Durability::Group,
            fetcher,
            jitter_seed: 7,
            journal_dir: directory.path().join("journal"),
            log: Logger::root(drain, o!()),
            metrics: Arc::clone(&metrics),
            node: "node-1".parse().unwrap(),
            owners: Arc::new(portreeve_host::owners::NoOwners),
            restored: Restored::default(),
            runtime: tokio::runtime::Handle::current(),
            retention: portreeve_host::journal::Retention::default(),
            segment_bytes: limits::SEGMENT_BYTES,
            settings: Settings { approved_servers, freshness: 0, ..Settings::default() },
            verifiers: 2,
        };
        let started = tokio::task::spawn_blocking(move || Node::start(options));
        let node = started.await.unwrap().unwrap();
        node.objects(objects);
        let ready = async {
            while !node.health().ready() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, ready).await.unwrap();
        Self { directory, lines, metrics, node }
    }

    async fn review(&self, image: &str) -> Answer {
        self.node.review(pod(image, 20_000_000)).await
    }

    /// Ends the node and looks for secrets in all that it wrote.
    async fn end(self) {
        let metrics = self.metrics.encode();
        self.node.stop().await;
        let mut written = vec![metrics.into_bytes(), self.lines.0.lock().unwrap().clone()];
        read_all(self.directory.path(), &mut written);
        assert!(written.len() > 3, "metrics, log, and files of the journal");
        for bytes in &written {
            assert_free_of_secrets(&String::from_utf8_lossy(bytes));
        }
    }
}

fn assert_free_of_secrets(text: &str) {
    for secret in [PASSWORD, TOKEN, &STANDARD.encode(format!("alice:{PASSWORD}"))] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

/// The content of all files below a directory, but for those the test itself put there.
pub fn read_all(directory: &Path, into: &mut Vec<Vec<u8>>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_all(&path, into);
        } else if path.extension().is_none_or(|kind| kind != "pem" && kind != "docker") {
            into.push(std::fs::read(path).unwrap());
        }
    }
}

/// A client with a credential for each registry, that believes these CAs.
fn fetcher(directory: &Path, servers: &[(String, String)], authorities: &[&str]) -> HttpFetcher {
    let entry = json!({"username": "alice", "password": PASSWORD});
    let auths: BTreeMap<_, _> = servers.iter().map(|(host, _)| (host, &entry)).collect();
    let file = directory.join("config.docker");
    std::fs::write(&file, json!({"auths": auths}).to_string()).unwrap();
    let credentials = Credentials::default();
    credentials.add_file("web", "pull", &file).unwrap();
    let trust_ca = authorities.iter().enumerate().map(|(number, pem)| {
        let file = directory.join(format!("{number}.pem"));
        std::fs::write(&file, pem).unwrap();
        file
    });
    HttpFetcher::new(FetcherOptions {
        approved: servers.iter().map(|(_, url)| url.clone()).collect(),
        credentials,
        trust_ca: trust_ca.collect(),
        ..Default::default()
    })
    .unwrap()
}

fn policies(servers: &[(String, String)]) -> PolicyInput {
    let rules = servers.iter().map(|(host, url)| {
        let trust = json!({"enabled": true, "trustServer": url});
        json!({"name": format!("{host}/*"), "policy": {"trust": trust}})
    });
    let spec = json!({"repositories": rules.collect::<Vec<_>>()}).to_string();
    let group = PolicyGroup::Portieris;
    let id = PolicyRef { group, name: "all".to_owned(), namespace: None };
    let policy = SourceObject::Policy(PolicyObject { id, resource_version: None, spec });
    PolicyInput::Relisted(Relisted { objects: vec![policy] })
}

fn pod(image: &str, budget: u64) -> ReviewFacts {
    let image = ImageFact {
        container: "main".into(),
        image: image.into(),
        list: ContainerList::Main,
        pointer: "/spec/containers/0/image".into(),
    };
    ReviewFacts {
        annotated: false,
        budget,
        dry_run: false,
        images: vec![image],
        kind: GroupKind { group: String::new(), kind: "Pod".to_owned(), version: "v1".to_owned() },
        malformed: None,
        name: "pod".to_owned(),
        namespace: "web".to_owned(),
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
        uid: "uid".to_owned(),
        user: "tester".to_owned(),
        version: ReviewVersion::V1,
    }
}

fn code(answer: &Answer) -> Option<DenyCode> {
    answer.decision.denial.as_ref().map(|why| why.code)
}

/// A server that serves a signed collection, and the collection.
async fn good() -> (NotaryServer, LoopbackTls, Collection) {
    let before = Wall(NOW.0 - HOUR);
    let mut collection = Collection::new(GOOD, Keys::deterministic(1), before).unwrap();
    collection.add_signer("alice", before).unwrap();
    collection.sign("1", Sha256::of(b"image"), 1_000, &["alice"]).unwrap();
    let tls = LoopbackTls::new().unwrap();
    let server = NotaryServer::start(&tls).await.unwrap();
    server.publish(GOOD, collection.publish(before).unwrap());
    (server, tls, collection)
}

const CHUNKED: &str = "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n";

fn endless() -> Reply {
    Reply::Endless(CHUNKED.to_owned(), format!("1000\r\n{}\r\n", "x".repeat(0x1000)))
}

fn drip() -> Reply {
    Reply::SlowDrip("HTTP/1.1 200 X\r\nContent-Length: 900000\r\n\r\n{".to_owned())
}

/// Takes the password at its own token server, and then does as `document` says.
fn after_a_token(document: Reply, request: &str) -> Reply {
    if request.starts_with("GET /token") {
        ok(&json!({"token": TOKEN}).to_string())
    } else if header(request, "authorization").is_empty() {
        challenge_to_itself(request)
    } else {
        document
    }
}

/// Servers that mean harm, and one that must never see a credential.
async fn bad(thief: &Server) -> Vec<Server> {
    let realm = format!("https://{}/token", thief.elsewhere());
    let to = format!("Location: https://{}/x\r\n", thief.elsewhere());
    let token_to = to.clone();
    let shown = |request: &str| header(request, "authorization");
    vec![
        Server::start(|request| after_a_token(endless(), request)).await,
        Server::start(|request| after_a_token(drip(), request)).await,
        Server::start(move |request| after_a_token(status(302, &to, ""), request)).await,
        Server::start(move |request| match request.starts_with("GET /token") {
            true => status(307, &token_to, ""),
            false => challenge_to_itself(request),
        })
        .await,
        Server::start(move |_| challenge(&realm)).await,
        Server::start(|_| status(429, "Retry-After: 1\r\n", "")).await,
        Server::named(&["other.example"], |_| ok("{}")).await,
        // What it was shown, it says again, in every place it has.
        Server::start(move |request| {
            let said = shown(request).replace("Basic ", "");
            let header = format!("X-Seen: {said}\r\nWWW-Authenticate: Bearer realm=\"{said}\"\r\n");
            after_a_token(status(500, &header, &said), request)
        })
        .await,
        Server::start(move |request| after_a_token(ok(&shown(request)), request)).await,
        // What it was shown at its token server, it says in a document.
        Server::start(|request| after_a_token(ok(&format!("{{\"{PASSWORD}\":1}}")), request)).await,
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_server_gets_neither_an_allow_nor_a_credential_out() {
    let thief = Server::start(|_| ok(&json!({"token": TOKEN}).to_string())).await;
    let hostile = bad(&thief).await;
    let named = hostile.iter().enumerate();
    let servers: Vec<_> =
        named.map(|(number, server)| (format!("r{number}.example"), server.url())).collect();
    let authorities: Vec<_> = hostile.iter().chain([&thief]).map(Server::ca_pem).collect();
    let scene = Scene::start(&servers, &authorities).await;
    let reviews = servers.iter().map(|(host, _)| pod(&format!("{host}/app:1"), 3_000_000));
    let asking: Vec<_> = reviews
        .map(|facts| {
            let node = scene.node.clone();
            tokio::spawn(async move { node.review(facts).await })
        })
        .collect();
    for (number, answer) in asking.into_iter().enumerate() {
        let answer = tokio::time::timeout(PATIENCE, answer).await.unwrap().unwrap();
        assert!(!answer.decision.allowed, "{number}");
        assert_free_of_secrets(&format!("{:?}", answer.decision));
    }
    assert_eq!(thief.connections(), 0);
    let basic = STANDARD.encode(format!("alice:{PASSWORD}"));
    for (number, server) in hostile.iter().enumerate() {
        for request in server.requests() {
            // Only where it was asked for a token is the password shown, and only in its header.
            let password = header(&request, "authorization") == format!("Basic {basic}");
            assert_eq!(request.contains(&basic), password, "{number}");
            assert_eq!(password, request.starts_with("GET /token"), "{number}");
        }
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_drips_does_not_delay_decisions_about_another_servers_images() {
    let slow = Server::start(|_| drip()).await;
    let (server, tls, _) = good().await;
    let servers =
        [("slow.example".to_owned(), slow.url()), ("good.example".to_owned(), server.url())];
    let scene = Scene::start(&servers, &[slow.ca_pem(), tls.ca_pem()]).await;
    // More collections than there are places for fetches in all.
    let dripping: Vec<_> = (0..limits::FETCHES_IN_FLIGHT + 32)
        .map(|number| {
            let facts = pod(&format!("slow.example/app{number}:1"), 29_000_000);
            let node = scene.node.clone();
            tokio::spawn(async move { node.review(facts).await })
        })
        .collect();
    let begun = Instant::now();
    let drips = async {
        while slow.requests().len() < limits::FETCHES_PER_SERVER {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, drips).await.unwrap();
    let answer = tokio::time::timeout(PATIENCE, scene.review(&format!("{GOOD}:1"))).await.unwrap();
    assert_eq!(code(&answer), None, "{:?}", answer.decision);
    let waited = dripping.iter().filter(|review| !review.is_finished()).count();
    let elapsed = begun.elapsed();
    assert!(waited > limits::FETCHES_PER_SERVER || elapsed > Duration::from_secs(5), "{waited}");
    dripping.iter().for_each(tokio::task::JoinHandle::abort);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_huge_chain_of_roots_is_walked_so_far_and_no_further() {
    let (server, tls, mut collection) = good().await;
    let servers = [("good.example".to_owned(), server.url())];
    let scene = Scene::start(&servers, &[tls.ca_pem()]).await;
    let image = format!("{GOOD}:1");
    let answer = scene.review(&image).await;
    assert_eq!(code(&answer), None, "{:?}", answer.decision);
    let before = server.answered();
    for _ in 0..limits::ROOT_CHAIN + 6 {
        collection.rotate_root(Wall(NOW.0 - HOUR)).unwrap();
        server.publish(GOOD, collection.publish(Wall(NOW.0 - HOUR)).unwrap());
    }
    let answer = tokio::time::timeout(PATIENCE, scene.review(&image)).await.unwrap();
    assert!(!answer.decision.allowed);
    // The chain, and the few documents that are asked for beside it.
    assert!(server.answered() - before <= limits::ROOT_CHAIN + 8, "{}", server.answered());
    scene.end().await;
}

/// A trust server for those who are alice at its token server.
pub async fn private() -> Server {
    let (_, _, mut collection) = good().await;
    let documents = collection.publish(Wall(NOW.0 - HOUR)).unwrap().clone();
    let basic = format!("Basic {}", STANDARD.encode(format!("alice:{PASSWORD}")));
    Server::start(move |request| {
        let shown = header(request, "authorization");
        if request.starts_with("GET /token") {
            return match shown == basic {
                true => ok(&json!({"token": TOKEN, "expires_in": 300}).to_string()),
                false => status(401, "", ""),
            };
        }
        if shown != format!("Bearer {TOKEN}") {
            return challenge_to_itself(request);
        }
        let name = request.split(' ').nth(1).unwrap().split("/_trust/tuf/").nth(1).unwrap();
        match documents.get(name) {
            Some(bytes) => ok(std::str::from_utf8(bytes).unwrap()),
            None => status(404, "", "{}"),
        }
    })
    .await
}

/// A policy and the pull secret `pull` of the namespace `web`, in a directory of objects.
pub fn objects(directory: &Path, server: &str) {
    let rule = json!({"name": "good.example/*",
        "policy": {"trust": {"enabled": true, "trustServer": server}}});
    let auths = json!({"good.example": {"username": "alice", "password": PASSWORD}});
    let secret = json!({"apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "pull", "namespace": "web"},
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": json!({"auths": auths}).to_string()}});
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": "builder", "namespace": "web"},
        "imagePullSecrets": [{"name": "pull"}]});
    let policy = json!({"apiVersion": "portieris.cloud.ibm.com/v1", "kind": "ClusterImagePolicy",
        "metadata": {"name": "all"}, "spec": {"repositories": [rule]}});
    for (name, object) in [("s.json", secret), ("a.json", account), ("p.json", policy)] {
        std::fs::write(directory.join(name), object.to_string()).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn private_trust_data_is_had_with_the_pull_secrets_of_the_pod_or_of_its_service_account() {
    let server = private().await;
    let directory = tempfile::tempdir().unwrap();
    let watched = tempfile::tempdir().unwrap();
    objects(watched.path(), &server.url());
    let credentials = Credentials::default();
    let input = Directory::new(watched.path())
        .filling(&credentials, &OwnerStore::default())
        .look()
        .unwrap();
    let approved = BTreeSet::from([server.url()]);
    let options = FetcherOptions { approved: approved.clone(), credentials, ..Default::default() };
    let fetcher = Arc::new(client(&[&server], options));
    let scene = Scene::run(directory, fetcher, approved, input).await;
    let image = format!("{GOOD}:1");
    let none = ReviewFacts { pull_secrets: Vec::new(), ..pod(&image, 20_000_000) };
    // Neither without credentials, nor with those of another namespace.
    let other = ReviewFacts { namespace: "other".to_owned(), ..pod(&image, 20_000_000) };
    for facts in [none.clone(), other] {
        let answer = scene.node.review(facts).await;
        assert_eq!(code(&answer), Some(DenyCode::Unauthorized), "{:?}", answer.decision);
    }
    let answer = scene.review(&image).await;
    assert_eq!(code(&answer), None, "{:?}", answer.decision);
    let account = ReviewFacts { service_account: "builder".to_owned(), ..none };
    let answer = scene.node.review(account).await;
    assert_eq!(code(&answer), None, "{:?}", answer.decision);
    let tokens = server.asked().iter().filter(|line| line.contains("account=alice")).count();
    assert_eq!(tokens, 1, "{:?}", server.asked());
    scene.end().await;
}
