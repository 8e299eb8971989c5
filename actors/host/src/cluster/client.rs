//! The client of the API server: from the pod's service account, or from a kubeconfig file.

use std::path::Path;
use std::time::Duration;

use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};

use super::ClusterOptions;
use crate::HostError;

/// How long a connection to the API server may take to come about.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the API server may be silent within an answer. Watches are ended by the API server
/// well before that, see [`super::source`].
const SILENCE: Duration = Duration::from_secs(30);
/// How long a request may take to be written.
const WRITE: Duration = Duration::from_secs(10);
/// What tells that a process runs in a pod.
const IN_POD: &str = "KUBERNETES_SERVICE_HOST";

/// Makes a client. Nothing is asked of the API server yet, so that a node starts while it is down.
///
/// # Errors
/// `Cluster` if there is no service account and no kubeconfig, or it cannot be used.
pub(super) async fn connect(options: &ClusterOptions) -> Result<Client, HostError> {
    let mut config = match &options.kubeconfig {
        Some(file) => from_file(file).await?,
        None => from_pod()?,
    };
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(SILENCE);
    config.reset_reader_on_write = true;
    config.write_timeout = Some(WRITE);
    // Each caller has its own patience and its own backoff.
    config.default_retry = false;
    Client::try_from(config).map_err(|error| failed(error.to_string()))
}

async fn from_file(file: &Path) -> Result<kube::Config, HostError> {
    let unusable =
        |error: &dyn std::error::Error| failed(format!("kubeconfig {}: {error}", file.display()));
    let read = Kubeconfig::read_from(file).map_err(|error| unusable(&error))?;
    let options = KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(read, &options).await;
    config.map_err(|error| unusable(&error))
}

fn from_pod() -> Result<kube::Config, HostError> {
    if std::env::var_os(IN_POD).is_none() {
        return Err(failed(
            "this is no pod (KUBERNETES_SERVICE_HOST is not set): pass --kubeconfig FILE, or \
             --objects DIR to do without a cluster"
                .to_owned(),
        ));
    }
    kube::Config::incluster().map_err(|error| {
        failed(format!(
            "the pod's service account cannot be used: {error}; is \
             automountServiceAccountToken off?"
        ))
    })
}

fn failed(why: String) -> HostError {
    HostError::Cluster { why }
}
