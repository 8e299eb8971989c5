//! AdmissionReviews as the API server writes them, and what their answers say.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portreeve_protocol::DenyCode;
use portreeve_protocol::messages::admission::{GroupKind, Operation, ReviewFacts};
use serde_json::{Value, json};

use crate::TestError;

/// The question whether a Pod with one container of `image` may be created in `namespace`.
#[must_use]
pub fn pod(uid: &str, namespace: &str, image: &str) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": uid,
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "name": "pod",
            "namespace": namespace,
            "operation": "CREATE",
            "userInfo": {"username": "system:serviceaccount:default:tests"},
            "object": {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "pod", "namespace": namespace},
                "spec": {"containers": [{"name": "main", "image": image}]},
            },
            "oldObject": null,
            "dryRun": false,
            "options": {"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"},
        },
    })
}

/// The review that a webhook reduces to `facts`: a workload with these images, owners and
/// operation.
///
/// Only what the scripted scenario uses is written: containers, no old images, no pull secrets.
#[must_use]
pub fn of_facts(facts: &ReviewFacts) -> Value {
    let containers: Vec<Value> = facts
        .images
        .iter()
        .map(|fact| json!({"name": fact.container, "image": fact.image}))
        .collect();
    let owners: Vec<Value> = facts
        .owners
        .iter()
        .map(|owner| {
            json!({"apiVersion": owner.api_version, "controller": owner.controller,
                   "kind": owner.kind, "name": owner.name, "uid": owner.uid})
        })
        .collect();
    let GroupKind { group, kind, version } = &facts.kind;
    let pod_spec = json!({"containers": containers});
    let spec = if kind == "Pod" { pod_spec } else { json!({"template": {"spec": pod_spec}}) };
    let metadata =
        json!({"name": facts.name, "namespace": facts.namespace, "ownerReferences": owners});
    let api_version = if group.is_empty() { version.clone() } else { format!("{group}/{version}") };
    let object =
        json!({"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec});
    let (operation, object, old) = match facts.operation {
        Operation::Connect => ("CONNECT", object, Value::Null),
        Operation::Create => ("CREATE", object, Value::Null),
        Operation::Delete => ("DELETE", Value::Null, object),
        Operation::Update => ("UPDATE", object.clone(), object),
    };
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": facts.uid,
            "kind": {"group": group, "version": version, "kind": kind},
            "resource": {"group": group, "version": version, "resource": "workloads"},
            "name": facts.name,
            "namespace": facts.namespace,
            "operation": operation,
            "userInfo": {"username": facts.user},
            "object": object,
            "oldObject": old,
            "dryRun": facts.dry_run,
            "options": null,
        },
    })
}

/// What an answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The workload may enter, with this patch.
    Allowed {
        /// The operations of the patch; none if there is no patch.
        patch: Vec<Value>,
    },
    /// The workload may not enter.
    Denied {
        /// The stable code.
        code: String,
        /// What a person is told.
        message: String,
    },
}

impl Outcome {
    /// Reads an answer to the review `uid`.
    ///
    /// # Errors
    /// `Content` if it is no AdmissionReview of the same version, answers another review, or denies
    /// without a code of the table.
    pub fn read(uid: &str, body: &[u8]) -> Result<Self, TestError> {
        let wrong = |why: String| TestError::Content { path: format!("the answer to {uid}"), why };
        let answer: Value =
            serde_json::from_slice(body).map_err(|error| wrong(error.to_string()))?;
        let response = &answer["response"];
        if answer["kind"] != "AdmissionReview" || answer["apiVersion"] != "admission.k8s.io/v1" {
            return Err(wrong("it is no AdmissionReview of version v1".to_owned()));
        }
        if response["uid"] != uid {
            return Err(wrong(format!("it answers {}", response["uid"])));
        }
        if response["allowed"] == true {
            return Ok(Self::Allowed { patch: patch(response).map_err(wrong)? });
        }
        let code = code(response).ok_or_else(|| wrong(format!("no code in {response}")))?;
        let message = response["status"]["message"].as_str().unwrap_or_default().to_owned();
        Ok(Self::Denied { code: code.code().to_owned(), message })
    }

    /// The image that the first container runs with: the one asked for, or what the patch puts
    /// there; `None` for a refusal.
    #[must_use]
    pub fn image(&self, asked: &str) -> Option<String> {
        match self {
            Self::Denied { .. } => None,
            Self::Allowed { patch } => {
                let path = "/spec/containers/0/image";
                let put = patch
                    .iter()
                    .find(|operation| operation["op"] == "replace" && operation["path"] == path);
                let image = put.and_then(|operation| operation["value"].as_str()).unwrap_or(asked);
                Some(image.to_owned())
            }
        }
    }
}

pub(crate) fn patch(response: &Value) -> Result<Vec<Value>, String> {
    let Some(text) = response["patch"].as_str() else { return Ok(Vec::new()) };
    if response["patchType"] != "JSONPatch" {
        return Err("a patch without its type".to_owned());
    }
    let bytes = STANDARD.decode(text).map_err(|error| error.to_string())?;
    serde_json::from_slice(&bytes).map_err(|error| error.to_string())
}

/// The code of the first denial: the audit annotation holds it, with its container if it has one
/// (`main=tag-not-signed`).
fn code(response: &Value) -> Option<DenyCode> {
    let audit = &response["auditAnnotations"];
    let held = audit["codes"].as_str().or_else(|| audit["code"].as_str())?;
    let first = held.split(", ").next().unwrap_or_default();
    let said = first.rsplit('=').next().unwrap_or_default();
    DenyCode::ALL.iter().copied().find(|code| code.code() == said)
}
