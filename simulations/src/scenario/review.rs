//! The reviews that are sent, and what the API server makes of the answers.

use portreeve_protocol::messages::admission::ReviewFacts;
use serde::{Deserialize, Serialize};

/// A review and when it is sent.
///
/// The uid of what follows from it is made of its own: `UID~1` is the first time that the client
/// tries again, `UID+again` the second pass over the mutated object, `UID+validate` the validating
/// webhook, `UID+rs` the ReplicaSet of a Deployment and `UID+pod0` the first of its Pods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedReview {
    /// Microseconds after the start at the earliest.
    pub at: u64,
    /// How many Pods a Deployment has once it is admitted, by way of a ReplicaSet.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub children: u8,
    /// The name of the workload in its namespace whose seal it carries, if that is not its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copies: Option<String>,
    /// The review.
    pub facts: ReviewFacts,
    /// What becomes of the object behind this webhook.
    #[serde(default, skip_serializing_if = "Later::is_nothing")]
    pub later: Later,
    /// How often the client tries again after a denial or without an answer.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retries: u8,
    /// The seed draws by how many microseconds it is later, up to this number.
    pub spread: u64,
    /// The replica that is asked, by its place; `None` is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<usize>,
    /// Whether the final object goes to the validating webhook.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub validated: bool,
}

/// What other mutating webhooks do to an object behind this one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Later {
    /// One changes something, so this one is asked again with what it made of the object.
    Again,
    /// One puts another image into the first container, and nobody asks the mutating webhook again.
    Changed(String),
    /// Nothing.
    #[default]
    Nothing,
}

impl Later {
    const fn is_nothing(&self) -> bool {
        matches!(self, Self::Nothing)
    }
}

impl PlannedReview {
    /// A review that is sent once, and nothing follows from it.
    #[must_use]
    pub const fn once(at: u64, spread: u64, facts: ReviewFacts) -> Self {
        let (children, copies, retries, validated, to) = (0, None, 0, false, None);
        Self { at, children, copies, facts, later: Later::Nothing, retries, spread, to, validated }
    }
}

// The signature that serde asks for.
#[allow(clippy::trivially_copy_pass_by_ref)]
const fn is_zero(number: &u8) -> bool {
    *number == 0
}
