//! The answer to a review, container by container.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::evidence::Evidence;
use crate::policy::PolicyRef;
use crate::{Denial, EventId, Sha256};

/// The whole answer to one review.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Whether the workload may enter.
    pub allowed: bool,
    /// Audit annotations, without the webhook's prefix; the host adds the record's hash.
    pub audit: BTreeMap<String, String>,
    /// The denial the answer leads with, if it is one: the first in the order of containers.
    pub denial: Option<Denial>,
    /// What a person is told: empty for an allow without remarks.
    pub message: String,
    /// The JSON patch (RFC 6902) as text, if anything is to be changed.
    pub patch: Option<String>,
    /// Revision of the policy snapshot that was used.
    pub policy_revision: u64,
    /// The event in which the review was received.
    pub review: EventId,
    /// The review's uid, as sent; two reviews may carry one.
    pub uid: String,
    /// One verdict per image reference, in the order of the object.
    pub verdicts: Vec<ContainerVerdict>,
    /// Warnings for the person who sent the workload.
    pub warnings: Vec<String>,
}

/// What was decided about one container's image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerVerdict {
    /// The container's name, as sent.
    pub container: String,
    /// The image reference, as sent.
    pub image: String,
    /// JSON pointer of the image reference in the object.
    pub pointer: String,
    /// The rule, or rules of equal specificity, that decided.
    pub rules: Vec<RuleRef>,
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
    /// The rules that cover the image ask for no trust.
    TrustNotRequired,
    /// Signed, by whom the rules ask for.
    Verified(Box<Verified>),
}

/// A verified image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// The signed digest.
    pub digest: Sha256,
    /// The documents that say so.
    pub evidence: Evidence,
    /// The change of the reference, if it is to be changed.
    pub pin: Option<Pin>,
    /// The role whose entry gave the digest.
    pub released_by: String,
    /// The trust server.
    pub server: String,
    /// The signers found to have signed it, as the policy names them.
    pub signers: Vec<String>,
}

/// The change of one image reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// JSON pointer of the reference.
    pub pointer: String,
    /// The reference to put there.
    pub to: String,
}
