//! An object as the API server gives it, read without asking anything of its form: one bad object
//! must not keep a whole list from being read.

use std::borrow::Cow;
use std::fmt;

use kube::Resource;
use kube::core::{ApiResource, DynamicResourceScope, ObjectMeta};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Any JSON value, with what of its metadata is legible. It may be a Secret, so it is never shown.
#[derive(Clone)]
pub(super) struct Record {
    metadata: ObjectMeta,
    value: Value,
}

impl Record {
    /// The name, if it has one that is not empty.
    pub(super) fn name(&self) -> Option<&str> {
        self.metadata.name.as_deref().filter(|name| !name.is_empty())
    }

    /// The namespace, if it has one that is not empty.
    pub(super) fn namespace(&self) -> Option<&str> {
        self.metadata.namespace.as_deref().filter(|name| !name.is_empty())
    }

    /// How often the specification has changed, if the API server counts it.
    pub(super) const fn generation(&self) -> Option<i64> {
        self.metadata.generation
    }

    /// A member deep in the object.
    pub(super) fn pointer(&self, pointer: &str) -> Option<&Value> {
        self.value.pointer(pointer)
    }

    /// The object as a document of its kind. The items of a list often leave their kind out.
    pub(super) fn document(self, resource: &ApiResource) -> Value {
        let mut value = self.value;
        if let Value::Object(members) = &mut value {
            members.insert("apiVersion".to_owned(), resource.api_version.clone().into());
            members.insert("kind".to_owned(), resource.kind.clone().into());
        }
        value
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Record").field("name", &self.metadata.name).finish_non_exhaustive()
    }
}

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let member = |name: &str| value.get("metadata").and_then(|metadata| metadata.get(name));
        let text = |name: &str| member(name).and_then(Value::as_str).map(str::to_owned);
        let metadata = ObjectMeta {
            generation: member("generation").and_then(Value::as_i64),
            name: text("name"),
            namespace: text("namespace"),
            resource_version: text("resourceVersion"),
            ..ObjectMeta::default()
        };
        Ok(Self { metadata, value })
    }
}

impl Resource for Record {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn group(resource: &ApiResource) -> Cow<'_, str> {
        resource.group.as_str().into()
    }

    fn version(resource: &ApiResource) -> Cow<'_, str> {
        resource.version.as_str().into()
    }

    fn kind(resource: &ApiResource) -> Cow<'_, str> {
        resource.kind.as_str().into()
    }

    fn api_version(resource: &ApiResource) -> Cow<'_, str> {
        resource.api_version.as_str().into()
    }

    fn plural(resource: &ApiResource) -> Cow<'_, str> {
        resource.plural.as_str().into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
