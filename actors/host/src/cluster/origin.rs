//! The lists that objects come from: the four kinds of policies, and single Secrets.

use std::fmt;

use kube::core::{ApiResource, GroupVersionKind};
use portreeve_protocol::policy::{PolicyGroup, PolicyRef};

/// A kind of policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PolicyKind {
    pub(super) group: PolicyGroup,
    /// ImagePolicy; else ClusterImagePolicy.
    pub(super) namespaced: bool,
}

/// A list that is watched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    /// All policies of a kind.
    Policies(PolicyKind),
    /// The one Secret of this name, or none.
    Secret { namespace: String, name: String },
}

impl PolicyKind {
    /// All kinds, of both API groups. A cluster need not have any of them.
    pub(super) const ALL: [Self; 4] = [
        Self { group: PolicyGroup::Portieris, namespaced: false },
        Self { group: PolicyGroup::Portieris, namespaced: true },
        Self { group: PolicyGroup::SecurityEnforcement, namespaced: false },
        Self { group: PolicyGroup::SecurityEnforcement, namespaced: true },
    ];

    /// The kind of a policy.
    pub(super) const fn of(policy: &PolicyRef) -> Self {
        Self { group: policy.group, namespaced: policy.namespace.is_some() }
    }

    /// The kind as the API server knows it, in the version that policies are read in.
    pub(super) fn resource(self) -> ApiResource {
        let (kind, plural) = if self.namespaced {
            ("ImagePolicy", "imagepolicies")
        } else {
            ("ClusterImagePolicy", "clusterimagepolicies")
        };
        let version = match self.group {
            PolicyGroup::Portieris => "v1",
            PolicyGroup::SecurityEnforcement => "v1beta1",
        };
        let kind = GroupVersionKind::gvk(self.group.name(), version, kind);
        ApiResource::from_gvk_with_plural(&kind, plural)
    }
}

impl Origin {
    /// The kind of the objects.
    pub(super) fn resource(&self) -> ApiResource {
        match self {
            Self::Policies(kind) => kind.resource(),
            Self::Secret { .. } => {
                let kind = GroupVersionKind::gvk("", "v1", "Secret");
                ApiResource::from_gvk_with_plural(&kind, "secrets")
            }
        }
    }

    /// The name under which metrics count it; all Secrets count as one.
    pub(super) const fn label(&self) -> &'static str {
        match self {
            Self::Policies(PolicyKind { group: PolicyGroup::Portieris, namespaced: false }) => {
                "clusterimagepolicies.portieris"
            }
            Self::Policies(PolicyKind { group: PolicyGroup::Portieris, namespaced: true }) => {
                "imagepolicies.portieris"
            }
            Self::Policies(PolicyKind { namespaced: false, .. }) => {
                "clusterimagepolicies.securityenforcement"
            }
            Self::Policies(PolicyKind { namespaced: true, .. }) => {
                "imagepolicies.securityenforcement"
            }
            Self::Secret { .. } => "secrets",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policies(_) => {
                let resource = self.resource();
                write!(formatter, "{}.{}", resource.plural, resource.group)
            }
            Self::Secret { namespace, name } => write!(formatter, "Secret {namespace}/{name}"),
        }
    }
}

/// Whether an object may have this name (RFC 1123 subdomain): others are never asked for, so that a
/// policy cannot write a selector in the place of a name.
pub(super) fn is_object_name(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_label)
}

/// Whether a namespace may have this name (RFC 1123 label).
pub(super) fn is_namespace(name: &str) -> bool {
    name.len() <= 63 && is_label(name)
}

fn is_label(label: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = [label.bytes().next(), label.bytes().next_back()];
    ends.iter().all(|end| end.is_some_and(letter))
        && label.bytes().all(|byte| letter(byte) || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_a_name_is_asked_for() {
        for name in ["alice", "alice-key.v2", "0", &"a".repeat(253)] {
            assert!(is_object_name(name), "{name}");
        }
        let long = "a".repeat(254);
        let not = ["", "A", "a,b", "a=b", "a b", "a..b", "-a", "a-", ".", "a/b", "ä", &long];
        for name in not {
            assert!(!is_object_name(name), "{name}");
        }
        assert!(is_namespace("shop") && !is_namespace("shop.eu") && !is_namespace("../x"));
    }

    #[test]
    fn every_kind_has_its_path_on_the_api_server() {
        let paths = PolicyKind::ALL.map(|kind| {
            let resource = kind.resource();
            format!("{}/{}", resource.api_version, resource.plural)
        });
        let expected = [
            "portieris.cloud.ibm.com/v1/clusterimagepolicies",
            "portieris.cloud.ibm.com/v1/imagepolicies",
            "securityenforcement.admission.cloud.ibm.com/v1beta1/clusterimagepolicies",
            "securityenforcement.admission.cloud.ibm.com/v1beta1/imagepolicies",
        ];
        assert_eq!(paths, expected);
    }
}
