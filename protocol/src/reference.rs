//! Image references, parsed and normalised.

use crate::Sha256;

/// A normalised image reference: host lower-cased, Docker Hub's names folded, tag made explicit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageReference {
    /// The digest, if the reference carries one.
    pub digest: Option<Sha256>,
    /// The registry's host, with its port unless that is 443: `docker.io`, `registry.example:5000`.
    pub host: String,
    /// The repository below the host: `library/nginx`.
    pub path: String,
    /// The tag: as written; `latest` when there is neither tag nor digest; `None` for a bare digest.
    pub tag: Option<String>,
}
