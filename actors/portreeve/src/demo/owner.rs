//! The controller's part: the Deployment that entered is stored, its ReplicaSet carries the copy of
//! its seal, and a Pod of that ReplicaSet wants to enter.

use std::time::Duration;

use portreeve_host::control::{Reply, Request, ask};
use portreeve_host::owners::SealState;
use serde_json::{Value, json};

use super::stage::{PATIENCE, Stage};
use crate::error::CommandError;

/// The uid of the Deployment as the demo's API server stores it.
const DEPLOYMENT_UID: &str = "1f0b54a5-6a0e-4c6f-9c2d-6b1f6c1f5d1a";
/// How often the node is asked whether it has seen the workloads.
const LOOK: Duration = Duration::from_millis(20);

/// Stores the Deployment, and the ReplicaSet that is `pod`'s controller, among the node's objects,
/// and waits until the node has seen both with their seals.
pub(super) async fn store(
    stage: &Stage,
    deployment: &Value,
    pod: &Value,
) -> Result<(), CommandError> {
    let mut deployment = deployment.clone();
    let controller = &pod["request"]["object"]["metadata"]["ownerReferences"][0];
    let name = deployment["metadata"]["name"].clone();
    let namespace = pod["request"]["namespace"].clone();
    let replica_set = json!({
        "apiVersion": controller["apiVersion"],
        "kind": controller["kind"],
        "metadata": {
            "annotations": deployment["metadata"]["annotations"],
            "name": controller["name"],
            "namespace": namespace,
            "ownerReferences": [{
                "apiVersion": "apps/v1",
                "controller": true,
                "kind": "Deployment",
                "name": name,
                "uid": DEPLOYMENT_UID,
            }],
            "uid": controller["uid"],
        },
    });
    if let Some(metadata) = deployment["metadata"].as_object_mut() {
        metadata.insert("namespace".to_owned(), namespace);
        metadata.insert("uid".to_owned(), json!(DEPLOYMENT_UID));
    }
    let items = json!({"apiVersion": "v1", "kind": "List", "items": [deployment, replica_set]});
    stage.store("workloads.json", &items.to_string())?;
    let seen = tokio::time::timeout(PATIENCE, async {
        while !has_seen(stage).await? {
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    });
    seen.await.map_err(|_| CommandError::Talk {
        what: "store the Deployment",
        why: format!("the node has not seen it within {} s", PATIENCE.as_secs()),
    })?
}

/// Whether the node has seen two workloads with seals that count, by its operator's socket.
async fn has_seen(stage: &Stage) -> Result<bool, CommandError> {
    let data_dir = stage.config.data_dir.clone();
    let asked = tokio::task::spawn_blocking(move || ask(&data_dir, &Request::SealStatus)).await;
    let failed = |why: String| CommandError::Talk { what: "ask the node about seals", why };
    match asked.map_err(|error| failed(error.to_string()))?? {
        Reply::Seals { workloads } => {
            let current = workloads.iter().filter(|one| one.state == SealState::Current);
            Ok(current.count() == 2)
        }
        Reply::Failed { why } => Err(failed(why)),
        Reply::Done | Reply::Reset { .. } | Reply::Trust { .. } => {
            Err(failed("it answered something else".to_owned()))
        }
    }
}
