//! Counters of the watch on a cluster's policies.

use std::sync::atomic::AtomicU64;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::put;

/// How the watch on a cluster's policies goes, by source: four kinds of policies, and all Secrets
/// of signers together.
#[derive(Debug, Default)]
pub struct WatchMetrics {
    changes: Family<BySource, Counter>,
    failures: Family<BySource, Counter>,
    last_event: Family<BySource, Gauge<f64, AtomicU64>>,
    lists: Family<BySource, Counter>,
    watched: Family<BySource, Gauge>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BySource {
    source: &'static str,
}

impl WatchMetrics {
    pub(super) fn register(&self, all: &mut Registry) {
        put(all, "watch_changes", self.changes.clone());
        put(all, "watch_failures", self.failures.clone());
        put(all, "watch_last_event", self.last_event.clone());
        put(all, "watch_lists", self.lists.clone());
        put(all, "watched", self.watched.clone());
    }

    /// An object was created, changed or deleted.
    pub fn changed(&self, source: &'static str) {
        self.changes.get_or_create(&BySource { source }).inc();
        self.heard(source);
    }

    /// The cluster does not know the kind; if it comes, that will be seen.
    pub fn absent(&self, source: &'static str) {
        self.heard(source);
    }

    /// The whole list was read.
    pub fn listed(&self, source: &'static str) {
        self.lists.get_or_create(&BySource { source }).inc();
        self.heard(source);
    }

    /// It could not be listed or watched.
    pub fn failed(&self, source: &'static str) {
        self.failures.get_or_create(&BySource { source }).inc();
        self.watched.get_or_create(&BySource { source }).set(0);
    }

    fn heard(&self, source: &'static str) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.last_event.get_or_create(&BySource { source }).set(now.as_secs_f64());
        self.watched.get_or_create(&BySource { source }).set(1);
    }
}
