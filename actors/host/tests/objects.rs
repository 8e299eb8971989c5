//! The directory of objects: what is read, what never leaves it, and what a change or a fault does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use portreeve_host::credentials::Credentials;
use portreeve_host::objects::{Directory, DirectoryWatch};
use portreeve_host::owners::OwnerStore;
use portreeve_protocol::limits;
use portreeve_protocol::messages::policy::{
    PolicyInput, PolicyObject, Relisted, SignerSecret, SourceObject, WatchLost,
};
use portreeve_protocol::policy::{PolicyGroup, PolicyRef};
use serde_json::{Value, json};
use slog::{Discard, Logger, o};

const POLICY: &str = "\
apiVersion: portieris.cloud.ibm.com/v1
kind: ImagePolicy
metadata:
  name: shop
  namespace: web
  resourceVersion: '7'
spec:
  repositories:
  - name: 'docker.io/*'
    policy:
      trust: {enabled: true}
";

const CLUSTER: &str = "\
apiVersion: securityenforcement.admission.cloud.ibm.com/v1beta1
kind: ClusterImagePolicy
metadata: {name: all}
spec: {repositories: []}
";

const SECRET: &str = "\
apiVersion: v1
kind: Secret
metadata: {name: alice}
type: Opaque
stringData: {name: alice, publicKey: PEM, extra: s3cret}
";

fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(directory.path().join(name), content).unwrap();
    }
    directory
}

fn relisted(input: Option<PolicyInput>) -> Vec<SourceObject> {
    match input {
        Some(PolicyInput::Relisted(Relisted { objects })) => objects,
        other => panic!("not a list: {other:?}"),
    }
}

fn lost(input: Option<PolicyInput>) -> String {
    match input {
        Some(PolicyInput::WatchLost(WatchLost { why })) => why,
        other => panic!("not lost: {other:?}"),
    }
}

fn listed(files: &[(&str, &str)]) -> Vec<SourceObject> {
    let directory = directory(files);
    relisted(Directory::new(directory.path()).look())
}

fn only_policy(files: &[(&str, &str)]) -> PolicyObject {
    match <[SourceObject; 1]>::try_from(listed(files)) {
        Ok([SourceObject::Policy(policy)]) => policy,
        other => panic!("not one policy: {other:?}"),
    }
}

fn only_secret(files: &[(&str, &str)]) -> SignerSecret {
    match <[SourceObject; 1]>::try_from(listed(files)) {
        Ok([SourceObject::SignerSecret(secret)]) => secret,
        other => panic!("not one Secret: {other:?}"),
    }
}

#[test]
fn policies_of_both_groups_and_signer_secrets_are_read_from_all_files() {
    let both = format!("{POLICY}---\n# nothing\n---\n{CLUSTER}");
    let objects = listed(&[("a.yaml", &both), ("b.yml", SECRET), ("c.txt", "kind: [")]);
    let spec = json!({"repositories": [
        {"name": "docker.io/*", "policy": {"trust": {"enabled": true}}}
    ]});
    let shop = PolicyRef {
        group: PolicyGroup::Portieris,
        name: "shop".to_owned(),
        namespace: Some("web".to_owned()),
    };
    let all = PolicyRef {
        group: PolicyGroup::SecurityEnforcement,
        name: "all".to_owned(),
        namespace: None,
    };
    let expected = [
        SourceObject::Policy(PolicyObject {
            id: shop,
            resource_version: Some("7".to_owned()),
            spec: spec.to_string(),
        }),
        SourceObject::Policy(PolicyObject {
            id: all,
            resource_version: None,
            spec: r#"{"repositories":[]}"#.to_owned(),
        }),
        SourceObject::SignerSecret(SignerSecret {
            name: "alice".to_owned(),
            namespace: "default".to_owned(),
            public_key: "PEM".to_owned(),
            resource_version: None,
            secret: "alice".to_owned(),
        }),
    ];
    assert_eq!(objects, expected);
}

#[test]
fn a_list_is_read_as_its_items_in_yaml_and_json() {
    let policy: Value = serde_json::from_str(
        r#"{"apiVersion":"portieris.cloud.ibm.com/v1","kind":"ImagePolicy",
            "metadata":{"name":"p"},"spec":null}"#,
    )
    .unwrap();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "List", "items": [policy]},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "x"}}
    ]});
    let read = only_policy(&[("list.json", &list.to_string())]);
    assert_eq!(read.id.namespace.as_deref(), Some("default"));
    assert_eq!(read.spec, "null");
}

#[test]
fn nothing_of_a_secret_but_name_and_public_key_leaves_the_adapter() {
    let secret = only_secret(&[("s.yaml", SECRET)]);
    assert!(!format!("{secret:?}").contains("s3cret"));
    let other = "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\nstringData: {a: s3cret}\n";
    assert_eq!(listed(&[("s.yaml", other)]), []);
    let broken = format!("{SECRET}  - s3cret: [\n");
    let directory = directory(&[("s.yaml", &broken)]);
    let why = lost(Directory::new(directory.path()).look());
    assert!(why.starts_with("s.yaml: line ") && !why.contains("s3cret"), "{why}");
}

#[test]
fn encoded_members_of_a_secret_are_decoded_and_illegible_ones_are_empty() {
    let head = "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: ns}\n";
    let good = format!("{head}data: {{name: YWxpY2U=, publicKey: UEVN}}\n");
    let secret = only_secret(&[("s.yaml", &good)]);
    let found = (secret.name.as_str(), secret.public_key.as_str(), secret.namespace.as_str());
    assert_eq!(found, ("alice", "PEM", "ns"));
    let bad = format!("{head}data: {{name: YWxpY2U=, publicKey: '!'}}\n");
    assert_eq!(only_secret(&[("s.yaml", &bad)]).public_key, "");
}

#[test]
fn a_policy_that_can_be_told_but_not_obeyed_is_sent_with_a_spec_that_is_refused() {
    let refused = |text: &str| {
        let spec = only_policy(&[("p.yaml", text)]).spec;
        let value: Value = serde_json::from_str(&spec).unwrap();
        value.as_str().expect("a string instead of an object").to_owned()
    };
    let newer = POLICY.replace("ibm.com/v1", "ibm.com/v2");
    assert_eq!(refused(&newer), "its apiVersion is not portieris.cloud.ibm.com/v1");
    let labels = POLICY.replace("  name: shop\n", "  name: shop\n  labels: 7\n");
    assert_eq!(refused(&labels), "its metadata cannot be read");
    let large = POLICY.replace("docker.io/*", &"x".repeat(limits::OBJECT_BYTES));
    assert!(refused(&large).starts_with("its spec has more than "));
    let twice = format!("{POLICY}---\n{POLICY}");
    assert_eq!(refused(&twice), "defined twice: p.yaml and p.yaml");
}

#[test]
fn a_signer_secret_defined_twice_has_no_usable_key() {
    let second = SECRET.replace("PEM", "OTHER");
    let secret = only_secret(&[("a.yaml", SECRET), ("b.yaml", &second)]);
    assert_eq!((secret.name.as_str(), secret.public_key.as_str()), ("", ""));
}

#[test]
fn a_file_of_which_it_cannot_be_told_what_it_holds_is_a_fault() {
    for (content, fault) in [
        ("kind: [", "line 1: it is not well-formed YAML"),
        ("kind: A\nkind: A\n", "line 2: it is not well-formed YAML"),
        ("just text", "a document is not a Kubernetes object: apiVersion and kind are needed"),
        (
            "kind: ImagePolicy",
            "a document is not a Kubernetes object: apiVersion and kind are needed",
        ),
        (
            &POLICY.replace("name: shop", "nom: shop"),
            "an object of kind ImagePolicy has no usable metadata.name",
        ),
        (
            &POLICY.replace("namespace: web", "namespace: 7"),
            "an object of kind ImagePolicy has no usable metadata.namespace",
        ),
        ("apiVersion: v1\nkind: List\nitems: 7\n", "the `items` of a List are not a list"),
    ] {
        let directory = directory(&[("x.yaml", content), ("p.yaml", CLUSTER)]);
        assert_eq!(lost(Directory::new(directory.path()).look()), format!("x.yaml: {fault}"));
    }
}

#[test]
fn a_file_may_hold_thousands_of_objects_but_no_bomb() {
    let many: Vec<_> =
        (0..3_000).map(|index| CLUSTER.replace("all", &format!("p{index}"))).collect();
    assert_eq!(listed(&[("many.yaml", &many.join("---\n"))]).len(), 3_000);
    let mut bomb = "a0: &a0 [x, x]\n".to_owned();
    for level in 1..40 {
        let below = level - 1;
        bomb.push_str(&format!("a{level}: &a{level} [*a{below}, *a{below}]\n"));
    }
    let directory = directory(&[("bomb.yaml", &bomb)]);
    let why = lost(Directory::new(directory.path()).look());
    assert!(why.starts_with("bomb.yaml: "), "{why}");
}

#[test]
fn a_directory_that_is_not_there_is_a_fault() {
    let why = lost(Directory::new(Path::new("/nonexistent/objects")).look());
    assert!(why.starts_with("the directory /nonexistent/objects cannot be read: "));
}

#[test]
fn an_unchanged_directory_is_told_once_and_a_changed_comment_not_at_all() {
    let files = directory(&[("p.yaml", POLICY)]);
    let mut directory = Directory::new(files.path());
    assert_eq!(relisted(directory.look()).len(), 1);
    assert_eq!(directory.look(), None);
    fs::write(files.path().join("p.yaml"), format!("# why\n{POLICY}")).unwrap();
    assert_eq!(directory.look(), None);
    fs::remove_file(files.path().join("p.yaml")).unwrap();
    assert_eq!(relisted(directory.look()), []);
}

#[test]
fn the_last_good_list_stays_while_a_file_is_broken_and_the_watch_is_told_lost_once() {
    let files = directory(&[("p.yaml", POLICY), ("q.yaml", CLUSTER)]);
    let mut directory = Directory::new(files.path());
    assert_eq!(relisted(directory.look()).len(), 2);
    fs::write(files.path().join("q.yaml"), "kind: [").unwrap();
    assert_eq!(lost(directory.look()), "q.yaml: line 1: it is not well-formed YAML");
    assert_eq!(directory.look(), None);
    fs::write(files.path().join("q.yaml"), CLUSTER).unwrap();
    assert_eq!(directory.look(), Some(PolicyInput::WatchRestored));
    fs::write(files.path().join("q.yaml"), "kind: [").unwrap();
    assert!(directory.look().is_some());
    fs::remove_file(files.path().join("q.yaml")).unwrap();
    assert_eq!(relisted(directory.look()).len(), 1);
}

#[test]
fn a_mounted_config_map_is_read_once_through_its_links() {
    let files = tempfile::tempdir().unwrap();
    let data = files.path().join("..2026");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("p.yaml"), POLICY).unwrap();
    std::os::unix::fs::symlink("..2026", files.path().join("..data")).unwrap();
    std::os::unix::fs::symlink("..data/p.yaml", files.path().join("p.yaml")).unwrap();
    assert_eq!(relisted(Directory::new(files.path()).look()).len(), 1);
}

#[test]
fn the_watch_tells_the_first_list_before_it_returns_and_a_change_within_a_second() {
    let files = directory(&[("p.yaml", POLICY)]);
    let (sender, told) = mpsc::channel();
    let log = Logger::root(Discard, o!());
    let sink = move |input| sender.send(input).unwrap();
    let watch = DirectoryWatch::start(
        files.path(),
        &Credentials::default(),
        &OwnerStore::default(),
        log,
        sink,
    )
    .unwrap();
    assert_eq!(relisted(told.try_recv().ok()).len(), 1);
    fs::write(files.path().join("q.yaml"), CLUSTER).unwrap();
    // Longer than the second it may take, for a machine that is busy with other tests.
    let change = told.recv_timeout(Duration::from_secs(20)).ok();
    assert_eq!(relisted(change).len(), 2);
    watch.stop();
    assert!(told.recv().is_err(), "the thread has ended and with it the sink");
}
