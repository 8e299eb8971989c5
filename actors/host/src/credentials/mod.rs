//! Credentials for registries and their trust servers, by the names messages use.
//!
//! Values stay in this process: a message, a record or an error names the Secret, and the types
//! here have neither `Debug` nor `Serialize`. Helper programs are never run.

mod docker_config;
mod pattern;
mod secret;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use portreeve_protocol::{CredentialRef, limits};

use crate::HostError;
pub(crate) use docker_config::Format;
use pattern::Pattern;
pub(crate) use secret::{Credential, Identity, repeats};

/// Namespace and name.
type Place = (String, String);

/// What the objects say about credentials: which Secrets hold which, and which service accounts
/// list which Secrets.
#[derive(Clone, Default)]
pub struct PullObjects {
    accounts: BTreeMap<Place, Vec<String>>,
    keyrings: BTreeMap<Place, Arc<Keyring>>,
    warnings: Vec<String>,
}

/// The entries of one Secret.
struct Keyring(Vec<(Pattern, Arc<Credential>)>);

/// A credential that is for the image in question.
#[derive(Clone)]
pub(crate) struct Candidate {
    /// What is to be shown.
    pub(crate) credential: Arc<Credential>,
    /// By which name it was found.
    pub(crate) from: CredentialRef,
}

/// The credentials at hand. Clones are the same store.
#[derive(Clone, Default)]
pub struct Credentials(Arc<RwLock<PullObjects>>);

impl PullObjects {
    /// Adds a Secret of `kubernetes.io/dockerconfigjson` or `kubernetes.io/dockercfg`. One that was
    /// added before is then of no use, since it cannot be known which is meant.
    pub(crate) fn add_secret(&mut self, place: Place, format: Format, text: &[u8]) {
        let (namespace, name) = &place;
        let of = |why: &str| format!("Secret {namespace}/{name}: {why}");
        let mut entries = Vec::new();
        match docker_config::parse(format, text) {
            Ok(parsed) => {
                let usable = parsed.entries.into_iter();
                entries.extend(usable.map(|(name, credential)| (name, Arc::new(credential))));
                self.warnings.extend(parsed.warnings.iter().map(|warning| of(warning)));
            }
            Err(why) => self.warnings.push(of(&why)),
        }
        if self.keyrings.contains_key(&place) {
            self.warnings.push(of("it is defined twice, so neither is used"));
            entries.clear();
        }
        self.keyrings.insert(place, Arc::new(Keyring(entries)));
    }

    /// Adds a service account with the names of its pull secrets.
    pub(crate) fn add_account(&mut self, place: Place, secrets: Vec<String>) {
        self.accounts.insert(place, secrets);
    }

    /// The Secrets of a namespace, in order of name.
    #[must_use]
    pub fn names(&self, namespace: &str) -> Vec<String> {
        let places = self.keyrings.keys().filter(|(of, _)| of == namespace);
        places.map(|(_, name)| name.clone()).collect()
    }

    /// What could not be used, each with the Secret and the registry it is about.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// How many Secrets there are, or service accounts if those are more.
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        self.keyrings.len().max(self.accounts.len())
    }

    fn keyrings_of(&self, name: &CredentialRef) -> Vec<Arc<Keyring>> {
        let found = |namespace: &String, name: &String| {
            self.keyrings.get(&(namespace.clone(), name.clone())).cloned()
        };
        match name {
            CredentialRef::PullSecret { name, namespace } => {
                found(namespace, name).into_iter().collect()
            }
            CredentialRef::ServiceAccount { name, namespace } => {
                let listed = self.accounts.get(&(namespace.clone(), name.clone()));
                listed.into_iter().flatten().filter_map(|name| found(namespace, name)).collect()
            }
        }
    }
}

impl fmt::Debug for PullObjects {
    /// How much there is, and nothing of it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PullObjects({} Secrets)", self.keyrings.len())
    }
}

impl Credentials {
    /// Puts new objects in the place of all old ones.
    pub fn replace(&self, objects: PullObjects) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = objects;
    }

    /// Reads docker's `config.json` and adds it as if it were the Secret of this namespace and
    /// name. Returns what in it could not be used, by registry.
    ///
    /// # Errors
    /// `File` if it cannot be read, `ConfigFile` if nothing of it can be used.
    pub fn add_file(
        &self,
        namespace: &str,
        name: &str,
        path: &Path,
    ) -> Result<Vec<String>, HostError> {
        let failed =
            |source| HostError::File { what: "cannot read", path: path.to_owned(), source };
        let mut text = Vec::new();
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(limits::OBJECT_BYTES as u64 + 1).read_to_end(&mut text).map_err(failed)?;
        let parsed = docker_config::parse(Format::DockerConfigJson, &text);
        text.fill(0);
        let parsed = parsed.map_err(|why| HostError::ConfigFile { path: path.to_owned(), why })?;
        let entries = parsed.entries.into_iter().map(|(name, it)| (name, Arc::new(it)));
        let keyring = Arc::new(Keyring(entries.collect()));
        let mut objects = self.0.write().unwrap_or_else(PoisonError::into_inner);
        objects.keyrings.insert((namespace.to_owned(), name.to_owned()), keyring);
        Ok(parsed.warnings)
    }

    /// The credentials under these names that are for this repository, in the order in which the
    /// kubelet would try them; equal ones once.
    pub(crate) fn matching(&self, names: &[CredentialRef], gun: &str) -> Vec<Candidate> {
        let objects = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut entries = Vec::new();
        for name in names {
            for keyring in objects.keyrings_of(name) {
                for (pattern, credential) in &keyring.0 {
                    let from = name.clone();
                    let candidate = Candidate { credential: Arc::clone(credential), from };
                    entries.push((pattern.clone(), candidate));
                }
            }
        }
        drop(objects);
        // Stable, so that of equal names the Secret that is named first comes first.
        entries.sort_by(|(a, _), (b, _)| b.order().cmp(a.order()));
        let take = |wanted: &dyn Fn(&Pattern) -> bool| -> Vec<Candidate> {
            let wanted = entries.iter().filter(|(pattern, _)| wanted(pattern));
            wanted.map(|(_, candidate)| candidate.clone()).collect()
        };
        let mut found = take(&|pattern| pattern.covers(gun));
        if found.is_empty() && gun.starts_with("docker.io/") {
            found = take(&Pattern::is_docker_hub);
        }
        let mut seen = BTreeSet::new();
        found.retain(|candidate| seen.insert(candidate.credential.identity()));
        found.truncate(limits::CREDENTIALS_TRIED);
        found
    }
}

impl fmt::Debug for Credentials {
    /// That it is there, and nothing of it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Credentials(..)")
    }
}
