//! A question about a tag.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::anchors::RootAnchor;
use crate::{CredentialRef, Mono, Sha256};

/// Find out what the trust server says about a tag. The answer is published as a
/// [`Resolution`](crate::messages::admission::Resolution) to the admission actor; equal questions
/// share one answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolve {
    /// What the trust bundle says of the root, if there is a bundle. Since schema 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor: Option<Arc<RootAnchor>>,
    /// The credentials that may be used for it; none for an anonymous question.
    pub credentials: BTreeSet<CredentialRef>,
    /// Whether nothing will be persisted: a first root is then not kept. Since schema 2.
    #[serde(default)]
    pub dry_run: bool,
    /// The collection.
    pub gun: String,
    /// The namespace on whose behalf the question is asked; quotas are counted by it.
    pub namespace: String,
    /// The answer must rest on a timestamp asked for at or after this instant.
    pub not_before: Mono,
    /// Ids of the keys that signed the root when the workload, or its owner, was sealed; a replica
    /// that knows no root takes no other one at first use. Empty says nothing. Since schema 2.
    #[serde(default)]
    pub sealed_roots: BTreeSet<Sha256>,
    /// The tag.
    pub tag: String,
}
