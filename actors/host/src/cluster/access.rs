//! What is asked of the API server: the one table of verbs and resources, from which the roles of
//! the chart are made and tested.
//!
//! Besides, `/readyz` is read, which the cluster's own role `system:public-info-viewer` lets
//! everybody do.

/// What is done to a resource, as RBAC names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Make one.
    Create,
    /// Read one by its name.
    Get,
    /// Read all.
    List,
    /// Change members of one by its name.
    Patch,
    /// Be told of changes.
    Watch,
}

impl Verb {
    /// The verb as it stands in a role.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Get => "get",
            Self::List => "list",
            Self::Patch => "patch",
            Self::Watch => "watch",
        }
    }
}

/// Where it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// In the cluster as a whole, or in all namespaces at once: only a ClusterRole can grant it.
    Cluster,
    /// In the namespace of the workload under review: a Role of each namespace, or a ClusterRole.
    Namespaces,
    /// In the operator's namespace alone: a Role there.
    Operator,
}

/// On whose behalf it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Actor {
    /// `portreeve gencerts`, with the rights of its own service account.
    Gencerts,
    /// `portreeve seal` with an operator's own rights; no role of the chart grants it.
    SealCommand,
    /// `portreeve serve` with the rights of its service account.
    Server,
}

/// One right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Access {
    /// On whose behalf.
    pub actor: Actor,
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// The resource, with its subresource behind a slash.
    pub resource: &'static str,
    /// Where.
    pub scope: Scope,
    /// What is done.
    pub verb: Verb,
    /// What it is needed for, in a sentence without a final full stop.
    pub why: &'static str,
}

macro_rules! table {
    ($($actor:ident $scope:ident $group:literal $of:literal [$($verb:ident)+] $why:literal;)*) => {
        /// Every right that is made use of.
        pub const TABLE: &[Access] = &[$($(Access {
            actor: Actor::$actor,
            group: $group,
            resource: $of,
            scope: Scope::$scope,
            verb: Verb::$verb,
            why: $why,
        },)+)*];
    };
}

table! {
    Server Cluster "portieris.cloud.ibm.com" "imagepolicies" [List Watch]
        "the policies of namespaces";
    Server Cluster "portieris.cloud.ibm.com" "clusterimagepolicies" [List Watch]
        "the policies of the cluster";
    Server Cluster "portieris.cloud.ibm.com" "imagepolicies/status" [Patch]
        "to say of a policy whether it was understood";
    Server Cluster "portieris.cloud.ibm.com" "clusterimagepolicies/status" [Patch]
        "to say of a policy whether it was understood";
    Server Cluster "securityenforcement.admission.cloud.ibm.com" "imagepolicies" [List Watch]
        "the policies of namespaces, in the older API group";
    Server Cluster "securityenforcement.admission.cloud.ibm.com" "clusterimagepolicies" [List Watch]
        "the policies of the cluster, in the older API group";
    Server Cluster "securityenforcement.admission.cloud.ibm.com" "imagepolicies/status" [Patch]
        "to say of a policy whether it was understood";
    Server Cluster "securityenforcement.admission.cloud.ibm.com" "clusterimagepolicies/status"
        [Patch] "to say of a policy whether it was understood";
    Server Namespaces "" "secrets" [List Watch]
        "the Secrets with keys of signers that policies name, one by one (`metadata.name=`)";
    Server Namespaces "" "secrets" [Get]
        "the pull secrets that a workload or its service account names";
    Server Namespaces "" "serviceaccounts" [Get]
        "the pull secrets of a workload that names none itself";
    Server Namespaces "" "replicationcontrollers" [Get]
        "the seal of a workload's controller (metadata only)";
    Server Namespaces "apps" "daemonsets" [Get]
        "the seal of a workload's controller (metadata only)";
    Server Namespaces "apps" "deployments" [Get]
        "the seal of a workload's controller (metadata only)";
    Server Namespaces "apps" "replicasets" [Get]
        "the seal of a workload's controller (metadata only)";
    Server Namespaces "apps" "statefulsets" [Get]
        "the seal of a workload's controller (metadata only)";
    Server Namespaces "batch" "cronjobs" [Get]
        "the seal of a workload's controller (metadata only)";
    Server Namespaces "batch" "jobs" [Get]
        "the seal of a workload's controller (metadata only)";
    Server Namespaces "" "events" [Create Patch]
        "to tell of denials and warnings where `kubectl describe` shows them";
    Server Operator "" "configmaps" [Get]
        "entries of seals that were ended for the cluster: `portreeve-revocations`";
    Gencerts Operator "" "secrets" [Create Get Patch]
        "the Secrets of the certificate and of the keys of seals";
    Gencerts Cluster "admissionregistration.k8s.io" "mutatingwebhookconfigurations" [Get Patch]
        "to tell the API server the authority of the certificate";
    Gencerts Cluster "admissionregistration.k8s.io" "validatingwebhookconfigurations" [Get Patch]
        "to tell the API server the authority of the certificate";
    SealCommand Cluster "" "replicationcontrollers" [Get List Patch]
        "to count seals by key and to renew them (metadata only)";
    SealCommand Cluster "apps" "daemonsets" [Get List Patch]
        "to count seals by key and to renew them (metadata only)";
    SealCommand Cluster "apps" "deployments" [Get List Patch]
        "to count seals by key and to renew them (metadata only)";
    SealCommand Cluster "apps" "replicasets" [Get List Patch]
        "to count seals by key and to renew them (metadata only)";
    SealCommand Cluster "apps" "statefulsets" [Get List Patch]
        "to count seals by key and to renew them (metadata only)";
    SealCommand Cluster "batch" "cronjobs" [Get List Patch]
        "to count seals by key and to renew them (metadata only)";
    SealCommand Cluster "batch" "jobs" [Get List Patch]
        "to count seals by key and to renew them (metadata only)";
    SealCommand Operator "" "configmaps" [Create Get Patch]
        "to end entries of seals for the cluster: `portreeve-revocations`";
    SealCommand Operator "" "secrets" [Get]
        "the keys of seals, with `--seal-secret`";
}

/// How a list of one object by its name is asked for, which RBAC takes as a request for that name.
const ONE_NAME: &str = "fieldSelector=metadata.name%3D";

/// What a request to the API server does to which resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Done {
    /// The API group; empty for the core group.
    pub group: String,
    /// The name of the object; empty if the request is about none in particular.
    pub name: String,
    /// The namespace; empty for the cluster as a whole.
    pub namespace: String,
    /// The resource, with its subresource behind a slash.
    pub resource: String,
    /// What is done.
    pub verb: Verb,
}

impl Done {
    /// What a request of this method and path (with its query) does; `None` if it is about no
    /// resource, or does what is in no row. Follows Kubernetes,
    /// `apiserver/pkg/endpoints/request/requestinfo.go:NewRequestInfo`.
    #[must_use]
    pub fn by(method: &str, path_and_query: &str) -> Option<Self> {
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        let mut parts = path.trim_matches('/').split('/');
        let group = match parts.next()? {
            "api" => "",
            "apis" => parts.next()?,
            _ => return None,
        };
        let _version = parts.next()?;
        let rest: Vec<&str> = parts.collect();
        let (namespace, rest) = match rest.as_slice() {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
            rest => ("", rest),
        };
        let (resource, name) = match rest {
            [resource] => ((*resource).to_owned(), ""),
            [resource, name] => ((*resource).to_owned(), *name),
            [resource, name, below] => (format!("{resource}/{below}"), *name),
            _ => return None,
        };
        let watch = query.split('&').any(|pair| matches!(pair, "watch=true" | "watch=1"));
        let selected = query.split('&').find_map(|pair| pair.strip_prefix(ONE_NAME));
        let verb = match (method, name.is_empty()) {
            ("GET", true) if watch => Verb::Watch,
            ("GET", true) => Verb::List,
            ("GET", false) => Verb::Get,
            ("PATCH", false) => Verb::Patch,
            ("POST", true) => Verb::Create,
            _ => return None,
        };
        let name = selected.filter(|_| matches!(verb, Verb::List | Verb::Watch)).unwrap_or(name);
        let (group, name, namespace) = (group.to_owned(), name.to_owned(), namespace.to_owned());
        Some(Self { group, name, namespace, resource, verb })
    }

    /// Whether a row of the table allows `actor` to do this.
    #[must_use]
    pub fn is_granted_to(&self, actor: Actor) -> bool {
        TABLE.iter().any(|row| {
            let scope = row.scope == Scope::Cluster || !self.namespace.is_empty();
            row.actor == actor
                && row.group == self.group
                && row.resource == self.resource
                && row.verb == self.verb
                && scope
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn done(method: &str, path: &str) -> Option<(Verb, String, String, String)> {
        let Done { group, name, namespace: _, resource, verb } = Done::by(method, path)?;
        Some((verb, group, resource, name))
    }

    #[test]
    fn a_right_stands_in_one_row() {
        let rows: BTreeSet<_> = TABLE
            .iter()
            .map(|row| (row.actor, row.group, row.resource, row.scope, row.verb))
            .collect();
        assert_eq!(rows.len(), TABLE.len());
    }

    #[test]
    fn a_request_is_taken_apart_as_the_api_server_does() {
        let owned = |verb, group: &str, resource: &str, name: &str| {
            Some((verb, group.to_owned(), resource.to_owned(), name.to_owned()))
        };
        for (method, path, expected) in [
            ("GET", "/api/v1/namespaces/a/secrets/b", owned(Verb::Get, "", "secrets", "b")),
            ("GET", "/api/v1/secrets?limit=5&watch=true", owned(Verb::Watch, "", "secrets", "")),
            ("GET", "/apis/apps/v1/jobs?limit=5", owned(Verb::List, "apps", "jobs", "")),
            (
                "GET",
                "/api/v1/namespaces/a/secrets?&fieldSelector=metadata.name%3Db",
                owned(Verb::List, "", "secrets", "b"),
            ),
            ("POST", "/api/v1/namespaces/a/events", owned(Verb::Create, "", "events", "")),
            (
                "PATCH",
                "/apis/g.example/v1/namespaces/a/imagepolicies/b/status",
                owned(Verb::Patch, "g.example", "imagepolicies/status", "b"),
            ),
            ("GET", "/api/v1/namespaces/a", owned(Verb::Get, "", "namespaces", "a")),
            ("DELETE", "/api/v1/namespaces/a/secrets/b", None),
            ("GET", "/readyz", None),
        ] {
            assert_eq!(done(method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn only_what_stands_in_the_table_is_granted() {
        let granted = |method: &str, path: &str| {
            Done::by(method, path).is_some_and(|done| done.is_granted_to(Actor::Server))
        };
        assert!(granted("GET", "/apis/apps/v1/namespaces/a/replicasets/b"));
        assert!(!granted("GET", "/apis/apps/v1/replicasets"));
        assert!(!granted("PATCH", "/apis/apps/v1/namespaces/a/replicasets/b"));
        assert!(!granted("GET", "/apis/apps/v1/replicasets/b"), "in no namespace");
    }
}
