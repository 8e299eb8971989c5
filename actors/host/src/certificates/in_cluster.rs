//! Certificates and keys of seals in a cluster: Secrets, and the authority that webhook
//! configurations name.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use super::{Extra, Pair, Settled, Step, Wanted, failed, pair};
use crate::HostError;
use crate::cluster::causes;
use crate::seals::{SealKeys, new_line};

/// Who writes, as the API server is told.
const MANAGER: &str = "portreeve-gencerts";
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// How often it is begun anew when someone else writes the same Secret.
const ATTEMPTS: usize = 5;
/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where it all is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Places {
    /// The namespace of the Secrets.
    pub namespace: String,
    /// The Secret with the keys of seals; `None` leaves those alone.
    pub seal_secret: Option<String>,
    /// The Secret with the certificate; `None` leaves certificates alone.
    pub secret: Option<String>,
    /// The mutating and validating webhook configurations of this name, each if it is there.
    pub webhooks: Option<String>,
}

/// Sees to it that Secrets and webhook configurations are as wanted, at `now` (in seconds since
/// 1970). A dry run reads only. What is good is left alone, and so is a Secret that is not ours.
///
/// # Errors
/// `Certificates` if something that is there cannot be made use of, `Cluster` if the API server
/// does not do what is asked for.
pub async fn provide(
    client: &Client,
    places: &Places,
    wanted: &Wanted,
    extra: Extra,
    dry_run: bool,
    now: i64,
) -> Result<Vec<Step>, HostError> {
    let work = Work { client, dry_run, namespace: &places.namespace };
    let all = async {
        let mut steps = Vec::new();
        if let Some(name) = &places.seal_secret {
            steps.push(work.seal_key(name).await?);
        }
        if let Some(name) = &places.secret {
            work.certificate(name, places.webhooks.as_deref(), wanted, extra, now, &mut steps)
                .await?;
        }
        Ok(steps)
    };
    let late = |_| HostError::Cluster { why: format!("it took longer than {PATIENCE:?}") };
    tokio::time::timeout(PATIENCE, all).await.map_err(late)?
}

/// A webhook configuration as it was read; `None` if it is not there.
struct Configuration {
    api: Api<DynamicObject>,
    object: Option<DynamicObject>,
    what: String,
}

struct Work<'a> {
    client: &'a Client,
    dry_run: bool,
    namespace: &'a str,
}

impl Work<'_> {
    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), self.namespace)
    }

    /// The keys of seals are made if there are none, and never changed: seals hang on them.
    async fn seal_key(&self, name: &str) -> Result<Step, HostError> {
        let what = format!("Secret {}/{name}", self.namespace);
        let text = format!("read {what}");
        if let Some(found) = self.secrets().get_opt(name).await.map_err(|it| asked(&text, it))? {
            let keys = member(&found, SEAL_KEY).unwrap_or_default();
            let keys = SealKeys::parse(&keys).map_err(|why| {
                failed(format!("{what}, member `{SEAL_KEY}`: {why}; it is left as it is"))
            })?;
            let how = match keys.ids().count() {
                1 => "with 1 key of seals".to_owned(),
                count => format!("with {count} keys of seals"),
            };
            return Ok(Step::Kept { what, how });
        }
        if self.dry_run {
            return Ok(Step::Made { what, why: "with a new key of seals".to_owned() });
        }
        let (line, id) = new_line().map_err(failed)?;
        let secret = self.secret(name, "Opaque", &[(SEAL_KEY, &line)]);
        if !self.create(&what, &secret).await? {
            // Someone else was faster, and one key is as good as another.
            return Ok(Step::Kept { what, how: "just made by someone else".to_owned() });
        }
        Ok(Step::Made { what, why: format!("with the new key {id} of seals") })
    }

    async fn certificate(
        &self,
        name: &str,
        webhooks: Option<&str>,
        wanted: &Wanted,
        extra: Extra,
        now: i64,
        steps: &mut Vec<Step>,
    ) -> Result<(), HostError> {
        let what = format!("Secret {}/{name}", self.namespace);
        for _ in 0..ATTEMPTS {
            let text = format!("read {what}");
            let found = self.secrets().get_opt(name).await.map_err(|it| asked(&text, it))?;
            if let Some(found) = &found {
                self.is_ours(&what, found)?;
            }
            let held = found.as_ref().map(held);
            let told = self.configurations(webhooks).await?;
            let bundles = told.iter().filter_map(|one| one.object.as_ref()).flat_map(bundles);
            let bundles: Vec<String> = bundles.collect();
            let settled = wanted.settle(held.as_ref(), &bundles, extra, now)?;
            // First: no replica serves a certificate that the API server does not believe.
            let mut done = self.tell(&told, &settled.pair.bundle).await?;
            if !self.keep(&what, name, found.as_ref(), held.as_ref(), &settled).await? {
                continue;
            }
            let how = settled.pair.how(now);
            done.insert(
                0,
                match settled.why {
                    Some(why) => Step::Made { what, why: format!("{how}: {why}") },
                    None => Step::Kept { what, how },
                },
            );
            steps.append(&mut done);
            return Ok(());
        }
        Err(failed(format!("{what} is written by someone else all the time; try again")))
    }

    async fn configurations(
        &self,
        webhooks: Option<&str>,
    ) -> Result<Vec<Configuration>, HostError> {
        let mut found = Vec::new();
        let Some(name) = webhooks else { return Ok(found) };
        for (kind, plural) in CONFIGURATIONS {
            let group = GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind);
            let resource = ApiResource::from_gvk_with_plural(&group, plural);
            let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource);
            let what = format!("{kind} {name}");
            let text = format!("read {what}");
            let object = api.get_opt(name).await.map_err(|error| asked(&text, error))?;
            found.push(Configuration { api, object, what });
        }
        Ok(found)
    }

    /// Tells the bundle to the webhooks that have another.
    async fn tell(&self, told: &[Configuration], bundle: &str) -> Result<Vec<Step>, HostError> {
        let how = match pair::certificates(bundle).len() {
            1 => "with 1 authority".to_owned(),
            count => format!("with {count} authorities"),
        };
        let mut steps = Vec::new();
        for Configuration { api, object, what } in told {
            let what = what.clone();
            let Some(object) = object else {
                steps.push(Step::Missing { what });
                continue;
            };
            let names = others(object, bundle);
            if names.is_empty() {
                steps.push(Step::Kept { what, how: how.clone() });
                continue;
            }
            if !self.dry_run {
                let bundle = STANDARD.encode(bundle);
                let each = names
                    .iter()
                    .map(|name| json!({"clientConfig": {"caBundle": bundle}, "name": name}));
                // By name, so that a webhook added meanwhile is not taken for another.
                let patch = json!({"webhooks": each.collect::<Vec<_>>()});
                let text = format!("patch {what}");
                api.patch(&object.name_any(), &manager(), &Patch::Strategic(&patch))
                    .await
                    .map_err(|error| asked(&text, error))?;
            }
            steps.push(Step::Made { what, why: format!("{how}, for {}", names.join(" and ")) });
        }
        Ok(steps)
    }

    /// Writes the Secret if it differs. False if someone else wrote it meanwhile.
    async fn keep(
        &self,
        what: &str,
        name: &str,
        found: Option<&Secret>,
        held: Option<&Pair>,
        settled: &Settled,
    ) -> Result<bool, HostError> {
        let pair = &settled.pair;
        let bundle = held.is_some_and(|held| pair::same(&held.bundle, &pair.bundle));
        if self.dry_run || (settled.why.is_none() && bundle) {
            return Ok(true);
        }
        let members = [(CERTIFICATE, &pair.certificate), (KEY, &pair.key), (BUNDLE, &pair.bundle)];
        let members = members.map(|(name, text)| (name, text.as_str()));
        let Some(found) = found else {
            return self.create(what, &self.secret(name, "kubernetes.io/tls", &members)).await;
        };
        let data =
            members.map(|(name, text)| (name.to_owned(), Value::from(STANDARD.encode(text))));
        let patch = json!({
            "data": data.into_iter().collect::<serde_json::Map<_, _>>(),
            // Refused if it is another one by now.
            "metadata": {"resourceVersion": found.resource_version()},
        });
        let text = format!("patch {what}");
        match self.secrets().patch(name, &manager(), &Patch::Merge(&patch)).await {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(error) => Err(asked(&text, error)),
        }
    }

    /// Makes a Secret. False if it is there already.
    async fn create(&self, what: &str, secret: &Secret) -> Result<bool, HostError> {
        let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..Default::default() };
        match self.secrets().create(&params, secret).await {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(error) => Err(asked(&format!("create {what}"), error)),
        }
    }

    fn secret(&self, name: &str, kind: &str, members: &[(&str, &str)]) -> Secret {
        let mut secret = Secret { type_: Some(kind.to_owned()), ..Default::default() };
        secret.metadata.name = Some(name.to_owned());
        secret.metadata.namespace = Some(self.namespace.to_owned());
        secret.labels_mut().insert(MANAGED_BY.to_owned(), MANAGER.to_owned());
        let data = members
            .iter()
            .map(|(name, text)| ((*name).to_owned(), ByteString(text.as_bytes().to_vec())));
        secret.data = Some(data.collect());
        secret
    }

    /// A Secret of someone else may be in use elsewhere, and its key cannot be had back.
    fn is_ours(&self, what: &str, secret: &Secret) -> Result<(), HostError> {
        if secret.labels().get(MANAGED_BY).is_some_and(|by| by == MANAGER) {
            return Ok(());
        }
        Err(failed(format!(
            "{what} was not made by gencerts (it has no label {MANAGED_BY}={MANAGER}) and is left \
             alone; name another one, or say that certificates are supplied"
        )))
    }
}

const SEAL_KEY: &str = "seal.key";
const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";
const BUNDLE: &str = "ca.crt";
const CONFIGURATIONS: [(&str, &str); 2] = [
    ("MutatingWebhookConfiguration", "mutatingwebhookconfigurations"),
    ("ValidatingWebhookConfiguration", "validatingwebhookconfigurations"),
];

fn manager() -> PatchParams {
    PatchParams { field_manager: Some(MANAGER.to_owned()), ..Default::default() }
}

fn member(secret: &Secret, name: &str) -> Option<String> {
    let ByteString(bytes) = secret.data.as_ref()?.get(name)?;
    String::from_utf8(bytes.clone()).ok()
}

fn held(secret: &Secret) -> Pair {
    let text = |name| member(secret, name).unwrap_or_default();
    Pair { bundle: text(BUNDLE), certificate: text(CERTIFICATE), key: text(KEY) }
}

/// Each webhook's name and bundle.
fn webhooks(object: &DynamicObject) -> impl Iterator<Item = (String, Option<String>)> {
    let listed = object.data.get("webhooks").and_then(Value::as_array);
    listed.into_iter().flatten().filter_map(|webhook| {
        let name = webhook.get("name")?.as_str()?.to_owned();
        let bundle = webhook.pointer("/clientConfig/caBundle").and_then(Value::as_str);
        let bundle = bundle.and_then(|text| STANDARD.decode(text).ok());
        Some((name, bundle.and_then(|bytes| String::from_utf8(bytes).ok())))
    })
}

fn bundles(object: &DynamicObject) -> Vec<String> {
    webhooks(object).filter_map(|(_, bundle)| bundle).collect()
}

/// The names of the webhooks that have another bundle.
fn others(object: &DynamicObject, bundle: &str) -> Vec<String> {
    let other = |told: &Option<String>| !told.as_ref().is_some_and(|it| pair::same(it, bundle));
    webhooks(object).filter(|(_, told)| other(told)).map(|(name, _)| name).collect()
}

fn asked(what: &str, error: kube::Error) -> HostError {
    let why = if let kube::Error::Api(status) = &error {
        let said = &status.message;
        match status.code {
            403 => format!("not allowed to {what}: {said}; the chart's role of gencerts grants it"),
            _ => format!("could not {what}: {said}"),
        }
    } else {
        format!("could not {what}: {}", causes(&error))
    };
    HostError::Cluster { why }
}
