//! An object is gone.

use serde::{Deserialize, Serialize};

use crate::policy::PolicyRef;

/// An object is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted {
    /// Which one.
    pub object: ObjectRef,
}

/// The identity of an object of the policy source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ObjectRef {
    /// A policy.
    Policy(PolicyRef),
    /// A signer Secret.
    SignerSecret {
        /// Its namespace.
        namespace: String,
        /// Its name.
        secret: String,
    },
}
