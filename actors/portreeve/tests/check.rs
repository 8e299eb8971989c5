//! `portreeve check` and `portreeve trust` as their users meet them: processes, judged by what they
//! print and by their status, against a lab server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use portreeve_lab::server::tuf_path;
use portreeve_lab::{Collection, Documents, Keys, LoopbackTls, NotaryServer};
use portreeve_protocol::{Sha256, Wall};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

const GUN: &str = "registry.example/shop/web";
const IMAGE: &str = "registry.example/shop/web:1.0";
/// 2026-11-23T12:00:00Z
const NOW: Wall = Wall(1_795_435_200_000_000);
const AT: &str = "2026-11-23T12:00:00Z";
const LENGTH: u64 = 1_573;

/// A trust server with one collection, and a directory of files.
struct Lab {
    collection: Collection,
    place: TempDir,
    server: NotaryServer,
    _runtime: Runtime,
}

impl Lab {
    fn new() -> Self {
        Self::with(collection(1))
    }

    fn with(mut collection: Collection) -> Self {
        let runtime = Runtime::new().unwrap();
        let tls = LoopbackTls::new().unwrap();
        let server = runtime.block_on(NotaryServer::start(&tls)).unwrap();
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("ca.pem"), tls.ca_pem()).unwrap();
        let alice = collection.signer_public_key_pem("alice").unwrap();
        fs::write(place.path().join("alice.pem"), alice).unwrap();
        server.publish(GUN, collection.publish(NOW).unwrap());
        Self { collection, place, server, _runtime: runtime }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Publishes another collection in the place of the first.
    fn replace(&mut self, mut other: Collection) {
        self.server.publish(GUN, other.publish(NOW).unwrap());
        self.collection = other;
    }

    /// Runs the command in the directory.
    fn run(&self, words: &[&str]) -> Output {
        run(self.place.path(), words)
    }

    /// Checks the image with the server and CA of the lab, and more words.
    fn check(&self, words: &[&str]) -> Output {
        let url = self.server.url();
        let mut all = vec!["check", IMAGE, "--trust-server", &url, "--ca", "ca.pem", "--at", AT];
        all.extend(words);
        self.run(&all)
    }

    /// As [`Lab::check`], for the object and the status.
    fn json(&self, words: &[&str]) -> (Value, i32) {
        let output = self.check(&[words, &["--json"]].concat());
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}{}", said(&output));
        (serde_json::from_str(&text).unwrap(), output.status.code().unwrap())
    }
}

fn run(place: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_portreeve")).current_dir(place).args(words).output().unwrap()
}

fn collection(seed: u64) -> Collection {
    let mut collection = Collection::new(GUN, Keys::deterministic(seed), NOW).unwrap();
    collection.add_signer("alice", NOW).unwrap();
    collection.sign("1.0", image(), LENGTH, &["alice"]).unwrap();
    collection
}

fn image() -> Sha256 {
    Sha256::of(b"the image")
}

fn said(output: &Output) -> String {
    let all = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8(all).unwrap()
}

/// The ids of the keys that signed the root, as a check without pins reports them.
fn root_keys(object: &Value) -> Vec<String> {
    let keys = object["evidence"]["roles"]["root"]["keyids"].as_array().unwrap();
    keys.iter().map(|key| key.as_str().unwrap().to_owned()).collect()
}

#[test]
fn an_allowed_image_has_status_0_and_an_object_with_all_members() {
    let lab = Lab::new();
    let (object, status) = lab.json(&["--signer", "alice=alice.pem"]);
    assert_eq!(status, 0, "{object}");
    assert_eq!(object["allowed"], true);
    assert_eq!(object["image"], IMAGE);
    assert_eq!(object["digest"], image().to_oci());
    assert!(object["code"].is_null() && object["class"].is_null());
    assert!(object["explanation"].as_str().unwrap().contains("alice"), "{object}");
    assert_eq!(object["dropped_roles"], serde_json::json!([]));
    let evidence = &object["evidence"];
    assert_eq!(evidence["gun"], GUN);
    assert_eq!(evidence["server"], lab.server.url());
    let roles: Vec<&String> = evidence["roles"].as_object().unwrap().keys().collect();
    let wanted = ["root", "snapshot", "targets", "targets/alice", "targets/releases", "timestamp"];
    assert_eq!(roles, wanted);
    assert_eq!(evidence["roles"]["timestamp"]["expires"], "2026-12-07T12:00:00.000Z");
    assert_eq!(root_keys(&object)[0].len(), 64);
    let first_use = object["warnings"][0].as_str().unwrap();
    assert!(first_use.contains("first") && first_use.contains(GUN), "{first_use}");
    assert!(!first_use.contains("container"), "{first_use}");
}

#[test]
fn a_denied_image_has_status_1_a_code_and_the_evidence_that_there_is() {
    let lab = Lab::new();
    lab.write("bob.pem", &Keys::deterministic(9).signer("bob", 0, NOW).unwrap().public_pem());
    let (object, status) = lab.json(&["--signer", "bob=bob.pem"]);
    assert_eq!((status, object["allowed"].as_bool()), (1, Some(false)));
    assert_eq!(object["code"], "signer-missing", "{object}");
    assert_eq!(object["class"], "trust");
    assert!(object["digest"].is_null());
    assert_eq!(object["evidence"]["roles"]["targets"]["version"], 1, "{object}");
    lab.write("alice.pem", "no key at all");
    let (object, status) = lab.json(&["--signer", "alice=alice.pem"]);
    assert_eq!((status, object["code"].as_str()), (1, Some("signer-key-invalid")));
    assert!(object["evidence"].is_null());
}

#[test]
fn a_person_is_told_verdict_digest_signers_and_documents_without_colours() {
    let lab = Lab::new();
    let allowed = lab.check(&["--signer", "alice=alice.pem"]);
    assert_eq!(allowed.status.code(), Some(0), "{}", said(&allowed));
    for expected in ["ALLOWED", &image().to_oci(), "signed by", "alice", "timestamp", "VERSION"] {
        assert!(said(&allowed).contains(expected), "{expected}: {}", said(&allowed));
    }
    assert!(!said(&allowed).contains('\x1b'));
    let (object, _) = lab.json(&[]);
    let pin = format!("--pin {GUN}={}", root_keys(&object)[0]);
    assert!(said(&allowed).contains(&pin), "{pin}: {}", said(&allowed));
    let denied = lab.check(&["--require-pins"]);
    assert_eq!(denied.status.code(), Some(1));
    assert!(said(&denied).contains("DENIED root-unpinned"), "{}", said(&denied));
    assert!(said(&denied).contains("Pin the root"), "{}", said(&denied));
}

#[test]
fn wrong_usage_has_status_2_says_what_is_wrong_and_prints_nothing_else() {
    let lab = Lab::new();
    lab.write("text.txt", "text");
    lab.write("broken.yaml", "apiVersion: [");
    for (words, expected) in [
        (&["--pin", "registry.example/shop"][..], "--pin"),
        (&["--pin", "registry.example/shop=abc"], "64 hexadecimal digits"),
        (&["--pin-ca", "registry.example=text.txt"], "no certificate"),
        (&["--signer", "alice"], "NAME=PUBKEY.pem"),
        (&["--signer", "alice=nowhere.pem"], "nowhere.pem"),
        (&["--at", "yesterday"], "2026-11-23T12:00:00Z"),
        (&["--trust-server", "http://registry.example"], "loopback"),
        (&["--allow-realm", "x"], "SERVER=HOST"),
        (&["--policy", "nowhere.yaml"], "nowhere.yaml"),
        (&["--policy", "broken.yaml"], "broken.yaml"),
        (&["--notary-cache", "nowhere"], "no such directory"),
        (&["--credentials", "nowhere.json"], "nowhere.json"),
        (&["--ca", "text.txt"], "text.txt"),
        (&["--no-such-flag"], "--no-such-flag"),
    ] {
        let output = lab.run(&[&["check", IMAGE, "--json"], words].concat());
        assert_eq!(output.status.code(), Some(2), "{words:?}: {}", said(&output));
        assert!(said(&output).contains(expected), "{words:?}: {}", said(&output));
        assert!(output.stdout.is_empty(), "{words:?}: {}", said(&output));
    }
}

#[test]
fn an_image_that_cannot_be_understood_is_denied() {
    let lab = Lab::new();
    let output = lab.run(&["check", "UPPER/case:v1", "--json"]);
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(object["code"], "reference-invalid", "{object}");
    assert_eq!(object["class"], "policy");
}

#[test]
fn a_root_is_believed_by_its_pin_of_certificate_or_prefix_and_by_no_other() {
    let lab = Lab::new();
    let (object, _) = lab.json(&[]);
    let key = root_keys(&object)[0].clone();
    let own = format!("{GUN}={key}");
    let prefix = format!("registry.example/shop/*={key}");
    for pin in [&own, &prefix] {
        let (object, status) = lab.json(&["--require-pins", "--pin", pin]);
        assert_eq!(status, 0, "{pin}: {object}");
        assert_eq!(object["warnings"], serde_json::json!([]));
    }
    let other = format!("{GUN}={}", Sha256::of(b"another").to_hex());
    let (object, status) = lab.json(&["--pin", &other]);
    assert_eq!((status, object["code"].as_str()), (1, Some("root-pin-mismatch")), "{object}");
    let (object, status) = lab.json(&["--pin", &other, "--pin", &own]);
    assert_eq!(status, 0, "any of the pins will do: {object}");
}

fn policy(kind: &str, place: &str, server: &str, secret: &str) -> String {
    format!(
        "apiVersion: portieris.cloud.ibm.com/v1\nkind: {kind}\n\
         metadata: {{name: policy{place}}}\nspec:\n  repositories:\n  \
         - name: \"registry.example/*\"\n    policy:\n      trust:\n        enabled: true\n        \
         trustServer: \"{server}\"\n        signerSecrets: [{{name: {secret}}}]\n"
    )
}

fn secret(lab: &Lab, namespace: &str) -> String {
    let key = fs::read_to_string(lab.path("alice.pem")).unwrap();
    let key = key.trim_end().replace('\n', "\n    ");
    format!(
        "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: alice{namespace}}}\ntype: Opaque\n\
         stringData:\n  name: alice\n  publicKey: |\n    {key}\n"
    )
}

#[test]
fn policy_files_decide_with_their_secrets_by_namespace_and_their_servers_are_approved() {
    let lab = Lab::new();
    let url = lab.server.url();
    let extra = |object: &Value| {
        let all = object["warnings"].as_array().unwrap().iter();
        all.filter(|it| it.as_str().unwrap().contains("`portreeve serve`")).count()
    };
    let ask = |words: &[&str]| {
        let common = ["check", IMAGE, "--ca", "ca.pem", "--at", AT, "--json"];
        let output = lab.run(&[&common, words].concat());
        let object: Value = serde_json::from_slice(&output.stdout).unwrap();
        (object, output.status.code().unwrap())
    };
    lab.write("own.yaml", &policy("ImagePolicy", ", namespace: shop", &url, "alice"));
    lab.write("secret.yaml", &secret(&lab, ", namespace: shop"));
    let own = ["--policy", "own.yaml", "--policy", "secret.yaml"];
    let (object, status) = ask(&[&own[..], &["--namespace", "shop"]].concat());
    assert_eq!((status, extra(&object)), (0, 0), "{object}");
    let (object, status) = ask(&own);
    assert_eq!((status, object["code"].as_str()), (1, Some("no-policy")), "{object}");

    let all = policy("ClusterImagePolicy", "", &url, "alice");
    lab.write("operator.yaml", &(all.clone() + &secret(&lab, ", namespace: portreeve")));
    let (object, status) = ask(&["--policy", "operator.yaml"]);
    assert_eq!((status, extra(&object)), (0, 0), "{object}");
    lab.write("default.yaml", &(all.clone() + &secret(&lab, "")));
    let (object, status) = ask(&["--policy", "default.yaml"]);
    assert_eq!((status, extra(&object)), (0, 1), "{object}");
    lab.write("alone.yaml", &all);
    let (object, status) = ask(&["--policy", "alone.yaml"]);
    assert_eq!((status, object["code"].as_str()), (1, Some("signer-key-missing")), "{object}");
}

#[test]
fn an_image_for_which_no_trust_is_asked_is_allowed_without_a_digest() {
    let lab = Lab::new();
    lab.write(
        "policy.yaml",
        "apiVersion: portieris.cloud.ibm.com/v1\nkind: ClusterImagePolicy\nmetadata: {name: all}\n\
         spec: {repositories: [{name: '*', policy: {}}]}\n",
    );
    let (object, status) = lab.json(&["--policy", "policy.yaml"]);
    assert_eq!((status, &object["digest"]), (0, &Value::Null), "{object}");
    assert!(object["evidence"].is_null());
}

#[test]
fn the_state_holds_the_first_root_until_an_operator_forgets_it() {
    let mut lab = Lab::new();
    let (object, status) = lab.json(&["--state", "trust"]);
    assert_eq!(status, 0, "{object}");

    lab.replace(collection(2));
    let (object, status) = lab.json(&["--state", "trust"]);
    assert_eq!(status, 1, "{object}");
    let code = object["code"].as_str().unwrap();
    assert!(["root-changed", "signature"].contains(&code), "{object}");

    let url = lab.server.url();
    let listed = lab.run(&["trust", "list", "--state", "trust"]);
    assert_eq!(listed.status.code(), Some(0));
    assert!(said(&listed).contains(GUN) && said(&listed).contains(&url), "{}", said(&listed));
    let shown = lab.run(&["trust", "show", GUN, "--state", "trust", "--json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["collections"][0]["roles"]["root"]["version"], 1, "{shown}");

    let reset = ["trust", "reset", GUN, "--server", &url, "--state", "trust", "--reason"];
    let unexplained = lab.run(&[&reset[..], &[" "]].concat());
    assert_eq!(unexplained.status.code(), Some(2), "{}", said(&unexplained));
    let done = lab.run(&[&reset[..], &["the key was lost"]].concat());
    assert_eq!(done.status.code(), Some(0), "{}", said(&done));
    let again = lab.run(&[&reset[..], &["the key was lost"]].concat());
    assert_eq!(again.status.code(), Some(1), "{}", said(&again));
    let kept = fs::read_to_string(lab.path("trust/trust.json")).unwrap();
    assert!(kept.contains("the key was lost"), "{kept}");
    let (object, status) = lab.json(&["--state", "trust"]);
    assert_eq!(status, 0, "{object}");
}

#[test]
fn the_state_holds_floors_so_that_older_data_is_noticed() {
    let mut lab = Lab::new();
    let older = lab.collection.publish_timestamp(NOW).unwrap().clone();
    lab.collection.sign("2.0", image(), LENGTH, &["alice"]).unwrap();
    let newer = lab.collection.publish(NOW).unwrap().clone();
    lab.server.publish(GUN, &newer);
    assert_eq!(lab.json(&["--state", "trust"]).1, 0);
    lab.server.publish(GUN, &older);
    let (object, status) = lab.json(&["--state", "trust"]);
    assert_eq!((status, object["code"].as_str()), (1, Some("rollback")), "{object}");
    assert_eq!(lab.json(&[]).1, 0, "without the state nobody can know");
}

#[test]
fn a_state_in_use_is_an_error_and_a_spoilt_one_a_denial() {
    let lab = Lab::new();
    assert_eq!(lab.json(&["--state", "trust"]).1, 0);
    let held = portreeve_host::state::TrustState::open(&lab.path("trust")).unwrap();
    let refused = lab.check(&["--state", "trust", "--json"]);
    assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    assert!(said(&refused).contains("in use"), "{}", said(&refused));
    drop(held);
    let text = fs::read_to_string(lab.path("trust/trust.json")).unwrap();
    fs::write(lab.path("trust/trust.json"), text.replace("\"version\":1", "\"version\":")).unwrap();
    let (object, status) = lab.json(&["--state", "trust"]);
    assert_eq!((status, object["code"].as_str()), (1, Some("state-spoilt")), "{object}");
}

/// Lays documents out as a client of Notary keeps them.
fn cache(lab: &Lab, name: &str, documents: &Documents) {
    let metadata = lab.path(name).join("tuf").join(GUN).join("metadata");
    let plain = ["root", "snapshot", "targets", "targets/alice", "targets/releases", "timestamp"];
    for role in plain {
        let path = metadata.join(format!("{role}.json"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, &documents[&format!("{role}.json")]).unwrap();
    }
}

#[test]
fn a_notary_cache_is_prior_state_wherever_it_is_pointed_at_and_a_spoilt_root_denies() {
    let mut lab = Lab::new();
    let older = lab.collection.publish_timestamp(NOW).unwrap().clone();
    lab.collection.sign("2.0", image(), LENGTH, &["alice"]).unwrap();
    let newer = lab.collection.publish(NOW).unwrap().clone();
    cache(&lab, "docker", &newer);
    lab.server.publish(GUN, &older);
    for place in ["docker", "docker/tuf", &format!("docker/tuf/{GUN}/metadata")] {
        let (object, status) = lab.json(&["--notary-cache", place]);
        assert_eq!((status, object["code"].as_str()), (1, Some("rollback")), "{place}: {object}");
    }
    let root = lab.path("docker").join("tuf").join(GUN).join("metadata/root.json");
    fs::write(root, "{}").unwrap();
    let (object, status) = lab.json(&["--notary-cache", "docker"]);
    assert_eq!((status, object["code"].as_str()), (1, Some("state-spoilt")), "{object}");
    fs::create_dir(lab.path("empty")).unwrap();
    let (object, status) = lab.json(&["--notary-cache", "empty"]);
    assert_eq!(status, 0, "{object}");
}

/// Answers every request with the document of its path, without TLS, until the test ends.
fn plain_server(documents: &Documents) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let bodies: BTreeMap<String, Arc<[u8]>> =
        documents.iter().map(|(name, body)| (tuf_path(GUN, name), Arc::clone(body))).collect();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let Some(Ok(first)) = lines.next() else { continue };
            let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
            // The head ends with an empty line.
            let _ = lines.find(|line| line.as_ref().is_ok_and(String::is_empty));
            let (status, body) = match bodies.get(&path) {
                Some(body) => ("200 OK", &body[..]),
                None => ("404 Not Found", &b"{}"[..]),
            };
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
            );
            let _ = stream.write_all(&[head.as_bytes(), body].concat());
        }
    });
    url
}

#[test]
fn a_server_without_tls_is_asked_on_a_loopback_address() {
    let mut lab = Lab::new();
    let url = plain_server(lab.collection.publish_timestamp(NOW).unwrap());
    let output = lab.run(&["check", IMAGE, "--trust-server", &url, "--at", AT, "--json"]);
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(object["digest"], image().to_oci(), "{object}");
    lab.write("own.yaml", &policy("ImagePolicy", "", &url, "alice"));
    lab.write("secret.yaml", &secret(&lab, ""));
    let policies = ["--policy", "own.yaml", "--policy", "secret.yaml", "--at", AT, "--json"];
    let output = lab.run(&[&["check", IMAGE], &policies[..]].concat());
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(object["digest"], image().to_oci(), "{object}");
}

#[test]
fn the_time_to_judge_at_may_run_backwards_between_calls() {
    let lab = Lab::new();
    let late = ["--at", "2026-12-24T12:00:00Z", "--state", "trust"];
    let url = lab.server.url();
    let base = ["check", IMAGE, "--trust-server", &url, "--ca", "ca.pem", "--json"];
    let expired = lab.run(&[&base[..], &late].concat());
    let object: Value = serde_json::from_slice(&expired.stdout).unwrap();
    assert_eq!(object["code"], "expired", "{object}");
    assert_eq!(lab.json(&["--state", "trust"]).1, 0);
}

#[test]
fn the_help_of_check_and_trust_has_examples_and_says_what_a_status_means() {
    for words in [&["check", "--help"][..], &["trust", "reset", "--help"]] {
        let output = run(Path::new("."), words);
        assert_eq!(output.status.code(), Some(0));
        assert!(said(&output).contains("Examples:"), "{}", said(&output));
        assert!(said(&output).contains("exit status is 0"), "{}", said(&output));
    }
}

#[test]
fn a_node_that_does_not_run_cannot_be_asked_for_its_trust() {
    let lab = Lab::new();
    let output = lab.run(&["trust", "list", "--data-dir", "."]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("portreeve serve"), "{}", said(&output));
    let neither = lab.run(&["trust", "list"]);
    assert_eq!(neither.status.code(), Some(2), "{}", said(&neither));
}
