//! The cluster as the source of objects: its client, and what watches and asks by it.
//!
//! It only reads, but for the status of policies. Every request is bounded in time; what is watched
//! is kept when the API server is gone.

mod backoff;
mod client;
mod found;
mod merge;
mod origin;
mod record;
mod source;
mod status;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use portreeve_protocol::messages::policy::{PolicyInput, SourceObject};
use slog::Logger;

use crate::HostError;
use crate::metrics::Metrics;
use watch::{Parts, Watch};

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
    watch: Option<Watch>,
}

impl Cluster {
    /// Makes the client. Call it on the runtime that is to drive it. Nothing is asked of the API
    /// server yet, so it may be down.
    ///
    /// # Errors
    /// `Cluster` if there is no service account and no kubeconfig, or it cannot be used.
    pub async fn connect(options: &ClusterOptions) -> Result<Self, HostError> {
        Ok(Self { client: client::connect(options).await?, watch: None })
    }

    /// The client; a clone of it shares its connections.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
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
        if let Some(watch) = self.watch {
            watch.stop().await;
        }
    }
}
