//! The answer to a review, container by container.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};

use crate::new_seal::NewSeal;
use crate::policy::{Mode, PolicyRef};
use crate::proof::{self, Proof};
use crate::reference::{DEFAULT_TAG, split_tag};
use crate::seal::SealClaims;
use crate::{Denial, EventId, Sha256};

/// The whole answer to one review. Up to schema 4 it held the patch as text, besides the pins that
/// it is made of ([`Decision::patch`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Whether the workload may enter.
    pub allowed: bool,
    /// Audit annotations, without the webhook's prefix, as far as the verdicts do not say them
    /// ([`Decision::annotations`]). Up to schema 5 it held those as well.
    pub audit: BTreeMap<String, String>,
    /// The trust bundle in force, if one is. Since schema 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<BundleRef>,
    /// The denial the answer leads with, if it is one: the first in the order of containers.
    pub denial: Option<Denial>,
    /// What a person is told: empty for an allow without remarks.
    pub message: String,
    /// Revision of the policy snapshot that was used.
    pub policy_revision: u64,
    /// The event in which the review was received.
    pub review: EventId,
    /// The seal that the object is to carry, if the one it has is to be changed. The host signs it
    /// and adds it to the patch. Since schema 2; up to schema 6 with all that it says.
    #[serde(default)]
    pub seal: Option<NewSeal>,
    /// The review's uid, as sent; two reviews may carry one.
    pub uid: String,
    /// One verdict per image reference, in the order of the object.
    pub verdicts: Vec<ContainerVerdict>,
    /// Warnings for the person who sent the workload.
    pub warnings: Vec<String>,
}

/// The trust bundle that a decision went by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleRef {
    /// SHA-256 of its `trust.json`.
    pub digest: Sha256,
    /// Whether it had expired.
    pub expired: bool,
    /// Version of its targets role.
    pub version: u64,
}

/// What was decided about one container's image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerVerdict {
    /// The container's name, as sent.
    pub container: Arc<str>,
    /// The image reference, as sent.
    pub image: Arc<str>,
    /// JSON pointer of the image reference in the object.
    pub pointer: Arc<str>,
    /// The rule, or rules of equal specificity, that decided.
    pub rules: Arc<[RuleRef]>,
    /// The verdict.
    pub verdict: Verdict,
}

/// A rule of a policy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RuleRef {
    /// The rule's place in `spec.repositories`, counted from 0.
    pub index: u32,
    /// The rule's pattern.
    pub pattern: String,
    /// The policy.
    pub policy: PolicyRef,
}

/// Allowed or denied, and by what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// The image may run.
    Allowed(Admitted),
    /// The image may not run.
    Denied(Denial),
}

/// Why an image may run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Admitted {
    /// The container names no image yet; something else must fill it in. The validating pass sees
    /// to it that something did.
    Blank,
    /// The seal of the workload's owner, or of the workload itself, says that it was verified.
    Sealed(Box<Sealed>),
    /// It would have been denied, but the rule only warns or records.
    Tolerated(Box<Tolerated>),
    /// The rules that cover the image ask for no trust.
    TrustNotRequired,
    /// The old object of the update has the same image in the same container.
    Unchanged,
    /// Signed, by whom the rules ask for.
    Verified(Box<Verified>),
}

/// A verified image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// The signed digest.
    pub digest: Sha256,
    /// The documents that say so, by digest since schema 2: the `Resolution` that told of them
    /// holds them in full.
    #[serde(with = "proof::by_digest")]
    pub evidence: Proof,
    /// Whether the reference is to be changed ([`ContainerVerdict::pin`]). Up to schema 6 the
    /// change itself stood there, as `pin`.
    #[serde(alias = "pin", deserialize_with = "pinned")]
    pub pinned: bool,
    /// The role whose entry gave the digest.
    pub released_by: Cow<'static, str>,
    /// The trust server.
    pub server: Arc<str>,
    /// The signers found to have signed it, as the policy names them.
    pub signers: Vec<String>,
}

/// An image that a seal stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// Whose seal it is.
    pub by: SealOf,
    /// The sealed digest.
    pub digest: Sha256,
    /// Whether the reference is to be changed, as in [`Verified::pinned`].
    #[serde(alias = "pin", deserialize_with = "pinned")]
    pub pinned: bool,
    /// The image reference as it was submitted when it was verified.
    pub reference: Arc<str>,
    /// The collection.
    pub repository: Arc<str>,
    /// Digest of the requirement it was verified by.
    pub requirement: Sha256,
    /// Ids of the keys that signed the collection's root then.
    pub root_keys: BTreeSet<Sha256>,
}

/// Whose seal stands for an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SealOf {
    /// The old object's, which ran this image in an earlier generation.
    Earlier,
    /// The old object's, which runs this image; the trust server could not be asked.
    Running,
    /// The owner's: its kind and name.
    Owner(String, String),
    /// The object's own, put there by the mutating pass.
    Own,
}

/// An image that would have been denied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tolerated {
    /// Why it would have been.
    pub denial: Denial,
    /// The mode of the rule.
    pub mode: Mode,
}

/// Reads whether a reference is to be changed: as a flag, or from the change that stood there up to
/// schema 6, or `null`. Up to schema 4 it repeated the pointer of its verdict.
fn pinned<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Flag(bool),
        Change(Option<BTreeMap<String, String>>),
    }

    Ok(match Either::deserialize(deserializer)? {
        Either::Flag(pinned) => pinned,
        Either::Change(change) => change.is_some(),
    })
}

impl Decision {
    /// Whether the answer may leave without a record: an allow that judged no image, being about a
    /// deletion, an object that carries none, or an update that leaves all images as they are.
    #[must_use]
    pub fn is_exempt(&self) -> bool {
        let unchanged = |it: &ContainerVerdict| it.verdict == Verdict::Allowed(Admitted::Unchanged);
        self.allowed && self.verdicts.iter().all(unchanged)
    }

    /// What the seal says that the object is to carry; `None` if it is to carry no other, or if the
    /// decision was read from a record.
    #[must_use]
    pub fn claims(&self) -> Option<SealClaims> {
        self.seal.as_ref()?.claims()
    }
}

impl Verdict {
    /// The digest that the image was found to have, if it was verified, now or before.
    #[must_use]
    pub fn digest(&self) -> Option<Sha256> {
        match self {
            Self::Allowed(Admitted::Sealed(sealed)) => Some(sealed.digest),
            Self::Allowed(Admitted::Verified(verified)) => Some(verified.digest),
            Self::Allowed(
                Admitted::Blank
                | Admitted::Tolerated(_)
                | Admitted::TrustNotRequired
                | Admitted::Unchanged,
            )
            | Self::Denied(_) => None,
        }
    }
}

impl ContainerVerdict {
    /// What the reference becomes, if it is to be changed: `name:tag@sha256:…`, with the name as
    /// the user spelt it.
    #[must_use]
    pub fn pin(&self) -> Option<String> {
        let digest = self.verdict.digest().filter(|_| self.is_pinned())?;
        let (name, tag) = split_tag(&self.image);
        Some([name, ":", tag.unwrap_or(DEFAULT_TAG), "@", &digest.to_oci()].concat())
    }

    /// Whether the reference is to be changed.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        match &self.verdict {
            Verdict::Allowed(Admitted::Sealed(sealed)) => sealed.pinned,
            Verdict::Allowed(Admitted::Verified(verified)) => verified.pinned,
            Verdict::Allowed(
                Admitted::Blank
                | Admitted::Tolerated(_)
                | Admitted::TrustNotRequired
                | Admitted::Unchanged,
            )
            | Verdict::Denied(_) => false,
        }
    }

    /// Has the reference be changed, if the image is one that was verified; or not.
    pub fn set_pinned(&mut self, to: bool) {
        match &mut self.verdict {
            Verdict::Allowed(Admitted::Sealed(sealed)) => sealed.pinned = to,
            Verdict::Allowed(Admitted::Verified(verified)) => verified.pinned = to,
            Verdict::Allowed(
                Admitted::Blank
                | Admitted::Tolerated(_)
                | Admitted::TrustNotRequired
                | Admitted::Unchanged,
            )
            | Verdict::Denied(_) => {}
        }
    }
}
