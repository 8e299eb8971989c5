//! A scenario: what is to happen, as data. Together with a seed it is a whole run, so it can be
//! printed, kept in a file, shrunk, and given to another host of the same machines.

mod bundle;
mod change;
mod collection;
mod policy;
mod review;

use std::collections::{BTreeMap, BTreeSet};

use portreeve_lab::{Documents, Keys};
use portreeve_protocol::messages::policy::{SignerSecret, SourceObject};
use portreeve_protocol::{Settings, Wall};
use serde::{Deserialize, Serialize};

pub use bundle::{BundleEdition, BundlePlan};
pub use change::{Change, Publication};
pub use collection::{CollectionPlan, SignedTag};
pub use policy::{PolicyChange, PolicyEvent, PolicyPlan, RulePlan, TrustPlan};
pub use review::{Later, PlannedReview};

use crate::SimulationError;
use crate::fault::Fault;

/// What is to happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scenario {
    /// Whether records are written with all their digests, and replayed at the end. Otherwise they
    /// become bytes only where a crash makes a replica read them.
    pub audited: bool,
    /// The trust bundle, if replicas are to have one; its place in the settings is filled in by the
    /// run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<BundlePlan>,
    /// What is published later.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// What goes wrong, and when.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
    /// When nothing goes wrong any more, in microseconds after the start; from then on it is
    /// watched whether all comes right. `None` ends the run when nothing is to come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heal: Option<u64>,
    /// More events than this are taken for a run without end.
    pub most_events: u64,
    /// The policies at the start.
    pub policies: Vec<PolicyPlan>,
    /// How what the API server holds changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policy_changes: Vec<PolicyChange>,
    /// When the collections were published.
    pub published: Wall,
    /// Names of the replicas.
    pub replicas: Vec<String>,
    /// The reviews that are sent.
    pub reviews: Vec<PlannedReview>,
    /// The trust servers there are.
    pub servers: Vec<TrustServerPlan>,
    /// The settings of the machines.
    pub settings: Settings,
    /// The signer Secrets at the start.
    pub signers: Vec<SignerPlan>,
    /// The wall clock at the start.
    pub start: Wall,
}

/// A trust server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustServerPlan {
    /// The collections it holds.
    pub collections: Vec<CollectionPlan>,
    /// Its URL, without trailing slash.
    pub url: String,
}

/// A signer Secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignerPlan {
    /// Seed of the signer's key.
    pub keys: u64,
    /// The signer's name.
    pub name: String,
    /// The Secret's namespace.
    pub namespace: String,
    /// The Secret's name.
    pub secret: String,
}

impl Scenario {
    /// The objects of the policy source: the policies and the signer Secrets.
    ///
    /// # Errors
    /// `Lab` for a signer whose key cannot be made.
    pub fn objects(&self) -> Result<Vec<SourceObject>, SimulationError> {
        let policies = self.policies.iter().map(|plan| SourceObject::Policy(plan.object()));
        let mut objects: Vec<_> = policies.collect();
        for signer in &self.signers {
            objects.push(SourceObject::SignerSecret(signer.object(self.published)?));
        }
        Ok(objects)
    }

    /// The same scenario with the trust server `from` at another URL, in the policies and settings
    /// too: for hosts whose servers get an address only when they start.
    #[must_use]
    pub fn moved(&self, from: &str, to: &str) -> Self {
        let mut moved = self.clone();
        let rules = moved.policies.iter_mut().flat_map(|policy| &mut policy.rules);
        let trust = rules.filter_map(|rule| rule.trust.as_mut());
        for server in trust.filter_map(|trust| trust.server.as_mut()) {
            *server = server.replace(from, to);
        }
        let settings = &mut moved.settings;
        if settings.approved_servers.remove(from) {
            settings.approved_servers.insert(to.to_owned());
        }
        for rule in &mut settings.trust_servers {
            rule.server = rule.server.replace(from, to);
        }
        for server in moved.servers.iter_mut().filter(|server| server.url == from) {
            server.url = to.to_owned();
        }
        for change in moved.changes.iter_mut().filter(|change| change.server == from) {
            change.server = to.to_owned();
        }
        for fault in &mut moved.faults {
            fault.influence_mut().moved(from, to);
        }
        moved
    }

    /// Whether the scenario can be run.
    ///
    /// # Errors
    /// `SameUid`.
    pub fn check(&self) -> Result<(), SimulationError> {
        let mut seen = BTreeSet::new();
        for review in &self.reviews {
            if !seen.insert(&review.facts.uid) {
                return Err(SimulationError::SameUid { uid: review.facts.uid.clone() });
            }
        }
        Ok(())
    }
}

impl SignerPlan {
    /// The Secret as the API server holds it.
    ///
    /// # Errors
    /// `Lab` for a key that cannot be made.
    pub fn object(&self, published: Wall) -> Result<SignerSecret, SimulationError> {
        let key = Keys::deterministic(self.keys).signer(&self.name, 0, published)?;
        Ok(SignerSecret {
            name: self.name.clone(),
            namespace: self.namespace.clone(),
            public_key: key.public_pem(),
            resource_version: None,
            secret: self.secret.clone(),
        })
    }
}

impl TrustServerPlan {
    /// GUN to the documents served of it, signed at `published`.
    ///
    /// # Errors
    /// `Lab` for a collection that cannot be signed.
    pub fn publish(&self, published: Wall) -> Result<BTreeMap<String, Documents>, SimulationError> {
        let sign = |plan: &CollectionPlan| {
            Ok((plan.gun.clone(), plan.sign(published)?.documents().clone()))
        };
        self.collections.iter().map(sign).collect()
    }
}
