//! The kinds of workloads that may carry a seal, and where the API server has them.

use portreeve_protocol::seal::{group_of, is_sealed_kind};

/// A kind of workload.
#[derive(Debug, PartialEq, Eq)]
pub struct WorkloadKind {
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// The kind.
    pub kind: &'static str,
    /// The resource.
    pub resource: &'static str,
    /// The versions it is served in, the newest first. Only CronJob was promoted since the oldest
    /// API server that counts (1.16): `batch/v1` is served from 1.21 on, `v1beta1` until 1.24.
    pub versions: &'static [&'static str],
}

const fn kind(
    group: &'static str,
    kind: &'static str,
    resource: &'static str,
    versions: &'static [&'static str],
) -> WorkloadKind {
    WorkloadKind { group, kind, resource, versions }
}

/// The kinds that may carry a seal.
pub static WORKLOADS: [WorkloadKind; 7] = [
    kind("", "ReplicationController", "replicationcontrollers", &["v1"]),
    kind("apps", "DaemonSet", "daemonsets", &["v1"]),
    kind("apps", "Deployment", "deployments", &["v1"]),
    kind("apps", "ReplicaSet", "replicasets", &["v1"]),
    kind("apps", "StatefulSet", "statefulsets", &["v1"]),
    kind("batch", "CronJob", "cronjobs", &["v1", "v1beta1"]),
    kind("batch", "Job", "jobs", &["v1"]),
];

impl WorkloadKind {
    /// The kind that an owner reference names. `extensions` is the older name of what is in `apps`
    /// now: the objects are the same ones, and so are their uids.
    #[must_use]
    pub fn named(api_version: &str, kind: &str) -> Option<&'static Self> {
        let group = group_of(api_version);
        if !is_sealed_kind(group, kind) {
            return None;
        }
        let group = if group == "extensions" { "apps" } else { group };
        WORKLOADS.iter().find(|known| known.group == group && known.kind == kind)
    }

    /// Its API version, such as `apps/v1`.
    #[must_use]
    pub fn api_version(&self, version: &str) -> String {
        if self.group.is_empty() { version.to_owned() } else { format!("{}/{version}", self.group) }
    }

    /// The path of all objects of the kind in `namespace`, or in all if it is empty.
    pub(super) fn path(&self, version: &str, namespace: &str) -> String {
        let root = if self.group.is_empty() { "/api" } else { "/apis" };
        let api_version = self.api_version(version);
        let resource = self.resource;
        if namespace.is_empty() {
            format!("{root}/{api_version}/{resource}")
        } else {
            format!("{root}/{api_version}/namespaces/{namespace}/{resource}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::access::{Actor, Done};

    #[test]
    fn every_kind_may_be_looked_at_by_the_server_and_renewed_by_the_command() {
        for kind in &WORKLOADS {
            for version in kind.versions {
                let one = format!("{}/x", kind.path(version, "shop"));
                let all = kind.path(version, "");
                let granted = |method: &str, path: &str, actor| {
                    Done::by(method, path).is_some_and(|done| done.is_granted_to(actor))
                };
                assert!(granted("GET", &one, Actor::Server), "{kind:?}");
                assert!(granted("GET", &all, Actor::SealCommand), "{kind:?}");
                assert!(granted("PATCH", &one, Actor::SealCommand), "{kind:?}");
                assert!(is_sealed_kind(kind.group, kind.kind));
            }
        }
    }

    #[test]
    fn an_owner_reference_names_a_kind_by_group_whatever_the_version() {
        let named = |api_version, kind| {
            WorkloadKind::named(api_version, kind).map(|found| (found.group, found.resource))
        };
        assert_eq!(named("apps/v1beta2", "ReplicaSet"), Some(("apps", "replicasets")));
        assert_eq!(named("extensions/v1beta1", "Deployment"), Some(("apps", "deployments")));
        assert_eq!(named("batch/v1beta1", "CronJob"), Some(("batch", "cronjobs")));
        assert_eq!(named("v1", "ReplicationController"), Some(("", "replicationcontrollers")));
        assert_eq!(named("extensions/v1beta1", "StatefulSet"), None);
        assert_eq!(named("example.com/v1", "Deployment"), None);
        assert_eq!(named("v1", "Node"), None);
    }
}
