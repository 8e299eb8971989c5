//! `portreeve seal` for the workloads of a cluster, against an API server on loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::{fs, thread};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use portreeve_host::cluster::access::{Actor, Done};
use portreeve_host::seals::{KeyFile, Sealer, make_key};
use portreeve_protocol::seal::{ANNOTATION, SealClaims};
use serde_json::{Value, json};
use tempfile::TempDir;

const DEPLOYMENTS: &str = "/apis/apps/v1/deployments";
/// A token that a URL cannot carry as it is.
const TOKEN: &str = "a+b/c=&d";

/// One request: method, path with query, body.
type Asked = (String, String, String);

/// An API server whose lists come in two pages each.
#[derive(Clone, Default)]
struct ApiServer {
    asked: Arc<Mutex<Vec<Asked>>>,
    /// How often the second page of Deployments is said to be too old.
    expires: Arc<Mutex<usize>>,
    /// Status for paths that are refused.
    fails: Arc<Mutex<BTreeMap<String, u16>>>,
    lists: Arc<Mutex<BTreeMap<String, Vec<Value>>>>,
    /// Workloads whose seal somebody else has renewed, by path.
    renewed: Arc<Mutex<BTreeMap<String, Value>>>,
    /// The ConfigMap of revocations, if it is there.
    revocations: Arc<Mutex<Option<Value>>>,
    secret: Arc<Mutex<Value>>,
}

impl ApiServer {
    fn start(&self) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = self.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = server.clone();
                thread::spawn(move || while server.answer_one(&stream).is_some() {});
            }
        });
        port
    }

    fn answer_one(&self, mut stream: &TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream);
        let mut first = String::new();
        reader.read_line(&mut first).ok().filter(|length| *length > 0)?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let line = line.trim().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let mut words = first.split(' ').map(str::to_owned);
        let asked = (words.next()?, words.next()?, String::from_utf8(body).unwrap());
        let (code, said) = self.answer(&asked);
        self.asked.lock().unwrap().push(asked);
        let length = said.len();
        write!(stream, "HTTP/1.1 {code} X\r\nContent-Length: {length}\r\n\r\n{said}").ok()
    }

    /// Keeps the ConfigMap; a version that is not the last one is a conflict.
    fn revocations(&self, method: &str, body: &str) -> (u16, String) {
        let mut held = self.revocations.lock().unwrap();
        let sent = || serde_json::from_str::<Value>(body).unwrap();
        match (method, held.as_mut()) {
            ("GET", Some(map)) => return (200, map.to_string()),
            ("POST", None) => {
                let mut map = sent();
                map["metadata"]["resourceVersion"] = "1".into();
                *held = Some(map);
            }
            ("PATCH", Some(map)) => {
                let patch = sent();
                if patch["metadata"]["resourceVersion"] != map["metadata"]["resourceVersion"] {
                    return (409, "{}".to_owned());
                }
                map["data"] = patch["data"].clone();
                map["metadata"]["resourceVersion"] = "2".into();
            }
            _ => return (404, json!({"details": {"name": "portreeve-revocations"}}).to_string()),
        }
        (200, "{}".to_owned())
    }

    fn answer(&self, (method, path, body): &Asked) -> (u16, String) {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        if let Some(code) = self.fails.lock().unwrap().get(path) {
            return (*code, json!({"message": "canary-of-the-server"}).to_string());
        }
        if let Some(object) = self.renewed.lock().unwrap().get(path) {
            return if method == "GET" { (200, object.to_string()) } else { (422, "{}".into()) };
        }
        if path.contains("/secrets/") {
            return (200, self.secret.lock().unwrap().to_string());
        }
        if path.contains("/configmaps") {
            return self.revocations(method, body);
        }
        if method == "PATCH" {
            return (200, json!({"metadata": {}}).to_string());
        }
        let Some(items) = self.lists.lock().unwrap().get(path).cloned() else {
            return (404, "404 page not found".to_owned());
        };
        if items.is_empty() {
            // As the API server does.
            return (200, json!({"metadata": {"resourceVersion": "5"}, "items": null}).to_string());
        }
        let (front, rest) = items.split_at(items.len() / 2);
        if query.contains("continue=a%2Bb%2Fc%3D%26d") {
            let mut expires = self.expires.lock().unwrap();
            if path == DEPLOYMENTS && *expires > 0 {
                *expires -= 1;
                return (410, json!({"reason": "Expired"}).to_string());
            }
            return (200, json!({"metadata": {}, "items": rest}).to_string());
        }
        assert!(!query.contains("continue"), "{query}");
        (200, json!({"metadata": {"continue": TOKEN}, "items": front}).to_string())
    }

    fn asked(&self, method: &str) -> Vec<Asked> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|(of, ..)| of == method).cloned().collect()
    }
}

/// A cluster, and the keys of its seals.
struct Scene {
    files: TempDir,
    server: ApiServer,
}

impl Scene {
    fn new() -> Self {
        let files = tempfile::tempdir().unwrap();
        let server = ApiServer::default();
        let port = server.start();
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": format!("http://127.0.0.1:{port}")}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
            "users": [{"name": "c", "user": {}}]
        });
        fs::write(files.path().join("kubeconfig"), kubeconfig.to_string()).unwrap();
        for resource in ["daemonsets", "deployments", "replicasets", "statefulsets"] {
            let path = format!("/apis/apps/v1/{resource}");
            server.lists.lock().unwrap().insert(path, Vec::new());
        }
        for path in ["/api/v1/replicationcontrollers", "/apis/batch/v1/jobs"] {
            server.lists.lock().unwrap().insert(path.to_owned(), Vec::new());
        }
        let scene = Self { files, server };
        make_key(&scene.keys()).unwrap();
        scene
    }

    fn keys(&self) -> PathBuf {
        self.files.path().join("seal.key")
    }

    /// The seal of a Deployment, made with the current key.
    fn seal(&self, name: &str) -> String {
        let claims = SealClaims {
            generations: Vec::new(),
            kind: "Deployment".to_owned(),
            name: name.to_owned(),
            namespace: "shop".to_owned(),
        };
        Sealer::from(KeyFile::at(&self.keys()).read().unwrap()).seal(&claims).unwrap()
    }

    fn put(&self, path: &str, name: &str, seal: Option<&str>) {
        let mut object = json!({"metadata": {"name": name, "namespace": "shop", "uid": "u"}});
        if let Some(seal) = seal {
            object["metadata"]["annotations"] = json!({ANNOTATION: seal});
        }
        let mut lists = self.server.lists.lock().unwrap();
        lists.entry(path.to_owned()).or_default().push(object);
    }

    fn run(&self, words: &[&str]) -> (i32, String) {
        let (kubeconfig, keys) = (self.files.path().join("kubeconfig"), self.keys());
        let of = ["--kubeconfig", text(&kubeconfig), "--seal-key", text(&keys)];
        seal(&[words, of.as_slice()].concat())
    }

    /// Every request stands in the table of rights.
    fn assert_granted(&self) {
        for (method, path, _) in &*self.server.asked.lock().unwrap() {
            let done = Done::by(method, path).unwrap();
            assert!(done.is_granted_to(Actor::SealCommand), "{method} {path}");
        }
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn seal(arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portreeve"));
    let Output { status, stdout, stderr } = command.arg("seal").args(arguments).output().unwrap();
    (status.code().unwrap(), String::from_utf8([stdout, stderr].concat()).unwrap())
}

#[test]
fn the_workloads_of_a_cluster_are_counted_over_all_pages_kinds_and_versions() {
    let scene = Scene::new();
    for name in ["a", "b", "c", "d", "e"] {
        scene.put(DEPLOYMENTS, name, Some(&scene.seal(name)));
    }
    scene.put(DEPLOYMENTS, "plain", None);
    scene.put("/apis/batch/v1beta1/cronjobs", "night", Some("v1.forged"));
    *scene.server.expires.lock().unwrap() = 1;
    let (status, said) = scene.run(&["status"]);
    assert!(said.contains("    5  current seal of key "), "{said}");
    assert!(said.contains("    1  no seal"), "{said}");
    assert!(said.contains("CronJob shop/night: it is not laid out as a seal"), "{said}");
    assert_eq!(status, 1);
    scene.assert_granted();

    let (status, said) = scene.run(&["status", "--json"]);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((status, said["workloads"].as_array().unwrap().len()), (1, 7));
    let (status, said) = scene.run(&["status", "--namespace", "none"]);
    assert!(status == 0 && said.contains("there are no workloads"), "{said}");
    let lists = scene.server.asked("GET");
    let (_, last, _) = lists.last().unwrap();
    assert!(last.starts_with("/apis/batch/v1/namespaces/none/jobs?limit="), "{last}");
}

#[test]
fn old_seals_are_renewed_by_their_annotation_alone_and_only_if_they_are_as_they_were_found() {
    let scene = Scene::new();
    let old = scene.seal("web");
    scene.put(DEPLOYMENTS, "web", Some(&old));
    scene.put(DEPLOYMENTS, "busy", Some(&scene.seal("busy")));
    make_key(&scene.keys()).unwrap();
    scene.put(DEPLOYMENTS, "new", Some(&scene.seal("new")));
    let (status, said) = scene.run(&["renew"]);
    assert_eq!(status, 0);
    assert_eq!(said.matches("kubectl annotate --overwrite -n shop deployment/").count(), 2);
    assert_eq!(scene.server.asked("PATCH"), []);

    let busy = "/apis/apps/v1/namespaces/shop/deployments/busy".to_owned();
    scene.server.fails.lock().unwrap().insert(busy, 422);
    // The copy on a ReplicaSet, which its Deployment's controller was quicker to change.
    scene.put("/apis/apps/v1/replicasets", "web-1", Some(&old));
    let copied = json!({"metadata": {"annotations": {ANNOTATION: scene.seal("web")}}});
    let copy = "/apis/apps/v1/namespaces/shop/replicasets/web-1".to_owned();
    scene.server.renewed.lock().unwrap().insert(copy, copied);
    let (status, said) = scene.run(&["renew", "--write"]);
    assert!(said.contains("2 seals renewed in the cluster"), "{said}");
    assert!(said.contains("Deployment shop/busy: it was changed meanwhile"), "{said}");
    assert_eq!(status, 1);
    let patches = scene.server.asked("PATCH");
    assert_eq!(patches.len(), 3);
    let (_, path, patch) = &patches[1];
    assert_eq!(path, "/apis/apps/v1/namespaces/shop/deployments/web");
    let at = "/metadata/annotations/portreeve.dev~1admission";
    let expected = json!([
        {"op": "test", "path": at, "value": old},
        {"op": "replace", "path": at, "value": scene.seal("web")},
    ]);
    assert_eq!(serde_json::from_str::<Value>(patch).unwrap(), expected);
    scene.assert_granted();
}

#[test]
fn keys_may_come_from_the_clusters_own_secret_and_are_never_shown() {
    let scene = Scene::new();
    scene.put(DEPLOYMENTS, "web", Some(&scene.seal("web")));
    let keys = fs::read(scene.keys()).unwrap();
    *scene.server.secret.lock().unwrap() = json!({"data": {"seal.key": STANDARD.encode(&keys)}});
    let kubeconfig = scene.files.path().join("kubeconfig");
    let run = |secret: &str| {
        seal(&["status", "--kubeconfig", text(&kubeconfig), "--seal-secret", secret])
    };
    let (status, said) = run("portreeve/portreeve-seal");
    assert!(status == 0 && said.contains("1  current seal"), "{said}");
    let (_, path, _) = &scene.server.asked("GET")[0];
    assert_eq!(path, "/api/v1/namespaces/portreeve/secrets/portreeve-seal");
    scene.assert_granted();
    let (status, said) = run("portreeve/portreeve-seal/other");
    assert!(status == 2 && said.contains("`other`: it is not there"), "{said}");
    let (status, said) = run("portreeve");
    assert!(status == 2 && said.contains("NAMESPACE/NAME"), "{said}");
    let canary = STANDARD.encode("hunter2 hunter2");
    *scene.server.secret.lock().unwrap() = json!({"data": {"seal.key": canary}});
    let (status, said) = run("portreeve/portreeve-seal");
    assert!(status == 2 && said.contains("line 1 is not 32 bytes"), "{said}");
    assert!(!said.contains("hunter2") && !said.contains(&canary), "{said}");
}

#[test]
fn a_cluster_that_cannot_be_listed_as_a_whole_is_not_counted_in_part() {
    let scene = Scene::new();
    scene.put(DEPLOYMENTS, "web", Some(&scene.seal("web")));
    scene.server.fails.lock().unwrap().insert("/apis/batch/v1/jobs".to_owned(), 403);
    let (status, said) = scene.run(&["status"]);
    assert_eq!(status, 2);
    assert!(said.contains("the list of jobs.batch: the API server forbids it"), "{said}");
    assert!(!said.contains("canary") && !said.contains("current seal"), "{said}");
    *scene.server.expires.lock().unwrap() = 100;
    let (status, said) = scene.run(&["status"]);
    assert!(status == 2 && said.contains("the list of deployments.apps: "), "{said}");
}

#[test]
fn a_cluster_is_named_with_the_keys_of_its_seals_and_nothing_else() {
    for (words, said) in [
        (vec!["status", "--kubeconfig", "k"], "--seal-key"),
        (vec!["status", "--kubeconfig", "k", "--in-cluster", "--seal-key", "f"], "--in-cluster"),
        (vec!["status", "--kubeconfig", "k", "--objects", "o", "--seal-key", "f"], "--objects"),
        (vec!["status", "--in-cluster", "--seal-key", "/nowhere"], "--kubeconfig FILE"),
        (vec!["status", "--data-dir", "d", "--seal-secret", "a/b"], "--seal-secret"),
    ] {
        let (status, text) = seal(&words);
        assert!(status == 2 && text.contains(said), "{words:?}: {text}");
    }
}

#[test]
fn an_entry_is_ended_for_the_cluster_by_a_line_that_every_replica_reads() {
    let scene = Scene::new();
    let kubeconfig = scene.files.path().join("kubeconfig");
    let digest = "a".repeat(64);
    let revoke = |image: &str, reason: &str| {
        let entry = format!("{image}@sha256:{digest}");
        seal(&["revoke", &entry, "--reason", reason, "--kubeconfig", text(&kubeconfig)])
    };
    let (status, said) = revoke("registry.example/web", "wrong\ncommit");
    assert!(status == 0 && said.contains("counts in no seal any more"), "{said}");
    assert_eq!(revoke("nginx", "old").0, 0);
    let held = scene.server.revocations.lock().unwrap().clone().unwrap();
    assert_eq!(held["metadata"]["namespace"], "portreeve");
    let expected = format!(
        "registry.example/web@sha256:{digest} wrong commit\n\
         docker.io/library/nginx@sha256:{digest} old\n"
    );
    assert_eq!(held["data"]["revoked"], expected);
    scene.assert_granted();
    let path = "/api/v1/namespaces/portreeve/configmaps/portreeve-revocations".to_owned();
    scene.server.fails.lock().unwrap().insert(path, 403);
    let (status, said) = revoke("nginx", "again");
    assert!(status == 2 && said.contains("ConfigMap portreeve/portreeve-revocations"), "{said}");
    let (status, said) = seal(&["revoke", &format!("x@sha256:{digest}"), "--reason", "r"]);
    assert!(status == 2 && said.contains("--data-dir"), "{said}");
}
