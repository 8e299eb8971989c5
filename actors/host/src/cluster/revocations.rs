//! Entries of seals that were ended for the whole cluster: a ConfigMap in the operator's namespace,
//! which every replica reads every few seconds.
//!
//! Its member `revoked` holds one entry a line: repository, `@`, digest, and behind a blank the
//! reason. What was read once is ended for good: each replica records it in its journal, and a line
//! that is taken out of the ConfigMap again ends nothing less.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use http::Method;
use portreeve_protocol::limits;
use portreeve_protocol::messages::admission::RevokeSeal;
use portreeve_protocol::reference::ImageReference;
use portreeve_protocol::seal::RevokedSeal;
use serde::Deserialize;
use serde_json::json;
use slog::{Logger, info, warn};
use tokio::task::JoinHandle;

use super::api_server::{ApiServer, ApiTrouble, JSON, MERGE_PATCH, Question, What};
use super::metadata::Metadata;
use super::origin::is_namespace;
use crate::HostError;

/// The name of the ConfigMap.
pub const REVOCATIONS: &str = "portreeve-revocations";
/// Its member.
const MEMBER: &str = "revoked";
/// How often it is read.
const LOOK: Duration = Duration::from_secs(10);
/// How often a change is tried again that met another one.
const TRIES: usize = 3;

/// Follows the ConfigMap; ends when it is dropped.
pub(super) struct Revocations {
    task: JoinHandle<()>,
}

/// What was read and told so far.
struct Reader<T> {
    api: ApiServer,
    log: Logger,
    path: String,
    /// What the log says, so that it says so once.
    said: Option<String>,
    tell: T,
    told: BTreeSet<RevokedSeal>,
}

#[derive(Deserialize)]
struct ConfigMap<'a> {
    #[serde(borrow, default)]
    data: Option<BTreeMap<Cow<'a, str>, Cow<'a, str>>>,
    metadata: Metadata<'a>,
}

impl Revocations {
    /// Reads the ConfigMap in `namespace` once, and then again and again: `tell` is told of each
    /// entry once. Call it within a tokio runtime.
    pub(super) async fn start(
        api: ApiServer,
        namespace: &str,
        log: Logger,
        tell: impl Fn(RevokeSeal) + Send + Sync + 'static,
    ) -> Self {
        let path = format!("/api/v1/namespaces/{namespace}/configmaps/{REVOCATIONS}");
        let mut reader = Reader { api, log, path, said: None, tell, told: BTreeSet::new() };
        reader.look().await;
        let task = tokio::spawn(async move {
            let mut looks = tokio::time::interval(LOOK);
            looks.tick().await;
            loop {
                looks.tick().await;
                reader.look().await;
            }
        });
        Self { task }
    }
}

impl Drop for Revocations {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<T: Fn(RevokeSeal)> Reader<T> {
    async fn look(&mut self) {
        let answer = match self.api.get(What::Revocations, JSON, &self.path).await {
            Ok(answer) => answer,
            Err(ApiTrouble::Absent) => return self.say(None),
            Err(why) => return self.say(Some(why.to_string())),
        };
        let Ok(map) = serde_json::from_slice::<ConfigMap<'_>>(answer.bytes()) else {
            return self.say(Some(ApiTrouble::Malformed.to_string()));
        };
        let text = map.data.as_ref().and_then(|data| data.get(MEMBER));
        let (entries, wrong) = parse(text.map_or("", |text| text));
        for revoke in entries {
            let ended = RevokedSeal { digest: revoke.digest, gun: revoke.gun.clone() };
            if self.told.len() < limits::REVOKED_SEALS && self.told.insert(ended) {
                info!(self.log, "an entry of seals is ended for the cluster"; "gun" => &revoke.gun,
                    "digest" => revoke.digest.to_string(), "reason" => &revoke.reason);
                (self.tell)(revoke);
            }
        }
        self.say(wrong);
    }

    fn say(&mut self, why: Option<String>) {
        if let Some(why) = &why
            && self.said.as_ref() != Some(why)
        {
            warn!(self.log, "entries of seals that were ended may not be known here";
                "configmap" => &self.path, "why" => why);
        }
        self.said = why;
    }
}

/// The entries in the text, and what is wrong with the first line that holds none.
fn parse(text: &str) -> (Vec<RevokeSeal>, Option<String>) {
    let mut entries = Vec::new();
    let mut wrong = None;
    for (number, line) in text.lines().map(str::trim).enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (entry, reason) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let reference = entry.parse::<ImageReference>().ok();
        let named = reference.and_then(|it| it.digest.map(|digest| (it.gun(), digest)));
        let Some((gun, digest)) = named else {
            wrong = wrong.or_else(|| {
                Some(format!("line {} is not repository@sha256:digest and a reason", number + 1))
            });
            continue;
        };
        let mut reason = reason.trim().to_owned();
        let mut end = reason.len().min(limits::REASON_BYTES);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        reason.truncate(end);
        entries.push(RevokeSeal { digest, gun, reason });
    }
    (entries, wrong)
}

/// Adds an entry to the ConfigMap in `namespace`, which is made if it is not there.
///
/// # Errors
/// `Cluster` if it cannot be read or changed.
pub(super) async fn add(
    api: &ApiServer,
    namespace: &str,
    revoke: &RevokeSeal,
) -> Result<(), HostError> {
    let failed = |why: &dyn std::fmt::Display| HostError::Cluster {
        why: format!("ConfigMap {namespace}/{REVOCATIONS}: {why}"),
    };
    if !is_namespace(namespace) {
        return Err(failed(&"that is not the name of a namespace"));
    }
    let reason: Vec<&str> = revoke.reason.split_whitespace().collect();
    let line = format!("{}@{} {}\n", revoke.gun, revoke.digest.to_oci(), reason.join(" "));
    let all = format!("/api/v1/namespaces/{namespace}/configmaps");
    let one = format!("{all}/{REVOCATIONS}");
    let mut last = ApiTrouble::Status(409);
    for _ in 0..TRIES {
        let change = match api.get(What::Revocations, JSON, &one).await {
            Ok(answer) => {
                let map: ConfigMap<'_> = serde_json::from_slice(answer.bytes())
                    .map_err(|_| failed(&ApiTrouble::Malformed))?;
                let text = map.data.as_ref().and_then(|data| data.get(MEMBER));
                let mut text = text.map_or_else(String::new, |text| text.clone().into_owned());
                if !text.is_empty() && !text.ends_with('\n') {
                    text.push('\n');
                }
                text.push_str(&line);
                // With the version that was read, so that nobody else's line is lost.
                let version = map.metadata.resource_version.unwrap_or_default();
                let patch = json!({
                    "metadata": {"resourceVersion": version}, "data": {MEMBER: text}
                });
                (Method::PATCH, &one, MERGE_PATCH, patch)
            }
            Err(ApiTrouble::Absent) => {
                let map = json!({
                    "apiVersion": "v1", "kind": "ConfigMap",
                    "metadata": {"name": REVOCATIONS, "namespace": namespace},
                    "data": {MEMBER: line}
                });
                (Method::POST, &all, JSON, map)
            }
            Err(why) => return Err(failed(&why)),
        };
        let (method, path, media, body) = change;
        let body = Some((media, body.to_string().into_bytes()));
        let within = Duration::from_micros(limits::API_TIMEOUT);
        let what = What::Revocations;
        match api.ask(Question { accept: JSON, body, method, path, what, within }).await {
            Ok(_) => return Ok(()),
            Err(why @ ApiTrouble::Status(409)) => last = why,
            Err(why) => return Err(failed(&why)),
        }
    }
    Err(failed(&last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_ends_an_entry_and_one_that_is_wrong_keeps_no_other_from_it() {
        let digest = "a".repeat(64);
        let text = format!(
            "# ended by the team\n\n registry.example/shop/web@sha256:{digest}  wrong commit \n\
             nonsense\nnginx@sha256:{digest}\nregistry.example/web:1@sha512:{digest}\n"
        );
        let (entries, wrong) = parse(&text);
        let found: Vec<_> =
            entries.iter().map(|entry| (entry.gun.as_str(), entry.reason.as_str())).collect();
        let expected =
            [("registry.example/shop/web", "wrong commit"), ("docker.io/library/nginx", "")];
        assert_eq!(found, expected);
        assert!(wrong.is_some_and(|why| why.starts_with("line 4 ")));
        assert_eq!(parse("").1, None);
    }
}
