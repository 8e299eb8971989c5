//! AdmissionReviews as the API server writes them, and what their answers say.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portreeve_protocol::DenyCode;
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

    /// The image that the first container runs with: the one asked for, or what the patch puts there;
    /// `None` for a refusal.
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

fn patch(response: &Value) -> Result<Vec<Value>, String> {
    let Some(text) = response["patch"].as_str() else { return Ok(Vec::new()) };
    if response["patchType"] != "JSONPatch" {
        return Err("a patch without its type".to_owned());
    }
    let bytes = STANDARD.decode(text).map_err(|error| error.to_string())?;
    serde_json::from_slice(&bytes).map_err(|error| error.to_string())
}

/// The code, which stands in the status' `reason`.
fn code(response: &Value) -> Option<DenyCode> {
    let reason = response["status"]["reason"].as_str()?;
    DenyCode::ALL.iter().copied().find(|code| code.code() == reason)
}
