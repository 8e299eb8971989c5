//! The command line of `portreeve check`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::BundleFlags;

/// What follows the options in the help.
pub(crate) const HELP: &str = "\
Without --policy, trust is required and every --signer must have signed. The trust server is the
one that the policy names, else that of --trust-server, else that of the built-in map (docker.io,
quay.io, icr.io and the like). Trust servers named here or in the policy files count as approved,
so that even a loopback address may be asked; http:// is for loopback only.

Secrets of a ClusterImagePolicy are looked for in the namespace `portreeve`, as `serve` does; if
the files hold none of that namespace, in the one of --namespace, which is then warned about.
Pull Secrets in the policy files and --credentials are tried as the kubelet would.

Without --state nothing is remembered: the root is trusted at first use unless --pin, --pin-ca or
--require-pins says otherwise, and older trust data than seen before goes unnoticed.

The exit status is 0 if the image is allowed, 1 if it is denied, 2 for wrong usage or a failure of
this program. --json prints one object with the members allowed, image, digest, code, class,
explanation, warnings, evidence and dropped_roles; code and class are null unless it is denied,
digest is null unless signed data released it, evidence is null where no collection was verified.
Where a trust bundle is in force there is a member bundle besides: version, digest, expired.

Examples:
  portreeve check docker.io/library/alpine:3.20
  portreeve check registry.example/shop/web:2.0 --signer alice=alice.pem --signer ci=ci.pem
  portreeve check registry.example/shop/web:2.0 --policy policies.yaml --namespace shop
  portreeve check localhost:5000/app:v1 --trust-server https://127.0.0.1:4443 --ca lab-ca.pem \\
    --credentials ~/.docker/config.json --state ./trust --json
  portreeve check registry.example/shop/web:2.0 --require-pins \\
    --pin 'registry.example/shop/*=4f1c…64 hexadecimal digits…' --at 2026-11-23T12:00:00Z
  portreeve check docker.io/library/alpine:3.20 --notary-cache ~/.docker/trust
  portreeve check registry.example/shop/web:2.0 --bundle https://trust.example/bundle \\
    --bundle-root root.json";

/// The options of `portreeve check`.
#[derive(Debug, Clone, Args)]
pub(crate) struct CheckArgs {
    /// The image, as a workload would name it
    #[arg(value_name = "IMAGE")]
    pub(crate) image: String,
    /// Kubernetes YAML with policies and the Secrets they name; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Vec<PathBuf>,
    /// The namespace of the workload
    #[arg(long, value_name = "NS", default_value = "default")]
    pub(crate) namespace: String,
    /// Ask this trust server, where the policy names none
    #[arg(long, value_name = "URL")]
    pub(crate) trust_server: Option<String>,
    /// Require the signature of NAME (the role targets/NAME) with this key; may be repeated
    #[arg(long, value_name = "NAME=PUBKEY.pem", conflicts_with = "policy")]
    pub(crate) signer: Vec<String>,
    /// Believe only a root signed by this key: its id as root.json lists it (`portreeve trust show`
    /// prints it), or SHA-256 of its bare key's SubjectPublicKeyInfo, not the canonical id that
    /// `notary key list` prints; repeated for one name, any of them will do
    #[arg(long, value_name = "GUN_OR_PREFIX/*=KEYID")]
    pub(crate) pin: Vec<String>,
    /// Believe only a root whose certificate this authority issued; may be repeated
    #[arg(long, value_name = "PREFIX=CA.pem")]
    pub(crate) pin_ca: Vec<String>,
    /// Refuse roots that no pin covers instead of trusting them at first use
    #[arg(long)]
    pub(crate) require_pins: bool,
    #[command(flatten)]
    pub(crate) bundle: BundleFlags,
    /// PEM file of CAs to trust for TLS besides the system's; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Vec<PathBuf>,
    /// Let a trust server's tokens come from another host; may be repeated
    #[arg(long, value_name = "SERVER=HOST")]
    pub(crate) allow_realm: Vec<String>,
    /// Credentials for registries, in docker's format; helper programs are not run
    #[arg(long, value_name = "CONFIG.json")]
    pub(crate) credentials: Option<PathBuf>,
    /// Take over what a client of Notary keeps (tuf/<GUN>/metadata/<role>.json) as seen before
    #[arg(long, value_name = "DIR")]
    pub(crate) notary_cache: Option<PathBuf>,
    /// Judge as of this time; clocks may then run backwards between calls
    #[arg(long, value_name = "RFC3339")]
    pub(crate) at: Option<String>,
    /// Keep roots, floors and verified documents here between calls; made if it is not there
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// Print one JSON object and nothing else
    #[arg(long)]
    pub(crate) json: bool,
}
