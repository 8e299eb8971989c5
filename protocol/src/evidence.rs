//! What verification established: which documents, signed by whom, say what about a tag.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{Blob, Sha256, Wall};

/// A key that made a valid signature on a document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SigningKey {
    /// Notary's id of the key as listed: of the certificate, where the key comes in one.
    pub keyid: Sha256,
    /// SHA-256 of the DER SubjectPublicKeyInfo of the bare public key.
    pub spki: Sha256,
}

/// What was established about one document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleEvidence {
    /// When the document expires.
    pub expires: Wall,
    /// SHA-256 of the document as served.
    pub sha256: Sha256,
    /// The keys that validly signed it, in order of key id.
    pub signed_by: Vec<SigningKey>,
    /// How many distinct keys had to sign it.
    pub threshold: u32,
    /// Its version.
    pub version: u64,
}

/// A delegation that was published but not believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DroppedRole {
    /// The full name of the role.
    pub role: String,
    /// Why, as a code and a detail.
    pub why: crate::Denial,
}

/// What was established about a collection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Delegations left out, in the order of the walk.
    pub dropped: Vec<DroppedRole>,
    /// When the first of the documents in use expires.
    pub expires: Wall,
    /// Whether the root was taken on first use, by no pin.
    pub first_use: bool,
    /// The collection.
    pub gun: String,
    /// Full role name (`root`, `snapshot`, `targets/releases`, …) to what holds of it.
    pub roles: BTreeMap<String, RoleEvidence>,
}

/// A signed entry of a tag in one role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TargetEntry {
    /// The entry names an image.
    Image {
        /// Length of the image's manifest in bytes.
        length: u64,
        /// Digest of the image's manifest.
        sha256: Sha256,
    },
    /// The entry is signed but names no image that could be used; why.
    Unusable(String),
}

/// Everything the verified collection says about one tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagView {
    /// Full role name to its entry of the tag, for each verified role that has one in its paths.
    pub entries: BTreeMap<String, TargetEntry>,
    /// The tag.
    pub tag: String,
}

/// The lowest version of a role that is still believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Floor {
    /// Ids of the keys that could sign the role when the floor was set, sorted.
    pub keys: Vec<Sha256>,
    /// SHA-256 of the canonical JSON of the `signed` part of that version: the same content signed
    /// again is the same version.
    pub sha256: Sha256,
    /// The version.
    pub version: u64,
}

/// Role name to its floor.
pub type Floors = BTreeMap<String, Floor>;

/// What an operator knows of the root of one collection beforehand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootPins {
    /// PEM certificates of authorities, one of whom must have issued the root's certificate;
    /// none at all asks for nothing. Key ids go before authorities.
    pub authorities: Vec<String>,
    /// Ids of admissible root keys, of certificate or bare key; none at all asks for nothing.
    pub keyids: BTreeSet<Sha256>,
    /// Whether a root that no pin covers is refused instead of trusted at first use.
    pub required: bool,
}

/// What a notary fetcher keeps of one collection across restarts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustedCollection {
    /// The verified documents besides the root, in order of digest.
    pub documents: Vec<Blob>,
    /// Whether the root was taken on first use, by no pin.
    pub first_use: bool,
    /// The floors of all roles.
    pub floors: Floors,
    /// The collection.
    pub gun: String,
    /// The namespace on whose behalf the collection was first asked for; empty if nobody's.
    pub namespace: String,
    /// The newest verified root.
    pub root: Blob,
    /// The trust server.
    pub server: String,
    /// The newest verified timestamp.
    pub timestamp: Option<Blob>,
}

impl TrustedCollection {
    /// Every blob named here.
    pub fn blobs_mut(&mut self) -> impl Iterator<Item = &mut Blob> {
        std::iter::once(&mut self.root).chain(&mut self.timestamp).chain(&mut self.documents)
    }
}
