//! The CustomResourceDefinitions of policies, made of the types in `policy`.
//!
//! Both API groups have the same members, so that a policy is moved from one to the other by its
//! `apiVersion` alone. They are a superset of those of Portieris.

pub mod policy;
mod structural;
#[cfg(test)]
mod tests;

use portreeve_protocol::policy::PolicyGroup;
use serde_json::{Value, json};

use policy::{PolicySpec, PolicyStatus};

/// The definitions by name, in the order in which they are printed.
#[must_use]
pub fn all() -> Vec<(String, Value)> {
    let groups = [PolicyGroup::Portieris, PolicyGroup::SecurityEnforcement];
    let kinds = [("ClusterImagePolicy", "clusterimagepolicies"), ("ImagePolicy", "imagepolicies")];
    let each = |group: PolicyGroup| {
        kinds.map(|(kind, plural)| {
            (format!("{plural}.{}", group.name()), definition(group, kind, plural))
        })
    };
    groups.into_iter().flat_map(each).collect()
}

/// The version of the API in which a group has its policies.
#[must_use]
pub const fn version(group: PolicyGroup) -> &'static str {
    match group {
        PolicyGroup::Portieris => "v1",
        PolicyGroup::SecurityEnforcement => "v1beta1",
    }
}

fn definition(group: PolicyGroup, kind: &str, plural: &str) -> Value {
    let scope = if kind == "ImagePolicy" { "Namespaced" } else { "Cluster" };
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{}", group.name())},
        "spec": {
            "group": group.name(),
            "names": {
                "kind": kind,
                "listKind": format!("{kind}List"),
                "plural": plural,
                "singular": kind.to_ascii_lowercase(),
            },
            // The first Portieris made definitions without a schema, which would stay that way.
            "preserveUnknownFields": false,
            "scope": scope,
            "versions": [{
                "additionalPrinterColumns": columns(),
                "name": version(group),
                "schema": {"openAPIV3Schema": schema(kind)},
                "served": true,
                "storage": true,
                "subresources": {"status": {}},
            }],
        },
    })
}

fn schema(kind: &str) -> Value {
    let description = if kind == "ImagePolicy" {
        "Which images may run in a namespace. Where a namespace has one, no ClusterImagePolicy \
         counts there."
    } else {
        "Which images may run in namespaces that have no ImagePolicy."
    };
    json!({
        "description": description,
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": nullable(structural::schema::<PolicySpec>()),
            "status": structural::schema::<PolicyStatus>(),
        },
        "type": "object",
    })
}

/// A policy without rules may be written with an empty `spec:`.
fn nullable(mut schema: Value) -> Value {
    if let Some(members) = schema.as_object_mut() {
        members.insert("nullable".to_owned(), Value::Bool(true));
    }
    schema
}

fn columns() -> Value {
    let condition = |member: &str| format!(".status.conditions[?(@.type==\"Accepted\")].{member}");
    json!([
        {"jsonPath": ".spec.mode", "name": "Mode", "type": "string"},
        {"jsonPath": condition("status"), "name": "Accepted", "type": "string"},
        {"jsonPath": condition("message"), "name": "Message", "priority": 1, "type": "string"},
        {"jsonPath": ".metadata.creationTimestamp", "name": "Age", "type": "date"},
    ])
}
