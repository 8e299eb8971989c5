//! The workloads of the directory of objects.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use portreeve_protocol::messages::admission::{FoundOwner, OwnerFact, OwnerOutcome, OwnerQuery};

use super::{OwnerAnswer, OwnerSource};
use crate::seals::Sealer;

/// What identifies a workload: API group, kind, namespace and name.
type Identity = (String, String, String, String);

/// The metadata of one workload, as far as seals need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    /// API version, such as `apps/v1`.
    pub api_version: String,
    /// The controller that it names.
    pub controller: Option<OwnerFact>,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The text of its seal.
    pub seal: Option<String>,
    /// Its uid; empty if it has none, and then no owner reference names it.
    pub uid: String,
}

/// Workloads by identity. One that is defined twice is as good as not there: nobody can tell which
/// of the two is meant.
#[derive(Debug, Clone, Default)]
pub struct Workloads {
    found: BTreeMap<Identity, Option<Workload>>,
}

/// The workloads at hand. Clones are the same store.
#[derive(Debug, Clone, Default)]
pub struct OwnerStore {
    sealer: Sealer,
    workloads: Arc<RwLock<Arc<Workloads>>>,
}

fn group(api_version: &str) -> String {
    api_version.rsplit_once('/').map(|(group, _)| group.to_owned()).unwrap_or_default()
}

impl Workloads {
    /// Adds a workload.
    pub fn add(&mut self, workload: Workload) {
        let Workload { api_version, kind, namespace, name, .. } = &workload;
        let id = (group(api_version), kind.clone(), namespace.clone(), name.clone());
        let only = !self.found.contains_key(&id);
        self.found.insert(id, only.then_some(workload));
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// The workloads, in order of group, kind, namespace and name.
    pub fn iter(&self) -> impl Iterator<Item = &Workload> {
        self.found.values().flatten()
    }

    fn get(&self, query: &OwnerQuery) -> Option<&Workload> {
        let OwnerQuery { api_version, kind, name, namespace, .. } = query;
        let id = (group(api_version), kind.clone(), namespace.clone(), name.clone());
        self.found.get(&id)?.as_ref()
    }
}

impl OwnerStore {
    /// A store without workloads, whose seals `sealer` checks.
    #[must_use]
    pub fn new(sealer: Sealer) -> Self {
        Self { sealer, workloads: Arc::default() }
    }

    /// Puts these in the place of those before.
    pub fn replace(&self, workloads: Workloads) {
        let mut held = self.workloads.write().unwrap_or_else(PoisonError::into_inner);
        *held = Arc::new(workloads);
    }

    /// The workloads at hand.
    #[must_use]
    pub fn workloads(&self) -> Arc<Workloads> {
        Arc::clone(&self.workloads.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What makes and checks seals.
    #[must_use]
    pub const fn sealer(&self) -> &Sealer {
        &self.sealer
    }

    fn outcome(&self, query: &OwnerQuery) -> OwnerOutcome {
        let workloads = self.workloads();
        let Some(found) = workloads.get(query) else { return OwnerOutcome::Absent };
        let seal = found.seal.as_deref().map(|text| self.sealer.check(text));
        OwnerOutcome::Found(Box::new(FoundOwner {
            controller: found.controller.clone(),
            seal: seal.unwrap_or_default(),
            uid: found.uid.clone(),
        }))
    }
}

impl OwnerSource for OwnerStore {
    fn find(&self, query: &OwnerQuery) -> OwnerAnswer {
        Box::pin(std::future::ready(self.outcome(query)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload(uid: &str) -> Workload {
        Workload {
            api_version: "apps/v1".to_owned(),
            controller: None,
            kind: "Deployment".to_owned(),
            name: "web".to_owned(),
            namespace: "shop".to_owned(),
            seal: None,
            uid: uid.to_owned(),
        }
    }

    fn query(api_version: &str) -> Result<OwnerQuery, portreeve_protocol::ProtocolError> {
        Ok(OwnerQuery {
            api_version: api_version.to_owned(),
            kind: "Deployment".to_owned(),
            name: "web".to_owned(),
            namespace: "shop".to_owned(),
            review: "a/1/admission/1".parse()?,
        })
    }

    #[test]
    fn a_workload_is_found_by_group_kind_namespace_and_name_whatever_the_version()
    -> Result<(), portreeve_protocol::ProtocolError> {
        let store = OwnerStore::default();
        assert_eq!(store.outcome(&query("apps/v1")?), OwnerOutcome::Absent);
        let mut workloads = Workloads::default();
        workloads.add(workload("u-1"));
        store.replace(workloads);
        let found = store.outcome(&query("apps/v1beta2")?);
        assert!(matches!(found, OwnerOutcome::Found(found) if found.uid == "u-1"));
        assert_eq!(store.outcome(&query("example.com/v1")?), OwnerOutcome::Absent);
        Ok(())
    }

    #[test]
    fn a_workload_that_is_defined_twice_is_not_there()
    -> Result<(), portreeve_protocol::ProtocolError> {
        let mut workloads = Workloads::default();
        ["u-1", "u-2", "u-3"].iter().for_each(|uid| workloads.add(workload(uid)));
        assert_eq!(workloads.iter().count(), 0);
        assert!(workloads.get(&query("apps/v1")?).is_none());
        Ok(())
    }
}
