//! The command line of `portreeve policy`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use portreeve_machines::lint::Severity;

/// What there is to do with policies.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Find what is wrong with policies, or may be
    #[command(after_help = LINT_HELP)]
    Lint(LintArgs),
    /// Say which rules decide about an image, and why the others do not
    #[command(after_help = TEST_HELP)]
    Test(TestArgs),
}

const LINT_HELP: &str = "\
Policies come from files, from a directory as `serve --objects` takes it, or from a cluster, where
nothing but policies and the Secrets they name is read. Trust servers are not asked. What is found
has a stable code; docs/lint.md lists them all, with what to do.

The exit status is 0 if nothing was found, 1 if something was, 2 if the policies could not be read.

Examples:
  portreeve policy lint policies.yaml secrets.yaml
  portreeve policy lint --objects ./objects --config portreeve.yaml --severity warning
  portreeve policy lint --kubeconfig ~/.kube/config --json | jq '.findings[].code'";

const TEST_HELP: &str = "\
It tells which rules decide; whether the image is signed as they ask, `portreeve check` finds out.

The exit status is 0 if a rule decides, 1 if the image would be denied for want of one or because a
policy is invalid, 2 if the policies could not be read.

Examples:
  portreeve policy test nginx:1.27 --namespace shop --objects ./objects
  portreeve policy test registry.example/shop/web:2.0 --policy policies.yaml --json";

/// Where policies come from.
#[derive(Debug, Args)]
pub(crate) struct SourceArgs {
    /// Directory of Kubernetes YAML
    #[arg(long, value_name = "DIR", conflicts_with = "kubeconfig")]
    pub(crate) objects: Option<PathBuf>,
    /// Kubeconfig file of a cluster
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The configuration of `serve`, for its trust servers, pins and operator's namespace
    #[arg(long, value_name = "FILE.yaml")]
    pub(crate) config: Option<PathBuf>,
    /// Where ClusterImagePolicies find their signers' Secrets [default: as configured, else
    /// portreeve]
    #[arg(long, value_name = "NS")]
    pub(crate) operator_namespace: Option<String>,
    /// Print one JSON object and nothing else
    #[arg(long)]
    pub(crate) json: bool,
}

/// The options of `portreeve policy lint`.
#[derive(Debug, Args)]
pub(crate) struct LintArgs {
    /// Kubernetes YAML with policies and the Secrets they name
    #[arg(value_name = "FILES", conflicts_with_all = ["objects", "kubeconfig"])]
    pub(crate) files: Vec<PathBuf>,
    /// Leave out what weighs less
    #[arg(long, value_enum, default_value_t = Level::Note)]
    pub(crate) severity: Level,
    #[command(flatten)]
    pub(crate) source: SourceArgs,
}

/// The options of `portreeve policy test`.
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// The image, as a workload would name it
    #[arg(value_name = "IMAGE")]
    pub(crate) image: String,
    /// The namespace of the workload
    #[arg(long, value_name = "NS", default_value = "default")]
    pub(crate) namespace: String,
    /// Kubernetes YAML with policies and the Secrets they name; may be repeated
    #[arg(long, value_name = "FILE", conflicts_with_all = ["objects", "kubeconfig"])]
    pub(crate) policy: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) source: SourceArgs,
}

/// How much a finding must weigh to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Level {
    /// Everything
    Note,
    /// What is probably not meant, and worse
    Warning,
    /// What cannot do what it says
    Error,
}

impl Level {
    pub(super) const fn least(self) -> Severity {
        match self {
            Self::Error => Severity::Error,
            Self::Note => Severity::Note,
            Self::Warning => Severity::Warning,
        }
    }
}
