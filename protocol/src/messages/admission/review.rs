//! A review, reduced to facts. Environment, arguments, tokens and Secrets never enter a message.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::seal::SealFact;

/// An AdmissionReview request as far as a decision needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewFacts {
    /// Whether the object has annotations, be it none; a patch must know. Since schema 2.
    #[serde(default)]
    pub annotated: bool,
    /// How long the client will wait for the answer, margin taken off; microseconds.
    pub budget: u64,
    /// Whether nothing will be persisted.
    pub dry_run: bool,
    /// Images of the object, in the order of the object: init, main and ephemeral containers,
    /// then volumes.
    pub images: Vec<ImageFact>,
    /// Kind of the object.
    pub kind: GroupKind,
    /// What of the object could not be read, as a sentence for the sender; `None` if all is well.
    pub malformed: Option<String>,
    /// Name given, or `generateName` with an asterisk behind it; empty if there is neither.
    pub name: String,
    /// Namespace of the object; empty for cluster-scoped ones.
    pub namespace: String,
    /// Images of the old object of an update.
    pub old_images: Vec<ImageFact>,
    /// The seal of the old object of an update. Since schema 2.
    #[serde(default)]
    pub old_seal: SealFact,
    /// What is being done.
    pub operation: Operation,
    /// Owner references of the object. They prove nothing.
    pub owners: Vec<OwnerFact>,
    /// At which path the review came.
    pub path: ReviewPath,
    /// Who sent it.
    pub peer: Peer,
    /// Names of the Secrets the pod specification lists for pulling.
    pub pull_secrets: Vec<String>,
    /// The seal that the object carries as sent. Since schema 2.
    #[serde(default)]
    pub seal: SealFact,
    /// Whether there is a key to seal with. Since schema 2.
    #[serde(default)]
    pub sealing: bool,
    /// Service account of the pod specification; empty if none is named.
    pub service_account: String,
    /// The subresource, if the review is of one.
    pub sub_resource: Option<String>,
    /// The request's uid.
    pub uid: String,
    /// Who makes the change.
    pub user: String,
    /// The version the answer must be written in.
    pub version: ReviewVersion,
}

/// API group, version and kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupKind {
    /// The group; empty for the core group.
    pub group: String,
    /// The kind.
    pub kind: String,
    /// The version.
    pub version: String,
}

/// What is being done to the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operation {
    /// Connecting to a subresource.
    Connect,
    /// Creating.
    Create,
    /// Deleting.
    Delete,
    /// Changing.
    Update,
}

/// The two endpoints that take reviews.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReviewPath {
    /// `/admit`: decides and patches.
    Admit,
    /// `/validate`: decides about the object as it will be stored, and never patches.
    Validate,
}

/// The versions of AdmissionReview.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReviewVersion {
    /// `admission.k8s.io/v1`.
    V1,
    /// `admission.k8s.io/v1beta1`.
    V1Beta1,
}

/// An image reference of the object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageFact {
    /// The container's name; empty if it has none.
    pub container: Arc<str>,
    /// The reference as written; empty if there is none.
    pub image: Arc<str>,
    /// Which list the container is in.
    pub list: ContainerList,
    /// JSON pointer of the reference in the object.
    pub pointer: Arc<str>,
}

/// The lists of a pod specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ContainerList {
    /// `ephemeralContainers`.
    Ephemeral,
    /// `initContainers`.
    Init,
    /// `containers`.
    Main,
    /// `volumes` whose source is an image.
    Volume,
}

/// An owner reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerFact {
    /// API version of the owner, such as `apps/v1`.
    pub api_version: String,
    /// Whether it claims to be the controller.
    pub controller: bool,
    /// Kind of the owner.
    pub kind: String,
    /// Name of the owner.
    pub name: String,
    /// Uid of the owner.
    pub uid: String,
}

/// Who sent the review.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Address without port.
    pub address: String,
    /// Whether its certificate was verified against the client CA.
    pub authenticated: bool,
}
