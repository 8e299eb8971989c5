//! The policies to look at, and the settings to look at them by.

use std::path::PathBuf;

use portreeve_host::cluster::{Cluster, ClusterOptions};
use portreeve_host::config;
use portreeve_host::objects::Files;
use portreeve_protocol::Settings;
use portreeve_protocol::messages::policy::SourceObject;

use super::args::SourceArgs;
use crate::error::CommandError;

/// What is looked at.
pub(super) struct Source {
    /// Policies and signer Secrets.
    pub(super) objects: Vec<SourceObject>,
    /// As a node would have them.
    pub(super) settings: Settings,
}

/// Reads what `args` or `files` name: exactly one of them.
pub(super) fn read(args: &SourceArgs, files: &[PathBuf]) -> Result<Source, CommandError> {
    let mut settings = config::settings(args.config.as_deref())?;
    if let Some(namespace) = &args.operator_namespace {
        settings.operator_namespace.clone_from(namespace);
    }
    let fault = |fault| CommandError::Objects { fault };
    let files = match (&args.objects, &args.kubeconfig) {
        (_, Some(kubeconfig)) => {
            let objects = of_cluster(kubeconfig.clone(), &settings.operator_namespace)?;
            return Ok(Source { objects, settings });
        }
        (Some(directory), None) => Files::read(directory).map_err(fault)?,
        (None, None) if files.is_empty() => {
            let why = "there are no policies to look at: name files, --objects DIR or \
                       --kubeconfig FILE";
            return Err(CommandError::Unclear { why: why.to_owned() });
        }
        (None, None) => Files::named(files).map_err(fault)?,
    };
    Ok(Source { objects: files.objects().map_err(fault)?.objects, settings })
}

fn of_cluster(
    kubeconfig: PathBuf,
    operator_namespace: &str,
) -> Result<Vec<SourceObject>, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| CommandError::System { what: "start a runtime", source })?;
    let options = ClusterOptions { kubeconfig: Some(kubeconfig) };
    runtime.block_on(async {
        let cluster = Cluster::connect(&options).await?;
        Ok(cluster.read(operator_namespace).await?)
    })
}
