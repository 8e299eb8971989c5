//! The command line: subcommands, their options, and the exit status.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::bundle::args::BundleCommand;
use crate::check::args::{self as check_args, CheckArgs};
use crate::error::CommandError;
use crate::explain::args::{self as explain_args, ExplainArgs};
use crate::gencerts::args::{self as gencerts_args, GencertsArgs};
use crate::policy::args::PolicyCommand;
use crate::replay::args::ReplayCommand;
use crate::seal::args::SealCommand;
use crate::terminal::{self, Terminal};
use crate::trust::args::TrustCommand;
use crate::{bundle, check, crds, demo, explain, gencerts, policy, replay, seal, serve, trust};

const EXIT_STATUS: &str = "\
Exit status:
  0  all is well
  1  a negative result: the image is denied, something was found in policies, nothing is known of
     the repository or the review, a trust bundle is not taken or its root waits for signatures,
     the journal does not replay to the same decisions, or an expectation of the demo did not hold
  2  wrong usage, or the command could not do its work
  3  the journal was written by a Portreeve of other rules, so its decisions cannot be compared, or
     a newer one went on with it, which this one cannot read";

const EXAMPLES: &str = "\
Examples:
  portreeve demo
  portreeve check docker.io/library/alpine:3.20
  portreeve serve --config /etc/portreeve/portreeve.yaml
  portreeve policy lint policies.yaml
  portreeve replay verify /var/lib/portreeve
  portreeve explain f84dc9d7-3e80-415b-8069-96c8b455281c --journal /var/lib/portreeve
  portreeve explain --workload shop/web --since 2h --denied --journal /var/lib/portreeve";

/// Decides which container images may enter a Kubernetes cluster, and keeps the proof.
#[derive(Parser)]
#[command(name = "portreeve", version, after_help = EXAMPLES, after_long_help = long_help())]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

fn long_help() -> String {
    format!("{EXAMPLES}\n\n{EXIT_STATUS}")
}

#[derive(Subcommand)]
enum Command {
    /// Make, sign, publish and look at trust bundles
    #[command(subcommand)]
    Bundle(BundleCommand),
    /// Decide about one image as a node would, for a person or a script
    #[command(after_help = check_args::HELP)]
    Check(Box<CheckArgs>),
    /// Print the CustomResourceDefinitions of policies
    #[command(after_help = crds::HELP)]
    Crds,
    /// Show the whole at work on this machine: signed data, decisions, explanation, replay
    #[command(after_help = DEMO_HELP)]
    Demo(DemoArgs),
    /// Say how past decisions came about
    #[command(after_help = explain_args::HELP)]
    Explain(Box<ExplainArgs>),
    /// Make the webhook's certificate and the key of seals, in a cluster or a directory
    #[command(after_help = gencerts_args::HELP)]
    Gencerts(Box<GencertsArgs>),
    /// Find what is wrong with policies, and which rules decide
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Work with a recorded journal
    #[command(subcommand)]
    Replay(ReplayCommand),
    /// Run the admission webhook
    #[command(after_help = SERVE_HELP)]
    Serve(Box<ServeArgs>),
    /// Make keys of seals, show and renew the seals of workloads, end an entry
    #[command(subcommand)]
    Seal(SealCommand),
    /// Show or forget which roots and versions are trusted
    #[command(subcommand)]
    Trust(TrustCommand),
}

const DEMO_HELP: &str = "\
It needs nothing but this program: it makes certificates, signs image collections, serves
them from a Notary server of its own and sends AdmissionReviews to a webhook of its own, all on
127.0.0.1. The exit status is 0 only if every decision, the explanation and the replay came out
as they should, else 1.

A bundle named by --bundle takes the place of the demo's own. The roots of the demo are new each
time, so no bundle can pin them beforehand: only one that lets first use through, such as
`portreeve bundle init --first-use` makes, ends with 0; any other ends with 1.

Examples:
  portreeve demo
  portreeve demo --journal /tmp/demo && jq . /tmp/demo/segments/*.ndjson";

const SERVE_HELP: &str = "\
Flags override the file; flags that may be repeated add to it. SIGTERM and SIGINT end the server
after all waiting reviews were answered.

Examples:
  portreeve serve --config portreeve.yaml
  portreeve serve --listen 127.0.0.1:8443 --tls-cert tls.crt --tls-key tls.key \\
    --objects ./objects --data-dir ./data --log term
  portreeve serve --config portreeve.yaml --kubeconfig ~/.kube/config
  portreeve serve --config portreeve.yaml --trust-ca internal-ca.pem \\
    --allow-trust-server https://notary.internal:4443";

#[derive(Args)]
pub(crate) struct DemoArgs {
    #[command(flatten)]
    pub(crate) bundle: BundleFlags,
    /// Keep the journal in this directory, which is made if it is not there
    #[arg(long, value_name = "DIR")]
    pub(crate) journal: Option<PathBuf>,
}

/// Where the signed trust bundle is; see docs/bundle.md.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct BundleFlags {
    /// Go by the signed trust bundle at this URL, or in this directory or mounted ConfigMap
    #[arg(long, value_name = "URL|DIR")]
    pub(crate) bundle: Option<String>,
    /// The root.json from which the trust bundle is verified
    #[arg(long, value_name = "ROOT.json")]
    pub(crate) bundle_root: Option<PathBuf>,
    /// PEM file of CAs to trust where the bundle is fetched; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) bundle_ca: Vec<PathBuf>,
}

#[derive(Args)]
pub(crate) struct ServeArgs {
    /// Read settings from this YAML file; an unknown key is an error
    #[arg(long, value_name = "FILE.yaml")]
    pub(crate) config: Option<PathBuf>,
    /// Receive reviews at this address [default: 0.0.0.0:8443]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<String>,
    /// Serve metrics without TLS at this address too
    #[arg(long, value_name = "ADDR")]
    pub(crate) metrics_listen: Option<String>,
    /// PEM file of the certificate chain, leaf first
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// PEM file of the private key
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) bundle: BundleFlags,
    /// PEM file of the CAs whose clients may send reviews; without it anyone may
    #[arg(long, value_name = "FILE")]
    pub(crate) client_ca: Option<PathBuf>,
    /// Directory of Kubernetes YAML with policies and the Secrets they name, in place of a cluster;
    /// it is watched
    #[arg(long, value_name = "DIR", conflicts_with = "kubeconfig")]
    pub(crate) objects: Option<PathBuf>,
    /// Kubeconfig file of the cluster whose policies are obeyed; without this and `--objects` it is
    /// the cluster of the pod that this is
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Directory of the journal and other state [default: /var/lib/portreeve]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Go on answering for this long after readiness went false, so that no review is sent to a
    /// closed port [default: 5s]
    #[arg(long, value_name = "DURATION")]
    pub(crate) drain_delay: Option<String>,
    /// When an answer may leave: `group` when its record is on disk, `process` when it is written
    /// [default: group]
    #[arg(long, value_name = "group|process")]
    pub(crate) durability: Option<String>,
    /// Remove segments of the journal that are older, such as `720h` [default: never]
    #[arg(long, value_name = "SPAN")]
    pub(crate) journal_max_age: Option<String>,
    /// Remove the oldest segments of the journal, and their blobs, beyond so many bytes
    /// [default: 1073741824]
    #[arg(long, value_name = "BYTES")]
    pub(crate) journal_max_bytes: Option<u64>,
    /// Remove them earlier while the journal's volume has fewer free bytes, and write nothing below
    /// an eighth of that; a quarter of the volume at most [default: 268435456]
    #[arg(long, value_name = "BYTES")]
    pub(crate) journal_min_free: Option<u64>,
    /// PEM file of CAs to trust for trust servers besides the system's; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) trust_ca: Vec<PathBuf>,
    /// Approve a trust server that policies name, even on a loopback address; may be repeated
    #[arg(long, value_name = "URL")]
    pub(crate) allow_trust_server: Vec<String>,
    /// Let a trust server's tokens come from another host; may be repeated
    #[arg(long, value_name = "SERVER=HOST")]
    pub(crate) allow_realm: Vec<String>,
    /// Refuse roots that no pin covers instead of trusting them at first use
    #[arg(long)]
    pub(crate) require_pins: bool,
    /// File of the keys that workloads are sealed with; without it nothing is sealed
    #[arg(long, value_name = "FILE")]
    pub(crate) seal_key: Option<PathBuf>,
    /// How log lines look: JSON, or text for a terminal [default: json]
    #[arg(long, value_name = "json|term")]
    pub(crate) log: Option<String>,
    /// The least important log lines written: critical, error, warning, info, debug or trace
    /// [default: info]
    #[arg(long, value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,
}

/// Whether a command came to the result its user hoped for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It did: status 0.
    Good,
    /// It did not: status 1.
    Negative,
    /// The journal is of another build: status 3.
    OtherBuild,
}

/// Reads the words behind `portreeve check`.
pub(crate) fn check_args(
    words: impl IntoIterator<Item = OsString>,
) -> Result<CheckArgs, CommandError> {
    let line = ["portreeve", "check"].map(OsString::from).into_iter().chain(words);
    let unclear = |why: String| CommandError::Unclear { why };
    match Cli::try_parse_from(line).map_err(|error| unclear(error.to_string()))?.command {
        Command::Check(args) => Ok(*args),
        Command::Bundle(_)
        | Command::Crds
        | Command::Demo(_)
        | Command::Explain(_)
        | Command::Gencerts(_)
        | Command::Policy(_)
        | Command::Replay(_)
        | Command::Seal(_)
        | Command::Serve(_)
        | Command::Trust(_) => Err(unclear("the words are those of another command".to_owned())),
    }
}

/// Reads the command line and runs what it asks for.
pub(crate) fn run(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    // Wrong usage ends here, with status 2.
    let cli = Cli::parse_from(words);
    let terminal = Terminal::stdout();
    let done: Result<Outcome, CommandError> = match cli.command {
        Command::Bundle(command) => bundle::run(&command, &terminal),
        Command::Check(args) => check::run(&args, &terminal),
        Command::Crds => crds::run(&terminal),
        Command::Demo(args) => demo::run(&args, &terminal),
        Command::Explain(args) => explain::run(&args, &terminal),
        Command::Gencerts(args) => gencerts::run(&args, &terminal),
        Command::Policy(command) => policy::run(&command, &terminal),
        Command::Replay(ReplayCommand::Verify(args)) => replay::verify(&args, &terminal),
        Command::Seal(command) => seal::run(&command, &terminal),
        Command::Serve(args) => serve::run(*args),
        Command::Trust(command) => trust::run(&command, &terminal),
    };
    let done = done.and_then(|outcome| match terminal::lost_output() {
        None => Ok(outcome),
        Some(kind) => Err(CommandError::OutputLost { why: kind.to_string() }),
    });
    match done {
        Ok(Outcome::Good) => ExitCode::SUCCESS,
        Ok(Outcome::Negative) => ExitCode::from(1),
        Ok(Outcome::OtherBuild) => ExitCode::from(3),
        Err(error) => {
            Terminal::stderr().line(&format!("portreeve: {error}"));
            ExitCode::from(2)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_documented_flag_of_serve_is_understood() {
        let line = "portreeve serve --config c.yaml --listen 127.0.0.1:1 \
                    --metrics-listen 127.0.0.1:2 --tls-cert c --tls-key k --client-ca ca \
                    --objects o --data-dir d --durability process --trust-ca a --trust-ca b \
                    --bundle https://b --bundle-root r --bundle-ca ba \
                    --allow-trust-server https://n --allow-realm n=m --require-pins --seal-key s \
                    --log term --log-level debug";
        let parsed = Cli::try_parse_from(line.split_whitespace());
        let Ok(Cli { command: Command::Serve(args) }) = parsed else {
            unreachable!("the line is a serve command")
        };
        assert_eq!(args.trust_ca, [PathBuf::from("a"), PathBuf::from("b")]);
        assert!(args.require_pins);
    }

    #[test]
    fn wrong_usage_has_status_2() {
        for line in ["portreeve", "portreeve serve --listne x", "portreeve explain u"] {
            let refused = Cli::try_parse_from(line.split_whitespace()).err();
            assert_eq!(refused.map(|error| error.exit_code()), Some(2), "{line}");
        }
    }

    #[test]
    fn the_help_documents_every_exit_status() {
        let help = Cli::command().render_long_help().to_string();
        for status in ["  0  ", "  1  ", "  2  ", "  3  "] {
            assert!(help.contains(status), "{status}");
        }
    }
}
