//! Counters for operators. No label ever holds a name that a client chose, such as a GUN; the
//! number of trust servers in labels is bounded.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use portreeve_protocol::messages::notary::FetchOutcome;
use portreeve_protocol::{ActorKind, DenyCode, Fact, limits};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

/// All metrics of a process.
#[derive(Debug)]
pub struct Metrics {
    facts: Family<ByFact, Counter>,
    fetch_seconds: Family<ByServer, Histogram>,
    fetches: Family<ByFetch, Counter>,
    hops_lost: Family<ByActor, Counter>,
    hops_refused: Family<ByActor, Counter>,
    in_flight: Gauge,
    journal_bytes: Counter,
    journal_degraded: Gauge,
    journal_records: Counter,
    journal_stalled: Gauge,
    journal_sync_seconds: Histogram,
    journal_syncs: Counter,
    panics: Family<ByActor, Counter>,
    poisoned: Family<ByActor, Gauge>,
    registry: Registry,
    review_seconds: Histogram,
    reviews: Family<ByAnswer, Counter>,
    servers: Mutex<BTreeSet<String>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByFact {
    fact: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByActor {
    actor: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByAnswer {
    allowed: &'static str,
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByServer {
    server: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByFetch {
    result: &'static str,
    server: String,
}

/// Bounds in seconds: a warm answer takes about a millisecond, a client waits ten seconds at most.
const SECONDS: [f64; 13] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

fn seconds() -> Histogram {
    Histogram::new(SECONDS)
}

impl Metrics {
    /// All metrics at zero; `build` is the version of the program.
    #[must_use]
    pub fn new(build: &str) -> Self {
        let mut metrics = Self {
            facts: Family::default(),
            fetch_seconds: Family::new_with_constructor(seconds),
            fetches: Family::default(),
            hops_lost: Family::default(),
            hops_refused: Family::default(),
            in_flight: Gauge::default(),
            journal_bytes: Counter::default(),
            journal_degraded: Gauge::default(),
            journal_records: Counter::default(),
            journal_stalled: Gauge::default(),
            journal_sync_seconds: seconds(),
            journal_syncs: Counter::default(),
            panics: Family::default(),
            poisoned: Family::default(),
            registry: Registry::with_prefix("portreeve"),
            review_seconds: seconds(),
            reviews: Family::default(),
            servers: Mutex::new(BTreeSet::new()),
        };
        metrics.register(build);
        metrics
    }

    fn register(&mut self, build: &str) {
        let info = Info::new(vec![
            ("version", build.to_owned()),
            ("rules", portreeve_protocol::RULES_VERSION.to_string()),
        ]);
        let all = &mut self.registry;
        all.register("build", "The program", info);
        all.register("facts", "What machines found worth knowing", self.facts.clone());
        all.register("fetches", "Documents asked of trust servers", self.fetches.clone());
        all.register_with_unit(
            "fetch",
            "Time to a trust server's answer",
            Unit::Seconds,
            self.fetch_seconds.clone(),
        );
        all.register("hops_lost", "Messages between actors lost", self.hops_lost.clone());
        all.register("hops_refused", "Requests between actors refused", self.hops_refused.clone());
        all.register("reviews_in_flight", "Reviews being decided", self.in_flight.clone());
        all.register_with_unit("journal", "Written", Unit::Bytes, self.journal_bytes.clone());
        all.register(
            "journal_degraded",
            "1 while records cannot be written",
            self.journal_degraded.clone(),
        );
        all.register("journal_records", "Records written", self.journal_records.clone());
        all.register(
            "journal_stalled",
            "1 while the journal's thread is stuck",
            self.journal_stalled.clone(),
        );
        all.register("journal_syncs", "Syncs to disk", self.journal_syncs.clone());
        all.register_with_unit(
            "journal_sync",
            "Time of a sync to disk",
            Unit::Seconds,
            self.journal_sync_seconds.clone(),
        );
        all.register("panics", "Panics of machines", self.panics.clone());
        all.register("poisoned", "Actors out of service", self.poisoned.clone());
        all.register("reviews", "Reviews answered", self.reviews.clone());
        all.register_with_unit(
            "review",
            "Time from receipt of a review to its answer",
            Unit::Seconds,
            self.review_seconds.clone(),
        );
    }

    /// Lets another part of the host register metrics of its own, before the text is served.
    pub fn registry_mut(&mut self) -> &mut Registry {
        &mut self.registry
    }

    /// The text that `/metrics` serves (OpenMetrics 1.0).
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a `String` cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }

    /// A machine noted a fact.
    pub fn fact(&self, fact: &Fact) {
        self.facts.get_or_create(&ByFact { fact: fact.name() }).inc();
    }

    /// A review was answered, by whomever, after this many microseconds.
    pub fn reviewed(&self, allowed: bool, code: Option<DenyCode>, micros: u64) {
        let allowed = if allowed { "true" } else { "false" };
        let code = code.map_or("", DenyCode::code);
        self.reviews.get_or_create(&ByAnswer { allowed, code }).inc();
        self.review_seconds.observe(in_seconds(micros));
    }

    /// So many reviews are being decided.
    pub fn in_flight(&self, reviews: usize) {
        self.in_flight.set(i64::try_from(reviews).unwrap_or(i64::MAX));
    }

    /// A fetch ended after this many microseconds.
    pub fn fetched(&self, server: &str, outcome: &FetchOutcome, micros: u64) {
        let server = self.server(server);
        let result = match outcome {
            FetchOutcome::Absent => "absent",
            FetchOutcome::Document(_) => "document",
            FetchOutcome::Failed(why) => why.code.code(),
        };
        self.fetches.get_or_create(&ByFetch { result, server: server.clone() }).inc();
        self.fetch_seconds.get_or_create(&ByServer { server }).observe(in_seconds(micros));
    }

    /// Records were written.
    pub fn journal_written(&self, records: u64, bytes: u64) {
        self.journal_records.inc_by(records);
        self.journal_bytes.inc_by(bytes);
    }

    /// The journal was synced in this many microseconds.
    pub fn journal_synced(&self, micros: u64) {
        self.journal_syncs.inc();
        self.journal_sync_seconds.observe(in_seconds(micros));
    }

    /// Whether records can be written.
    pub fn journal_writable(&self, writable: bool) {
        self.journal_degraded.set(i64::from(!writable));
    }

    /// Whether the journal's thread is stuck.
    pub fn journal_stalled(&self, stalled: bool) {
        self.journal_stalled.set(i64::from(stalled));
    }

    /// A machine panicked.
    pub fn panicked(&self, actor: ActorKind) {
        self.panics.get_or_create(&ByActor { actor: actor.name() }).inc();
    }

    /// An actor is out of service.
    pub fn poisoned(&self, actor: ActorKind) {
        self.poisoned.get_or_create(&ByActor { actor: actor.name() }).inc();
    }

    /// A request to an actor was refused.
    pub fn hop_refused(&self, actor: ActorKind) {
        self.hops_refused.get_or_create(&ByActor { actor: actor.name() }).inc();
    }

    /// A message to an actor was lost.
    pub fn hop_lost(&self, actor: ActorKind) {
        self.hops_lost.get_or_create(&ByActor { actor: actor.name() }).inc();
    }

    /// The label of a trust server: its host and port, or `other` once there are too many. Whoever
    /// writes a policy chooses the URL, so the rest of it is not shown.
    fn server(&self, url: &str) -> String {
        let host = url.split_once("://").map_or(url, |(_, rest)| rest);
        let host = host.split('/').next().unwrap_or_default();
        let host = host.rsplit('@').next().unwrap_or_default();
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        if servers.contains(host) {
            return host.to_owned();
        }
        if servers.len() >= limits::TRUST_SERVERS {
            return "other".to_owned();
        }
        servers.insert(host.to_owned());
        host.to_owned()
    }
}

fn in_seconds(micros: u64) -> f64 {
    std::time::Duration::from_micros(micros).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_served_with_its_value() {
        let metrics = Metrics::new("1.2.3");
        metrics.fact(&Fact::WatchRestored);
        metrics.reviewed(false, Some(DenyCode::NotSigned), 2_000);
        metrics.journal_written(3, 700);
        metrics.journal_writable(false);
        metrics.fetched("https://n.example:4443", &FetchOutcome::Absent, 1_500);
        let text = metrics.encode();
        for line in [
            "portreeve_build_info{version=\"1.2.3\",rules=\"2\"} 1",
            "portreeve_facts_total{fact=\"watch-restored\"} 1",
            "portreeve_reviews_total{allowed=\"false\",code=\"not-signed\"} 1",
            "portreeve_journal_records_total 3",
            "portreeve_journal_bytes_total 700",
            "portreeve_journal_degraded 1",
            "portreeve_fetches_total{result=\"absent\",server=\"n.example:4443\"} 1",
            "portreeve_fetch_seconds_count{server=\"n.example:4443\"} 1",
            "portreeve_review_seconds_sum 0.002",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in:\n{text}");
        }
    }

    #[test]
    fn trust_servers_in_labels_are_bounded_and_show_no_user_information() {
        let metrics = Metrics::new("1");
        assert_eq!(metrics.server("https://user:word@n.example/path"), "n.example");
        for number in 0..limits::TRUST_SERVERS * 2 {
            metrics.fetched(&format!("https://n{number}.example"), &FetchOutcome::Absent, 1);
        }
        assert_eq!(metrics.server("https://late.example"), "other");
        assert_eq!(metrics.server("https://n.example"), "n.example");
    }
}
