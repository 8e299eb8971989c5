//! All workloads of a cluster that may carry a seal, and new seals for them: what an operator does
//! with rights of their own. Only metadata is read and changed, so that nothing is rolled out.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use kube::Client;
use portreeve_protocol::messages::admission::{OwnerFact, RevokeSeal};
use portreeve_protocol::seal::ANNOTATION;
use serde::Deserialize;
use serde_json::json;

use super::api_server::{ApiServer, ApiTrouble, JSON, METADATA, Question, What};
use super::kinds::{WORKLOADS, WorkloadKind};
use super::metadata::Metadata;
use super::origin::{is_namespace, is_object_name};
use super::revocations;
use crate::HostError;
use crate::metrics::Metrics;
use crate::notary_client::encode;
use crate::owners::{Workload, Workloads};
use crate::seals::SealKeys;

/// The workloads of a cluster, as far as whoever asks may see and change them.
#[derive(Clone)]
pub struct ClusterWorkloads {
    api: ApiServer,
    /// The objects of one page of a list.
    page: usize,
}

/// What became of a new seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// The workload is gone, or carries another seal by now: look again.
    Changed,
    /// The workload carries it.
    Renewed,
}

#[derive(Deserialize)]
struct List<'a> {
    /// An API server before 1.22 says `null` where there are none.
    #[serde(borrow, default)]
    items: Option<Vec<Item<'a>>>,
    #[serde(default)]
    metadata: Option<ListMetadata<'a>>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
}

#[derive(Deserialize)]
struct ListMetadata<'a> {
    #[serde(borrow, default, rename = "continue")]
    next: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Secret<'a> {
    #[serde(borrow, default)]
    data: Option<std::collections::BTreeMap<Cow<'a, str>, &'a str>>,
}

/// The metadata of the objects of a list.
const METADATA_LIST: &str =
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
/// The change of a member that must be as it was found (RFC 6902).
const JSON_PATCH: &str = "application/json-patch+json";
/// The objects of one page of a list.
const PAGE: usize = 250;
/// How long one page may take: an API server reads all of it from its store.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a list is begun anew that grew too old while it was read.
const BEGINS: usize = 3;

impl ClusterWorkloads {
    /// Asks by `client`.
    #[must_use]
    pub fn new(client: Client) -> Self {
        let metrics = Arc::new(Metrics::new(env!("CARGO_PKG_VERSION")));
        Self { api: ApiServer::new(client, metrics), page: PAGE }
    }

    /// With so many objects in a page, for tests.
    #[must_use]
    pub fn in_pages_of(mut self, page: usize) -> Self {
        self.page = page;
        self
    }

    /// The metadata of all workloads that may carry a seal, of one namespace or of all.
    ///
    /// # Errors
    /// `Cluster` if a kind that the API server knows cannot be listed as a whole.
    pub async fn list(&self, namespace: Option<&str>) -> Result<Workloads, HostError> {
        let mut workloads = Workloads::default();
        for kind in &WORKLOADS {
            for workload in self.list_kind(kind, namespace.unwrap_or_default()).await? {
                workloads.add(workload);
            }
        }
        Ok(workloads)
    }

    /// The objects of a kind, in the first of its versions that is served.
    async fn list_kind(
        &self,
        kind: &WorkloadKind,
        namespace: &str,
    ) -> Result<Vec<Workload>, HostError> {
        let mut begun = 0;
        for version in kind.versions {
            loop {
                match self.pages(kind, version, namespace).await {
                    Ok(workloads) => return Ok(workloads),
                    Err(ApiTrouble::UnknownKind) => break,
                    Err(ApiTrouble::Status(410)) if begun < BEGINS => begun += 1,
                    Err(why) => {
                        let (group, resource) = (kind.group, kind.resource);
                        let dot = if group.is_empty() { "" } else { "." };
                        let why = format!("the list of {resource}{dot}{group}: {why}");
                        return Err(HostError::Cluster { why });
                    }
                }
            }
        }
        Ok(Vec::new())
    }

    async fn pages(
        &self,
        kind: &WorkloadKind,
        version: &str,
        namespace: &str,
    ) -> Result<Vec<Workload>, ApiTrouble> {
        let mut workloads = Vec::new();
        let mut next = String::new();
        loop {
            let mut path = format!("{}?limit={}", kind.path(version, namespace), self.page);
            if !next.is_empty() {
                path.push_str("&continue=");
                encode(&mut path, &next);
            }
            let question = question(Method::GET, METADATA_LIST, &path, None);
            let answer = self.api.ask(question).await?;
            let list: List<'_> =
                serde_json::from_slice(answer.bytes()).map_err(|_| ApiTrouble::Malformed)?;
            let items = list.items.into_iter().flatten();
            workloads.extend(items.map(|item| kind.workload(version, item)));
            next = list.metadata.and_then(|it| it.next).map(Cow::into_owned).unwrap_or_default();
            if next.is_empty() {
                return Ok(workloads);
            }
        }
    }

    /// Puts the seal `new` in the place of the one that `workload` was found with, if that is still
    /// the one it carries.
    ///
    /// # Errors
    /// `Cluster` if it cannot be done.
    pub async fn renew(&self, workload: &Workload, new: &str) -> Result<Renewal, HostError> {
        let Workload { api_version, kind, name, namespace, seal, .. } = workload;
        let failed = |why: ApiTrouble| HostError::Cluster {
            why: format!("{kind} {namespace}/{name}: {why}"),
        };
        let known = WorkloadKind::named(api_version, kind);
        let (Some(known), Some(old)) = (known, seal) else {
            return Err(failed(ApiTrouble::UnknownKind));
        };
        if !is_object_name(name) || !is_namespace(namespace) {
            return Err(failed(ApiTrouble::Malformed));
        }
        let version = api_version.rsplit('/').next().unwrap_or_default();
        let path = format!("{}/{name}", known.path(version, namespace));
        let at = format!("/metadata/annotations/{}", ANNOTATION.replace('/', "~1"));
        let patch = json!([
            {"op": "test", "path": at, "value": old},
            {"op": "replace", "path": at, "value": new},
        ]);
        let body = Some((JSON_PATCH, patch.to_string().into_bytes()));
        match self.api.ask(question(Method::PATCH, METADATA, &path, body)).await {
            Ok(_) => Ok(Renewal::Renewed),
            // 422 is how the API server says that a `test` failed. A Deployment's controller may
            // have copied the new seal to the ReplicaSet in the meantime.
            Err(ApiTrouble::Status(409 | 422)) if self.carries(&path, new).await => {
                Ok(Renewal::Renewed)
            }
            Err(ApiTrouble::Absent | ApiTrouble::Status(409 | 422)) => Ok(Renewal::Changed),
            Err(why) => Err(failed(why)),
        }
    }

    /// Whether the object at `path` carries this very seal.
    async fn carries(&self, path: &str, seal: &str) -> bool {
        let answer = self.api.ask(question(Method::GET, METADATA, path, None)).await;
        answer.is_ok_and(|answer| {
            let item = serde_json::from_slice::<Item<'_>>(answer.bytes()).ok();
            let annotations = item.and_then(|item| item.metadata.annotations);
            annotations.is_some_and(|all| all.get(ANNOTATION).is_some_and(|found| found == seal))
        })
    }

    /// Ends an entry of seals for all replicas, which read it in the operator's namespace.
    ///
    /// # Errors
    /// `Cluster` if it cannot be written down.
    pub async fn revoke(&self, namespace: &str, revoke: &RevokeSeal) -> Result<(), HostError> {
        revocations::add(&self.api, namespace, revoke).await
    }

    /// The keys in a member of a Secret.
    ///
    /// # Errors
    /// `Cluster` if the Secret cannot be read, or holds something else than keys there.
    pub async fn keys(
        &self,
        namespace: &str,
        name: &str,
        member: &str,
    ) -> Result<SealKeys, HostError> {
        let failed = |why: String| HostError::Cluster {
            why: format!("Secret {namespace}/{name}, `{member}`: {why}"),
        };
        if !is_object_name(name) || !is_namespace(namespace) {
            return Err(failed("that is not the name of an object".to_owned()));
        }
        let path = format!("/api/v1/namespaces/{namespace}/secrets/{name}");
        let answer = self.api.ask(question(Method::GET, JSON, &path, None)).await;
        let answer = answer.map_err(|why| failed(why.to_string()))?;
        let secret: Secret<'_> = serde_json::from_slice(answer.bytes())
            .map_err(|_| failed(ApiTrouble::Malformed.to_string()))?;
        let encoded = secret.data.as_ref().and_then(|data| data.get(member));
        let encoded = encoded.ok_or_else(|| failed("it is not there".to_owned()))?;
        let text = STANDARD.decode(encoded).ok().and_then(|text| String::from_utf8(text).ok());
        let text = text.ok_or_else(|| failed("it is not text".to_owned()))?;
        let keys = SealKeys::parse(&text).map_err(failed);
        let mut bytes = text.into_bytes();
        bytes.fill(0);
        std::hint::black_box(&bytes);
        keys
    }
}

fn question<'a>(
    method: Method,
    accept: &'static str,
    path: &'a str,
    body: Option<(&'static str, Vec<u8>)>,
) -> Question<'a> {
    Question { accept, body, method, path, what: What::Workload, within: PATIENCE }
}

impl WorkloadKind {
    fn workload(&self, version: &str, item: Item<'_>) -> Workload {
        let Metadata { annotations, name, namespace, owner_references, uid, .. } = item.metadata;
        let text = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned).unwrap_or_default();
        let mut owners = owner_references.into_iter().flatten();
        let controller = owners.find(|owner| owner.controller == Some(true));
        Workload {
            api_version: self.api_version(version),
            controller: controller.map(|owner| OwnerFact {
                api_version: owner.api_version.into_owned(),
                controller: true,
                kind: owner.kind.into_owned(),
                name: owner.name.into_owned(),
                uid: owner.uid.into_owned(),
            }),
            kind: self.kind.to_owned(),
            name: text(name),
            namespace: text(namespace),
            seal: annotations.and_then(|mut all| all.remove(ANNOTATION)).map(Cow::into_owned),
            uid: text(uid),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_nothing_may_say_null() {
        let list = serde_json::from_str::<List<'_>>(r#"{"items":null,"metadata":{}}"#);
        assert!(list.is_ok_and(|list| list.items.is_none()));
    }
}
