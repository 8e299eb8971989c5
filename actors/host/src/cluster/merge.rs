//! Several lists become one: what the policy cache is told, and when.
//!
//! Nothing is told before all kinds of policies were listed and the Secrets they name were looked
//! at: a part of the policies could allow what the rest of them denies. Later, what a new list
//! replaces is told in one message, and a policy that names other Secrets than before is told when
//! these were looked at. A source that fails keeps what it said last.

mod plan;
mod sources;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use portreeve_protocol::messages::policy::{
    Applied, Deleted, ObjectRef, PolicyInput, Relisted, SourceObject, WatchLost,
};
use portreeve_protocol::policy::PolicyRef;
use tokio::time::Instant;

use super::found::identity;
use super::origin::{Origin, PolicyKind};
use super::source::{News, What};
use crate::objects::object;
use plan::Plan;
use sources::{PolicySource, SecretSource};

/// How long a source may fail before decisions say that the policies are not watched.
const LOSS: Duration = Duration::from_secs(3);
/// How long a change of policies waits for Secrets that were not looked at yet.
const SECRETS: Duration = Duration::from_millis(500);
/// The same at the start, when nothing is told yet.
const FIRST_SECRETS: Duration = Duration::from_secs(5);
/// What stands for the name of a policy that has none. No object can be named so.
const UNNAMED: &str = "(no name)";

/// All objects by identity; what is in several maps is shared.
type Objects = BTreeMap<ObjectRef, Arc<SourceObject>>;

/// What is known, and what was told of it.
#[derive(Debug)]
pub(super) struct Merge {
    /// Since when there may be something that was not told.
    changed: Option<Instant>,
    /// Whether the policy cache was told that the watch is lost.
    lost: bool,
    operator_namespace: String,
    /// The policies that ask for too many Secrets.
    refused: BTreeMap<PolicyRef, String>,
    policies: BTreeMap<PolicyKind, PolicySource>,
    secrets: BTreeMap<(String, String), SecretSource>,
    /// Whether a whole list came since something was told last.
    swapped: bool,
    told: Option<Objects>,
}

/// How the sources are.
enum Trouble {
    /// One fails, but not for long.
    Brief,
    /// One has failed for long; why.
    Lost(String),
    None,
}

impl Merge {
    pub(super) fn new(operator_namespace: &str) -> Self {
        let policies = PolicyKind::ALL.map(|kind| (kind, PolicySource::default()));
        Self {
            changed: None,
            lost: false,
            operator_namespace: operator_namespace.to_owned(),
            refused: BTreeMap::new(),
            policies: policies.into(),
            secrets: BTreeMap::new(),
            swapped: false,
            told: None,
        }
    }

    /// Takes what a source says.
    pub(super) fn take(&mut self, news: News, now: Instant) {
        let changed = match news.origin {
            Origin::Policies(kind) => {
                let Some(source) = self.policies.get_mut(&kind) else { return };
                self.swapped |= matches!(news.what, What::Absent | What::Listed(_));
                source.take(news.what, now)
            }
            Origin::Secret { namespace, name } => {
                // One that is not wanted any more may still have had something to say.
                let Some(source) = self.secrets.get_mut(&(namespace, name)) else { return };
                source.take(news.what, now)
            }
        };
        if changed {
            self.changed.get_or_insert(now);
        }
    }

    /// The Secrets that have to be watched, by namespace and name, for the policies as they are.
    /// What was known of others is forgotten.
    pub(super) fn wanted(&mut self) -> impl Iterator<Item = &(String, String)> {
        if self.changed.is_some() {
            let policies = self.policies.values().flat_map(PolicySource::asking);
            let Plan { refused, wanted } = Plan::of(policies, &self.operator_namespace);
            self.secrets.retain(|id, _| wanted.contains(id));
            for id in wanted {
                self.secrets.entry(id).or_default();
            }
            self.refused = refused;
        }
        self.secrets.keys()
    }

    /// What the policy cache must be told now. Call [`Merge::wanted`] after the last
    /// [`Merge::take`] and before this.
    pub(super) fn tell(&mut self, now: Instant) -> Vec<PolicyInput> {
        let mut inputs = Vec::new();
        if self.is_due(now) {
            let objects = self.objects();
            inputs = self.difference(&objects);
            self.told = Some(objects);
            self.changed = None;
            self.swapped = false;
            // What kept it waiting for so long keeps nothing else waiting.
            self.secrets.values_mut().for_each(SecretSource::give_up);
        }
        let relisted = inputs.iter().any(|input| matches!(input, PolicyInput::Relisted(_)));
        match self.trouble(now) {
            // A list says that it is watched, so it has to be said again that it is not.
            Trouble::Lost(why) if relisted || !self.lost => {
                self.lost = true;
                inputs.push(PolicyInput::WatchLost(WatchLost { why }));
            }
            Trouble::None if self.lost => {
                self.lost = false;
                if !relisted {
                    inputs.push(PolicyInput::WatchRestored);
                }
            }
            Trouble::Brief | Trouble::Lost(_) | Trouble::None => {}
        }
        inputs
    }

    /// When there may be something to tell though no source says anything.
    pub(super) fn wake(&self) -> Option<Instant> {
        let told = self.changed.filter(|_| self.is_listed()).map(|since| since + self.patience());
        let lost = self.failing().map(|(since, _)| *since + LOSS).min();
        told.into_iter().chain(lost.filter(|_| !self.lost)).min()
    }

    /// Whether all kinds of policies were listed.
    fn is_listed(&self) -> bool {
        self.policies.values().all(PolicySource::is_listed)
    }

    fn is_due(&self, now: Instant) -> bool {
        let Some(since) = self.changed.filter(|_| self.is_listed()) else { return false };
        let settled = self.secrets.values().all(SecretSource::is_settled);
        settled || now >= since + self.patience()
    }

    const fn patience(&self) -> Duration {
        if self.told.is_none() { FIRST_SECRETS } else { SECRETS }
    }

    fn failing(&self) -> impl Iterator<Item = &(Instant, String)> {
        let policies = self.policies.values().filter_map(PolicySource::failing);
        policies.chain(self.secrets.values().filter_map(SecretSource::failing))
    }

    fn trouble(&self, now: Instant) -> Trouble {
        match self.failing().min_by_key(|(since, _)| *since) {
            None => Trouble::None,
            Some((since, why)) if now >= *since + LOSS => Trouble::Lost(why.clone()),
            Some(_) => Trouble::Brief,
        }
    }

    /// Everything as it should be known.
    fn objects(&self) -> Objects {
        let policies = self.policies.values().flat_map(PolicySource::objects);
        let mut objects: Objects = policies
            .map(|(id, object)| {
                let refused = self.refused.get(id).map(|why| Arc::new(refusal(id, why)));
                (ObjectRef::Policy(id.clone()), refused.unwrap_or_else(|| Arc::clone(object)))
            })
            .collect();
        self.close_scopes(&mut objects);
        for object in self.secrets.values().filter_map(SecretSource::object) {
            objects.insert(identity(object), Arc::clone(object));
        }
        objects
    }

    /// Puts a policy that nobody can obey wherever one without a name might forbid something.
    fn close_scopes(&self, objects: &mut Objects) {
        for (kind, namespace, why) in self.unnamed() {
            let scopes = match namespace {
                Some(_) => vec![namespace.clone()],
                // Any namespace might be meant; of those without policies, the cluster's decide.
                None if kind.namespaced => {
                    let of = |id: &ObjectRef| match id {
                        ObjectRef::Policy(policy) => policy.namespace.clone(),
                        ObjectRef::SignerSecret { .. } => None,
                    };
                    objects.keys().filter_map(of).map(Some).chain([None]).collect()
                }
                None => vec![None],
            };
            for namespace in scopes {
                let id = PolicyRef { group: kind.group, name: UNNAMED.to_owned(), namespace };
                let object = Arc::new(refusal(&id, why));
                objects.insert(ObjectRef::Policy(id), object);
            }
        }
    }

    fn unnamed(&self) -> impl Iterator<Item = (PolicyKind, &Option<String>, &String)> {
        let sources = self.policies.iter();
        sources.flat_map(|(kind, source)| {
            source.unnamed().map(|(namespace, why)| (*kind, namespace, why))
        })
    }

    fn difference(&self, objects: &Objects) -> Vec<PolicyInput> {
        let all = || objects.values().map(|object| SourceObject::clone(object)).collect();
        let Some(told) = &self.told else {
            return vec![PolicyInput::Relisted(Relisted { objects: all() })];
        };
        let new = |id: &ObjectRef, object: &SourceObject| {
            told.get(id).is_none_or(|known| !says_the_same(known, object))
        };
        let changed: Vec<_> = objects.iter().filter(|(id, object)| new(id, object)).collect();
        let gone: Vec<_> = told.keys().filter(|id| !objects.contains_key(id)).collect();
        if self.swapped && !(changed.is_empty() && gone.is_empty()) {
            return vec![PolicyInput::Relisted(Relisted { objects: all() })];
        }
        // Keys before the policies that name them, and what is new before what is gone: whatever is
        // decided in between is decided by more policies than there are, never by fewer.
        let (secrets, policies): (Vec<_>, Vec<_>) = changed
            .into_iter()
            .map(|(_, object)| SourceObject::clone(object))
            .partition(|object| matches!(object, SourceObject::SignerSecret(_)));
        let applied = secrets.into_iter().chain(policies);
        let applied = applied.map(|object| PolicyInput::Applied(Applied { object }));
        let gone = gone.into_iter().cloned();
        let deleted = gone.map(|object| PolicyInput::Deleted(Deleted { object }));
        applied.chain(deleted).collect()
    }
}

/// The policy `id`, so that it is refused and its scope denied.
fn refusal(id: &PolicyRef, why: &str) -> SourceObject {
    SourceObject::Policy(object::refused(id.clone(), why))
}

/// Whether both ask for the same. A new version alone, such as that of a status, says nothing.
fn says_the_same(one: &SourceObject, other: &SourceObject) -> bool {
    match (one, other) {
        (SourceObject::Policy(one), SourceObject::Policy(other)) => {
            one.id == other.id && one.spec == other.spec
        }
        (SourceObject::SignerSecret(one), SourceObject::SignerSecret(other)) => {
            (&one.name, &one.public_key) == (&other.name, &other.public_key)
        }
        (SourceObject::Policy(_), SourceObject::SignerSecret(_))
        | (SourceObject::SignerSecret(_), SourceObject::Policy(_)) => false,
    }
}
