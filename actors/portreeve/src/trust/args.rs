//! The command line of `portreeve trust`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What follows the options in the help.
pub(crate) const HELP: &str = "\
They work on the directory that `portreeve check --state DIR` keeps, or on a running
`portreeve serve`, named by its data directory. A reset is recorded with its reason: in the
journal of the node, or in the state. The next root served is then trusted as at first use, unless
a pin says otherwise, so reset only once you know why the root or the versions changed.

The exit status is 0 if it was done, 1 if nothing is known of the repository, 2 otherwise.

Examples:
  portreeve trust list --state ./trust
  portreeve trust show registry.example/shop/web --data-dir /var/lib/portreeve --json
  portreeve trust reset registry.example/shop/web --server https://notary.example:4443 \\
    --reason 'root key lost, new root confirmed by the shop team' --data-dir /var/lib/portreeve";

/// The subcommands of `portreeve trust`.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum TrustCommand {
    /// List the repositories that are trusted
    #[command(after_help = HELP)]
    List {
        #[command(flatten)]
        at: Place,
        /// Print one JSON object and nothing else
        #[arg(long)]
        json: bool,
    },
    /// Show what is trusted of one repository, at every trust server
    #[command(after_help = HELP)]
    Show {
        /// The repository, with its registry
        #[arg(value_name = "GUN")]
        gun: String,
        #[command(flatten)]
        at: Place,
        /// Print one JSON object and nothing else
        #[arg(long)]
        json: bool,
    },
    /// Believe a running node's wall clock, though it went back by more than five minutes
    #[command(after_help = HELP)]
    Clock {
        /// Why, for whoever reads the record later
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// The data directory of the running `portreeve serve`
        #[arg(long, value_name = "DIR")]
        data_dir: PathBuf,
    },
    /// Forget root, versions and documents of one repository at one trust server
    #[command(after_help = HELP)]
    Reset {
        /// The repository, with its registry
        #[arg(value_name = "GUN")]
        gun: String,
        /// The trust server, as `trust list` names it
        #[arg(long, value_name = "URL")]
        server: String,
        /// Why, for whoever reads the record later
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        at: Place,
        /// Print one JSON object and nothing else
        #[arg(long)]
        json: bool,
    },
}

/// Whose trust it is about.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Place {
    /// The directory that `portreeve check --state` keeps
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// The data directory of a running `portreeve serve`
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
}
