//! The command line of `portreeve gencerts`.

use std::path::PathBuf;

use clap::Args;

/// What follows the options in the help.
pub(crate) const HELP: &str = "\
Without --out it asks the API server of the pod it runs in, or that of --kubeconfig. The Secret of
the certificate is made, or made anew when its end is near, and both webhook configurations are
told the authority, before the new certificate is there. The Secret of seals is made once and never
changed. What is good is left alone, so it may run as often as one likes.

To renew because a key became known: --renew, wait until every replica has read the new
certificate (two minutes), then --forget-old.

Examples:
  portreeve gencerts --namespace portreeve --service portreeve --secret portreeve-certs \\
    --webhooks portreeve --seal-secret portreeve-seal --kubeconfig ~/.kube/config --dry-run
  portreeve gencerts --namespace portreeve --service portreeve --secret portreeve-certs \\
    --seal-secret portreeve-seal --out ./certs && kubectl apply -f ./certs/secrets.yaml";

/// The options of `portreeve gencerts`.
#[derive(Debug, Clone, Args)]
pub(crate) struct GencertsArgs {
    /// The namespace of the Service and of the Secrets
    #[arg(long, value_name = "NAMESPACE")]
    pub(crate) namespace: String,
    /// The Service that the certificate is for
    #[arg(long, value_name = "NAME", requires = "secret")]
    pub(crate) service: Option<String>,
    /// The Secret of the certificate
    #[arg(
        long,
        value_name = "NAME",
        requires = "service",
        required_unless_present = "seal_secret"
    )]
    pub(crate) secret: Option<String>,
    /// The mutating and validating webhook configurations that are told the authority, each if it
    /// is there
    #[arg(long, value_name = "NAME", requires = "secret", conflicts_with = "out")]
    pub(crate) webhooks: Option<String>,
    /// The Secret of the key that workloads are sealed with; made if it is not there
    #[arg(long, value_name = "NAME")]
    pub(crate) seal_secret: Option<String>,
    /// A further DNS name or address of the certificate; may be repeated
    #[arg(long, value_name = "NAME", requires = "service")]
    pub(crate) name: Vec<String>,
    /// For how long the certificate is valid
    #[arg(long, value_name = "DURATION", default_value = "8760h")]
    pub(crate) validity: String,
    /// How long before its end it is made anew
    #[arg(long, value_name = "DURATION", default_value = "2920h")]
    pub(crate) renew_before: String,
    /// Make a new certificate although there is a good one
    #[arg(long, requires = "secret", conflicts_with = "forget_old")]
    pub(crate) renew: bool,
    /// Take authorities of earlier certificates out, though they have not ended
    #[arg(long, requires = "secret")]
    pub(crate) forget_old: bool,
    /// Ask the API server of this file in place of the pod's
    #[arg(long, value_name = "FILE", conflicts_with = "out")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Ask no API server: keep it all in this directory, as files and as Secrets to apply
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}
