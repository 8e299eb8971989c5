//! Counters for operators. No label ever holds a name that a client chose, such as a GUN; the
//! number of trust servers in labels is bounded. `docs/metrics.md` is written from
//! [`TABLE`].

mod often;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};

use portreeve_protocol::decision::Tolerated;
use portreeve_protocol::messages::admission::OwnerOutcome;
use portreeve_protocol::messages::notary::FetchOutcome;
use portreeve_protocol::policy::Mode;
use portreeve_protocol::{ActorKind, Admitted, Decision, Fact, Verdict, Wall, limits};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry, Unit};

use crate::clock::Clock;
use crate::metric_labels::{
    ByActor, ByAnswer, ByCache, ByFact, ByFetch, ByQuestion, ByResult, ByServer, ByStatus, ByStep,
    ByWhy,
};
pub use crate::metric_table::{Described, TABLE};
use often::Often;
pub use watch::WatchMetrics;

/// A step on the way of a review.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The answer is written.
    Answer,
    /// From receipt to decision, with all that is asked of others.
    Decide,
    /// The body is read as a review.
    Parse,
    /// The body comes in.
    Receive,
    /// Documents are verified.
    Verify,
}

impl Step {
    /// How many there are.
    const COUNT: usize = 5;

    const fn name(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Decide => "decide",
            Self::Parse => "parse",
            Self::Receive => "receive",
            Self::Verify => "verify",
        }
    }
}

/// All metrics of a process.
#[derive(Debug)]
pub struct Metrics {
    api_questions: Family<ByQuestion, Counter>,
    /// When the trust bundle in force ends, by which clock.
    bundle_end: Mutex<Option<(Clock, Wall)>>,
    bundle_expired: Gauge,
    bundle_looks: Family<ByResult, Counter>,
    bundle_not_after: Gauge<f64, AtomicU64>,
    bundle_version: Gauge,
    certificate_loaded: Gauge,
    certificate_not_after: Gauge<f64, AtomicU64>,
    certificate_reloads: Family<ByResult, Counter>,
    /// By trust server and collection, when its trust data ends; never shown by collection.
    ends: Mutex<BTreeMap<String, BTreeMap<String, Wall>>>,
    events: Family<ByResult, Counter>,
    facts: Family<ByFact, Counter>,
    fetch_seconds: Family<ByServer, Histogram>,
    fetches: Family<ByFetch, Counter>,
    handshakes_failed: Family<ByWhy, Counter>,
    hops_lost: Family<ByActor, Counter>,
    hops_refused: Family<ByActor, Counter>,
    in_flight: Gauge,
    journal_bytes: Counter,
    journal_degraded: Gauge,
    journal_denied: Counter,
    journal_free: Gauge<f64, AtomicU64>,
    journal_gaps: Counter,
    journal_records: Counter,
    journal_stalled: Gauge,
    journal_stored: Gauge<f64, AtomicU64>,
    journal_sync_seconds: Histogram,
    journal_syncs: Counter,
    metadata_not_after: Family<ByServer, Gauge<f64, AtomicU64>>,
    often: Often,
    panics: Family<ByActor, Counter>,
    owner_lookup_seconds: Family<ByResult, Histogram>,
    poisoned: Family<ByActor, Gauge>,
    registry: Registry,
    requests_refused: Family<ByStatus, Counter>,
    review_seconds: Histogram,
    reviews: Family<ByAnswer, Counter>,
    reviews_judged: Family<ByCache, Counter>,
    servers: Mutex<BTreeSet<String>>,
    stale_answers: Counter,
    steps: Family<ByStep, Histogram>,
    watch: WatchMetrics,
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
            api_questions: Family::default(),
            bundle_end: Mutex::default(),
            bundle_expired: Gauge::default(),
            bundle_looks: Family::default(),
            bundle_not_after: Gauge::default(),
            bundle_version: Gauge::default(),
            certificate_loaded: Gauge::default(),
            certificate_not_after: Gauge::default(),
            certificate_reloads: Family::default(),
            ends: Mutex::default(),
            events: Family::default(),
            facts: Family::default(),
            fetch_seconds: Family::new_with_constructor(seconds),
            fetches: Family::default(),
            handshakes_failed: Family::default(),
            hops_lost: Family::default(),
            hops_refused: Family::default(),
            in_flight: Gauge::default(),
            journal_bytes: Counter::default(),
            journal_degraded: Gauge::default(),
            journal_denied: Counter::default(),
            journal_free: Gauge::default(),
            journal_gaps: Counter::default(),
            journal_records: Counter::default(),
            journal_stalled: Gauge::default(),
            journal_stored: Gauge::default(),
            journal_sync_seconds: seconds(),
            journal_syncs: Counter::default(),
            metadata_not_after: Family::default(),
            often: Often::default(),
            owner_lookup_seconds: Family::new_with_constructor(seconds),
            panics: Family::default(),
            poisoned: Family::default(),
            registry: Registry::with_prefix("portreeve"),
            requests_refused: Family::default(),
            review_seconds: seconds(),
            reviews: Family::default(),
            reviews_judged: Family::default(),
            servers: Mutex::new(BTreeSet::new()),
            stale_answers: Counter::default(),
            steps: Family::new_with_constructor(seconds),
            watch: WatchMetrics::default(),
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
        put(all, "api_questions", self.api_questions.clone());
        put(all, "build", info);
        put(all, "bundle_expired", self.bundle_expired.clone());
        put(all, "bundle_looks", self.bundle_looks.clone());
        put(all, "bundle_not_after", self.bundle_not_after.clone());
        put(all, "bundle_version", self.bundle_version.clone());
        put(all, "certificate_loaded", self.certificate_loaded.clone());
        put(all, "certificate_not_after", self.certificate_not_after.clone());
        put(all, "certificate_reloads", self.certificate_reloads.clone());
        put(all, "events", self.events.clone());
        put(all, "facts", self.facts.clone());
        put(all, "fetch", self.fetch_seconds.clone());
        put(all, "fetches", self.fetches.clone());
        put(all, "handshakes_failed", self.handshakes_failed.clone());
        put(all, "hops_lost", self.hops_lost.clone());
        put(all, "hops_refused", self.hops_refused.clone());
        put(all, "journal", self.journal_bytes.clone());
        put(all, "journal_degraded", self.journal_degraded.clone());
        put(all, "journal_denied", self.journal_denied.clone());
        put(all, "journal_free", self.journal_free.clone());
        put(all, "journal_gaps", self.journal_gaps.clone());
        put(all, "journal_records", self.journal_records.clone());
        put(all, "journal_stalled", self.journal_stalled.clone());
        put(all, "journal_stored", self.journal_stored.clone());
        put(all, "journal_sync", self.journal_sync_seconds.clone());
        put(all, "journal_syncs", self.journal_syncs.clone());
        put(all, "metadata_not_after", self.metadata_not_after.clone());
        put(all, "owner_lookup", self.owner_lookup_seconds.clone());
        put(all, "panics", self.panics.clone());
        put(all, "poisoned", self.poisoned.clone());
        put(all, "requests_refused", self.requests_refused.clone());
        put(all, "review", self.review_seconds.clone());
        put(all, "reviews", self.reviews.clone());
        put(all, "reviews_in_flight", self.in_flight.clone());
        put(all, "reviews_judged", self.reviews_judged.clone());
        put(all, "stale_answers", self.stale_answers.clone());
        put(all, "step", self.steps.clone());
        self.watch.register(all);
    }

    /// Those of the watch on a cluster's policies.
    #[must_use]
    pub const fn watch(&self) -> &WatchMetrics {
        &self.watch
    }

    /// Lets another part of the host register metrics of its own, before the text is served.
    pub fn registry_mut(&mut self) -> &mut Registry {
        &mut self.registry
    }

    /// The text that `/metrics` serves (OpenMetrics 1.0).
    #[must_use]
    pub fn encode(&self) -> String {
        self.first_ends();
        self.end_of_bundle();
        let mut text = String::new();
        // Writing to a `String` cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }

    /// A machine noted a fact.
    pub fn fact(&self, fact: &Fact) {
        self.often.fact(&self.facts, fact);
        if let Fact::ReviewDecided { micros, warm, .. } = fact {
            if *warm {
                self.often.hit(&self.reviews_judged);
            } else {
                self.reviews_judged.get_or_create(&ByCache { cache: "miss" }).inc();
            }
            self.step(Step::Decide, *micros);
        }
        if let Fact::JournalRestored { denied } = fact {
            self.journal_gaps.inc();
            self.journal_denied.inc_by(*denied);
        }
    }

    /// A step took this many microseconds.
    pub fn step(&self, step: Step, micros: u64) {
        self.often.step(&self.steps, step, in_seconds(micros));
    }

    /// A trust bundle of this version, which ends at this time by this clock, is in force.
    pub fn bundle(&self, version: u64, not_after: Wall, clock: &Clock) {
        self.bundle_version.set(i64::try_from(version).unwrap_or(i64::MAX));
        self.bundle_not_after.set(since_1970(not_after.0.div_euclid(1_000_000)));
        let mut end = self.bundle_end.lock().unwrap_or_else(PoisonError::into_inner);
        *end = Some((clock.clone(), not_after));
    }

    /// The trust bundle was looked at: `loaded`, or the code of the failure.
    pub fn bundle_looked(&self, result: &'static str) {
        self.bundle_looks.get_or_create(&ByResult { result }).inc();
    }

    /// The API server was asked about `what`, and `result` came of it.
    pub fn api_asked(&self, what: &'static str, result: &'static str) {
        self.api_questions.get_or_create(&ByQuestion { result, what }).inc();
    }

    /// This became of so many Kubernetes Events.
    pub fn events(&self, result: &'static str, number: u64) {
        self.events.get_or_create(&ByResult { result }).inc_by(number);
    }

    /// A certificate that ends at this time, in seconds since 1970, is in force.
    pub fn certificate(&self, not_after: i64) {
        self.certificate_loaded.set(1);
        self.certificate_not_after.set(since_1970(not_after));
    }

    /// Changed TLS files were put in force, or could not be.
    pub fn certificate_loaded(&self, loaded: bool) {
        self.certificate_loaded.set(i64::from(loaded));
        let result = if loaded { "loaded" } else { "failed" };
        self.certificate_reloads.get_or_create(&ByResult { result }).inc();
    }

    /// A TLS handshake came to nothing.
    pub fn handshake_failed(&self, why: &'static str) {
        self.handshakes_failed.get_or_create(&ByWhy { why }).inc();
    }

    /// A review was answered with an HTTP error.
    pub fn unreadable(&self, status: u16) {
        self.requests_refused.get_or_create(&ByStatus { status: status.into() }).inc();
    }

    /// An answer left; the trust data it stands on ends some time.
    pub fn stands_on(&self, decision: &Decision) {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        for container in &decision.verdicts {
            let Verdict::Allowed(Admitted::Verified(verified)) = &container.verdict else {
                continue;
            };
            let evidence = &verified.evidence;
            let known = ends.get_mut(host_of(&verified.server));
            if let Some(end) = known.and_then(|known| known.get_mut(&evidence.gun)) {
                *end = evidence.expires;
                continue;
            }
            let of_server = ends.entry(self.server(&verified.server)).or_default();
            if let Some(end) = of_server.get_mut(&evidence.gun) {
                *end = evidence.expires;
            } else if of_server.len() < limits::GUNS_PER_SERVER {
                of_server.insert(evidence.gun.clone(), evidence.expires);
            }
        }
    }

    /// Brings the gauges up to date that are reckoned only when somebody looks.
    fn first_ends(&self) {
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        for (server, collections) in ends.iter() {
            if let Some(first) = collections.values().min() {
                let gauge = self
                    .metadata_not_after
                    .get_or_create_owned(&ByServer { server: server.clone() });
                gauge.set(since_1970(first.0 / 1_000_000));
            }
        }
    }

    /// Whoever looks is told whether the trust bundle has expired by now: the next look at it may
    /// be a month off.
    fn end_of_bundle(&self) {
        let end = self.bundle_end.lock().unwrap_or_else(PoisonError::into_inner);
        let expired = end.as_ref().is_some_and(|(clock, end)| *end < clock.now().wall);
        self.bundle_expired.set(i64::from(expired));
    }

    /// A review was answered, by whomever, after this many microseconds.
    pub fn reviewed(&self, decision: &Decision, micros: u64) {
        let allowed = if decision.allowed { "true" } else { "false" };
        let (code, mode) = match (&decision.denial, tolerated(decision)) {
            (Some(why), _) => (why.code.code(), Mode::Enforce.name()),
            (None, Some(it)) => (it.denial.code.code(), it.mode.name()),
            (None, None) => ("", Mode::Enforce.name()),
        };
        self.often.answer(&self.reviews, &ByAnswer { allowed, code, mode });
        if decision.audit.contains_key("stale") {
            self.stale_answers.inc();
        }
        self.review_seconds.observe(in_seconds(micros));
    }

    /// A look at the controller of a workload ended after this many microseconds.
    pub fn looked_up(&self, outcome: &OwnerOutcome, micros: u64) {
        let result = match outcome {
            OwnerOutcome::Absent => "absent",
            OwnerOutcome::Found(_) => "found",
            OwnerOutcome::Unavailable(_) => "unavailable",
        };
        self.owner_lookup_seconds.get_or_create(&ByResult { result }).observe(in_seconds(micros));
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

    /// The journal has so many bytes, and its volume so many free ones.
    pub fn journal_room(&self, stored: u64, free: u64) {
        self.journal_stored.set(many(stored));
        self.journal_free.set(many(free));
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
        let host = host_of(url);
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

/// Host and port of a URL.
fn host_of(url: &str) -> &str {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = host.split('/').next().unwrap_or_default();
    host.rsplit('@').next().unwrap_or_default()
}

/// What an allow would have been denied for, were the rules' modes others: that which a rule warns
/// of before that which one only records.
fn tolerated(decision: &Decision) -> Option<&Tolerated> {
    let tolerated = decision.verdicts.iter().filter_map(|it| match &it.verdict {
        Verdict::Allowed(Admitted::Tolerated(tolerated)) => Some(&**tolerated),
        Verdict::Allowed(_) | Verdict::Denied(_) => None,
    });
    // The first of the greatest, in the order of the object.
    tolerated.min_by_key(|it| it.mode == Mode::Audit)
}

/// Registers a metric as the table describes it.
fn put(registry: &mut Registry, name: &'static str, metric: impl Metric) {
    let Some(row) = TABLE.iter().find(|row| row.name == name) else { return };
    match row.unit {
        "bytes" => registry.register_with_unit(name, row.meaning, Unit::Bytes, metric),
        "seconds" => registry.register_with_unit(name, row.meaning, Unit::Seconds, metric),
        _ => registry.register(name, row.meaning, metric),
    }
}

/// Exact for all times that a certificate can name.
#[allow(clippy::cast_precision_loss)]
const fn since_1970(seconds: i64) -> f64 {
    seconds as f64
}

/// Exact up to some petabytes.
#[allow(clippy::cast_precision_loss)]
const fn many(bytes: u64) -> f64 {
    bytes as f64
}

fn in_seconds(micros: u64) -> f64 {
    std::time::Duration::from_micros(micros).as_secs_f64()
}

#[cfg(test)]
mod tests;
