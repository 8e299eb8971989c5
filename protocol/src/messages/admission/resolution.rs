//! What a trust server says about a tag, verified.

use serde::{Deserialize, Serialize};

use crate::evidence::TagView;
use crate::{Denial, Mono, Proof, Sha256};

/// The state of one tag of one collection at one trust server. Published like a policy snapshot:
/// whoever waits for it takes it, and later reviews may use it while it is fresh.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolution {
    /// Digest of the [`RootAnchor`](crate::anchors::RootAnchor) it was asked for with, if there was
    /// one. Since schema 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor: Option<Sha256>,
    /// When the timestamp this rests on was asked for. What was signed later may not be in it.
    pub checked_at: Mono,
    /// The collection.
    pub gun: String,
    /// Of an answer that could not be had: the last state verified, if there is one.
    pub last_verified: Option<Box<LastVerified>>,
    /// What came of it.
    pub outcome: ResolutionOutcome,
    /// The trust server's URL.
    pub server: String,
    /// The tag.
    pub tag: String,
    /// Whether it rests on a root that was looked at for dry runs only and is not kept: no other
    /// review may use it. Since schema 2.
    #[serde(default)]
    pub tentative: bool,
}

/// What came of asking. "There is none", "not to be believed" and "could not be asked" are
/// different answers everywhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResolutionOutcome {
    /// The trust server has no such collection.
    Absent,
    /// The trust data is not to be believed.
    Refused(Denial),
    /// The trust data could not be had.
    Unavailable(Denial),
    /// The trust data is verified.
    Verified(Box<VerifiedTag>),
}

/// The last state of a tag that was verified, for policies that let it serve for a while when the
/// trust server is out of reach. It may only allow, and nothing in it may have expired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastVerified {
    /// When the timestamp it rests on was asked for.
    pub at: Mono,
    /// What was verified.
    pub tag: VerifiedTag,
}

/// Verified trust data of a tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifiedTag {
    /// The documents.
    pub evidence: Proof,
    /// What they say about the tag; without entries if they do not name it.
    pub view: TagView,
}
