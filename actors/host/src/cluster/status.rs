//! The status of policies: whether they are obeyed, or why not, for whoever wrote them.
//!
//! It is written off the path of reviews, slowly, and only where it differs. All replicas write the
//! same bytes: no clock is read for it. Nothing depends on it, so failures are only logged.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use portreeve_machines::policy::Refusal;
use portreeve_protocol::policy::PolicyRef;
use serde_json::{Value, json};
use slog::{Logger, debug, info};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use super::backoff::{LONGEST, below};
use super::origin::PolicyKind;
use super::record::Record;
use super::source::causes;

/// The type of the condition.
const CONDITION: &str = "Accepted";
/// Up to how long a change is left to other replicas, which then need not write it too.
const OTHERS: Duration = Duration::from_secs(1);
/// The time from one write to the next.
const SPACING: Duration = Duration::from_millis(100);
/// For how long a kind is left alone whose status cannot be written.
const MUTED: Duration = Duration::from_secs(600);
/// Characters of a message.
const MESSAGE: usize = 1_024;

/// A policy as it was seen last.
#[derive(Debug, Clone)]
pub(super) struct Sighting {
    pub(super) generation: Option<i64>,
    pub(super) policy: PolicyRef,
    pub(super) resource_version: Option<String>,
    /// When its specification was written, as the API server has it.
    pub(super) since: Option<String>,
    /// The status that it has.
    pub(super) status: Value,
    /// Whether it can be obeyed.
    pub(super) verdict: Result<(), Refusal>,
}

impl Sighting {
    /// The patch that makes the status say what it should; `None` if it does.
    fn patch(&self) -> Option<Value> {
        let (status, reason, message) = match &self.verdict {
            Ok(()) => ("True", "Accepted", "every rule is understood and in force".to_owned()),
            Err(Refusal { unsupported, why }) => {
                let reason = if *unsupported { "NotSupported" } else { "Invalid" };
                let why = format!(
                    "{why}; until it is corrected, every image is denied wherever it holds"
                );
                ("False", reason, why)
            }
        };
        let message = message.chars().take(MESSAGE).collect::<String>();
        let mut condition = json!({
            "message": message, "reason": reason, "status": status, "type": CONDITION,
        });
        let mut wanted = json!({});
        if let Some(generation) = self.generation {
            condition["observedGeneration"] = generation.into();
            wanted["observedGeneration"] = generation.into();
        }
        let present = self.status.get("conditions").and_then(Value::as_array);
        let mut conditions = present.cloned().unwrap_or_default();
        let is_ours = |it: &&mut Value| it.get("type") == Some(&Value::from(CONDITION));
        let ours = conditions.iter_mut().find(is_ours);
        // What made it so is the specification, and all replicas know when that was written.
        let kept = ours.as_ref().filter(|it| it.get("status") == condition.get("status"));
        let kept = kept.and_then(|it| it.get("lastTransitionTime")).filter(|it| it.is_string());
        if let Some(since) = kept.cloned().or_else(|| self.since.clone().map(Value::from)) {
            condition["lastTransitionTime"] = since;
        }
        match ours {
            Some(ours) => *ours = condition,
            None => conditions.push(condition),
        }
        let generation = wanted.get("observedGeneration");
        let observed = generation.is_none() || self.status.get("observedGeneration") == generation;
        if observed && present == Some(&conditions) {
            return None;
        }
        wanted["conditions"] = conditions.into();
        let mut patch = json!({ "status": wanted });
        if let Some(version) = &self.resource_version {
            // Whoever was faster is not overwritten; what they wrote will be seen.
            patch["metadata"] = json!({ "resourceVersion": version });
        }
        Some(patch)
    }
}

/// The policies whose status may have to be written. Clones are the same board.
#[derive(Debug, Clone, Default)]
pub(super) struct Board {
    pending: Arc<Mutex<BTreeMap<PolicyRef, Sighting>>>,
    posted: Arc<Notify>,
}

impl Board {
    /// Notes a policy as it is now.
    pub(super) fn see(&self, sighting: Sighting) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if sighting.patch().is_none() {
            pending.remove(&sighting.policy);
        } else {
            pending.insert(sighting.policy.clone(), sighting);
            self.posted.notify_one();
        }
    }

    /// Notes that a policy is gone.
    pub(super) fn forget(&self, policy: &PolicyRef) {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).remove(policy);
    }

    fn next(&self, fits: impl Fn(&PolicyRef) -> bool) -> Option<Sighting> {
        let pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.values().find(|sighting| fits(&sighting.policy)).cloned()
    }

    /// Takes it away, unless it changed meanwhile.
    fn done(&self, sighting: &Sighting) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |it: &Sighting| it.resource_version == sighting.resource_version;
        if pending.get(&sighting.policy).is_some_and(same) {
            pending.remove(&sighting.policy);
        }
    }

    /// Writes what has to be written, for ever.
    pub(super) async fn write(self, client: Client, log: Logger) {
        let mut muted: BTreeMap<PolicyKind, Instant> = BTreeMap::new();
        loop {
            muted.retain(|_, until| *until > Instant::now());
            let Some(known) = self.next(|policy| !muted.contains_key(&PolicyKind::of(policy)))
            else {
                let woken = muted.values().min().copied();
                let woken = woken.unwrap_or_else(|| Instant::now() + MUTED);
                tokio::select! {
                    () = self.posted.notified() => {}
                    () = sleep_until(woken) => {}
                }
                sleep(below(OTHERS)).await;
                continue;
            };
            match write(&client, &known).await {
                Outcome::Done => self.done(&known),
                Outcome::Useless(why) => {
                    let kind = PolicyKind::of(&known.policy);
                    info!(log, "the status of policies of a kind is not written"; "why" => why,
                        "kind" => format!("{}.{}", kind.resource().plural, kind.group.name()),
                        "for" => ?MUTED);
                    muted.insert(kind, Instant::now() + MUTED);
                }
                Outcome::Unfit(why) => {
                    info!(log, "the status of a policy is not taken"; "why" => why,
                        "policy" => known.policy.to_string());
                    self.done(&known);
                }
                Outcome::Failed(why) => {
                    debug!(log, "the status of a policy could not be written"; "why" => why,
                        "policy" => known.policy.to_string());
                    sleep(LONGEST).await;
                }
            }
            sleep(SPACING).await;
        }
    }
}

enum Outcome {
    /// It is as it should be, or it is not ours to write any more.
    Done,
    /// It may come right by itself.
    Failed(String),
    /// It will not do for this policy, as it is.
    Unfit(String),
    /// It will fail for all policies of the kind: no such subresource, or no right.
    Useless(String),
}

async fn write(client: &Client, sighting: &Sighting) -> Outcome {
    let Some(patch) = sighting.patch() else { return Outcome::Done };
    let PolicyRef { name, namespace, .. } = &sighting.policy;
    let resource = PolicyKind::of(&sighting.policy).resource();
    let api: Api<Record> = match namespace {
        None => Api::all_with(client.clone(), &resource),
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
    };
    let written = api.patch_status(name, &PatchParams::default(), &Patch::Merge(&patch)).await;
    match written {
        Ok(_) => Outcome::Done,
        Err(kube::Error::Api(status)) => {
            let about_it = status.details.as_ref().is_some_and(|details| &details.name == name);
            let why = format!("{}: {}", status.code, status.message);
            match status.code {
                // Somebody wrote it meanwhile, or it is gone: the watch tells.
                409 => Outcome::Done,
                404 if about_it => Outcome::Done,
                // The whole object is held against the schema, and need not be as it asks.
                422 => Outcome::Unfit(why),
                403..=405 => Outcome::Useless(why),
                _ => Outcome::Failed(why),
            }
        }
        Err(other) => Outcome::Failed(causes(&other)),
    }
}

#[cfg(test)]
mod tests {
    use portreeve_protocol::policy::PolicyGroup;

    use super::*;

    fn sighting(status: Value, verdict: Result<(), Refusal>) -> Sighting {
        Sighting {
            generation: Some(3),
            policy: PolicyRef {
                group: PolicyGroup::Portieris,
                name: "shop".to_owned(),
                namespace: None,
            },
            resource_version: Some("41".to_owned()),
            since: Some("2026-11-25T08:00:00Z".to_owned()),
            status,
            verdict,
        }
    }

    #[test]
    fn a_status_that_says_what_it_should_is_not_written_again() {
        let first = sighting(Value::Null, Ok(())).patch().unwrap_or_default();
        assert_eq!(first["metadata"]["resourceVersion"], "41");
        let written = first["status"].clone();
        assert_eq!(written["observedGeneration"], 3);
        assert_eq!(written["conditions"][0]["status"], "True");
        assert_eq!(sighting(written.clone(), Ok(())).patch(), None);
        let next = Sighting { generation: Some(4), ..sighting(written, Ok(())) };
        assert_eq!(next.patch().unwrap_or_default()["status"]["observedGeneration"], 4);
    }

    #[test]
    fn all_replicas_write_the_same_bytes() {
        let one = sighting(Value::Null, Ok(())).patch().unwrap_or_default().to_string();
        let other = sighting(json!({}), Ok(())).patch().unwrap_or_default().to_string();
        assert_eq!(one, other);
    }

    #[test]
    fn the_time_of_the_last_change_is_that_of_the_specification_which_brought_it() {
        let time = |patch: &Value| patch["status"]["conditions"][0]["lastTransitionTime"].clone();
        let first = sighting(Value::Null, Ok(())).patch().unwrap_or_default();
        assert_eq!(time(&first), "2026-11-25T08:00:00Z");
        let since = Some("2026-11-25T09:00:00Z".to_owned());
        let again = Sighting {
            generation: Some(4),
            since: since.clone(),
            ..sighting(first["status"].clone(), Ok(()))
        };
        assert_eq!(time(&again.patch().unwrap_or_default()), "2026-11-25T08:00:00Z");
        let refused = Refusal { unsupported: false, why: "no".to_owned() };
        let other = Sighting { since, ..sighting(first["status"].clone(), Err(refused)) };
        assert_eq!(time(&other.patch().unwrap_or_default()), "2026-11-25T09:00:00Z");
    }

    #[test]
    fn conditions_of_others_stay_and_ours_is_replaced() {
        let refused = Refusal { unsupported: true, why: "no".to_owned() };
        let status = json!({ "conditions": [
            { "type": "Accepted", "status": "True" }, { "type": "Theirs", "status": "True" },
        ]});
        let patch = sighting(status, Err(refused)).patch().unwrap_or_default();
        let conditions = &patch["status"]["conditions"];
        assert_eq!(conditions.as_array().map(Vec::len), Some(2));
        assert_eq!(conditions[0]["reason"], "NotSupported");
        assert_eq!(conditions[0]["status"], "False");
        assert_eq!(conditions[1]["type"], "Theirs");
    }

    #[test]
    fn a_status_of_another_form_does_no_harm() {
        for status in [json!("text"), json!({ "conditions": 5 }), json!({ "conditions": [null] })] {
            assert!(sighting(status, Ok(())).patch().is_some());
        }
    }
}
