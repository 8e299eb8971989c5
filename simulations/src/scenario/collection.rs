//! Collections of trust servers, as data.

use portreeve_lab::{Collection, Keys};
use portreeve_protocol::{Sha256, Wall};
use serde::{Deserialize, Serialize};

use crate::SimulationError;

/// A collection. Keys come from seeds, so that every run signs the same bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectionPlan {
    /// The collection's name.
    pub gun: String,
    /// Seed of its keys; signers of one name and seed have one key.
    pub keys: u64,
    /// Signers it delegates to.
    pub signers: Vec<String>,
    /// What is signed.
    pub tags: Vec<SignedTag>,
}

/// A signed tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedTag {
    /// Digest of the image's manifest.
    pub digest: Sha256,
    /// Length of the manifest in bytes.
    pub length: u64,
    /// Who signs, also into `targets/releases`; nobody means that it stands in `targets`.
    pub signers: Vec<String>,
    /// The tag.
    pub tag: String,
}

impl CollectionPlan {
    /// The collection, signed and published.
    ///
    /// # Errors
    /// `Lab` if it cannot be signed.
    pub fn sign(&self, published: Wall) -> Result<Collection, SimulationError> {
        let keys = Keys::deterministic(self.keys);
        let mut collection = Collection::new(&self.gun, keys, published)?;
        for signer in &self.signers {
            collection.add_signer(signer, published)?;
        }
        for tag in &self.tags {
            tag.sign(&mut collection)?;
        }
        collection.publish(published)?;
        Ok(collection)
    }
}

impl SignedTag {
    /// Signs the tag; it is published with the collection.
    ///
    /// # Errors
    /// `Lab` for a signer that the collection does not delegate to.
    pub fn sign(&self, collection: &mut Collection) -> Result<(), SimulationError> {
        let Self { digest, length, signers, tag } = self;
        if signers.is_empty() {
            collection.sign_base(tag, *digest, *length);
        } else {
            let signers: Vec<&str> = signers.iter().map(String::as_str).collect();
            collection.sign(tag, *digest, *length, &signers)?;
        }
        Ok(())
    }
}
