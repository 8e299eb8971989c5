//! An API server that answers by a script, and the client of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kube::{Client, Config};
use portreeve_host::cluster::ApiServer;
use portreeve_host::cluster::access::{Actor, Done};
use portreeve_host::metrics::Metrics;
use serde_json::{Value, json};

use crate::server::{Reply, Server, status};

/// An API server: what it answers, by path without query. Whatever else it is asked for is not
/// there.
#[derive(Clone, Default)]
pub struct Objects(Arc<Mutex<BTreeMap<String, (u16, Value)>>>);

impl Objects {
    pub fn put(&self, path: &str, object: Value) {
        self.0.lock().unwrap().insert(path.to_owned(), (200, object));
    }

    /// Answers with a status, whose words hold a canary: nobody may repeat them.
    pub fn fail(&self, path: &str, code: u16) {
        let status = json!({"kind": "Status", "code": code, "message": "canary-of-the-server"});
        self.0.lock().unwrap().insert(path.to_owned(), (code, status));
    }

    pub fn remove(&self, path: &str) {
        self.0.lock().unwrap().remove(path);
    }

    pub async fn serve(&self) -> Server {
        let objects = self.clone();
        Server::listen(false, move |request| objects.answer(request)).await
    }

    pub fn answer(&self, request: &str) -> Reply {
        let path = request.split(' ').nth(1).unwrap();
        let path = path.split('?').next().unwrap();
        let found = self.0.lock().unwrap().get(path).cloned();
        let (code, object) = found.unwrap_or_else(|| {
            let name = path.rsplit('/').next().unwrap();
            (404, json!({"kind": "Status", "code": 404, "details": {"name": name}}))
        });
        status(code, "Content-Type: application/json\r\n", &object.to_string())
    }
}

pub fn client(server: &Server) -> Client {
    let mut config = Config::new(server.url().parse().unwrap());
    config.default_retry = false;
    Client::try_from(config).unwrap()
}

pub fn api(server: &Server, metrics: &Arc<Metrics>) -> ApiServer {
    ApiServer::new(client(server), Arc::clone(metrics))
}

/// Everything that was asked stands in the table of rights.
pub fn assert_granted(server: &Server, actor: Actor) {
    for line in server.asked() {
        let (method, path) = line.split_once(' ').unwrap();
        let done = Done::by(method, path).unwrap_or_else(|| panic!("{line}"));
        assert!(done.is_granted_to(actor), "{line}");
    }
}

/// A pull secret of `namespace` with the text of its only member.
pub fn pull_secret(name: &str, version: u32, config: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"name": name, "namespace": "web", "resourceVersion": version.to_string()},
        "data": {".dockerconfigjson": STANDARD.encode(config.to_string())}
    })
}

pub fn account(secrets: &[&str]) -> Value {
    let listed: Vec<_> = secrets.iter().map(|name| json!({"name": name})).collect();
    json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": "default", "namespace": "web", "resourceVersion": "7"},
        "imagePullSecrets": listed
    })
}
