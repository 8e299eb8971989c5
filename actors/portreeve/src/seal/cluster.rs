//! The workloads of a cluster, looked at and sealed anew with an operator's rights.

use std::path::Path;

use portreeve_host::cluster::{Cluster, ClusterOptions, ClusterWorkloads, Renewal};
use portreeve_host::owners::SealSummary;
use portreeve_host::seals::{KeyFile, Sealer};
use portreeve_protocol::messages::admission::RevokeSeal;
use tokio::runtime::Runtime;

use super::args::Workloads;
use crate::error::CommandError;

/// A cluster and the keys of its seals.
pub(super) struct Place {
    namespace: Option<String>,
    runtime: Runtime,
    sealer: Sealer,
    workloads: ClusterWorkloads,
}

/// What became of new seals.
#[derive(Debug, Default)]
pub(super) struct Renewals {
    /// Workloads that carry none, and why.
    pub(super) failed: Vec<(SealSummary, String)>,
    /// Workloads that carry a new one.
    pub(super) renewed: Vec<SealSummary>,
}

/// The member of a Secret that holds the keys, as the chart calls it.
const MEMBER: &str = "seal.key";

impl Place {
    /// The cluster that the flags name, if they name one.
    pub(super) fn of(flags: &Workloads) -> Result<Option<Self>, CommandError> {
        if flags.kubeconfig.is_none() && !flags.in_cluster {
            return Ok(None);
        }
        let runtime = runtime()?;
        let options = ClusterOptions { kubeconfig: flags.kubeconfig.clone() };
        let (workloads, sealer) = runtime.block_on(async {
            let cluster = Cluster::connect(&options).await?;
            let workloads = ClusterWorkloads::new(cluster.client().clone());
            let keys = match (&flags.seal_key, &flags.seal_secret) {
                (Some(file), _) => KeyFile::at(Path::new(file)).read()?,
                (None, secret) => {
                    let text = secret.as_deref().unwrap_or_default();
                    let (namespace, name, member) = named(text)?;
                    workloads.keys(namespace, name, member).await?
                }
            };
            Ok::<_, CommandError>((workloads, Sealer::from(keys)))
        })?;
        let namespace = flags.namespace.clone();
        Ok(Some(Self { namespace, runtime, sealer, workloads }))
    }

    /// How the workloads are sealed.
    pub(super) fn summaries(&self) -> Result<Vec<SealSummary>, CommandError> {
        let listed = self.runtime.block_on(self.workloads.list(self.namespace.as_deref()))?;
        Ok(SealSummary::of_all(&listed, &self.sealer))
    }

    /// Seals anew, with the current key, what is sealed with an older one. What cannot be done for
    /// one workload keeps no other from it.
    pub(super) fn renew(&self) -> Result<Renewals, CommandError> {
        self.runtime.block_on(async {
            let listed = self.workloads.list(self.namespace.as_deref()).await?;
            let mut renewals = Renewals::default();
            for workload in listed.iter() {
                let summary = SealSummary::of(workload, &self.sealer);
                let Some(new) = &summary.renewed else { continue };
                match self.workloads.renew(workload, new).await {
                    Ok(Renewal::Renewed) => renewals.renewed.push(summary),
                    Ok(Renewal::Changed) => renewals.failed.push((summary, CHANGED.to_owned())),
                    Err(error) => renewals.failed.push((summary, error.to_string())),
                }
            }
            Ok(renewals)
        })
    }
}

/// Has all replicas of a cluster end an entry.
pub(super) fn revoke(
    kubeconfig: Option<&Path>,
    operator_namespace: &str,
    revoke: &RevokeSeal,
) -> Result<(), CommandError> {
    let options = ClusterOptions { kubeconfig: kubeconfig.map(Path::to_owned) };
    runtime()?.block_on(async {
        let cluster = Cluster::connect(&options).await?;
        let workloads = ClusterWorkloads::new(cluster.client().clone());
        Ok(workloads.revoke(operator_namespace, revoke).await?)
    })
}

fn runtime() -> Result<Runtime, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|source| CommandError::System { what: "start a runtime", source })
}

const CHANGED: &str = "it was changed meanwhile; run this again";

/// Namespace, name and member.
fn named(text: &str) -> Result<(&str, &str, &str), CommandError> {
    let mut parts = text.splitn(3, '/');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(namespace), Some(name), member) if !namespace.is_empty() && !name.is_empty() => {
            Ok((namespace, name, member.unwrap_or(MEMBER)))
        }
        _ => Err(CommandError::Usage {
            flag: "--seal-secret",
            text: text.to_owned(),
            why: "write it as NAMESPACE/NAME, with /MEMBER unless that is `seal.key`".to_owned(),
        }),
    }
}
