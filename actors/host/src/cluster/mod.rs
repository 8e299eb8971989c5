//! The cluster as the source of objects: its client, and what watches and asks by it.
//!
//! It only reads, but for the status of policies and for Events. Every request is bounded in time;
//! what is watched is kept when the API server is gone. What a workload or its owner reference
//! names is asked for by its name, when a decision needs it.

pub mod access;
mod api_server;
mod backoff;
mod client;
mod events;
mod flights;
mod found;
mod kept;
pub mod kinds;
mod merge;
mod metadata;
mod origin;
mod owners;
mod pulls;
mod record;
mod revocations;
mod source;
mod status;
mod watch;
mod workloads;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use portreeve_protocol::NodeId;
use portreeve_protocol::messages::admission::RevokeSeal;
use portreeve_protocol::messages::policy::{PolicyInput, SourceObject};
use slog::Logger;

use crate::HostError;
use crate::clock::Clock;
use crate::credentials::Credentials;
use crate::events::EventSink;
use crate::metrics::Metrics;
use crate::seals::Sealer;
pub use api_server::{ApiServer, ApiTrouble};
use events::EventWriter;
pub use owners::ClusterOwners;
pub use pulls::{ClusterPulls, Ticks};
pub use revocations::REVOCATIONS;
use revocations::Revocations;
pub(crate) use source::causes;
use watch::{Parts, Watch};
pub use workloads::{ClusterWorkloads, Renewal};

/// How long all policies of a cluster may take to be read once.
const READ: Duration = Duration::from_secs(30);

/// Which cluster, and how it is reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterOptions {
    /// A kubeconfig file; `None` takes the pod's service account.
    pub kubeconfig: Option<PathBuf>,
}

/// The cluster that objects come from. Call [`Cluster::stop`] to end in order what runs by it.
pub struct Cluster {
    client: Client,
    events: Option<EventWriter>,
    revocations: Option<Revocations>,
    watch: Option<Watch>,
}

impl Cluster {
    /// Makes the client. Call it on the runtime that is to drive it. Nothing is asked of the API
    /// server yet, so it may be down.
    ///
    /// # Errors
    /// `Cluster` if there is no service account and no kubeconfig, or it cannot be used.
    pub async fn connect(options: &ClusterOptions) -> Result<Self, HostError> {
        Ok(Self {
            client: client::connect(options).await?,
            events: None,
            revocations: None,
            watch: None,
        })
    }

    /// The client; a clone of it shares its connections.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// What looks at the controllers of workloads, and checks their seals with `sealer`.
    #[must_use]
    pub fn owners(&self, sealer: &Sealer, metrics: &Arc<Metrics>) -> ClusterOwners {
        ClusterOwners::new(self.api(metrics), sealer.clone())
    }

    /// The credentials in the pull secrets of workloads and service accounts, read when they are
    /// needed. Call it within a tokio runtime.
    #[must_use]
    pub fn credentials(&self, clock: &Clock, metrics: &Arc<Metrics>, log: &Logger) -> Credentials {
        let clock = clock.clone();
        let ticks: Ticks = Arc::new(move || clock.mono());
        ClusterPulls::start(self.api(metrics), ticks, log.clone()).credentials()
    }

    /// Writes Events, in the name of `node`, until the cluster is stopped. Call it within a tokio
    /// runtime.
    pub fn events(
        &mut self,
        node: &NodeId,
        clock: &Clock,
        metrics: &Arc<Metrics>,
        log: &Logger,
    ) -> Arc<dyn EventSink> {
        let api = self.api(metrics);
        let writer = EventWriter::start(api, node.clone(), clock.clone(), log.clone());
        let sink = writer.sink(metrics);
        self.events = Some(writer);
        sink
    }

    /// Reads which entries of seals were ended for the cluster, in the operator's namespace, before
    /// it returns, and goes on to do so; `tell` is told of each once.
    pub async fn follow_revocations(
        &mut self,
        operator_namespace: &str,
        metrics: &Arc<Metrics>,
        log: &Logger,
        tell: impl Fn(RevokeSeal) + Send + Sync + 'static,
    ) {
        let (api, log) = (self.api(metrics), log.clone());
        let started = Revocations::start(api, operator_namespace, log, tell);
        self.revocations = Some(started.await);
    }

    fn api(&self, metrics: &Arc<Metrics>) -> ApiServer {
        ApiServer::new(self.client.clone(), Arc::clone(metrics))
    }

    /// Watches the policies and the Secrets of signers that they name; those of
    /// ClusterImagePolicies stand in `operator_namespace`. It returns at once; `sink` is told on
    /// the runtime, in order, as soon as everything was listed and whenever something changes.
    pub fn watch(
        &mut self,
        operator_namespace: &str,
        metrics: &Arc<Metrics>,
        log: &Logger,
        sink: impl Fn(PolicyInput) + Send + 'static,
    ) {
        self.watch = Some(Watch::start(Parts {
            client: self.client.clone(),
            log: log.clone(),
            metrics: Arc::clone(metrics),
            operator_namespace: operator_namespace.to_owned(),
            sink,
            status: true,
        }));
    }

    /// The policies and the Secrets of signers that they name, as they are now. Nothing is written.
    ///
    /// # Errors
    /// `Cluster` if they cannot be read within half a minute.
    pub async fn read(&self, operator_namespace: &str) -> Result<Vec<SourceObject>, HostError> {
        let (sink, mut inputs) = tokio::sync::mpsc::unbounded_channel();
        let watch = Watch::start(Parts {
            client: self.client.clone(),
            log: Logger::root(slog::Discard, slog::o!()),
            metrics: Arc::new(Metrics::new("")),
            operator_namespace: operator_namespace.to_owned(),
            sink: move |input| drop(sink.send(input)),
            status: false,
        });
        let read = async {
            let mut last = "its API server does not answer".to_owned();
            while let Some(input) = inputs.recv().await {
                match input {
                    PolicyInput::Relisted(list) => return Ok(list.objects),
                    PolicyInput::WatchLost(lost) => {
                        last = lost.why;
                        break;
                    }
                    PolicyInput::Applied(_)
                    | PolicyInput::Deleted(_)
                    | PolicyInput::WatchRestored => {}
                }
            }
            Err(last)
        };
        let read = tokio::time::timeout(READ, read).await;
        watch.stop().await;
        let read = read.unwrap_or_else(|_| Err("the policies did not come in time".to_owned()));
        read.map_err(|why| HostError::Cluster { why })
    }

    /// Ends whatever runs by it.
    pub async fn stop(self) {
        drop(self.revocations);
        if let Some(watch) = self.watch {
            watch.stop().await;
        }
        if let Some(events) = self.events {
            events.finish().await;
        }
    }
}
