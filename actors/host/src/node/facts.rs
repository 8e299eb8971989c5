//! Facts to log lines and counters; and the few signs by which the node's health is known.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portreeve_protocol::{ActorId, Effect, EventId, Fact};
use slog::{Drain, Logger, crit, debug, error, info, warn};

use crate::metrics::Metrics;

/// Where facts go. Shared by all threads of a node.
#[derive(Debug)]
pub struct Facts {
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
            log,
            metrics,
            poisoned: Mutex::new(BTreeSet::new()),
            policies_loaded: AtomicBool::new(false),
        }
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
        // What would be dropped unread need not be put into words: every review says this.
        let allow = matches!(fact, Fact::ReviewDecided { allowed: true, .. });
        if allow && !self.log.is_debug_enabled() {
            return;
        }
        let log = self.log.new(slog::o!("event" => event.to_string(), "fact" => fact.name()));
        write(&log, fact);
    }

    fn set(&self) -> MutexGuard<'_, BTreeSet<ActorId>> {
        self.poisoned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One line for one fact, at the level the contract of [`crate::log`] gives it.
fn write(log: &Logger, fact: &Fact) {
    match fact {
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
    use portreeve_protocol::{Denial, DenyCode, NodeId};
    use slog::{Level, Never, OwnedKVList, Record};

    use super::*;

    /// Remembers level and message of each line.
    struct Lines(Arc<Mutex<Vec<(Level, String)>>>);

    impl Drain for Lines {
        type Ok = ();
        type Err = Never;

        fn log(&self, record: &Record<'_>, _: &OwnedKVList) -> Result<(), Never> {
            let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            lines.push((record.level(), record.msg().to_string()));
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

    #[test]
    fn facts_are_logged_at_the_level_of_the_contract_and_counted()
    -> Result<(), portreeve_protocol::ProtocolError> {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let log = Logger::root(Lines(Arc::clone(&lines)).fuse(), slog::o!());
        let metrics = Arc::new(Metrics::new("1"));
        let facts = Facts::new(log, Arc::clone(&metrics));
        let why = Denial::new(DenyCode::Signature, "no");
        let named = |server: &str| (server.to_owned(), "gun".to_owned());
        let (server, gun) = named("https://n.example");
        for (fact, level) in [
            (decided(true)?, Level::Debug),
            (decided(false)?, Level::Info),
            (Fact::Refused { gun, server, why }, Level::Warning),
            (Fact::JournalDegraded { why: "full".to_owned() }, Level::Error),
            (Fact::PoliciesPublished { policies: 1, revision: 1 }, Level::Info),
        ] {
            facts.note(&event()?, &fact);
            let last = lines.lock().unwrap_or_else(PoisonError::into_inner).pop();
            assert_eq!(last.map(|(level, _)| level), Some(level), "{fact:?}");
            let counted = format!("portreeve_facts_total{{fact=\"{}\"}}", fact.name());
            assert!(metrics.encode().contains(&counted), "{counted}");
        }
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
