//! Policies as the policy actor publishes them: parsed, resolved, in one immutable snapshot.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::Sha256;

/// The API group a policy object came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PolicyGroup {
    /// `portieris.cloud.ibm.com`.
    Portieris,
    /// `securityenforcement.admission.cloud.ibm.com`.
    SecurityEnforcement,
}

impl PolicyGroup {
    /// The API group's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Portieris => "portieris.cloud.ibm.com",
            Self::SecurityEnforcement => "securityenforcement.admission.cloud.ibm.com",
        }
    }
}

/// A policy object's identity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PolicyRef {
    /// The API group.
    pub group: PolicyGroup,
    /// The object's name.
    pub name: String,
    /// The namespace of an ImagePolicy; `None` for a ClusterImagePolicy.
    pub namespace: Option<String>,
}

impl std::fmt::Display for PolicyRef {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(formatter, "ImagePolicy {namespace}/{}", self.name),
            None => write!(formatter, "ClusterImagePolicy {}", self.name),
        }
    }
}

/// All policies at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicySnapshot {
    /// The ClusterImagePolicies, in order of group and name.
    pub cluster: Vec<Policy>,
    /// Namespace to its ImagePolicies, in order of group and name; only namespaces that have any.
    pub namespaces: BTreeMap<String, Vec<Policy>>,
    /// Counts the snapshots of this incarnation, from 1.
    pub revision: u64,
    /// Whether the source of the policies is being watched; while it is not, decisions say so.
    pub watched: bool,
}

/// One policy, parsed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Which object it is.
    pub id: PolicyRef,
    /// Its rules, or why it has none that could be obeyed.
    pub rules: PolicyState,
}

/// Whether a policy could be understood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PolicyState {
    /// Not understood; why. Whatever it could cover is denied.
    Invalid(String),
    /// Its rules in the order of `spec.repositories`; none at all denies everything.
    Valid(Vec<Rule>),
}

/// What becomes of an image that does not satisfy a rule (`mode`).
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Mode {
    /// It is allowed, unchanged; what would have been is recorded.
    Audit,
    /// It is denied.
    #[default]
    Enforce,
    /// It is allowed, with a warning for whoever sent it.
    Warn,
}

impl Mode {
    /// The word used in policies, answers and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Audit => "audit",
            Self::Enforce => "enforce",
            Self::Warn => "warn",
        }
    }
}

/// One entry of `spec.repositories`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// What becomes of an image that does not satisfy the rule. Since schema 2.
    #[serde(default)]
    pub mode: Mode,
    /// Whether an image that satisfies the rule is pinned to its digest (`policy.mutateImage`).
    pub mutate_image: bool,
    /// The pattern (`name`), as written.
    pub pattern: String,
    /// What the rule asks for; `None` allows without trust.
    pub trust: Option<TrustRequirement>,
}

/// What must hold of an image's signed data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustRequirement {
    /// For how long after a verified timestamp an allow needs no network; microseconds. `None`
    /// takes [`crate::Settings::freshness`].
    pub freshness: Option<u64>,
    /// For how long the last verified state may allow while the trust server is out of reach;
    /// microseconds. `None` takes [`crate::Settings::max_staleness`].
    pub max_staleness: Option<u64>,
    /// Ids of admissible root keys, of certificate or bare key; none at all asks for nothing.
    pub pins: BTreeSet<Sha256>,
    /// The trust server's URL, if the rule names one, without trailing slash.
    pub server: Option<String>,
    /// The signers, all of whom must have signed.
    pub signers: Vec<SignerRequirement>,
    /// Whether a missing `targets/releases` denies instead of falling back to `targets`.
    pub strict_roles: bool,
}

/// Stands in [`SignerRequirement::secret`] for a signer that the trust bundle asks for; no Secret
/// is called so, for its name has a slash.
pub const FROM_BUNDLE: &str = "trust bundle";

/// A signer a rule asks for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SignerRequirement {
    /// The signer's key, or why there is none.
    pub key: SignerKey,
    /// The Secret that holds it, as `namespace/name`; empty if the policy itself holds the key,
    /// [`FROM_BUNDLE`] if the trust bundle does.
    pub secret: String,
}

/// The key of a signer as found in its Secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SignerKey {
    /// The Secret is there but cannot be used; why.
    Invalid(String),
    /// There is no such Secret.
    Missing,
    /// The signer's delegation is `targets/<name>`, and this key must have signed it.
    Usable {
        /// The signer's name.
        name: String,
        /// SHA-256 of the DER SubjectPublicKeyInfo.
        spki: Sha256,
    },
}
