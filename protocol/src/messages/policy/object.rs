//! The objects policies are made of, reduced to what a decision needs.

use serde::{Deserialize, Serialize};

use crate::policy::PolicyRef;

/// An object of the policy source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SourceObject {
    /// An ImagePolicy or ClusterImagePolicy.
    Policy(PolicyObject),
    /// A Secret that names a signer.
    SignerSecret(SignerSecret),
}

/// A policy as the source holds it. The machine parses it, so that a journal shows what was parsed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyObject {
    /// Which object it is.
    pub id: PolicyRef,
    /// The source's version of the object, if it has versions.
    pub resource_version: Option<String>,
    /// The JSON text of `spec`, as the source gave it; `null` if there is none.
    pub spec: String,
}

/// The two members of a Secret that say who a signer is. Nothing else of a Secret enters a message,
/// and a Secret without both of these names is not sent at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignerSecret {
    /// Value of `name`: the signer's delegation below `targets/`.
    pub name: String,
    /// The Secret's namespace.
    pub namespace: String,
    /// Value of `publicKey`: PEM text of a public key or certificate.
    pub public_key: String,
    /// The source's version of the object, if it has versions.
    pub resource_version: Option<String>,
    /// The Secret's name.
    pub secret: String,
}
