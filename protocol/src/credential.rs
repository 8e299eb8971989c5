//! Which credential, never what is in it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The name of a place where credentials for registries may be found. Their values live in the
/// host alone and never enter a message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CredentialRef {
    /// A Secret of type `kubernetes.io/dockerconfigjson` or `kubernetes.io/dockercfg`.
    PullSecret {
        /// The Secret's name.
        name: String,
        /// The Secret's namespace.
        namespace: String,
    },
    /// The pull secrets that a service account lists.
    ServiceAccount {
        /// The account's name.
        name: String,
        /// The account's namespace.
        namespace: String,
    },
}

impl fmt::Display for CredentialRef {
    /// The kind, then `namespace/name`, such as `Secret shop/registry`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PullSecret { name, namespace } => write!(formatter, "Secret {namespace}/{name}"),
            Self::ServiceAccount { name, namespace } => {
                write!(formatter, "ServiceAccount {namespace}/{name}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_shown_by_kind_and_name() {
        let (name, namespace) = ("registry".to_owned(), "shop".to_owned());
        let secret = CredentialRef::PullSecret { name: name.clone(), namespace: namespace.clone() };
        assert_eq!(secret.to_string(), "Secret shop/registry");
        let account = CredentialRef::ServiceAccount { name, namespace };
        assert_eq!(account.to_string(), "ServiceAccount shop/registry");
    }
}
