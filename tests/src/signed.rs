//! One image, signed by alice, and the policy that asks for its signature.

use portreeve_lab::{Collection, Keys, NotaryServer};
use portreeve_protocol::{Sha256, Wall};

use crate::TestError;

/// The collection.
pub const GUN: &str = "registry.example/app";
/// The image by the tag that is signed.
pub const TAGGED: &str = "registry.example/app:v1";
/// When it is signed: 2026-11-23T12:00:00Z.
pub const NOW: Wall = Wall(1_795_435_200_000_000);

/// The signed digest.
#[must_use]
pub fn digest() -> Sha256 {
    Sha256::of(b"image")
}

/// Publishes the collection, signed with keys made of `seed`: another seed gives another root.
///
/// # Errors
/// `Content` if it cannot be signed.
pub fn publish(server: &NotaryServer, seed: u64) -> Result<(), TestError> {
    let mut collection = Collection::new(GUN, Keys::deterministic(seed), NOW).map_err(failed)?;
    collection.add_signer("alice", NOW).map_err(failed)?;
    collection.sign("v1", digest(), 1_573, &["alice"]).map_err(failed)?;
    server.publish(GUN, collection.publish(NOW).map_err(failed)?);
    Ok(())
}

fn failed(error: impl std::fmt::Display) -> TestError {
    TestError::Content { path: GUN.to_owned(), why: error.to_string() }
}

/// A ClusterImagePolicy by which all images are to be signed at the trust server `server`.
#[must_use]
pub fn policy(server: &str) -> String {
    format!(
        "apiVersion: portieris.cloud.ibm.com/v1\nkind: ClusterImagePolicy\n\
         metadata: {{name: all}}\nspec:\n  repositories:\n  - name: \"*\"\n    policy:\n      \
         trust: {{enabled: true, trustServer: \"{server}\"}}\n"
    )
}
