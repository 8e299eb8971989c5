//! The metadata of objects, as far as seals need it, borrowed from the answer that holds it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;

/// `metadata` of an object.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata<'a> {
    #[serde(borrow, default)]
    pub(super) annotations: Option<BTreeMap<Cow<'a, str>, Cow<'a, str>>>,
    #[serde(default)]
    pub(super) name: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(super) namespace: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(super) owner_references: Option<Vec<OwnerReference<'a>>>,
    #[serde(default)]
    pub(super) resource_version: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(super) uid: Option<Cow<'a, str>>,
}

/// One of `ownerReferences`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OwnerReference<'a> {
    #[serde(borrow, default)]
    pub(super) api_version: Cow<'a, str>,
    #[serde(default)]
    pub(super) controller: Option<bool>,
    #[serde(default)]
    pub(super) kind: Cow<'a, str>,
    #[serde(default)]
    pub(super) name: Cow<'a, str>,
    #[serde(default)]
    pub(super) uid: Cow<'a, str>,
}
