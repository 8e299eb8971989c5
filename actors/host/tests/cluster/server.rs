//! An API server on loopback: it lists in pages, watches, patches status, and fails as it is told.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

/// Where the kinds are.
pub const IMAGE: &str = "/apis/portieris.cloud.ibm.com/v1/imagepolicies";
pub const CLUSTER: &str = "/apis/portieris.cloud.ibm.com/v1/clusterimagepolicies";
pub const OLD_IMAGE: &str =
    "/apis/securityenforcement.admission.cloud.ibm.com/v1beta1/imagepolicies";
pub const OLD_CLUSTER: &str =
    "/apis/securityenforcement.admission.cloud.ibm.com/v1beta1/clusterimagepolicies";
pub const SECRETS: &str = "/api/v1/secrets";

type Body = BoxBody<Bytes, std::io::Error>;

/// How a kind is answered for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// 404, as for a kind that nobody defined.
    Absent,
    /// This status for every request.
    Fails(u16),
    /// The first page of a list, and 500 for the second.
    HalfList,
    /// No answer at all.
    Hangs,
    /// As it should be.
    Obeys,
}

#[derive(Debug)]
struct Kind {
    /// What lists hold besides the objects.
    extra: Vec<Value>,
    /// Events by version.
    log: Vec<(u64, Value)>,
    objects: BTreeMap<(String, String), Value>,
    /// Watches from before this version are refused.
    oldest: u64,
    rule: Rule,
}

#[derive(Debug, Default)]
struct State {
    /// Requests, as `METHOD path?query`.
    asked: Vec<String>,
    /// Counts how often all connections were cut.
    cuts: u64,
    down: bool,
    /// Whether lists pay no heed to field selectors.
    generous: bool,
    kinds: BTreeMap<&'static str, Kind>,
    patches: Vec<(String, Value)>,
    ready: bool,
    version: u64,
}

/// The server. It ends with the test's runtime.
#[derive(Clone)]
pub struct ApiServer {
    changed: watch::Sender<u64>,
    pub port: u16,
    state: Arc<Mutex<State>>,
}

impl ApiServer {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let kinds = [IMAGE, CLUSTER, OLD_IMAGE, OLD_CLUSTER, SECRETS].map(|kind| {
            let (extra, log, objects) = (Vec::new(), Vec::new(), BTreeMap::new());
            (kind, Kind { extra, log, objects, oldest: 0, rule: Rule::Obeys })
        });
        let state = State { kinds: kinds.into(), ready: true, version: 100, ..State::default() };
        let server =
            Self { changed: watch::channel(0).0, port, state: Arc::new(Mutex::new(state)) };
        tokio::spawn(server.clone().accept(listener));
        server
    }

    /// A kubeconfig for it.
    pub fn kubeconfig(&self) -> String {
        let (name, port) = ("stand-in", self.port);
        format!(
            "{{apiVersion: v1, kind: Config, current-context: {name}, clusters: [{{name: {name}, \
             cluster: {{server: 'http://127.0.0.1:{port}'}}}}], contexts: [{{name: {name}, \
             context: {{cluster: {name}, user: {name}}}}}], users: [{{name: {name}, user: {{}}}}]}}"
        )
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let done = change(&mut self.lock());
        self.changed.send_modify(|count| *count += 1);
        done
    }

    pub fn rule(&self, kind: &'static str, rule: Rule) {
        self.change(|state| state.kinds.get_mut(kind).unwrap().rule = rule);
    }

    /// Creates or changes an object.
    pub fn apply(&self, kind: &'static str, object: Value) {
        self.change(|state| state.apply(kind, object));
    }

    pub fn delete(&self, kind: &'static str, namespace: &str, name: &str) {
        self.change(|state| {
            let version = state.next_version();
            let kind = state.kinds.get_mut(kind).unwrap();
            let id = (namespace.to_owned(), name.to_owned());
            let mut object = kind.objects.remove(&id).unwrap();
            object["metadata"]["resourceVersion"] = version.to_string().into();
            kind.log.push((version, json!({ "type": "DELETED", "object": object })));
        });
    }

    /// Changes what is stored without a word to anybody who watches.
    pub fn forget_events(&self, kind: &'static str) {
        self.change(|state| {
            let version = state.next_version();
            let kind = state.kinds.get_mut(kind).unwrap();
            kind.log.clear();
            kind.oldest = version;
        });
    }

    /// Puts an event, of whatever form, to everybody who watches.
    pub fn event(&self, kind: &'static str, event: Value) {
        self.change(|state| {
            let version = state.next_version();
            state.kinds.get_mut(kind).unwrap().log.push((version, event));
        });
    }

    /// What lists hold besides the objects.
    pub fn extra(&self, kind: &'static str, extra: Vec<Value>) {
        self.change(|state| state.kinds.get_mut(kind).unwrap().extra = extra);
    }

    /// Ends all watches in the middle of a line.
    pub fn cut(&self) {
        self.change(|state| state.cuts += 1);
    }

    /// Takes no more requests, or takes them again.
    pub fn down(&self, down: bool) {
        self.change(|state| {
            state.down = down;
            state.cuts += 1;
        });
    }

    pub fn ready(&self, ready: bool) {
        self.change(|state| state.ready = ready);
    }

    pub fn generous(&self) {
        self.change(|state| state.generous = true);
    }

    /// Requests whose text holds `what`.
    pub fn asked(&self, what: &str) -> Vec<String> {
        self.lock().asked.iter().filter(|line| line.contains(what)).cloned().collect()
    }

    pub fn patches(&self) -> Vec<(String, Value)> {
        self.lock().patches.clone()
    }

    async fn accept(self, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            let server = self.clone();
            tokio::spawn(async move {
                let service = service_fn(|request| server.clone().answer(request));
                let http = hyper::server::conn::http1::Builder::new();
                let _ = http.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<Body>, std::io::Error> {
        let (head, body) = request.into_parts();
        let line = format!("{} {}", head.method, head.uri);
        let (down, ready) = {
            let mut state = self.lock();
            state.asked.push(line);
            (state.down, state.ready)
        };
        if down {
            return Err(std::io::Error::other("down"));
        }
        if head.uri.path() == "/readyz" {
            return Ok(status(if ready { 200 } else { 500 }, "ready or not"));
        }
        let query = Query::parse(head.uri.query().unwrap_or_default());
        let Some(place) = Place::parse(head.uri.path()) else { return Ok(status(404, "path")) };
        let rule = self.lock().kinds[place.kind].rule.clone();
        match rule {
            Rule::Absent => return Ok(text(404, "404 page not found\n")),
            Rule::Fails(code) => return Ok(status(code, "told to fail")),
            Rule::Hangs => std::future::pending().await,
            Rule::HalfList if query.get("continue").is_some() => return Ok(status(500, "half")),
            Rule::HalfList | Rule::Obeys => {}
        }
        if head.method == Method::PATCH {
            let bytes = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
            let patch = serde_json::from_slice(&bytes).unwrap();
            return Ok(self.change(|state| state.patch(head.uri.path(), &place, patch)));
        }
        if query.get("watch").is_some() {
            return Ok(self.watch(place, &query));
        }
        let half = rule == Rule::HalfList;
        Ok(self.lock().list(&place, &query, half))
    }

    fn watch(&self, place: Place, query: &Query) -> Response<Body> {
        let (sender, receiver) = mpsc::channel(16);
        let from = query.get("resourceVersion").unwrap_or_default().parse().unwrap_or(0);
        let seconds = query.get("timeoutSeconds").map_or(60, |text| text.parse().unwrap());
        let selected = query.get("fieldSelector").map(str::to_owned);
        let server = self.clone();
        tokio::spawn(async move {
            let follow = server.follow(&place, from, selected.as_deref(), &sender);
            let _ = tokio::time::timeout(Duration::from_secs(seconds), follow).await;
        });
        let frames = stream::unfold(receiver, |mut receiver| async {
            receiver.recv().await.map(|frame| (frame, receiver))
        });
        let body = BodyExt::boxed(StreamBody::new(frames));
        Response::builder().header("content-type", "application/json").body(body).unwrap()
    }

    async fn follow(
        &self,
        place: &Place,
        mut seen: u64,
        selected: Option<&str>,
        sender: &mpsc::Sender<Result<Frame<Bytes>, std::io::Error>>,
    ) {
        let mut changes = self.changed.subscribe();
        let cuts = self.lock().cuts;
        loop {
            let (lines, gone, cut) = {
                let state = self.lock();
                let kind = &state.kinds[place.kind];
                let news = kind.log.iter().filter(|(version, event)| {
                    *version > seen && place.covers(&event["object"], selected)
                });
                let lines: Vec<_> = news.map(|(_, event)| format!("{event}\n")).collect();
                let gone = seen < kind.oldest;
                seen = state.version;
                (lines, gone, state.cuts != cuts)
            };
            if cut {
                let _ = sender.send(Ok(Frame::data("{\"type\":\"ADD".into()))).await;
                let _ = sender.send(Err(std::io::Error::other("cut"))).await;
                return;
            }
            if gone {
                let status = json!({ "kind": "Status", "code": 410, "message": "too old",
                    "reason": "Expired", "status": "Failure" });
                let line = format!("{}\n", json!({ "type": "ERROR", "object": status }));
                let _ = sender.send(Ok(Frame::data(line.into()))).await;
                return;
            }
            for line in lines {
                if sender.send(Ok(Frame::data(line.into()))).await.is_err() {
                    return;
                }
            }
            if changes.changed().await.is_err() {
                return;
            }
        }
    }
}

impl State {
    fn next_version(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    fn apply(&mut self, kind: &'static str, mut object: Value) {
        let version = self.next_version();
        let kind = self.kinds.get_mut(kind).unwrap();
        let text = |pointer: &str| {
            object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let id = (text("/metadata/namespace"), text("/metadata/name"));
        let old = kind.objects.get(&id);
        let spec = old.is_none_or(|old| old["spec"] != object["spec"]);
        let generation = old.map_or(0, |old| old["metadata"]["generation"].as_i64().unwrap());
        object["metadata"]["generation"] = (generation + i64::from(spec)).into();
        object["metadata"]["resourceVersion"] = version.to_string().into();
        let what = if old.is_none() { "ADDED" } else { "MODIFIED" };
        kind.log.push((version, json!({ "type": what, "object": object })));
        kind.objects.insert(id, object);
    }

    fn list(&self, place: &Place, query: &Query, half: bool) -> Response<Body> {
        let kind = &self.kinds[place.kind];
        let selected = query.get("fieldSelector").filter(|_| !self.generous);
        let objects = kind.objects.values().filter(|object| {
            if self.generous { place.covers(object, None) } else { place.covers(object, selected) }
        });
        let items: Vec<_> = objects.chain(&kind.extra).cloned().collect();
        let limit = if half { 1 } else { query.get("limit").map_or(500, |it| it.parse().unwrap()) };
        let from = query.get("continue").map_or(0, |text| text.parse().unwrap());
        let page: Vec<_> = items.iter().skip(from).take(limit).cloned().collect();
        let next = from + page.len();
        let mut metadata = json!({ "resourceVersion": self.version.to_string() });
        if next < items.len() || half {
            metadata["continue"] = next.to_string().into();
        }
        let list = json!({ "apiVersion": "v1", "kind": "List", "metadata": metadata,
            "items": page });
        text(200, &list.to_string())
    }

    fn patch(&mut self, path: &str, place: &Place, patch: Value) -> Response<Body> {
        self.patches.push((path.to_owned(), patch.clone()));
        let id = (place.namespace.clone().unwrap_or_default(), place.name.clone().unwrap());
        let Some(mut object) = self.kinds[place.kind].objects.get(&id).cloned() else {
            return status(404, "no such object");
        };
        let version = &patch["metadata"]["resourceVersion"];
        if !version.is_null() && *version != object["metadata"]["resourceVersion"] {
            return status(409, "changed meanwhile");
        }
        object["status"] = patch["status"].clone();
        self.apply(place.kind, object.clone());
        text(200, &object.to_string())
    }
}

/// What a path names.
struct Place {
    kind: &'static str,
    name: Option<String>,
    namespace: Option<String>,
}

impl Place {
    fn parse(path: &str) -> Option<Self> {
        let kinds = [IMAGE, CLUSTER, OLD_IMAGE, OLD_CLUSTER, SECRETS];
        kinds.into_iter().find_map(|kind| {
            let (base, plural) = kind.rsplit_once('/')?;
            let rest = path.strip_prefix(base)?.strip_prefix('/')?;
            let (namespace, rest) = match rest.strip_prefix("namespaces/") {
                None => (None, rest),
                Some(rest) => {
                    let (namespace, rest) = rest.split_once('/')?;
                    (Some(namespace.to_owned()), rest)
                }
            };
            let rest = rest.strip_prefix(plural)?;
            let name = rest.strip_prefix('/').map(|name| name.trim_end_matches("/status"));
            let fits = rest.is_empty() || name.is_some();
            fits.then(|| Self { kind, name: name.map(str::to_owned), namespace })
        })
    }

    fn covers(&self, object: &Value, selected: Option<&str>) -> bool {
        let metadata = &object["metadata"];
        let namespace =
            self.namespace.as_deref().is_none_or(|namespace| metadata["namespace"] == namespace);
        let wanted = selected.map(|text| text.strip_prefix("metadata.name=").unwrap());
        namespace && wanted.is_none_or(|name| metadata["name"] == name)
    }
}

struct Query(BTreeMap<String, String>);

impl Query {
    fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        Self(pairs.map(|(key, value)| (key.to_owned(), value.replace("%3D", "="))).collect())
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }
}

fn text(code: u16, body: &str) -> Response<Body> {
    let body = Full::new(Bytes::from(body.to_owned())).map_err(|never| match never {}).boxed();
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(code).unwrap();
    response
}

fn status(code: u16, message: &str) -> Response<Body> {
    let status = json!({ "apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code,
        "message": message, "reason": "Told" });
    text(code, &status.to_string())
}

/// Waits for `future` for ten seconds at most.
pub async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(Duration::from_secs(10), future).await {
        Ok(done) => done,
        Err(_) => panic!("{what} did not come in time"),
    }
}
