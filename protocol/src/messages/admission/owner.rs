//! The direct controller of a workload: the question and what was found.

use serde::{Deserialize, Serialize};

use super::OwnerFact;
use crate::seal::SealFact;
use crate::{Denial, EventId};

/// Look at the metadata of one object, as the cluster has it now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerQuery {
    /// API version of the object, such as `apps/v1`.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The review on whose behalf it is looked for.
    pub review: EventId,
}

/// What the look brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerFound {
    /// How long it took, in microseconds.
    pub micros: u64,
    /// What was found.
    pub outcome: OwnerOutcome,
    /// The review on whose behalf it was looked for.
    pub review: EventId,
}

/// What was found of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OwnerOutcome {
    /// There is no such object.
    Absent,
    /// It is there.
    Found(Box<FoundOwner>),
    /// It could not be looked at.
    Unavailable(Denial),
}

/// An object's metadata, as far as a seal needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundOwner {
    /// The controller that it names itself, if it names one.
    pub controller: Option<OwnerFact>,
    /// Its seal.
    pub seal: SealFact,
    /// Its uid.
    pub uid: String,
}
