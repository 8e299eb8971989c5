//! The command line of `portreeve seal`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What follows the options in the help.
pub(crate) const HELP: &str = "\
A seal is an annotation by which a workload proves what Portreeve verified about it, so that its
Pods need no trust server. A key file holds one key a line, the current one first; older ones are
accepted until they are taken out. To change keys: keygen --standby, let every replica read the
file, switch, renew, and take the old line out once status counts none of it.

The exit status is 0 if all is well, 1 if a seal is of an old key or does not count, 2 otherwise.

Examples:
  portreeve seal keygen seal.key
  portreeve seal status --data-dir /var/lib/portreeve
  portreeve seal status --kubeconfig ~/.kube/config --seal-secret portreeve/portreeve-seal
  portreeve seal renew --kubeconfig ~/.kube/config --seal-key seal.key --write
  portreeve seal revoke registry.example/shop/web@sha256:2914f216fb32… \\
    --reason 'built from the wrong commit' --data-dir /var/lib/portreeve";

/// The subcommands of `portreeve seal`.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum SealCommand {
    /// Make a new key the current one of a file, and keep those that it holds
    #[command(after_help = HELP)]
    Keygen {
        /// The file; it is made, for its owner only, if it is not there
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Let the new key only check seals for now, until every replica knows it and `switch`
        /// makes it the current one
        #[arg(long)]
        standby: bool,
    },
    /// Make a key that a file holds already the current one
    #[command(after_help = HELP)]
    Switch {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The key's id, as keygen said it
        #[arg(value_name = "KEY")]
        key: String,
    },
    /// Count workloads by the key of their seal
    #[command(after_help = HELP)]
    Status {
        #[command(flatten)]
        of: Workloads,
        /// Print one JSON object and nothing else
        #[arg(long)]
        json: bool,
    },
    /// Seal anew, with the current key, what is sealed with an older one: only the annotation
    /// changes, so nothing is rolled out
    #[command(after_help = HELP)]
    Renew {
        #[command(flatten)]
        of: Workloads,
        /// Put the new seals into the files of `--objects`, or on the workloads of the cluster,
        /// instead of printing commands
        #[arg(long, conflicts_with = "data_dir")]
        write: bool,
        /// Print one JSON object and nothing else
        #[arg(long)]
        json: bool,
    },
    /// End an entry: wherever a seal names this digest of this repository, it counts no more
    #[command(after_help = HELP)]
    Revoke {
        /// The repository with its registry, and the digest
        #[arg(value_name = "GUN@DIGEST")]
        entry: String,
        /// Why, for whoever reads the record later
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// The data directory of a running `portreeve serve`: that replica alone is told
        #[arg(long, value_name = "DIR", group = "place",
            required_unless_present_any = ["kubeconfig", "in_cluster"])]
        data_dir: Option<PathBuf>,
        /// A kubeconfig file: all replicas in its cluster read it within seconds, in the ConfigMap
        /// `portreeve-revocations` of the operator's namespace
        #[arg(long, value_name = "FILE", group = "place")]
        kubeconfig: Option<PathBuf>,
        /// The same in the cluster that this process is a pod of
        #[arg(long, group = "place")]
        in_cluster: bool,
        /// The operator's namespace
        #[arg(long, value_name = "NAME", default_value = "portreeve", conflicts_with = "data_dir")]
        operator_namespace: String,
    },
}

/// Whose workloads it is about.
#[derive(Debug, Clone, Args)]
pub(crate) struct Workloads {
    /// The data directory of a running `portreeve serve` whose objects are in a directory
    #[arg(long, value_name = "DIR", group = "place",
        conflicts_with_all = ["seal_key", "seal_secret"])]
    pub(crate) data_dir: Option<PathBuf>,
    /// A directory of Kubernetes YAML
    #[arg(long, value_name = "DIR", group = "place", requires = "seal_key")]
    pub(crate) objects: Option<PathBuf>,
    /// A kubeconfig file: the workloads of the cluster of its current context, with its rights to
    /// list them and, for `--write`, to patch them
    #[arg(long, value_name = "FILE", group = "place", requires = "keys")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The cluster that this process is a pod of, with the rights of its service account
    #[arg(long, group = "place", requires = "keys")]
    pub(crate) in_cluster: bool,
    /// Only the workloads of this namespace of the cluster
    #[arg(long, value_name = "NAME", conflicts_with_all = ["data_dir", "objects"])]
    pub(crate) namespace: Option<String>,
    /// The file of keys
    #[arg(long, value_name = "FILE", group = "keys")]
    pub(crate) seal_key: Option<PathBuf>,
    /// The Secret of the cluster that holds the file of keys; MEMBER is `seal.key` if it is left
    /// out
    #[arg(
        long,
        value_name = "NAMESPACE/NAME[/MEMBER]",
        group = "keys",
        conflicts_with = "objects"
    )]
    pub(crate) seal_secret: Option<String>,
}
