//! The file of `--config`: YAML in camelCase, where an unknown key is an error.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use portreeve_protocol::limits;
use serde::Deserialize;

use crate::HostError;

/// The keys of the file. Those that are also flags mean the same.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct File {
    pub(super) allow_realm: Option<Vec<String>>,
    pub(super) allow_trust_server: Option<Vec<String>>,
    /// Whether policies may name only approved servers and those of `trustServers`.
    pub(super) approved_only: Option<bool>,
    /// URL or directory of the signed trust bundle.
    pub(super) bundle: Option<String>,
    /// PEM files of CAs believed where the bundle is fetched.
    #[serde(rename = "bundleCA")]
    pub(super) bundle_ca: Option<Vec<PathBuf>>,
    /// What becomes of an expired bundle: `keep` or `deny`.
    pub(super) bundle_expired: Option<String>,
    /// How long after one look at the bundle the next is taken, such as `1m`.
    pub(super) bundle_refresh: Option<String>,
    /// The root from which the bundle is verified.
    pub(super) bundle_root: Option<PathBuf>,
    pub(super) client_ca: Option<PathBuf>,
    pub(super) data_dir: Option<PathBuf>,
    /// For how long reviews are still taken after this replica stopped being ready, such as `5s`.
    pub(super) drain_delay: Option<String>,
    pub(super) durability: Option<String>,
    /// For how long a verified timestamp serves allows, such as `30s`.
    pub(super) freshness: Option<String>,
    /// For how long segments of the journal are kept, such as `720h`; for ever if it is not set.
    pub(super) journal_max_age: Option<String>,
    /// Bytes of the journal's segments and blobs together.
    pub(super) journal_max_bytes: Option<u64>,
    /// Free bytes of its volume below which old segments go before their time.
    pub(super) journal_min_free: Option<u64>,
    /// A kubeconfig file of the cluster that objects come from.
    pub(super) kubeconfig: Option<PathBuf>,
    pub(super) listen: Option<String>,
    pub(super) log: Option<String>,
    pub(super) log_level: Option<String>,
    /// For how long the last verified state serves allows while a trust server cannot be asked.
    pub(super) max_staleness: Option<String>,
    pub(super) metrics_listen: Option<String>,
    /// Name of this replica; the host's name if it is not set.
    pub(super) node: Option<String>,
    pub(super) objects: Option<PathBuf>,
    /// Where ClusterImagePolicies find their signers' Secrets.
    pub(super) operator_namespace: Option<String>,
    /// Prefix of GUNs to the PEM file of the authorities that issue their roots.
    #[serde(rename = "pinCAs")]
    pub(super) pin_cas: Option<BTreeMap<String, PathBuf>>,
    /// GUN, or whole path segments with `/*`, to the ids of admissible root keys.
    pub(super) pins: Option<BTreeMap<String, Vec<String>>>,
    pub(super) require_pins: Option<bool>,
    /// File of the keys that workloads are sealed with.
    pub(super) seal_key: Option<PathBuf>,
    pub(super) tls_cert: Option<PathBuf>,
    pub(super) tls_key: Option<PathBuf>,
    pub(super) trust_ca: Option<Vec<PathBuf>>,
    /// Host of a trust or token server, with its port unless that is 443 or all are meant, to PEM
    /// files of CAs trusted there alone.
    #[serde(rename = "trustServerCAs")]
    pub(super) trust_server_cas: Option<BTreeMap<String, Vec<PathBuf>>>,
    /// Registry host, or `.suffix`, to trust server; `null` removes a built-in one.
    pub(super) trust_servers: Option<BTreeMap<String, Option<String>>>,
}

/// Reads the text of the file.
pub(super) fn read(path: &Path) -> Result<String, HostError> {
    let failed = |source| HostError::File { what: "cannot read", path: path.to_owned(), source };
    let length = std::fs::metadata(path).map_err(failed)?.len();
    if length > limits::CONFIG_BYTES {
        let why = format!("it has {length} bytes, too many for a configuration");
        return Err(HostError::ConfigFile { path: path.to_owned(), why });
    }
    std::fs::read_to_string(path).map_err(failed)
}

impl File {
    /// Reads the file's text.
    pub(super) fn parse(path: &Path, text: &str) -> Result<Self, HostError> {
        if text.lines().all(|line| line.trim().is_empty() || line.trim().starts_with('#')) {
            return Ok(Self::default());
        }
        let options = serde_saphyr::options! { with_snippet: false };
        serde_saphyr::from_str_with_options(text, options).map_err(|error| HostError::ConfigFile {
            path: path.to_owned(),
            why: error.to_string(),
        })
    }
}

/// The namespace of the pod that this is, if it is one.
pub(super) fn own_namespace() -> Option<String> {
    let text = std::fs::read_to_string(NAMESPACE_FILE).ok()?;
    Some(text.trim().to_owned()).filter(|name| !name.is_empty())
}

/// Where the kubelet puts a pod's namespace, beside the token of its service account.
const NAMESPACE_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// The host's name where it can serve as a node name.
pub(super) fn host_name() -> String {
    let from_environment = std::env::var("HOSTNAME").ok();
    let from_kernel = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = from_environment.or_else(from_kernel).unwrap_or_default();
    let name = name.trim().to_ascii_lowercase();
    if name.parse::<portreeve_protocol::NodeId>().is_ok() { name } else { "portreeve".to_owned() }
}
