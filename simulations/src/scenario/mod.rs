//! A scenario: what is to happen, as data. Together with a seed it is a whole run, so it can be
//! printed, kept in a file, shrunk, and given to another host of the same machines.

mod change;
mod collection;
mod fault;

use std::collections::{BTreeMap, BTreeSet};

use portreeve_lab::{Documents, Keys};
use portreeve_protocol::messages::admission::ReviewFacts;
use portreeve_protocol::messages::policy::{PolicyObject, SignerSecret, SourceObject};
use portreeve_protocol::{Settings, Wall};
use serde::{Deserialize, Serialize};

pub use change::{Change, Publication};
pub use collection::{CollectionPlan, SignedTag};
pub use fault::Fault;

use crate::SimulationError;

/// What is to happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scenario {
    /// What is published later.
    pub changes: Vec<Change>,
    /// What goes wrong, and when.
    pub faults: Vec<Fault>,
    /// More events than this are taken for a run without end.
    pub most_events: u64,
    /// Name of the replica.
    pub node: String,
    /// The policies, applied before the first review.
    pub policies: Vec<PolicyObject>,
    /// When the collections were published.
    pub published: Wall,
    /// The reviews that are sent.
    pub reviews: Vec<PlannedReview>,
    /// The trust servers there are.
    pub servers: Vec<TrustServerPlan>,
    /// The settings of the machines.
    pub settings: Settings,
    /// The signer Secrets there are.
    pub signers: Vec<SignerPlan>,
    /// The wall clock when the replica starts.
    pub start: Wall,
}

/// A review and when it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedReview {
    /// Microseconds after the start at the earliest.
    pub at: u64,
    /// The review.
    pub facts: ReviewFacts,
    /// The seed draws by how many microseconds it is later, up to this number.
    pub spread: u64,
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
        let mut objects: Vec<_> = self.policies.iter().cloned().map(SourceObject::Policy).collect();
        for signer in &self.signers {
            let key = Keys::deterministic(signer.keys).signer(&signer.name, 0, self.published)?;
            objects.push(SourceObject::SignerSecret(SignerSecret {
                name: signer.name.clone(),
                namespace: signer.namespace.clone(),
                public_key: key.public_pem(),
                resource_version: None,
                secret: signer.secret.clone(),
            }));
        }
        Ok(objects)
    }

    /// The same scenario with the trust server `from` at another URL, in the policies and settings
    /// too: for hosts whose servers get an address only when they start.
    #[must_use]
    pub fn moved(&self, from: &str, to: &str) -> Self {
        let mut moved = self.clone();
        for policy in &mut moved.policies {
            policy.spec = policy.spec.replace(from, to);
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
        let servers = moved.faults.iter_mut().filter_map(Fault::server);
        let servers = servers.chain(moved.changes.iter_mut().map(|change| &mut change.server));
        for server in servers.filter(|server| *server == from) {
            *server = to.to_owned();
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
