//! The seal: what Portreeve once verified about a workload, as the workload itself carries it.
//!
//! A seal is an annotation that the host authenticates with a key of the operator's. Machines see
//! claims, never keys or codes of authenticity: the adapter says whether a seal that it found is
//! genuine, and signs the claims that a machine wants to be attached.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Sha256, limits};

/// The annotation that holds a seal.
pub const ANNOTATION: &str = "portreeve.dev/admission";

/// What a seal says. It counts only on the object it names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealClaims {
    /// What was verified, by generation of the workload's images; the newest first.
    pub generations: Vec<Vec<SealEntry>>,
    /// The object's kind.
    pub kind: String,
    /// The object's name.
    pub name: String,
    /// The object's namespace.
    pub namespace: String,
}

/// One container's image as it was verified.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SealEntry {
    /// The container's name.
    pub container: Arc<str>,
    /// The verified digest.
    pub digest: Sha256,
    /// The image reference as submitted.
    pub reference: Arc<str>,
    /// The collection (GUN) that names the digest.
    pub repository: Arc<str>,
    /// Digest of what the policies asked for; see [`Requirement`].
    pub requirement: Sha256,
    /// Ids of the keys that signed the collection's root.
    pub root_keys: BTreeSet<Sha256>,
}

/// What the winning rules ask of one image, as far as a seal must name it. Its digest is the
/// SHA-256 of the canonical JSON of the list of the rules' requirements, sorted, equal ones once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Requirement {
    /// PEM certificates of authorities that the operator pins the root by.
    pub authorities: BTreeSet<String>,
    /// Whether a trust bundle forbids a root that nothing pins.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub first_use_forbidden: bool,
    /// Role to the lowest version of it that a trust bundle believes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub floors: BTreeMap<String, u64>,
    /// Ids of root keys, of the policy, the operator and the trust bundle.
    pub pins: BTreeSet<Sha256>,
    /// The trust server's URL.
    pub server: String,
    /// Signer names, each with the SHA-256 of the public key that must have signed.
    pub signers: BTreeSet<(String, Sha256)>,
    /// Whether a missing `targets/releases` denies.
    pub strict_roles: bool,
}

/// What the adapter found where a seal would be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SealFact {
    /// There is no seal.
    #[default]
    Absent,
    /// There is something, but it is no seal of ours; why.
    Invalid(SealFault),
    /// A genuine seal; whether it is the object's own is not said by that.
    Valid(Box<SealClaims>),
}

/// Why an annotation is no seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SealFault {
    /// It is not laid out as a seal, or is larger than one may be.
    Malformed,
    /// There is no key to check it with.
    NoKey,
    /// Its code of authenticity does not fit.
    NotGenuine,
    /// The key that it names is not known here.
    UnknownKey,
}

impl SealFault {
    /// The reason in a few words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "it is not laid out as a seal",
            Self::NoKey => "there is no key to check it with",
            Self::NotGenuine => "it was not made with the key it names",
            Self::UnknownKey => "the key it names is not known here",
        }
    }
}

/// An entry of seals that an operator has ended: wherever it stands, it counts no more.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RevokedSeal {
    /// The digest.
    pub digest: Sha256,
    /// The collection.
    pub gun: String,
}

/// The API group of an `apiVersion`; empty for the core group.
#[must_use]
pub fn group_of(api_version: &str) -> &str {
    api_version.rsplit_once('/').map_or("", |(group, _)| group)
}

/// Whether objects of this API group and kind can carry a seal.
#[must_use]
pub fn is_sealed_kind(group: &str, kind: &str) -> bool {
    matches!(
        (group, kind),
        ("", "ReplicationController")
            | ("apps" | "extensions", "DaemonSet" | "Deployment" | "ReplicaSet")
            | ("apps", "StatefulSet")
            | ("batch", "CronJob" | "Job")
    )
}

impl SealClaims {
    /// Whether the seal is that of the object of this kind, namespace and name.
    #[must_use]
    pub fn names(&self, kind: &str, namespace: &str, name: &str) -> bool {
        self.kind == kind && self.namespace == namespace && self.name == name
    }

    /// All entries, those of the newest generation first.
    pub fn entries(&self) -> impl Iterator<Item = &SealEntry> {
        self.generations.iter().flatten()
    }

    /// Puts `current` in front of the earlier generations, where it takes the place of an equal
    /// one; the oldest beyond [`limits::SEAL_GENERATIONS`] are forgotten.
    pub fn advance(&mut self, mut current: Vec<SealEntry>) {
        current.sort();
        current.dedup();
        if !current.is_empty() {
            self.generations.retain(|earlier| *earlier != current);
            self.generations.insert(0, current);
        }
        self.generations.truncate(limits::SEAL_GENERATIONS);
    }

    /// The keys that signed the root of each collection, as of the newest entry of it.
    #[must_use]
    pub fn root_keys(&self) -> BTreeMap<&str, &BTreeSet<Sha256>> {
        let mut found = BTreeMap::new();
        for entry in self.entries() {
            found.entry(&*entry.repository).or_insert(&entry.root_keys);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(digest: &str) -> SealEntry {
        SealEntry {
            container: "web".into(),
            digest: Sha256::of(digest.as_bytes()),
            reference: "r.example/web:1".into(),
            repository: "r.example/web".into(),
            requirement: Sha256::ZERO,
            root_keys: BTreeSet::new(),
        }
    }

    fn claims() -> SealClaims {
        SealClaims {
            generations: Vec::new(),
            kind: "Deployment".to_owned(),
            name: "web".to_owned(),
            namespace: "shop".to_owned(),
        }
    }

    #[test]
    fn an_equal_generation_comes_to_the_front_and_the_oldest_are_forgotten() {
        let mut seal = claims();
        for number in 0..limits::SEAL_GENERATIONS + 2 {
            seal.advance(vec![entry(&number.to_string())]);
        }
        assert_eq!(seal.generations.len(), limits::SEAL_GENERATIONS);
        let last = vec![entry("2")];
        assert_eq!(seal.generations.last(), Some(&last));
        seal.advance(last.clone());
        assert_eq!(seal.generations.first(), Some(&last));
        assert_eq!(seal.generations.len(), limits::SEAL_GENERATIONS);
        seal.advance(Vec::new());
        assert_eq!(seal.generations.first(), Some(&last), "nothing verified changes nothing");
    }

    #[test]
    fn a_seal_names_one_object() {
        assert!(claims().names("Deployment", "shop", "web"));
        assert!(!claims().names("StatefulSet", "shop", "web"));
        assert!(!claims().names("Deployment", "shop", "web2"));
        assert!(!claims().names("Deployment", "other", "web"));
    }
}
