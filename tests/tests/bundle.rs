//! A whole server that goes by a trust bundle: from its first decision on, through new versions,
//! restarts, and bundles that are withheld or rolled back. Its journal replays without any of them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use portreeve_bundle::{
    BundleKey, RootPlan, Terms, Workshop, make_key, make_root, publish, rotate_root,
};
use portreeve_host::clock::Clock;
use portreeve_host::config::{Config, Overrides};
use portreeve_host::journal::Journal;
use portreeve_host::serve::{Running, serve};
use portreeve_lab::{Collection, Keys, LoopbackTls, NotaryServer};
use portreeve_protocol::anchors::{Anchor, TrustAnchors};
use portreeve_protocol::{Sha256, Wall};
use portreeve_replay::{Outcome, verify};
use portreeve_tests::https::Client;
use portreeve_tests::review::pod;
use serde_json::Value;
use slog::{Discard, Logger, o};
use tokio::runtime::Builder;

const GUN: &str = "registry.example/app";
const OTHER: &str = "registry.example/other";
/// 2026-11-23T12:00:00Z
const NOW: Wall = Wall(1_795_435_200_000_000);
const LATER: Wall = Wall(1_895_435_200_000_000);
/// Nothing here takes this long, however busy the machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Stage {
    files: tempfile::TempDir,
    keys: Vec<BundleKey>,
    notary: NotaryServer,
    tls: LoopbackTls,
    workshop: Workshop,
}

struct Node {
    client: Client,
    running: Running,
}

impl Stage {
    /// A trust server with two signed collections, and a bundle that pins the root of one.
    async fn set() -> Self {
        let files = tempfile::tempdir().unwrap();
        let tls = LoopbackTls::new().unwrap();
        let notary = NotaryServer::start(&tls).await.unwrap();
        for (gun, seed) in [(GUN, 1), (OTHER, 2)] {
            let mut collection = Collection::new(gun, Keys::deterministic(seed), NOW).unwrap();
            collection.sign_base("v1", Sha256::of(b"image"), 1_573);
            notary.publish(gun, collection.publish(NOW).unwrap());
        }
        let workshop = Workshop::at(&files.path().join("bundle"));
        let key = make_key(&files.path().join("key.pem")).unwrap();
        let stage = Self { files, keys: vec![key], notary, tls, workshop };
        stage.first().await;
        stage
    }

    async fn first(&self) {
        make_root(&self.workshop, &plan(&self.keys), &TrustAnchors::empty()).await.unwrap();
        self.pin(1).await;
    }

    /// Publishes a bundle that pins the collection to the root of these keys, and names its server.
    async fn pin(&self, seed: u64) {
        let root = Keys::deterministic(seed).root(GUN, 0, NOW).unwrap();
        let mut says = TrustAnchors::empty();
        says.anchors.push(Anchor {
            gun: GUN.to_owned(),
            root_key_ids: [root.spki()].into(),
            trust_server: Some(self.notary.url()),
            ..Anchor::default()
        });
        says.trust_servers.push(portreeve_protocol::anchors::TrustServer {
            ca: Some(self.tls.ca_pem().to_owned()),
            url: self.notary.url(),
        });
        self.workshop.set_draft(&says).unwrap();
        let terms = Terms { now: NOW, online: LATER, targets: LATER };
        publish(&self.workshop, &self.keys, terms).await.unwrap();
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.files.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// A server with a data directory of this name. It is told of the trust server by the bundle
    /// alone: neither its CA nor its loopback address is approved by anyone else.
    async fn serve(&self, data: &str) -> Node {
        let policy = "apiVersion: portieris.cloud.ibm.com/v1\nkind: ClusterImagePolicy\n\
                      metadata: {name: all}\nspec:\n  repositories:\n  - name: \"*\"\n    \
                      policy:\n      trust: {enabled: true}\n";
        self.write("objects/policy.yaml", policy);
        let file = self.write("portreeve.yaml", "node: test\nbundleRefresh: 1s\nfreshness: 0s\n");
        let flags = Overrides {
            bundle: Some(self.workshop.place().display().to_string()),
            bundle_root: Some(self.files.path().join("root.json")),
            data_dir: Some(self.files.path().join(data)),
            drain_delay: Some("0s".to_owned()),
            listen: Some("127.0.0.1:0".to_owned()),
            objects: Some(self.files.path().join("objects")),
            tls_cert: Some(self.write("tls.crt", &self.tls.certificate_pem())),
            tls_key: Some(self.write("tls.key", &self.tls.key_pem())),
            ..Overrides::default()
        };
        let config = Config::load(Some(&file), flags).unwrap();
        let log = Logger::root(Discard, o!());
        let running = serve(config, Clock::showing(NOW), log).await.unwrap();
        tokio::time::timeout(PATIENCE, running.ready()).await.unwrap();
        let client = Client::new(running.address(), self.tls.ca_pem()).unwrap();
        Node { client, running }
    }

    fn journal(&self, data: &str) -> Journal {
        Journal::open(&self.files.path().join(data).join("journal")).unwrap()
    }
}

impl Node {
    /// The code of the denial, or nothing; and what the audit says of the bundle.
    async fn decide(&self, uid: &str, gun: &str) -> (Option<String>, String) {
        let review = pod(uid, "default", &format!("{gun}:v1"));
        let answer = self.client.post("/admit?timeout=10s", review.to_string()).await.unwrap();
        let answer: Value = serde_json::from_slice(&answer.body).unwrap();
        let response = &answer["response"];
        let audit = |name: &str| {
            let all = response["auditAnnotations"].as_object().unwrap();
            let found = all.iter().find(|(key, _)| key.rsplit('/').next() == Some(name));
            found.map(|(_, value)| value.as_str().unwrap().to_owned())
        };
        let code = audit("codes").map(|it| it.rsplit('=').next().unwrap().to_owned());
        assert_eq!(response["allowed"] == true, code.is_none(), "{response}");
        (code, audit("bundle").unwrap_or_default())
    }

    /// Asks until the decision names this version of the bundle.
    async fn decide_by(&self, version: u64) -> Option<String> {
        let wanted = format!("version {version},");
        let reached = async {
            let mut tries = 0;
            loop {
                tries += 1;
                let uid = format!("version-{version}-{tries}");
                let (code, bundle) = self.decide(&uid, GUN).await;
                if bundle.starts_with(&wanted) {
                    return code;
                }
            }
        };
        tokio::time::timeout(PATIENCE, reached).await.unwrap()
    }

    async fn says(&self, path: &str) -> String {
        let answer = self.client.get(path).await.unwrap();
        String::from_utf8(answer.body.to_vec()).unwrap()
    }

    /// Asks until the page says so.
    async fn comes_to_say(&self, path: &str, text: &str) {
        let said = async { while !self.says(path).await.contains(text) {} };
        if tokio::time::timeout(PATIENCE, said).await.is_err() {
            panic!("{path} never says {text}:\n{}", self.says(path).await);
        }
    }

    async fn end(self) {
        drop(self.client);
        tokio::time::timeout(PATIENCE, self.running.shutdown()).await.unwrap().unwrap();
    }
}

/// A root with these keys for everything; without any, those that it has.
fn plan(keys: &[BundleKey]) -> RootPlan {
    RootPlan {
        expires: LATER,
        online_keys: keys.to_vec(),
        root_keys: keys.to_vec(),
        root_threshold: None,
        targets_keys: keys.to_vec(),
        targets_threshold: None,
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

fn replays(journal: &Journal) {
    let report = verify(journal.lines(), &journal.blobs(), &mut |_| {}).unwrap();
    assert_eq!(report.outcome(), Outcome::Identical, "{report:?}");
}

#[test]
fn a_bundle_rules_from_the_first_decision_on_and_survives_restarts_and_its_own_absence() {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(Box::pin(async {
        let stage = Stage::set().await;
        let place = stage.workshop.place().to_owned();
        fs::copy(place.join("root.json"), stage.files.path().join("root.json")).unwrap();
        let node = stage.serve("data").await;
        let (code, bundle) = node.decide("first", GUN).await;
        assert_eq!((code, bundle.starts_with("version 1, sha256:")), (None, true), "{bundle}");
        let (code, _) = node.decide("unpinned", OTHER).await;
        assert_eq!(code.as_deref(), Some("no-trust-server"), "the bundle names none for it");
        assert!(node.says("/metrics").await.contains("portreeve_bundle_version 1"));
        let old = stage.files.path().join("old");
        copy(&place, &old);

        // A new version, while the server runs.
        stage.pin(9).await;
        assert_eq!(node.decide_by(2).await.as_deref(), Some("root-pin-mismatch"));
        stage.pin(1).await;
        assert_eq!(node.decide_by(3).await, None);

        // Somebody puts the first version back.
        fs::rename(&place, stage.files.path().join("newest")).unwrap();
        copy(&old, &place);
        node.comes_to_say("/readyz", "(rollback)").await;
        let (code, bundle) = node.decide("rolled-back", GUN).await;
        assert_eq!((code, bundle.starts_with("version 3,")), (None, true), "{bundle}");
        node.end().await;
        replays(&stage.journal("data"));

        // Started anew, with the floors of the journal and an empty working directory.
        fs::remove_dir_all(stage.files.path().join("data/bundle")).unwrap();
        let node = stage.serve("data").await;
        node.comes_to_say("/readyz", "(rollback)").await;
        assert_eq!(node.decide_by(3).await, None);
        fs::remove_dir_all(&place).unwrap();
        node.comes_to_say("/readyz", "trust bundle: ").await;
        assert_eq!(node.decide_by(3).await, None);
        node.end().await;
        let node = stage.serve("data").await;
        assert!(node.says("/readyz").await.starts_with("ready"), "it is ready all the same");
        node.comes_to_say("/readyz", "(root-unread)").await;
        assert_eq!(node.decide_by(3).await, None);
        node.end().await;
        replays(&stage.journal("data"));
    }));
}

#[test]
fn after_the_given_root_moved_on_in_its_chain_the_bundle_left_rules_and_a_strangers_root_ends_it() {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(Box::pin(async {
        let stage = Stage::set().await;
        let place = stage.workshop.place().to_owned();
        let given = stage.files.path().join("root.json");
        fs::copy(place.join("root.json"), &given).unwrap();
        let node = stage.serve("moved").await;
        rotate_root(&stage.workshop, &plan(&[]), &stage.keys).await.unwrap();
        stage.pin(1).await;
        assert_eq!(node.decide_by(2).await, None);
        node.end().await;
        fs::copy(place.join("metadata/2.root.json"), &given).unwrap();
        fs::remove_dir_all(&place).unwrap();
        let node = stage.serve("moved").await;
        node.comes_to_say("/readyz", "(root-unread)").await;
        assert_eq!(node.decide_by(2).await, None);
        assert!(node.says("/metrics").await.contains("portreeve_bundle_version 2"));
        node.end().await;
        replays(&stage.journal("moved"));

        let stranger = Workshop::at(&stage.files.path().join("stranger"));
        let keys = [make_key(&stage.files.path().join("stranger.pem")).unwrap()];
        make_root(&stranger, &plan(&keys), &TrustAnchors::empty()).await.unwrap();
        fs::copy(stranger.place().join("root.json"), &given).unwrap();
        let node = stage.serve("moved").await;
        let (code, _) = node.decide("a-strangers", GUN).await;
        assert_eq!(code.as_deref(), Some("bundle-unavailable"));
        assert!(node.says("/metrics").await.contains("portreeve_bundle_version 0"));
        node.end().await;
        replays(&stage.journal("moved"));
    }));
}

#[test]
fn without_a_bundle_that_was_ever_loaded_nothing_that_requires_trust_is_allowed() {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(Box::pin(async {
        let stage = Stage::set().await;
        let place = stage.workshop.place().to_owned();
        fs::copy(place.join("root.json"), stage.files.path().join("root.json")).unwrap();
        let hidden = stage.files.path().join("hidden");
        fs::rename(&place, &hidden).unwrap();
        let node = stage.serve("fresh").await;
        let (code, bundle) = node.decide("nothing", GUN).await;
        assert_eq!((code.as_deref(), bundle.as_str()), (Some("bundle-unavailable"), ""));
        assert!(node.says("/metrics").await.contains("bundle_looks_total{result=\"root-unread\"}"));
        // It comes, and counts at once.
        fs::rename(&hidden, &place).unwrap();
        assert_eq!(node.decide_by(1).await, None);
        node.comes_to_say("/readyz", "ready").await;
        node.end().await;
        replays(&stage.journal("fresh"));
    }));
}
