//! What each watched list says, as far as it was told last.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portreeve_protocol::messages::policy::SourceObject;
use portreeve_protocol::policy::PolicyRef;
use tokio::time::Instant;

use super::plan::Asking;
use crate::cluster::found::Found;
use crate::cluster::source::{Fault, FaultKind, What};

/// The list of one kind of policies.
#[derive(Debug, Default)]
pub(super) struct PolicySource {
    failing: Option<(Instant, String)>,
    listed: bool,
    policies: BTreeMap<PolicyRef, Policy>,
    /// Those that cannot be told from others: their namespace, if it is known, and why.
    unnamed: Vec<(Option<String>, String)>,
}

/// A policy, and the names of the Secrets it asks for.
#[derive(Debug)]
struct Policy {
    object: Arc<SourceObject>,
    secrets: BTreeSet<String>,
}

impl PolicySource {
    /// Takes what the list says; whether there may be something new.
    pub(super) fn take(&mut self, what: What, now: Instant) -> bool {
        match what {
            What::Failed(fault) => {
                fail(&mut self.failing, fault, now);
                return false;
            }
            What::Absent => self.list(Vec::new()),
            What::Listed(found) => self.list(found),
            What::Applied(found) => self.add(found),
            What::Deleted(found) => {
                if let Found::Policy(found) = found {
                    self.policies.remove(&found.sighting.policy);
                }
            }
        }
        self.failing = None;
        true
    }

    fn list(&mut self, found: Vec<Found>) {
        self.listed = true;
        self.policies.clear();
        self.unnamed.clear();
        found.into_iter().for_each(|found| self.add(found));
    }

    fn add(&mut self, found: Found) {
        match found {
            Found::Policy(found) => {
                let id = found.sighting.policy.clone();
                let (object, secrets) = (Arc::new(found.object), found.secrets);
                self.policies.insert(id, Policy { object, secrets });
            }
            Found::Unnamed { namespace, why } => self.unnamed.push((namespace, why)),
            Found::Nothing | Found::Secret(_) => {}
        }
    }

    pub(super) const fn is_listed(&self) -> bool {
        self.listed
    }

    pub(super) const fn failing(&self) -> Option<&(Instant, String)> {
        self.failing.as_ref()
    }

    pub(super) fn asking(&self) -> impl Iterator<Item = Asking<'_>> {
        self.policies.iter().map(|(id, policy)| (id, &policy.secrets))
    }

    pub(super) fn objects(&self) -> impl Iterator<Item = (&PolicyRef, &Arc<SourceObject>)> {
        self.policies.iter().map(|(id, policy)| (id, &policy.object))
    }

    pub(super) fn unnamed(&self) -> impl Iterator<Item = &(Option<String>, String)> {
        self.unnamed.iter()
    }
}

/// One Secret.
#[derive(Debug, Default)]
pub(super) struct SecretSource {
    failing: Option<(Instant, String)>,
    object: Option<Arc<SourceObject>>,
    /// Whether it was seen to be there or not to be there.
    seen: bool,
    /// Whether nothing waits for it.
    settled: bool,
}

impl SecretSource {
    /// Takes what the list says; whether there may be something new.
    pub(super) fn take(&mut self, what: What, now: Instant) -> bool {
        let found = match what {
            // It never could be read. Whatever needs it is denied; all else goes on.
            What::Failed(fault) if fault.kind == FaultKind::Forbidden && !self.seen => {
                let news = !self.settled;
                self.settled = true;
                return news;
            }
            What::Failed(fault) => {
                fail(&mut self.failing, fault, now);
                return false;
            }
            What::Absent | What::Deleted(_) => None,
            What::Applied(found) => Some(found),
            What::Listed(found) => found.into_iter().next(),
        };
        self.object = match found {
            Some(Found::Secret(object)) => Some(Arc::new(object)),
            Some(Found::Nothing | Found::Policy(_) | Found::Unnamed { .. }) | None => None,
        };
        (self.failing, self.seen, self.settled) = (None, true, true);
        true
    }

    /// Has nothing wait for it any more.
    pub(super) const fn give_up(&mut self) {
        self.settled = true;
    }

    pub(super) const fn is_settled(&self) -> bool {
        self.settled
    }

    pub(super) const fn failing(&self) -> Option<&(Instant, String)> {
        self.failing.as_ref()
    }

    pub(super) const fn object(&self) -> Option<&Arc<SourceObject>> {
        self.object.as_ref()
    }
}

/// Keeps when it began to fail.
fn fail(failing: &mut Option<(Instant, String)>, fault: Fault, now: Instant) {
    let since = failing.as_ref().map_or(now, |(since, _)| *since);
    *failing = Some((since, fault.why));
}
