//! Policies as typed data: the truth can tell what they ask for without reading what the machines
//! read.

use std::collections::BTreeSet;

use portreeve_protocol::Sha256;
use portreeve_protocol::messages::policy::PolicyObject;
use portreeve_protocol::policy::{Mode, PolicyGroup, PolicyRef};
use serde::{Deserialize, Serialize};

use super::SignerPlan;

/// An ImagePolicy, or a ClusterImagePolicy if it has no namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyPlan {
    /// The API group it is of.
    pub group: PolicyGroup,
    /// Its `spec` cannot be understood, whatever its rules say: its scope is to be denied.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub malformed: bool,
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: Option<String>,
    /// Its rules.
    pub rules: Vec<RulePlan>,
}

/// A rule of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RulePlan {
    /// What becomes of an image that does not satisfy it.
    pub mode: Mode,
    /// Whether an image that does is pinned.
    pub mutate_image: bool,
    /// The pattern of images.
    pub pattern: String,
    /// What it asks for; `None` allows without trust.
    pub trust: Option<TrustPlan>,
}

/// A demand for trust.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustPlan {
    /// For how long a verified timestamp counts, in whole seconds; `None` is the setting's.
    pub freshness: Option<u64>,
    /// For how long the last verified state stands in for a server out of reach, in whole seconds.
    pub max_staleness: Option<u64>,
    /// Ids of admissible root keys.
    pub pins: BTreeSet<Sha256>,
    /// URL of the trust server; `None` is the one known for the registry.
    pub server: Option<String>,
    /// Names of the Secrets of those who must have signed.
    pub signers: Vec<String>,
    /// Whether a missing `targets/releases` denies.
    pub strict_roles: bool,
}

/// A change of what the API server holds, and when it is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyChange {
    /// Microseconds after the start.
    pub at: u64,
    /// The change.
    pub what: PolicyEvent,
}

/// A change of what the API server holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PolicyEvent {
    /// A policy is created, or put in the place of the one of that name.
    Apply(PolicyPlan),
    /// A signer Secret is created, or put in the place of the one of that name.
    ApplySigner(SignerPlan),
    /// A policy is deleted.
    Delete(PolicyRef),
    /// A signer Secret is deleted.
    DeleteSigner {
        /// Its namespace.
        namespace: String,
        /// Its name.
        secret: String,
    },
}

impl PolicyPlan {
    /// Its identity.
    #[must_use]
    pub fn id(&self) -> PolicyRef {
        PolicyRef { group: self.group, name: self.name.clone(), namespace: self.namespace.clone() }
    }

    /// The object as the API server holds it.
    #[must_use]
    pub fn object(&self) -> PolicyObject {
        let spec = if self.malformed {
            serde_json::json!({"repositories": [{"name": "*", "policy": {"trust": "yes"}}]})
        } else {
            let rules: Vec<_> = self.rules.iter().map(RulePlan::spec).collect();
            serde_json::json!({ "repositories": rules })
        };
        PolicyObject { id: self.id(), resource_version: None, spec: spec.to_string() }
    }
}

impl RulePlan {
    fn spec(&self) -> serde_json::Value {
        let mut policy = serde_json::json!({
            "mode": self.mode.name(), "mutateImage": self.mutate_image,
        });
        if let Some(trust) = &self.trust {
            policy["trust"] = trust.spec();
        }
        serde_json::json!({"name": self.pattern, "policy": policy})
    }
}

impl TrustPlan {
    fn spec(&self) -> serde_json::Value {
        let named = |name: &String| serde_json::json!({ "name": name });
        let mut trust = serde_json::json!({
            "enabled": true,
            "signerSecrets": self.signers.iter().map(named).collect::<Vec<_>>(),
            "strictRoles": self.strict_roles,
        });
        if let Some(server) = &self.server {
            trust["trustServer"] = server.as_str().into();
        }
        if let Some(freshness) = self.freshness {
            trust["freshness"] = freshness.into();
        }
        if let Some(staleness) = self.max_staleness {
            trust["maxStaleness"] = staleness.into();
        }
        if !self.pins.is_empty() {
            trust["pins"] = self.pins.iter().map(Sha256::to_hex).collect::<Vec<_>>().into();
        }
        trust
    }
}
