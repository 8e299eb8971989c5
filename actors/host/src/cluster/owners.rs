//! The controllers of workloads, each by one look at its metadata.

use std::borrow::Cow;
use std::future::ready;
use std::sync::Arc;

use portreeve_protocol::messages::admission::{FoundOwner, OwnerFact, OwnerOutcome, OwnerQuery};
use portreeve_protocol::seal::{ANNOTATION, SealFact};
use portreeve_protocol::{Denial, DenyCode};
use serde::Deserialize;

use super::api_server::{ApiServer, ApiTrouble, METADATA, What};
use super::flights::Flights;
use super::kinds::WorkloadKind;
use super::metadata::Metadata;
use super::origin::{is_namespace, is_object_name};
use crate::owners::{OwnerAnswer, OwnerSource};
use crate::seals::Sealer;

/// Looks at controllers by the API server: one GET of the metadata for all who ask for the same
/// one at the same time, and none for what cannot carry a seal.
#[derive(Clone)]
pub struct ClusterOwners {
    api: ApiServer,
    flights: Arc<Flights<Place, OwnerOutcome>>,
    sealer: Sealer,
}

/// What a look is at, and the version that is asked for first.
type Place = (&'static str, &'static str, String, String);

#[derive(Deserialize)]
struct Object<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
}

impl ClusterOwners {
    /// Asks `api`, and checks seals with the keys of `sealer`.
    #[must_use]
    pub fn new(api: ApiServer, sealer: Sealer) -> Self {
        Self { api, flights: Arc::default(), sealer }
    }
}

impl OwnerSource for ClusterOwners {
    fn find(&self, query: &OwnerQuery) -> OwnerAnswer {
        let OwnerQuery { api_version, kind, name, namespace, .. } = query;
        let Some(kind) = WorkloadKind::named(api_version, kind) else {
            return Box::pin(ready(OwnerOutcome::Absent));
        };
        // No object can have such a name.
        if !is_object_name(name) || !is_namespace(namespace) {
            return Box::pin(ready(OwnerOutcome::Absent));
        }
        let versions = versions(kind, api_version);
        let place = (kind.resource, versions[0], namespace.clone(), name.clone());
        let (api, sealer) = (self.api.clone(), self.sealer.clone());
        let (namespace, name) = (namespace.clone(), name.clone());
        let flight = self.flights.join(place, || {
            Box::pin(async move {
                match look(&api, kind, &versions, &namespace, &name, &sealer).await {
                    Ok(found) => OwnerOutcome::Found(Box::new(found)),
                    Err(ApiTrouble::Absent | ApiTrouble::UnknownKind) => OwnerOutcome::Absent,
                    Err(why @ ApiTrouble::Late(_)) => unavailable(DenyCode::Deadline, why),
                    Err(
                        why @ (ApiTrouble::Forbidden
                        | ApiTrouble::Malformed
                        | ApiTrouble::Oversize
                        | ApiTrouble::Status(_)
                        | ApiTrouble::Unauthenticated
                        | ApiTrouble::Unreachable),
                    ) => unavailable(DenyCode::ApiServer, why),
                }
            })
        });
        Box::pin(flight)
    }
}

fn unavailable(code: DenyCode, why: ApiTrouble) -> OwnerOutcome {
    OwnerOutcome::Unavailable(Denial::new(code, why.to_string()))
}

/// The versions to ask for: the one that the owner reference names first, if it is served at all.
fn versions(kind: &WorkloadKind, api_version: &str) -> Vec<&'static str> {
    let named = api_version.rsplit('/').next().unwrap_or_default();
    let mut versions = kind.versions.to_vec();
    // Stable, so that the others keep their order.
    versions.sort_by_key(|version| *version != named);
    versions
}

async fn look(
    api: &ApiServer,
    kind: &WorkloadKind,
    versions: &[&str],
    namespace: &str,
    name: &str,
    sealer: &Sealer,
) -> Result<FoundOwner, ApiTrouble> {
    let mut last = ApiTrouble::UnknownKind;
    for version in versions {
        let path = format!("{}/{name}", kind.path(version, namespace));
        match api.get(What::Owner, METADATA, &path).await {
            Ok(answer) => return read(answer.bytes(), sealer),
            Err(ApiTrouble::UnknownKind) => last = ApiTrouble::UnknownKind,
            Err(why) => return Err(why),
        }
    }
    Err(last)
}

fn read(text: &[u8], sealer: &Sealer) -> Result<FoundOwner, ApiTrouble> {
    let object: Object<'_> = serde_json::from_slice(text).map_err(|_| ApiTrouble::Malformed)?;
    let metadata = object.metadata;
    let seal = metadata.annotations.as_ref().and_then(|all| all.get(ANNOTATION));
    let seal = seal.map_or(SealFact::Absent, |text| sealer.check(text));
    let uid = metadata.uid.map(Cow::into_owned).unwrap_or_default();
    if uid.is_empty() {
        return Err(ApiTrouble::Malformed);
    }
    let owners = metadata.owner_references.unwrap_or_default();
    let controller = owners.into_iter().find(|owner| owner.controller == Some(true));
    let controller = controller.map(|owner| OwnerFact {
        api_version: owner.api_version.into_owned(),
        controller: true,
        kind: owner.kind.into_owned(),
        name: owner.name.into_owned(),
        uid: owner.uid.into_owned(),
    });
    Ok(FoundOwner { controller, seal, uid })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_the_reference_is_asked_for_first_where_it_is_served() {
        let of = |api_version, kind| {
            WorkloadKind::named(api_version, kind).map(|kind| versions(kind, api_version))
        };
        assert_eq!(of("batch/v1beta1", "CronJob"), Some(vec!["v1beta1", "v1"]));
        assert_eq!(of("batch/v1", "CronJob"), Some(vec!["v1", "v1beta1"]));
        assert_eq!(of("apps/v1beta1", "Deployment"), Some(vec!["v1"]));
    }
}
