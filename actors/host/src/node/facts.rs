//! Facts to log lines and counters; and the few signs by which the node's health is known.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portreeve_protocol::{ActorId, Effect, EventId, Fact};
use slog::{Drain as _, Level, Logger, crit, debug, error, info, warn};

use crate::metrics::Metrics;

/// The line that a fact becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FactLine {
    /// The fact's name.
    pub fact: &'static str,
    /// Its keys besides `event` and `fact`, in order.
    pub keys: &'static [&'static str],
    /// Its level.
    pub level: Level,
}

const fn line(fact: &'static str, level: Level, keys: &'static [&'static str]) -> FactLine {
    FactLine { fact, keys, level }
}

/// The line of every fact, in the order of names; `docs/logging.md` is written from it. A review
/// that was allowed is a line of `debug`, one that was denied of `info`, with `code`.
pub const LINES: &[FactLine] = &[
    line("bundle-expired", Level::Error, &["version"]),
    line("bundle-failed", Level::Error, &["code", "why"]),
    line("bundle-loaded", Level::Info, &["anchors", "digest", "version"]),
    line("clock-returned", Level::Info, &[]),
    line("clock-stepped-back", Level::Error, &["seconds"]),
    line("delegation-dropped", Level::Warning, &["code", "gun", "role"]),
    line("fetch-failed", Level::Warning, &["code", "document", "gun", "server", "why"]),
    line("fetch-retried", Level::Debug, &["code", "document", "gun", "server"]),
    line("first-use", Level::Warning, &["gun", "server", "version"]),
    line("journal-degraded", Level::Error, &["why"]),
    line("journal-restored", Level::Info, &["denied"]),
    line("policies-published", Level::Info, &["policies", "revision"]),
    line("policy-invalid", Level::Warning, &["policy", "why"]),
    line("refreshed", Level::Debug, &["gun", "server", "timestamp"]),
    line("refused", Level::Warning, &["code", "gun", "server", "why"]),
    line("review-decided", Level::Debug, &["images", "micros", "review", "warm"]),
    line("review-decided", Level::Info, &["code", "images", "micros", "review", "warm"]),
    line("root-rotated", Level::Info, &["gun", "server", "version"]),
    line("seal-revoked", Level::Warning, &["digest", "gun", "reason"]),
    line("trust-reset", Level::Warning, &["gun", "reason", "server"]),
    line("unexpected", Level::Debug, &["actor", "what"]),
    line("watch-lost", Level::Warning, &["why"]),
    line("watch-restored", Level::Info, &[]),
];

/// Where facts go. Shared by all threads of a node.
#[derive(Debug)]
pub struct Facts {
    /// What is to be said of the trust bundle, if anything is.
    bundle: Mutex<Option<String>>,
    log: Logger,
    metrics: Arc<Metrics>,
    poisoned: Mutex<BTreeSet<ActorId>>,
    policies_loaded: AtomicBool,
}

impl Facts {
    /// Facts of a node that has just begun.
    #[must_use]
    pub const fn new(log: Logger, metrics: Arc<Metrics>) -> Self {
        Self {
            bundle: Mutex::new(None),
            log,
            metrics,
            poisoned: Mutex::new(BTreeSet::new()),
            policies_loaded: AtomicBool::new(false),
        }
    }

    /// What is to be said of the trust bundle: why there is none, no newer one, or only an expired
    /// one.
    #[must_use]
    pub fn bundle(&self) -> Option<String> {
        self.bundle.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Has this said of the trust bundle from now on.
    pub fn say_of_bundle(&self, text: Option<String>) {
        *self.bundle.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }

    /// The logger.
    pub const fn log(&self) -> &Logger {
        &self.log
    }

    /// The counters.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Whether a snapshot of the policies was published.
    #[must_use]
    pub fn policies_loaded(&self) -> bool {
        self.policies_loaded.load(Ordering::Relaxed)
    }

    /// The actors that panicked, in order.
    #[must_use]
    pub fn poisoned(&self) -> Vec<ActorId> {
        self.set().iter().cloned().collect()
    }

    /// Whether `actor` panicked.
    #[must_use]
    pub fn is_poisoned(&self, actor: &ActorId) -> bool {
        self.set().contains(actor)
    }

    /// Remembers that `actor` takes nothing any more.
    pub fn poison(&self, actor: ActorId) {
        crit!(self.log, "an actor is out of service until the next start";
            "actor" => actor.to_string());
        self.metrics.poisoned(actor.kind());
        self.set().insert(actor);
    }

    /// A machine panicked on `event`.
    pub fn panicked(&self, event: &EventId, message: &str) {
        self.metrics.panicked(event.actor.kind());
        error!(self.log, "a machine panicked; report this with the journal";
            "event" => event.to_string(), "panic" => message.to_owned());
    }

    /// A machine emitted what its kind never does, or a message went where it cannot be taken.
    pub fn misdirected(&self, event: &EventId, effect: &Effect) {
        error!(self.log, "an effect cannot be performed; report this with the journal";
            "event" => event.to_string(), "effect" => format!("{effect:?}"));
    }

    /// A machine noted `fact` in `event`.
    pub fn note(&self, event: &EventId, fact: &Fact) {
        self.metrics.fact(fact);
        if matches!(fact, Fact::PoliciesPublished { .. }) {
            self.policies_loaded.store(true, Ordering::Relaxed);
        }
        if let Some(said) = said_of_bundle(fact) {
            self.say_of_bundle(said);
        }
        // Most facts are of reviews that were allowed: nothing is written out for nobody.
        let quiet = matches!(
            fact,
            Fact::FetchRetried { .. }
                | Fact::Refreshed { .. }
                | Fact::ReviewDecided { allowed: true, .. }
                | Fact::Unexpected { .. }
        );
        if quiet && !self.log.is_debug_enabled() {
            return;
        }
        let log = self.log.new(slog::o!("event" => event.to_string(), "fact" => fact.name()));
        write(&log, fact);
    }

    fn set(&self) -> MutexGuard<'_, BTreeSet<ActorId>> {
        self.poisoned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a fact has said of the trust bundle, if it has anything to do with it.
fn said_of_bundle(fact: &Fact) -> Option<Option<String>> {
    if let Fact::BundleFailed { code, why } = fact {
        return Some(Some(format!("trust bundle: {why} ({})", code.code())));
    }
    if let Fact::BundleExpired { version } = fact {
        return Some(Some(format!("trust bundle: version {version} has expired")));
    }
    matches!(fact, Fact::BundleLoaded { .. }).then_some(None)
}

/// One line for one fact, at the level the contract of [`crate::log`] gives it.
fn write(log: &Logger, fact: &Fact) {
    match fact {
        Fact::BundleExpired { .. } | Fact::BundleFailed { .. } | Fact::BundleLoaded { .. } => {
            bundle(log, fact);
        }
        Fact::ClockReturned => info!(log, "the wall clock is believed again"),
        Fact::ClockSteppedBack { micros } => {
            error!(log, "the wall clock went back; what requires trust is denied";
                "seconds" => micros / 1_000_000);
        }
        Fact::DelegationDropped { gun, role, why } => {
            warn!(log, "a delegation was left out"; "gun" => gun, "role" => role,
                "code" => why.code());
        }
        Fact::FetchFailed { document, gun, server, why } => {
            warn!(log, "a document could not be fetched"; "server" => server, "gun" => gun,
                "document" => document, "code" => why.code.code(), "why" => &why.detail);
        }
        Fact::FetchRetried { document, gun, server, why } => {
            debug!(log, "a document will be asked for again"; "server" => server, "gun" => gun,
                "document" => document, "code" => why.code());
        }
        Fact::FirstUse { gun, server, version } => {
            warn!(log, "a root was trusted because it was the first one seen";
                "server" => server, "gun" => gun, "version" => version);
        }
        Fact::JournalDegraded { why } => {
            error!(log, "the journal cannot be written; allows become denials"; "why" => why);
        }
        Fact::JournalRestored { denied } => {
            info!(log, "the journal is written again"; "denied" => denied);
        }
        Fact::PolicyInvalid { policy, why } => {
            warn!(log, "a policy cannot be understood; its scope is denied";
                "policy" => policy.to_string(), "why" => why);
        }
        Fact::PoliciesPublished { policies, revision } => {
            info!(log, "policies published"; "policies" => policies, "revision" => revision);
        }
        Fact::Refreshed { gun, server, timestamp } => {
            debug!(log, "a collection was verified"; "server" => server, "gun" => gun,
                "timestamp" => timestamp);
        }
        Fact::Refused { gun, server, why } => {
            warn!(log, "a collection was refused"; "server" => server, "gun" => gun,
                "code" => why.code.code(), "why" => &why.detail);
        }
        Fact::ReviewDecided { .. } => decided(log, fact),
        Fact::RootRotated { gun, server, version } => {
            info!(log, "a root was replaced by its successor"; "server" => server, "gun" => gun,
                "version" => version);
        }
        Fact::SealRevoked { digest, gun, reason } => {
            warn!(log, "an entry of seals was ended"; "gun" => gun,
                "digest" => digest.to_string(), "reason" => reason);
        }
        Fact::TrustReset { gun, reason, server } => {
            warn!(log, "an operator had trust in a collection forgotten"; "server" => server,
                "gun" => gun, "reason" => reason);
        }
        Fact::Unexpected { actor, what } => {
            debug!(log, "nothing was waiting for an input"; "actor" => actor.to_string(),
                "what" => what);
        }
        Fact::WatchLost { why } => {
            warn!(log, "the policy source is not watched any more"; "why" => why);
        }
        Fact::WatchRestored => info!(log, "the policy source is watched again"),
    }
}

fn bundle(log: &Logger, fact: &Fact) {
    if let Fact::BundleExpired { version } = fact {
        error!(log, "the trust bundle has expired"; "version" => version);
    } else if let Fact::BundleFailed { code, why } = fact {
        error!(log, "the trust bundle could not be loaded"; "code" => code.code(), "why" => why);
    } else if let Fact::BundleLoaded { anchors, digest, version } = fact {
        info!(log, "a trust bundle is in force"; "version" => version, "anchors" => anchors,
            "digest" => digest.to_string());
    }
}

fn decided(log: &Logger, fact: &Fact) {
    let Fact::ReviewDecided { allowed, code, images, micros, review, warm } = fact else {
        return;
    };
    let review = review.to_string();
    if *allowed {
        debug!(log, "allowed"; "review" => review, "images" => images, "micros" => micros,
            "warm" => warm);
    } else {
        info!(log, "denied"; "review" => review, "images" => images, "micros" => micros,
            "warm" => warm, "code" => code.map_or("", |code| code.code()));
    }
}

#[cfg(test)]
mod tests {
    use portreeve_protocol::bundle_reason::BundleCode;
    use portreeve_protocol::policy::{PolicyGroup, PolicyRef};
    use portreeve_protocol::{Denial, DenyCode, NodeId, Sha256};
    use slog::{Drain, KV, Key, Never, OwnedKVList, Record, Serializer};

    use super::*;

    /// Remembers level and keys of each line.
    struct Lines(Arc<Mutex<Vec<Line>>>);

    type Line = (Level, Vec<String>);

    struct Keys(Vec<String>);

    impl Serializer for Keys {
        fn emit_arguments(&mut self, key: Key, _: &std::fmt::Arguments<'_>) -> slog::Result {
            self.0.push(key.to_string());
            Ok(())
        }
    }

    impl Drain for Lines {
        type Ok = ();
        type Err = Never;

        fn log(&self, record: &Record<'_>, values: &OwnedKVList) -> Result<(), Never> {
            let (mut shared, mut own) = (Keys(Vec::new()), Keys(Vec::new()));
            let written = values.serialize(record, &mut shared);
            assert!(written.and_then(|()| record.kv().serialize(record, &mut own)).is_ok());
            shared.0.sort();
            own.0.sort();
            let keys = shared.0.into_iter().chain(own.0).collect();
            let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            lines.push((record.level(), keys));
            Ok(())
        }
    }

    fn event() -> Result<EventId, portreeve_protocol::ProtocolError> {
        let node: NodeId = "node-1".parse()?;
        Ok(EventId { node, incarnation: 1, actor: ActorId::Admission, seq: 1 })
    }

    fn decided(allowed: bool) -> Result<Fact, portreeve_protocol::ProtocolError> {
        let code = (!allowed).then_some(DenyCode::NotSigned);
        Ok(Fact::ReviewDecided {
            allowed,
            code,
            images: 1,
            micros: 5,
            review: event()?,
            warm: true,
        })
    }

    /// Each fact once, and reviews of both answers.
    fn samples() -> Result<Vec<Fact>, portreeve_protocol::ProtocolError> {
        let (gun, server) = (|| "gun".to_owned(), || "https://n.example".to_owned());
        let why = || Denial::new(DenyCode::Signature, "no");
        let code = DenyCode::Signature;
        let text = || "text".to_owned();
        let policy = PolicyRef { group: PolicyGroup::Portieris, name: text(), namespace: None };
        Ok(vec![
            Fact::BundleExpired { version: 3 },
            Fact::BundleFailed { code: BundleCode::Rollback, why: text() },
            Fact::BundleLoaded { anchors: 1, digest: Sha256::ZERO, version: 3 },
            Fact::ClockReturned,
            Fact::ClockSteppedBack { micros: 1 },
            Fact::DelegationDropped { gun: gun(), role: text(), why: code },
            Fact::FetchFailed { document: text(), gun: gun(), server: server(), why: why() },
            Fact::FetchRetried { document: text(), gun: gun(), server: server(), why: code },
            Fact::FirstUse { gun: gun(), server: server(), version: 1 },
            Fact::JournalDegraded { why: text() },
            Fact::JournalRestored { denied: 1 },
            Fact::PoliciesPublished { policies: 1, revision: 1 },
            Fact::PolicyInvalid { policy, why: text() },
            Fact::Refreshed { gun: gun(), server: server(), timestamp: 1 },
            Fact::Refused { gun: gun(), server: server(), why: why() },
            decided(true)?,
            decided(false)?,
            Fact::RootRotated { gun: gun(), server: server(), version: 2 },
            Fact::SealRevoked { digest: Sha256::ZERO, gun: gun(), reason: text() },
            Fact::TrustReset { gun: gun(), reason: text(), server: server() },
            Fact::Unexpected { actor: ActorId::Admission, what: text() },
            Fact::WatchLost { why: text() },
            Fact::WatchRestored,
        ])
    }

    /// A new fact does not compile until it stands here, and so among the samples.
    fn known(fact: &Fact) {
        match fact {
            Fact::BundleExpired { .. }
            | Fact::BundleFailed { .. }
            | Fact::BundleLoaded { .. }
            | Fact::ClockReturned
            | Fact::ClockSteppedBack { .. }
            | Fact::DelegationDropped { .. }
            | Fact::FetchFailed { .. }
            | Fact::FetchRetried { .. }
            | Fact::FirstUse { .. }
            | Fact::JournalDegraded { .. }
            | Fact::JournalRestored { .. }
            | Fact::PolicyInvalid { .. }
            | Fact::PoliciesPublished { .. }
            | Fact::Refreshed { .. }
            | Fact::Refused { .. }
            | Fact::ReviewDecided { .. }
            | Fact::RootRotated { .. }
            | Fact::SealRevoked { .. }
            | Fact::TrustReset { .. }
            | Fact::Unexpected { .. }
            | Fact::WatchLost { .. }
            | Fact::WatchRestored => {}
        }
    }

    #[test]
    fn each_fact_is_one_line_with_the_level_and_the_keys_of_the_contract_and_is_counted()
    -> Result<(), portreeve_protocol::ProtocolError> {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let log = Logger::root(Lines(Arc::clone(&lines)).fuse(), slog::o!());
        let metrics = Arc::new(Metrics::new("1"));
        let facts = Facts::new(log, Arc::clone(&metrics));
        let mut found = Vec::new();
        for fact in samples()? {
            known(&fact);
            facts.note(&event()?, &fact);
            let mut written = lines.lock().unwrap_or_else(PoisonError::into_inner);
            assert_eq!(written.len(), 1, "{fact:?}");
            let (level, keys) = written.pop().unwrap_or((Level::Trace, Vec::new()));
            found.push((fact.name(), level, keys));
            let counted = format!("portreeve_facts_total{{fact=\"{}\"}}", fact.name());
            assert!(metrics.encode().contains(&counted), "{counted}");
        }
        let wanted: Vec<_> = LINES
            .iter()
            .map(|line| {
                let both = ["event", "fact"].into_iter().chain(line.keys.iter().copied());
                (line.fact, line.level, both.map(str::to_owned).collect::<Vec<_>>())
            })
            .collect();
        assert_eq!(found, wanted);
        assert!(facts.policies_loaded());
        Ok(())
    }

    #[test]
    fn an_actor_out_of_service_is_a_critical_line_and_a_gauge() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let log = Logger::root(Lines(Arc::clone(&lines)).fuse(), slog::o!());
        let metrics = Arc::new(Metrics::new("1"));
        let facts = Facts::new(log, Arc::clone(&metrics));
        facts.poison(ActorId::Policy);
        assert_eq!(facts.poisoned(), [ActorId::Policy]);
        assert!(facts.is_poisoned(&ActorId::Policy) && !facts.is_poisoned(&ActorId::Admission));
        assert!(metrics.encode().contains("portreeve_poisoned{actor=\"policy\"} 1"));
        let last = lines.lock().unwrap_or_else(PoisonError::into_inner).pop();
        assert_eq!(last.map(|(level, _)| level), Some(Level::Critical));
    }
}
