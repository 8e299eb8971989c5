//! A workshop with its keys, a source that counts and lies, and hands that sign whatever is wanted.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::Ed25519KeyPair;
use portreeve_bundle::{
    Asked, BundleError, BundleKey, Directory, Loaded, Missed, Published, Reading, RootPlan, Source,
    Terms, Workshop, load, make_key, make_root, publish,
};
use portreeve_protocol::Wall;
use portreeve_protocol::anchors::{Anchor, TrustAnchors};
use portreeve_protocol::bundle_reason::BundleCode;
use portreeve_protocol::messages::admission::BundleLoaded;
use serde_json::Value;
use tempfile::TempDir;
use tough::editor::signed::SignedRole;
use tough::schema::{KeyHolder, Role, Root, Signed};

/// When everything is looked at.
pub const NOW: Wall = Wall(1_800_000_000_000_000);
/// When everything expires.
pub const LATER: Wall = Wall(1_900_000_000_000_000);
/// How often whoever serves a broken bundle tries.
pub const TRIES: usize = 3;

pub struct Forge {
    pub dir: TempDir,
    pub workshop: Workshop,
    pub root: BundleKey,
    pub targets: BundleKey,
    pub online: BundleKey,
}

pub fn plan(root: Vec<BundleKey>, targets: Vec<BundleKey>, online: Vec<BundleKey>) -> RootPlan {
    RootPlan {
        expires: LATER,
        online_keys: online,
        root_keys: root,
        root_threshold: None,
        targets_keys: targets,
        targets_threshold: None,
    }
}

pub fn terms() -> Terms {
    Terms { now: NOW, online: LATER, targets: LATER }
}

impl Forge {
    /// A published bundle, all versions 1, that says `firstUse: false` and nothing else.
    pub async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = |name: &str| make_key(&dir.path().join(name)).unwrap();
        let (root, targets, online) = (key("root.pem"), key("targets.pem"), key("online.pem"));
        let workshop = Workshop::at(&dir.path().join("bundle"));
        let plan = plan(vec![root.clone()], vec![targets.clone()], vec![online.clone()]);
        let made = make_root(&workshop, &plan, &TrustAnchors::empty()).await.unwrap();
        assert!(made.complete);
        let forge = Self { dir, workshop, root, targets, online };
        forge.publish().await;
        forge
    }

    pub fn key(&self, name: &str) -> BundleKey {
        make_key(&self.dir.path().join(name)).unwrap()
    }

    pub async fn publish(&self) -> Published {
        let keys = [self.targets.clone(), self.online.clone()];
        publish(&self.workshop, &keys, terms()).await.unwrap()
    }

    /// Publishes with one anchor more.
    pub async fn add(&self, gun: &str) -> Published {
        let mut draft = self.workshop.draft().unwrap();
        draft.anchors.push(Anchor { gun: gun.to_owned(), ..Anchor::default() });
        self.workshop.set_draft(&draft).unwrap();
        self.publish().await
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.workshop.place().join(name)
    }

    /// The root that clusters are given.
    pub fn given(&self) -> Vec<u8> {
        fs::read(self.path("metadata/1.root.json")).unwrap()
    }

    pub fn source(&self) -> Arc<dyn Source> {
        Arc::new(Directory::now(self.workshop.place()))
    }

    pub async fn load(&self) -> Result<Loaded, BundleError> {
        self.after(None).await
    }

    /// Loads with what was taken before.
    pub async fn after(&self, before: Option<&BundleLoaded>) -> Result<Loaded, BundleError> {
        let given = self.given();
        load(self.source(), Asked { before, given: &given, now: NOW, store: None }).await
    }

    /// The code that every try is refused with.
    pub async fn refusal(&self, before: Option<&BundleLoaded>) -> BundleCode {
        let mut codes = Vec::new();
        for _ in 0..TRIES {
            let error = self.after(before).await.expect_err("it is broken");
            assert!(!error.to_string().is_empty());
            codes.push(error.code().expect("a code"));
        }
        codes.dedup();
        assert_eq!(codes.len(), 1, "{codes:?}");
        codes[0]
    }

    pub fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn put(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Changes what is signed in a file of metadata and signs it again.
    pub async fn alter<T>(&self, name: &str, key: &BundleKey, change: impl FnOnce(&mut Value))
    where
        T: Role + serde::de::DeserializeOwned,
    {
        let mut value: Value = serde_json::from_str(&self.text(name)).unwrap();
        change(&mut value["signed"]);
        let role: T = serde_json::from_value(value["signed"].clone()).unwrap();
        let root: Signed<Root> = serde_json::from_str(&self.text("root.json")).unwrap();
        let (holder, keys) = (KeyHolder::Root(root.signed), [self.private(key)]);
        let signed = SignedRole::new(role, &holder, &keys, &SystemRandom::new()).await;
        fs::write(self.path(name), signed.unwrap().buffer()).unwrap();
    }

    /// A key of the forge as tough signs with it.
    fn private(&self, key: &BundleKey) -> Box<dyn tough::key_source::KeySource> {
        let names = fs::read_dir(self.dir.path()).unwrap().map(|entry| entry.unwrap().path());
        let pem = names
            .filter(|path| path.extension().is_some_and(|it| it == "pem"))
            .find(|path| BundleKey::read(path).unwrap().id() == key.id());
        let text = fs::read_to_string(pem.unwrap()).unwrap();
        Box::new(TestKey(der(&text)))
    }

    /// Keeps a copy of all that is published.
    pub fn snapshot(&self) -> TempDir {
        let copy = tempfile::tempdir().unwrap();
        for folder in ["metadata", "targets"] {
            copy_folder(&self.path(folder), &copy.path().join(folder));
        }
        copy
    }

    /// Serves an old copy again.
    pub fn restore(&self, copy: &TempDir) {
        for folder in ["metadata", "targets"] {
            fs::remove_dir_all(self.path(folder)).unwrap();
            copy_folder(&copy.path().join(folder), &self.path(folder));
        }
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

fn der(pem: &str) -> Vec<u8> {
    use rustls_pki_types::pem::PemObject;
    let key = rustls_pki_types::PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).unwrap();
    key.secret_pkcs8_der().to_vec()
}

#[derive(Debug)]
struct TestKey(Vec<u8>);

type Fault = Box<dyn std::error::Error + Send + Sync>;

#[tough::async_trait]
impl tough::key_source::KeySource for TestKey {
    async fn as_sign(&self) -> Result<Box<dyn tough::sign::Sign>, Fault> {
        Ok(Box::new(Ed25519KeyPair::from_pkcs8(&self.0)?))
    }

    async fn write(&self, _: &str, _: &str) -> Result<(), Fault> {
        Err("keys are not written".into())
    }
}

/// A source that remembers what it was asked for, and fails where it is told to.
#[derive(Debug)]
pub struct Liar {
    pub asked: Mutex<Vec<String>>,
    fails: BTreeMap<String, Missed>,
    real: Directory,
}

impl Liar {
    pub fn new(place: &Path, fails: &[(&str, Missed)]) -> Arc<Self> {
        let fails = fails.iter().map(|(name, how)| ((*name).to_owned(), how.clone())).collect();
        Arc::new(Self { asked: Mutex::default(), fails, real: Directory::now(place) })
    }
}

impl Source for Liar {
    fn file<'a>(&'a self, path: &'a str, limit: u64) -> Reading<'a> {
        self.asked.lock().unwrap().push(path.to_owned());
        match self.fails.get(path) {
            Some(how) => Box::pin(std::future::ready(Err(how.clone()))),
            None => self.real.file(path, limit),
        }
    }
}
