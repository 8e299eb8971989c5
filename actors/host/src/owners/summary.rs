//! How the workloads are sealed, for an operator who changes keys.

use portreeve_protocol::seal::SealClaims;
use serde::{Deserialize, Serialize};

use super::{Workload, Workloads};
use crate::seals::{Sealer, read};

/// How one workload is sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SealSummary {
    /// The key the seal was made with, if it is a genuine one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key: Option<String>,
    /// The workload's kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The same claims sealed with the current key, where the seal is genuine and of another one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub renewed: Option<String>,
    /// How the seal is.
    pub state: SealState,
    /// Why it does not count, if it does not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub why: Option<String>,
}

/// How a seal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SealState {
    /// It was made with the current key.
    Current,
    /// It does not count.
    Invalid,
    /// There is none.
    None,
    /// It was made with an earlier key, and counts until that is removed.
    Old,
}

impl SealSummary {
    /// One for each workload, in order of group, kind, namespace and name.
    #[must_use]
    pub fn of_all(workloads: &Workloads, sealer: &Sealer) -> Vec<Self> {
        workloads.iter().map(|workload| Self::of(workload, sealer)).collect()
    }

    /// How `workload` is sealed, by the keys of `sealer`.
    #[must_use]
    pub fn of(workload: &Workload, sealer: &Sealer) -> Self {
        let keys = &sealer.keys();
        let mut summary = Self {
            key: None,
            kind: workload.kind.clone(),
            name: workload.name.clone(),
            namespace: workload.namespace.clone(),
            renewed: None,
            state: SealState::None,
            why: None,
        };
        let Some(text) = &workload.seal else { return summary };
        match read(keys, text) {
            Err(fault) => {
                summary.state = SealState::Invalid;
                summary.why = Some(fault.name().to_owned());
            }
            Ok(seal) if !is_of(&seal.claims, workload) => {
                let SealClaims { kind, name, namespace, .. } = &seal.claims;
                summary.state = SealState::Invalid;
                summary.why = Some(format!("it is the seal of {kind} {namespace}/{name}"));
            }
            Ok(seal) => {
                let current = keys.current() == Some(&seal.key);
                summary.state = if current { SealState::Current } else { SealState::Old };
                if !current {
                    summary.renewed = sealer.seal(&seal.claims);
                }
                summary.key = Some(seal.key.as_str().to_owned());
            }
        }
        summary
    }
}

/// Whether the claims are about this workload, or the Deployment of which a ReplicaSet carries the
/// seal.
fn is_of(claims: &SealClaims, workload: &Workload) -> bool {
    let Workload { kind, name, namespace, .. } = workload;
    let copied = kind == "ReplicaSet" && claims.kind == "Deployment";
    claims.names(kind, namespace, name) || (copied && claims.namespace == *namespace)
}
