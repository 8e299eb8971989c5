//! Pull secrets and service accounts, read when an image needs them and kept for a moment.
//!
//! What cannot be read is as if it were not there, and both the log and the denial say so. Names
//! and resource versions are all that leaves this module; values are overwritten when they go.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use portreeve_protocol::{CredentialRef, Mono, limits};
use serde::Deserialize;
use slog::{Logger, debug, warn};

use super::api_server::{ApiServer, ApiTrouble, JSON, What};
use super::flights::Flights;
use super::kept::{Found, Kept};
use super::metadata::Metadata;
use super::origin::{is_namespace, is_object_name};
use crate::credentials::{Credentials, Format, Keyring, Look, PullSource, Unread};

/// Reads the monotonic clock.
pub type Ticks = Arc<dyn Fn() -> Mono + Send + Sync>;

/// Looks pull secrets up by the API server: each is read once for all who ask at the same time, and
/// kept for [`limits::PULL_FRESH`]. Clones share what is kept.
#[derive(Clone)]
pub struct ClusterPulls(Arc<Inner>);

struct Inner {
    api: ApiServer,
    flights: Flights<CredentialRef, Found>,
    kept: Mutex<Kept>,
    log: Logger,
    /// What the log says of each, so that it says so once.
    said: Mutex<BTreeMap<CredentialRef, String>>,
    ticks: Ticks,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Account<'a> {
    #[serde(default)]
    image_pull_secrets: Option<Vec<Named<'a>>>,
    #[serde(borrow)]
    metadata: Metadata<'a>,
}

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Secret<'a> {
    #[serde(borrow, default)]
    data: Option<Data<'a>>,
    metadata: Metadata<'a>,
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
}

/// The members of interest, borrowed so that no copy is left behind.
#[derive(Deserialize, Default)]
struct Data<'a> {
    #[serde(borrow, default, rename = ".dockerconfigjson")]
    config_json: Option<&'a str>,
    #[serde(borrow, default, rename = ".dockercfg")]
    config: Option<&'a str>,
}

impl ClusterPulls {
    /// Asks `api`; by `ticks` is told what has become too old. Call it within a tokio runtime.
    #[must_use]
    pub fn start(api: ApiServer, ticks: Ticks, log: Logger) -> Self {
        let inner = Arc::new(Inner {
            api,
            flights: Flights::default(),
            kept: Mutex::default(),
            log,
            said: Mutex::default(),
            ticks,
        });
        tokio::spawn(sweep(Arc::downgrade(&inner)));
        Self(inner)
    }

    /// The credentials in them, by the names that messages use.
    #[must_use]
    pub fn credentials(&self) -> Credentials {
        Credentials::from_source(Arc::new(self.clone()))
    }
}

/// Drops what is too old when nobody asks for it, until nobody can.
async fn sweep(inner: Weak<Inner>) {
    let mut interval = tokio::time::interval(Duration::from_micros(limits::PULL_FRESH));
    loop {
        interval.tick().await;
        let Some(inner) = inner.upgrade() else { return };
        inner.kept().sweep((inner.ticks)());
    }
}

impl PullSource for ClusterPulls {
    fn look(&self, name: &CredentialRef) -> Pin<Box<dyn Future<Output = Look> + Send>> {
        let (inner, name) = (Arc::clone(&self.0), name.clone());
        Box::pin(async move {
            match inner.found(&name).await {
                Found::Account(listed) => {
                    let found = join_all(listed.iter().map(|secret| inner.found(secret))).await;
                    let mut look = Look::default();
                    for (secret, found) in listed.iter().zip(found) {
                        found.into_look(secret, &mut look);
                    }
                    look
                }
                found @ (Found::Keyring(_) | Found::Unread { .. }) => {
                    let mut look = Look::default();
                    found.into_look(&name, &mut look);
                    look
                }
            }
        })
    }

    fn doubt(&self, name: &CredentialRef) {
        self.0.kept().doubt(name, (self.0.ticks)());
    }
}

impl Found {
    fn into_look(self, name: &CredentialRef, look: &mut Look) {
        match self {
            Self::Keyring(keyring) => look.keyrings.push(keyring),
            Self::Unread { why, .. } => look.unread.push(Unread { name: name.clone(), why }),
            // A service account lists Secrets, and nothing else is looked for below one.
            Self::Account(_) => {}
        }
    }
}

impl Inner {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn found(self: &Arc<Self>, name: &CredentialRef) -> Found {
        let now = (self.ticks)();
        if let Some(found) = self.kept().get(name, now) {
            return found;
        }
        let (inner, of) = (Arc::clone(self), name.clone());
        let flight = self.flights.join(name.clone(), || {
            Box::pin(async move {
                // What is found is as old as the question.
                let asked = (inner.ticks)();
                let found = inner.read(&of).await;
                inner.kept().put(of, found.clone(), asked);
                found
            })
        });
        flight.await
    }

    async fn read(&self, of: &CredentialRef) -> Found {
        let (CredentialRef::PullSecret { name, namespace }
        | CredentialRef::ServiceAccount { name, namespace }) = of;
        if !is_object_name(name) || !is_namespace(namespace) {
            return self.unread(of, "that is not the name of an object".to_owned(), true);
        }
        let read = match of {
            CredentialRef::PullSecret { .. } => {
                let path = format!("/api/v1/namespaces/{namespace}/secrets/{name}");
                let answer = self.api.get(What::Secret, JSON, &path).await;
                answer.map(|answer| self.keyring(of, answer.bytes()))
            }
            CredentialRef::ServiceAccount { .. } => {
                let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}");
                let answer = self.api.get(What::Account, JSON, &path).await;
                answer.map(|answer| self.account(of, answer.bytes()))
            }
        };
        match read {
            Ok(found) => found,
            Err(why) => {
                let settled = matches!(why, ApiTrouble::Absent | ApiTrouble::Forbidden);
                self.unread(of, why.to_string(), settled)
            }
        }
    }

    /// What a Secret holds.
    fn keyring(&self, of: &CredentialRef, text: &[u8]) -> Found {
        let Ok(secret) = serde_json::from_slice::<Secret<'_>>(text) else {
            return self.unread(of, ApiTrouble::Malformed.to_string(), false);
        };
        let data = secret.data.unwrap_or_default();
        let (format, encoded) = match secret.kind.as_deref() {
            Some("kubernetes.io/dockerconfigjson") => (Format::DockerConfigJson, data.config_json),
            Some("kubernetes.io/dockercfg") => (Format::Dockercfg, data.config),
            Some(_) | None => return self.unread(of, OTHER_TYPE.to_owned(), true),
        };
        let read = STANDARD
            .decode(encoded.unwrap_or_default())
            .map_err(|_| "its data is not base64".to_owned())
            .and_then(|mut text| {
                let read = Keyring::read(format, &text);
                text.fill(0);
                std::hint::black_box(&text);
                read
            });
        match read {
            Err(why) => self.unread(of, why, true),
            Ok((keyring, warnings)) => {
                let version = secret.metadata.resource_version.unwrap_or_default();
                if self.is_news(of, &format!("version {version}")) {
                    debug!(self.log, "a pull secret was read"; "name" => of.to_string(),
                        "resource_version" => &*version);
                    for why in warnings {
                        warn!(self.log, "a credential for registries cannot be used";
                            "name" => of.to_string(), "why" => why);
                    }
                }
                Found::Keyring(Arc::new(keyring))
            }
        }
    }

    /// Which Secrets a service account lists.
    fn account(&self, of: &CredentialRef, text: &[u8]) -> Found {
        let (Ok(account), CredentialRef::ServiceAccount { namespace, .. }) =
            (serde_json::from_slice::<Account<'_>>(text), of)
        else {
            return self.unread(of, ApiTrouble::Malformed.to_string(), false);
        };
        let version = account.metadata.resource_version.unwrap_or_default();
        if self.is_news(of, &format!("version {version}")) {
            debug!(self.log, "a service account was read"; "name" => of.to_string(),
                "resource_version" => &*version);
        }
        let listed = account.image_pull_secrets.unwrap_or_default().into_iter();
        let names = listed.filter_map(|secret| secret.name).map(Cow::into_owned);
        let secrets = names
            .take(limits::CREDENTIALS)
            .map(|name| CredentialRef::PullSecret { name, namespace: namespace.clone() });
        Found::Account(secrets.collect())
    }

    fn unread(&self, of: &CredentialRef, why: String, settled: bool) -> Found {
        if self.is_news(of, &why) {
            warn!(self.log, "a credential for registries cannot be read, and is left out";
                "name" => of.to_string(), "why" => &why);
        }
        Found::Unread { settled, why }
    }

    /// Whether something else was said of it last.
    fn is_news(&self, of: &CredentialRef, text: &str) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.get(of).is_some_and(|last| last == text) {
            return false;
        }
        if said.len() >= limits::PULL_OBJECTS {
            said.clear();
        }
        said.insert(of.clone(), text.to_owned());
        true
    }
}

const OTHER_TYPE: &str = "its type is neither kubernetes.io/dockerconfigjson nor \
     kubernetes.io/dockercfg";
