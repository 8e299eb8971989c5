//! Kubernetes Events, written off the path of reviews.
//!
//! They are Events of the core group, which every API server and every `kubectl` knows, in the
//! namespace of the object. Writing them is best effort: nothing waits for it, and what cannot be
//! written is counted and dropped.

mod pace;
mod series;

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use portreeve_protocol::{NodeId, Sha256, Wall, limits};
use serde::Deserialize;
use serde_json::json;
use slog::{Logger, info, warn};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use super::api_server::{ApiServer, ApiTrouble, JSON, MERGE_PATCH, METADATA, Question, What};
use super::kinds::WorkloadKind;
use super::metadata::Metadata;
use super::origin::{is_namespace, is_object_name};
use crate::clock::Clock;
use crate::events::{About, EventSink, Occurrence, Uid};
use crate::metrics::Metrics;
use series::{AllSeries, Outcome, Writing};

/// Writes Events until it is finished.
pub(super) struct EventWriter {
    ended: Arc<Notify>,
    queue: mpsc::Sender<Occurrence>,
    task: JoinHandle<()>,
}

/// Where Events are handed in.
struct Queue {
    metrics: Arc<Metrics>,
    queue: mpsc::Sender<Occurrence>,
}

struct Writer {
    api: ApiServer,
    clock: Clock,
    /// Whether the last one could not be written.
    failing: bool,
    log: Logger,
    node: NodeId,
    series: AllSeries,
}

/// How often it is looked whether what had to wait may be written.
const LOOK: Duration = Duration::from_secs(1);
/// How long the end may take.
const END: Duration = Duration::from_secs(2);

impl EventWriter {
    /// Starts to write, in the name of `node`. Call it within a tokio runtime.
    pub(super) fn start(api: ApiServer, node: NodeId, clock: Clock, log: Logger) -> Self {
        let (queue, occurrences) = mpsc::channel(limits::EVENTS_WAITING);
        let ended = Arc::new(Notify::new());
        let writer = Writer { api, clock, failing: false, log, node, series: AllSeries::new() };
        let task = tokio::spawn(writer.run(occurrences, Arc::clone(&ended)));
        Self { ended, queue, task }
    }

    /// Where Events are handed in.
    pub(super) fn sink(&self, metrics: &Arc<Metrics>) -> Arc<dyn EventSink> {
        Arc::new(Queue { metrics: Arc::clone(metrics), queue: self.queue.clone() })
    }

    /// Writes what waits and may be written, and ends.
    pub(super) async fn finish(self) {
        let Self { ended, mut task, .. } = self;
        ended.notify_one();
        if tokio::time::timeout(END, &mut task).await.is_err() {
            task.abort();
        }
    }
}

impl EventSink for Queue {
    fn tell(&self, occurrence: Occurrence) {
        if self.queue.try_send(occurrence).is_err() {
            self.metrics.events("dropped", 1);
        }
    }
}

impl Writer {
    async fn run(mut self, mut occurrences: mpsc::Receiver<Occurrence>, ended: Arc<Notify>) {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                occurrence = occurrences.recv() => match occurrence {
                    Some(occurrence) => self.note(occurrence),
                    None => break,
                },
                _ = look.tick(), if !self.series.is_idle() => {}
                () = ended.notified() => occurrences.close(),
            }
            // All that is there counts in one writing.
            while let Ok(occurrence) = occurrences.try_recv() {
                self.note(occurrence);
            }
            self.write_all().await;
        }
    }

    fn note(&mut self, occurrence: Occurrence) {
        if !self.series.note(occurrence, self.clock.now()) {
            self.api.metrics().events("dropped", 1);
        }
    }

    async fn write_all(&mut self) {
        while let Some(writing) = self.series.next(self.clock.mono()) {
            let result = self.write(&writing).await;
            let outcome = match result {
                Ok(name) => {
                    self.failing = false;
                    let result = if writing.name.is_some() { "counted" } else { "written" };
                    self.api.metrics().events(result, 1);
                    Outcome::Written(name)
                }
                Err(ApiTrouble::Absent) if writing.name.is_some() => Outcome::Gone,
                Err(why) => self.failed(&writing, why),
            };
            let wait = outcome == Outcome::Later;
            self.series.done(&writing, outcome);
            if wait {
                return;
            }
        }
    }

    fn failed(&mut self, writing: &Writing, why: ApiTrouble) -> Outcome {
        self.api.metrics().events("failed", 1);
        if !self.failing {
            let About { kind, name, namespace, .. } = &writing.what.about;
            warn!(self.log, "an Event cannot be written; others are not told of";
                "why" => why.to_string(), "kind" => kind, "name" => name,
                "namespace" => namespace);
        }
        self.failing = true;
        match why {
            ApiTrouble::Late(_) | ApiTrouble::Status(429 | 500..) | ApiTrouble::Unreachable => {
                Outcome::Later
            }
            ApiTrouble::Absent
            | ApiTrouble::Forbidden
            | ApiTrouble::Malformed
            | ApiTrouble::Oversize
            | ApiTrouble::Status(_)
            | ApiTrouble::Unauthenticated
            | ApiTrouble::UnknownKind => Outcome::Impossible,
        }
    }

    /// Makes the Event, or counts in the one that is there. Returns its name.
    async fn write(&mut self, writing: &Writing) -> Result<String, ApiTrouble> {
        let about = &writing.what.about;
        // The API server keeps Events about what has no namespace in `default`.
        let namespace = match about.namespace.as_str() {
            "" => "default",
            namespace if is_namespace(namespace) => namespace,
            _ => return Err(ApiTrouble::Malformed),
        };
        let all = format!("/api/v1/namespaces/{namespace}/events");
        if let Some(name) = &writing.name {
            let body = json!({"count": writing.count, "lastTimestamp": seconds(writing.last)});
            let path = format!("{all}/{name}");
            self.send(Method::PATCH, &path, MERGE_PATCH, &body).await?;
            return Ok(name.clone());
        }
        let name = self.name(writing);
        let uid = self.uid(about).await;
        let event = self.event(writing, &name, namespace, uid);
        match self.send(Method::POST, &all, JSON, &event).await {
            // Made by an attempt whose answer was lost.
            Ok(()) | Err(ApiTrouble::Status(409)) => {
                info!(self.log, "an Event was written"; "reason" => writing.what.reason.name(),
                    "kind" => &about.kind, "name" => &about.name, "namespace" => namespace);
                Ok(name)
            }
            Err(why) => Err(why),
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        media: &'static str,
        body: &serde_json::Value,
    ) -> Result<(), ApiTrouble> {
        let body = Some((media, body.to_string().into_bytes()));
        let within = Duration::from_micros(limits::API_TIMEOUT);
        let question = Question { accept: JSON, body, method, path, what: What::Event, within };
        self.api.ask(question).await.map(drop)
    }

    /// The uid of an object, where it exists and is of a kind that may be looked at.
    async fn uid(&self, about: &About) -> Option<String> {
        #[derive(Deserialize)]
        struct Object<'a> {
            #[serde(borrow)]
            metadata: Metadata<'a>,
        }
        let About { api_version, kind, name, namespace, uid } = about;
        match uid {
            Uid::Known(uid) => return Some(uid.clone()),
            Uid::None => return None,
            Uid::Unread => {}
        }
        let kind = WorkloadKind::named(api_version, kind)?;
        let version = api_version.rsplit('/').next().unwrap_or_default();
        let served = kind.versions.iter().find(|served| **served == version);
        let version = served.or_else(|| kind.versions.first())?;
        if !is_object_name(name) || !is_namespace(namespace) {
            return None;
        }
        let path = format!("{}/{name}", kind.path(version, namespace));
        let answer = self.api.get(What::Event, METADATA, &path).await.ok()?;
        let object: Object<'_> = serde_json::from_slice(answer.bytes()).ok()?;
        object.metadata.uid.map(Into::into)
    }

    /// A name of its own, so that the Events of two replicas, or of two runs, never meet.
    fn name(&self, writing: &Writing) -> String {
        let Writing { first, what, .. } = writing;
        let whole = format!("{} {first:?} {what:?}", self.node.as_str());
        let hash = Sha256::of(whole.as_bytes()).to_hex();
        let hash = hash.get(..16).unwrap_or(&hash);
        let name = &what.about.name;
        if is_object_name(name) && name.len() <= 200 {
            format!("{name}.{hash}")
        } else {
            format!("portreeve.{hash}")
        }
    }

    fn event(
        &self,
        writing: &Writing,
        name: &str,
        namespace: &str,
        uid: Option<String>,
    ) -> serde_json::Value {
        let Writing { count, first, last, what, .. } = writing;
        let About { api_version, kind, name: of, namespace: within, .. } = &what.about;
        let mut involved = json!({
            "apiVersion": api_version,
            "kind": kind,
            "name": of,
            "namespace": within,
        });
        if let (Some(uid), Some(members)) = (uid, involved.as_object_mut()) {
            members.insert("uid".to_owned(), uid.into());
        }
        json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": involved,
            "reason": what.reason.name(),
            "message": what.text,
            "type": "Warning",
            "count": count,
            "firstTimestamp": seconds(*first),
            "lastTimestamp": seconds(*last),
            "source": {"component": "portreeve", "host": self.node.as_str()},
            "reportingComponent": "portreeve.dev/portreeve",
            "reportingInstance": self.node.as_str(),
        })
    }
}

/// RFC 3339 in whole seconds, as Kubernetes writes times.
fn seconds(wall: Wall) -> String {
    wall.to_string().split_once('.').map_or_else(String::new, |(whole, _)| format!("{whole}Z"))
}
