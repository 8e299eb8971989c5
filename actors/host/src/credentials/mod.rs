//! Credentials for registries and their trust servers, by the names messages use.
//!
//! Values stay in this process: a message, a record or an error names the Secret, and the types
//! here have neither `Debug` nor `Serialize`. Helper programs are never run.

mod docker_config;
mod pattern;
mod secret;
mod source;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use futures_util::future::join_all;
use portreeve_protocol::{CredentialRef, limits};

use crate::HostError;
pub(crate) use docker_config::Format;
use pattern::Pattern;
pub(crate) use secret::{Credential, Identity, repeats};
pub(crate) use source::{Look, PullSource, Unread};

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
pub(crate) struct Keyring(Vec<(Pattern, Arc<Credential>)>);

/// A credential that is for the image in question.
#[derive(Clone)]
pub(crate) struct Candidate {
    /// What is to be shown.
    pub(crate) credential: Arc<Credential>,
    /// By which name it was found.
    pub(crate) from: CredentialRef,
}

/// The candidates for an image, and what of the names given could not be read.
#[derive(Default)]
pub(crate) struct Matching {
    /// In the order in which they are to be tried.
    pub(crate) candidates: Vec<Candidate>,
    /// In the order of the names.
    pub(crate) unread: Vec<Unread>,
}

/// The credentials at hand, and those that are looked up when they are asked for. Clones are the
/// same store.
#[derive(Clone, Default)]
pub struct Credentials {
    held: Arc<RwLock<PullObjects>>,
    source: Option<Arc<dyn PullSource>>,
}

impl Keyring {
    /// Reads what a Secret holds, and says what of it cannot be used, by registry.
    ///
    /// # Errors
    /// Why nothing of it can be used, without quoting it.
    pub(crate) fn read(format: Format, text: &[u8]) -> Result<(Self, Vec<String>), String> {
        let parsed = docker_config::parse(format, text)?;
        let entries = parsed.entries.into_iter().map(|(name, it)| (name, Arc::new(it)));
        Ok((Self(entries.collect()), parsed.warnings))
    }
}

impl PullObjects {
    /// Adds a Secret of `kubernetes.io/dockerconfigjson` or `kubernetes.io/dockercfg`. One that was
    /// added before is then of no use, since it cannot be known which is meant.
    pub(crate) fn add_secret(&mut self, place: Place, format: Format, text: &[u8]) {
        let (namespace, name) = &place;
        let of = |why: &str| format!("Secret {namespace}/{name}: {why}");
        let mut keyring = Keyring(Vec::new());
        match Keyring::read(format, text) {
            Ok((read, warnings)) => {
                keyring = read;
                self.warnings.extend(warnings.iter().map(|warning| of(warning)));
            }
            Err(why) => self.warnings.push(of(&why)),
        }
        if self.keyrings.contains_key(&place) {
            self.warnings.push(of("it is defined twice, so neither is used"));
            keyring.0.clear();
        }
        self.keyrings.insert(place, Arc::new(keyring));
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
    /// Those that `source` looks up.
    pub(crate) fn from_source(source: Arc<dyn PullSource>) -> Self {
        Self { held: Arc::default(), source: Some(source) }
    }

    /// Puts new objects in the place of all old ones.
    pub fn replace(&self, objects: PullObjects) {
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = objects;
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
        let read = Keyring::read(Format::DockerConfigJson, &text);
        text.fill(0);
        let (keyring, warnings) =
            read.map_err(|why| HostError::ConfigFile { path: path.to_owned(), why })?;
        let mut objects = self.held.write().unwrap_or_else(PoisonError::into_inner);
        objects.keyrings.insert((namespace.to_owned(), name.to_owned()), Arc::new(keyring));
        Ok(warnings)
    }

    /// The credentials under these names that are for this repository, in the order in which the
    /// kubelet would try them; equal ones once.
    pub(crate) async fn matching(&self, names: &[CredentialRef], gun: &str) -> Matching {
        let found = join_all(names.iter().map(|name| self.look(name))).await;
        let mut entries = Vec::new();
        let mut unread = Vec::new();
        for (name, look) in names.iter().zip(found) {
            for (pattern, credential) in look.keyrings.iter().flat_map(|keyring| &keyring.0) {
                let from = name.clone();
                let candidate = Candidate { credential: Arc::clone(credential), from };
                entries.push((pattern.clone(), candidate));
            }
            unread.extend(look.unread);
        }
        Matching { candidates: chosen(entries, gun), unread }
    }

    /// None of the credentials under these names was accepted: one may have been replaced.
    pub(crate) fn doubt(&self, names: &[CredentialRef]) {
        if let Some(source) = &self.source {
            names.iter().for_each(|name| source.doubt(name));
        }
    }

    async fn look(&self, name: &CredentialRef) -> Look {
        match &self.source {
            Some(source) => source.look(name).await,
            None => {
                let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
                Look { keyrings: held.keyrings_of(name), unread: Vec::new() }
            }
        }
    }
}

/// The entries that are for `gun`, in the order in which they are to be tried; equal ones once.
fn chosen(mut entries: Vec<(Pattern, Candidate)>, gun: &str) -> Vec<Candidate> {
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

impl fmt::Debug for Credentials {
    /// That it is there, and nothing of it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Credentials(..)")
    }
}
