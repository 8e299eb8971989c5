//! Bundles made with tough's editor, loaded through the guard.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashMap;
use std::error::Error;
use std::num::NonZeroU64;
use std::path::Path;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::Ed25519KeyPair;
use jiff::Timestamp;
use portreeve_bundle::{BundleError, load};
use portreeve_protocol::Wall;
use tough::editor::RepositoryEditor;
use tough::editor::signed::{PathExists, SignedRole};
use tough::key_source::KeySource;
use tough::schema::{KeyHolder, RoleKeys, RoleType, Root};
use tough::sign::Sign;
use tough::{FilesystemTransport, async_trait};
use url::Url;

const NOW: Wall = Wall(1_800_000_000_000_000);
const LATER: i64 = 1_900_000_000;
const SOONER: i64 = 1_700_000_000;

#[derive(Debug, Clone)]
struct TestKey(Vec<u8>);

#[async_trait]
impl KeySource for TestKey {
    async fn as_sign(&self) -> Result<Box<dyn Sign>, Box<dyn Error + Send + Sync>> {
        Ok(Box::new(Ed25519KeyPair::from_pkcs8(&self.0)?))
    }

    async fn write(&self, _: &str, _: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
        Err("test keys are not written back".into())
    }
}

struct Repository {
    directory: tempfile::TempDir,
    root: Vec<u8>,
}

impl Repository {
    fn base(&self) -> Url {
        Url::from_directory_path(self.directory.path()).unwrap()
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    async fn load(&self) -> Result<portreeve_bundle::Bundle, BundleError> {
        load(FilesystemTransport, &self.base(), &self.root, NOW).await
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

async fn signed_root(key: &TestKey) -> Vec<u8> {
    let public = key.as_sign().await.unwrap().tuf_key();
    let id = public.key_id().unwrap();
    let one =
        RoleKeys { keyids: vec![id.clone()], threshold: NonZeroU64::MIN, _extra: HashMap::new() };
    let roles = [RoleType::Root, RoleType::Targets, RoleType::Snapshot, RoleType::Timestamp];
    let root = Root {
        spec_version: "1.0.0".to_owned(),
        consistent_snapshot: true,
        version: NonZeroU64::MIN,
        expires: at(LATER),
        keys: HashMap::from([(id, public)]),
        roles: roles.into_iter().map(|role| (role, one.clone())).collect(),
        _extra: HashMap::new(),
    };
    let keys: Vec<Box<dyn KeySource>> = vec![Box::new(key.clone())];
    let holder = KeyHolder::Root(root.clone());
    let signed = SignedRole::new(root, &holder, &keys, &SystemRandom::new()).await.unwrap();
    signed.buffer().clone()
}

async fn repository(anchors: &str, timestamp_expires: i64) -> Repository {
    let key =
        TestKey(Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap().as_ref().to_vec());
    let root = signed_root(&key).await;
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("source");
    std::fs::create_dir(&source).unwrap();
    std::fs::write(source.join("anchors.json"), anchors).unwrap();
    let root_file = directory.path().join("trusted-root.json");
    std::fs::write(&root_file, &root).unwrap();
    let mut editor = RepositoryEditor::new(&root_file).await.unwrap();
    let version = NonZeroU64::new(7).unwrap();
    editor.add_target_path(source.join("anchors.json")).await.unwrap();
    editor.targets_version(version).unwrap().targets_expires(at(LATER)).unwrap();
    editor.snapshot_version(version).snapshot_expires(at(LATER));
    editor.timestamp_version(version).timestamp_expires(at(timestamp_expires));
    let keys: Vec<Box<dyn KeySource>> = vec![Box::new(key)];
    let signed = editor.sign(&keys).await.unwrap();
    signed.write(directory.path().join("metadata")).await.unwrap();
    copy_targets(&signed, &source, &directory.path().join("targets")).await;
    Repository { directory, root }
}

async fn copy_targets(
    signed: &tough::editor::signed::SignedRepository,
    source: &Path,
    targets: &Path,
) {
    signed.copy_targets(source, targets, PathExists::Fail).await.unwrap();
}

const ONE_ANCHOR: &str =
    r#"{"anchors":[{"gun":"registry.example/shop/*","trustServer":"https://notary.example"}]}"#;

#[tokio::test]
async fn a_signed_bundle_yields_its_anchors() {
    let bundle = repository(ONE_ANCHOR, LATER).await.load().await.unwrap();
    assert_eq!((bundle.version, bundle.root_version), (7, 1));
    let anchor = bundle.anchors.anchor("registry.example/shop/web").unwrap();
    assert_eq!(anchor.trust_server.as_deref(), Some("https://notary.example"));
    assert!(!anchor.first_use);
}

#[tokio::test]
async fn an_expired_timestamp_is_judged_by_the_time_given() {
    let error = repository(ONE_ANCHOR, SOONER).await.load().await.unwrap_err();
    assert!(matches!(error, BundleError::Expired { role: "timestamp", .. }), "{error}");
}

#[tokio::test]
async fn metadata_that_is_not_ascii_never_reaches_tough() {
    let repository = repository(ONE_ANCHOR, LATER).await;
    let timestamp = repository.path("metadata/timestamp.json");
    let mut text = std::fs::read_to_string(&timestamp).unwrap();
    text.push('\u{e9}');
    std::fs::write(&timestamp, text).unwrap();
    let error = repository.load().await.unwrap_err();
    assert!(
        matches!(&error, BundleError::Guard { file, .. } if file == "timestamp.json"),
        "{error}"
    );
}

#[tokio::test]
async fn a_changed_target_is_refused() {
    let repository = repository(ONE_ANCHOR, LATER).await;
    for file in std::fs::read_dir(repository.path("targets")).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("notary", "mirror")).unwrap();
    }
    assert!(matches!(repository.load().await, Err(BundleError::Refused(_))));
}

#[tokio::test]
async fn a_newer_root_that_cannot_be_read_fails_the_load() {
    let repository = repository(ONE_ANCHOR, LATER).await;
    std::fs::create_dir(repository.path("metadata/2.root.json")).unwrap();
    let error = repository.load().await.unwrap_err();
    assert!(matches!(&error, BundleError::Guard { file, .. } if file == "2.root.json"), "{error}");
}

#[tokio::test]
async fn anchors_that_name_no_key_id_are_refused() {
    let anchors = r#"{"anchors":[{"gun":"registry.example/a","rootKeyIds":["AB"]}]}"#;
    let error = repository(anchors, LATER).await.load().await.unwrap_err();
    assert!(matches!(error, BundleError::Anchors(_)), "{error}");
}
