//! Where a server's objects come from: opened before the node starts, read once it runs.

use std::path::PathBuf;
use std::sync::Arc;

use portreeve_protocol::NodeId;
use slog::Logger;

use super::blocking;
use crate::HostError;
use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::config::ObjectSource;
use crate::credentials::Credentials;
use crate::events::EventSink;
use crate::metrics::Metrics;
use crate::node::Node;
use crate::objects::DirectoryWatch;
use crate::owners::{OwnerSource, OwnerStore};

/// A source that is not read yet.
pub(super) enum Source {
    Cluster(Cluster),
    Directory(PathBuf),
}

/// A source that is read and watched.
pub(super) enum Objects {
    Cluster(Cluster),
    Directory(DirectoryWatch),
}

/// What of the server objects go into, and what watches them needs.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    pub(super) credentials: &'a Credentials,
    pub(super) log: &'a Logger,
    pub(super) metrics: &'a Arc<Metrics>,
    pub(super) operator_namespace: &'a str,
    pub(super) owners: &'a OwnerStore,
}

impl Source {
    /// Opens the source that is configured; a cluster is not asked for anything yet.
    pub(super) async fn open(configured: &ObjectSource) -> Result<Self, HostError> {
        match configured {
            ObjectSource::Cluster(options) => Ok(Self::Cluster(Cluster::connect(options).await?)),
            ObjectSource::Directory(directory) => Ok(Self::Directory(directory.clone())),
        }
    }

    /// Where the controllers of workloads are looked for: in the cluster, or among what the
    /// directory will have put into `owners`.
    pub(super) fn owners(
        &self,
        owners: &OwnerStore,
        metrics: &Arc<Metrics>,
    ) -> Arc<dyn OwnerSource> {
        match self {
            Self::Cluster(cluster) => Arc::new(cluster.owners(owners.sealer(), metrics)),
            Self::Directory(_) => Arc::new(owners.clone()),
        }
    }

    /// Where the credentials for registries are: in the cluster, or in a store that the directory
    /// will fill.
    pub(super) fn credentials(
        &self,
        clock: &Clock,
        metrics: &Arc<Metrics>,
        log: &Logger,
    ) -> Credentials {
        match self {
            Self::Cluster(cluster) => cluster.credentials(clock, metrics, log),
            Self::Directory(_) => Credentials::default(),
        }
    }

    /// Who is told of decisions besides the sender of a workload: nobody, without a cluster.
    pub(super) fn events(
        &mut self,
        node: &NodeId,
        clock: &Clock,
        metrics: &Arc<Metrics>,
        log: &Logger,
    ) -> Option<Arc<dyn EventSink>> {
        match self {
            Self::Cluster(cluster) => Some(cluster.events(node, clock, metrics, log)),
            Self::Directory(_) => None,
        }
    }

    /// Reads it and goes on to watch it. A directory was read and told to `node` when this returns;
    /// a cluster is told as soon as it was listed, for its API server may be down.
    pub(super) async fn watch(
        self,
        node: &Node,
        around: &Around<'_>,
    ) -> Result<Objects, HostError> {
        let Around { credentials, log, metrics, operator_namespace: namespace, owners } = *around;
        let teller = node.clone();
        match self {
            Self::Cluster(mut cluster) => {
                let ender = node.clone();
                let end = move |revoke| ender.revoke_seal(revoke);
                cluster.follow_revocations(namespace, metrics, log, end).await;
                cluster.watch(namespace, metrics, log, move |input| teller.objects(input));
                Ok(Objects::Cluster(cluster))
            }
            Self::Directory(directory) => {
                let (store, workloads) = (credentials.clone(), owners.clone());
                let log = log.clone();
                let started = blocking("objects", move || {
                    let sink = move |input| teller.objects(input);
                    DirectoryWatch::start(&directory, &store, &workloads, log, sink)
                });
                Ok(Objects::Directory(started.await??))
            }
        }
    }
}

impl Objects {
    /// Ends what watches.
    pub(super) async fn stop(self) -> Result<(), HostError> {
        match self {
            Self::Cluster(cluster) => {
                cluster.stop().await;
                Ok(())
            }
            Self::Directory(watch) => blocking("objects", move || watch.stop()).await,
        }
    }
}
