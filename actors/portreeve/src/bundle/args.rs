//! The command line of `portreeve bundle`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What follows the options in the help.
pub(crate) const HELP: &str = "\
A trust bundle says, once and signed, which roots, signers and trust servers count for a whole
cluster. It is made in a directory: `trust.json` is what it says (edit it by `add` and `rm`, or by
hand), `root.json` is what clusters are given to verify it from, `metadata` and `targets` are what
is published: serve them over https, mount them as a ConfigMap, or copy them.

Keys are PKCS#8 PEM files, as `openssl genpkey -algorithm ed25519` or `portreeve bundle keygen`
makes them. Keep those of the root offline; of a key that signs elsewhere the PUBLIC KEY is enough.
The targets keys sign what the bundle says; the online keys sign, often, that it is still so.

The exit status is 0 if all is well, 1 if a bundle is not taken or a root still waits for
signatures, 2 otherwise.

Examples:
  portreeve bundle keygen root.pem
  portreeve bundle init ./bundle --root-key root.pem --targets-key targets.pem --online-key ci.pem
  portreeve bundle add ./bundle 'registry.example/shop/*' --root-key-id 73c4acdc00fb64ea…
  portreeve bundle publish ./bundle --key targets.pem --key ci.pem
  portreeve bundle publish ./bundle --key ci.pem
  portreeve bundle rotate ./bundle --root-key new.pem --key root.pem
  portreeve bundle verify ./bundle --root root.json";

/// The subcommands of `portreeve bundle`.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum BundleCommand {
    /// Make a new Ed25519 key in a PKCS#8 PEM file, for its owner alone
    #[command(after_help = HELP)]
    Keygen {
        /// The file; it must not be there
        #[arg(value_name = "FILE.pem")]
        file: PathBuf,
    },
    /// Make a directory for a new bundle, with its first root
    #[command(after_help = HELP)]
    Init {
        /// The directory
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        #[command(flatten)]
        root: RootFlags,
        /// Let roots that nothing pins be trusted when they are first seen
        #[arg(long)]
        first_use: bool,
    },
    /// Say something about a GUN or prefix, in the place of what was said of it before
    #[command(after_help = HELP)]
    Add(Box<AddArgs>),
    /// Say nothing about a GUN or prefix any more
    #[command(after_help = HELP)]
    Rm {
        /// The directory
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// The GUN or prefix, as it was added
        #[arg(value_name = "GUN_OR_PREFIX/*")]
        gun: String,
    },
    /// Make the next root, with other keys or for a new term
    #[command(after_help = HELP)]
    Rotate {
        /// The directory
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        #[command(flatten)]
        root: RootFlags,
        /// A private key to sign the new root with, of the root before it; may be repeated
        #[arg(long, value_name = "FILE.pem")]
        key: Vec<PathBuf>,
    },
    /// Add signatures to a root that waits for them
    #[command(after_help = HELP)]
    Sign {
        /// The directory
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// A private key of the root, or of the one before it; may be repeated
        #[arg(long, value_name = "FILE.pem", required = true)]
        key: Vec<PathBuf>,
    },
    /// Sign and lay out what `trust.json` says; with the online key alone, only for a new term
    #[command(after_help = HELP)]
    Publish {
        /// The directory
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// A private key of the targets or an online key; may be repeated
        #[arg(long, value_name = "FILE.pem", required = true)]
        key: Vec<PathBuf>,
        /// For how long what the bundle says is signed, in days or as a Go duration
        #[arg(long, value_name = "SPAN", default_value = "365d")]
        targets_expire: String,
        /// For how long it is signed that it is still so
        #[arg(long, value_name = "SPAN", default_value = "14d")]
        online_expire: String,
    },
    /// Load a bundle as a cluster would, and say whether it would be taken
    #[command(after_help = HELP)]
    Verify(ReadArgs),
    /// Load a bundle as a cluster would, and show what it says
    #[command(after_help = HELP)]
    Show(ReadArgs),
}

/// Who may sign what.
#[derive(Debug, Clone, Args)]
pub(crate) struct RootFlags {
    /// A key of the root, private or public; may be repeated
    #[arg(long, value_name = "FILE.pem")]
    pub(crate) root_key: Vec<PathBuf>,
    /// How many keys of the root must sign it [default: 1, or as before]
    #[arg(long, value_name = "N")]
    pub(crate) root_threshold: Option<u64>,
    /// A key of what the bundle says, private or public; may be repeated
    #[arg(long, value_name = "FILE.pem")]
    pub(crate) targets_key: Vec<PathBuf>,
    /// How many of these must sign [default: 1, or as before]
    #[arg(long, value_name = "N")]
    pub(crate) targets_threshold: Option<u64>,
    /// A key of snapshot and timestamp, private or public; may be repeated
    #[arg(long, value_name = "FILE.pem")]
    pub(crate) online_key: Vec<PathBuf>,
    /// For how long the root is signed, in days or as a Go duration
    #[arg(long, value_name = "SPAN", default_value = "730d")]
    pub(crate) root_expire: String,
}

/// The options of `portreeve bundle add`.
#[derive(Debug, Clone, Args)]
pub(crate) struct AddArgs {
    /// The directory
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// A GUN, or whole path segments of one with `/*` behind them
    #[arg(value_name = "GUN_OR_PREFIX/*")]
    pub(crate) gun: String,
    /// Id of an admissible root key, of certificate or bare key; may be repeated
    #[arg(long, value_name = "KEYID", conflicts_with = "root_ca")]
    pub(crate) root_key_id: Vec<String>,
    /// PEM file of the authority that must have issued the root's certificate
    #[arg(long, value_name = "FILE.pem")]
    pub(crate) root_ca: Option<PathBuf>,
    /// A signer who must have signed, and the public key; may be repeated
    #[arg(long, value_name = "NAME=PUBKEY.pem")]
    pub(crate) signer: Vec<String>,
    /// The trust server of these collections
    #[arg(long, value_name = "URL")]
    pub(crate) trust_server: Option<String>,
    /// PEM file of the CA believed at that trust server
    #[arg(long, value_name = "FILE.pem", requires = "trust_server")]
    pub(crate) trust_server_ca: Option<PathBuf>,
    /// The lowest version of a role that is believed; may be repeated
    #[arg(long, value_name = "ROLE=VERSION")]
    pub(crate) floor: Vec<String>,
    /// The longest freshness, such as `30s`; the one that counts where a policy names none
    #[arg(long, value_name = "DURATION")]
    pub(crate) freshness: Option<String>,
    /// The longest staleness, such as `10m`
    #[arg(long, value_name = "DURATION")]
    pub(crate) max_staleness: Option<String>,
    /// Whether a root that is not pinned may be trusted when it is first seen
    #[arg(long, value_name = "true|false")]
    pub(crate) first_use: Option<bool>,
    /// These images need trust, enforced, whatever a policy says
    #[arg(long)]
    pub(crate) required: bool,
    /// A ClusterImagePolicy may name another trust server, other signers, or longer spans
    #[arg(long)]
    pub(crate) policy_may_loosen: bool,
}

/// Which bundle to load.
#[derive(Debug, Clone, Args)]
pub(crate) struct ReadArgs {
    /// Where it is
    #[arg(value_name = "DIR|URL")]
    pub(crate) place: String,
    /// The root to start from; for a directory its own `root.json` if it is not named
    #[arg(long, value_name = "ROOT.json")]
    pub(crate) root: Option<PathBuf>,
    /// PEM file of CAs to trust where it is fetched; may be repeated
    #[arg(long, value_name = "FILE.pem")]
    pub(crate) ca: Vec<PathBuf>,
    /// Judge as of this time
    #[arg(long, value_name = "RFC3339")]
    pub(crate) at: Option<String>,
    /// Print one JSON object and nothing else
    #[arg(long)]
    pub(crate) json: bool,
}
