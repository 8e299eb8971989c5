//! From the command line to what a node is told.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use portreeve_host::bundle::{BundleConfig, BundlePlace};
use portreeve_host::clock::Clock;
use portreeve_host::config::allowed_realms;
use portreeve_host::credentials::{Credentials, PullObjects};
use portreeve_host::notary_client::{FetcherOptions, Proxies, ServerUrl};
use portreeve_machines::admission::server::mapped;
use portreeve_protocol::messages::policy::SourceObject;
use portreeve_protocol::reference::ImageReference;
use portreeve_protocol::settings::{BundleExpired, TrustServerRule};
use portreeve_protocol::{Settings, Sha256, Wall, limits};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::args::CheckArgs;
use super::policies::{self, Policies};
use crate::cli::BundleFlags;
use crate::error::CommandError;

/// What a node is told, and what of it concerns this image.
pub(super) struct Options {
    /// The trust bundle, if one is named.
    pub(super) bundle: Option<BundleConfig>,
    /// Whom the client may talk to.
    pub(super) fetcher: FetcherOptions,
    /// The image as given.
    pub(super) image: String,
    /// The namespace of the workload.
    pub(super) namespace: String,
    /// The policies, and the Secrets they name.
    pub(super) objects: Vec<SourceObject>,
    /// The pull Secrets that the workload is taken to list.
    pub(super) pull_secrets: Vec<String>,
    /// The reference, if it can be understood.
    pub(super) reference: Option<ImageReference>,
    /// Every trust server that may be asked about the image.
    pub(super) servers: BTreeSet<String>,
    /// What the machines obey.
    pub(super) settings: Settings,
    /// The flag that names the directory of trust, if there is one.
    pub(super) state: Option<String>,
    /// The time to judge at; `None` for now.
    pub(super) at: Option<Wall>,
    /// What is to be told besides the decision.
    pub(super) warnings: Vec<String>,
}

impl Options {
    /// Reads all that the command line names but state and cache.
    pub(super) fn read(args: &CheckArgs) -> Result<Self, CommandError> {
        let reference: Option<ImageReference> = args.image.parse().ok();
        let given = args.trust_server.as_deref().map(server).transpose()?;
        let Policies { objects, operator_namespace, pull, servers: named, mut warnings } =
            policies::read(args)?;
        let (credentials, pull_secrets) = credentials(args, pull, &mut warnings)?;
        let bundle = bundle(&args.bundle)?;
        let mut settings = Settings {
            bundle: bundle.as_ref().map(|bundle| bundle.settings(BundleExpired::Keep)),
            operator_namespace,
            pin_cas: authorities(&args.pin_ca)?,
            pins: pins(&args.pin)?,
            require_pins: args.require_pins,
            ..Settings::default()
        };
        if let (Some(url), Some(reference)) = (&given, &reference) {
            let rule = TrustServerRule { registry: reference.host.clone(), server: url.clone() };
            settings.trust_servers.insert(0, rule);
        }
        let mut servers = named.clone();
        servers.extend(reference.as_ref().and_then(|it| mapped(&settings.trust_servers, &it.host)));
        // In the spelling of the policy cache and in that of the client.
        let approved = named.iter().chain(&given).flat_map(|url| {
            let other = ServerUrl::parse(url).ok().map(|url| url.to_string());
            std::iter::once(url.clone()).chain(other)
        });
        settings.approved_servers = approved.collect();
        let fetcher = FetcherOptions {
            allow_realm: allowed_realms(args.allow_realm.iter().cloned())?,
            approved: settings.approved_servers.clone(),
            credentials,
            host_ca: BTreeMap::new(),
            proxies: Proxies::from_environment()?,
            trust_ca: args.ca.clone(),
        };
        warnings.dedup();
        Ok(Self {
            bundle,
            at: args.at.as_deref().map(instant).transpose()?,
            fetcher,
            image: args.image.clone(),
            namespace: args.namespace.clone(),
            objects,
            pull_secrets,
            reference,
            servers,
            settings,
            state: args.state.as_ref().map(|place| format!("--state {}", place.display())),
            warnings,
        })
    }

    /// The clocks to judge by.
    pub(super) fn clock(&self) -> Clock {
        self.at.map_or_else(Clock::system, Clock::showing)
    }
}

/// `--bundle` and what belongs to it.
fn bundle(flags: &BundleFlags) -> Result<Option<BundleConfig>, CommandError> {
    let (text, root) = match (&flags.bundle, &flags.bundle_root) {
        (None, None) => return Ok(None),
        (Some(text), Some(root)) => (text, root),
        (Some(text), None) => {
            return Err(usage(
                "--bundle",
                text,
                "it is verified from --bundle-root, which is missing",
            ));
        }
        (None, Some(root)) => {
            let text = root.display().to_string();
            return Err(usage("--bundle-root", &text, "there is no --bundle to verify from it"));
        }
    };
    let place = BundlePlace::parse(text).map_err(|why| usage("--bundle", text, why))?;
    let ca = flags.bundle_ca.clone();
    Ok(Some(BundleConfig::read(place, root, ca, portreeve_protocol::time::SECOND)?))
}

/// The name under which the credentials of `--credentials` are spoken of.
const CREDENTIALS: &str = "--credentials";

/// The credentials of the files, and the names by which the workload knows them.
fn credentials(
    args: &CheckArgs,
    pull: PullObjects,
    warnings: &mut Vec<String>,
) -> Result<(Credentials, Vec<String>), CommandError> {
    let mut names = pull.names(&args.namespace);
    warnings.extend(pull.warnings().iter().cloned());
    let credentials = Credentials::default();
    credentials.replace(pull);
    if let Some(path) = &args.credentials {
        let unused = credentials.add_file(&args.namespace, CREDENTIALS, path)?;
        warnings.extend(unused.into_iter().map(|why| format!("{}: {why}", path.display())));
        names.push(CREDENTIALS.to_owned());
    }
    Ok((credentials, names))
}

pub(super) fn usage(flag: &'static str, text: &str, why: impl Into<String>) -> CommandError {
    CommandError::Usage { flag, text: text.to_owned(), why: why.into() }
}

/// `--trust-server`: https, or http where it cannot leave this machine.
fn server(text: &str) -> Result<String, CommandError> {
    let refuse = |why: &str| usage("--trust-server", text, why);
    let url = ServerUrl::parse(text).map_err(refuse)?;
    let loopback =
        url.literal().map_or_else(|| url.host() == "localhost", |address| address.is_loopback());
    if !url.secure() && !loopback {
        return Err(refuse("http:// is for loopback addresses only; use https://"));
    }
    Ok(url.to_string())
}

/// `NAME=VALUE`, split at the last `=`: a name may hold one, a key id may not.
pub(crate) fn pair<'a>(
    flag: &'static str,
    text: &'a str,
    form: &str,
) -> Result<(&'a str, &'a str), CommandError> {
    let sides = text.rsplit_once('=').filter(|(name, value)| !name.is_empty() && !value.is_empty());
    sides.ok_or_else(|| usage(flag, text, format!("it is not of the form {form}")))
}

fn pins(pins: &[String]) -> Result<BTreeMap<String, BTreeSet<Sha256>>, CommandError> {
    let mut table: BTreeMap<String, BTreeSet<Sha256>> = BTreeMap::new();
    for text in pins {
        let (name, keyid) = pair("--pin", text, "GUN=KEYID or PREFIX/*=KEYID")?;
        let keyid = keyid.to_ascii_lowercase().parse().map_err(|_| {
            usage("--pin", text, "a key id is 64 hexadecimal digits, of certificate or bare key")
        })?;
        if name.trim_end_matches('*').contains('*') || (name.ends_with('*') && !whole(name)) {
            return Err(usage("--pin", text, "a `*` stands for whole path segments, as in host/*"));
        }
        table.entry(gun(name)).or_default().insert(keyid);
    }
    Ok(table)
}

/// Whether the `*` of a pattern follows a slash.
fn whole(pattern: &str) -> bool {
    pattern.strip_suffix('*').is_some_and(|prefix| prefix.ends_with('/'))
}

/// The GUN as Notary spells it, where the name can be understood; a pattern as it is.
pub(crate) fn gun(name: &str) -> String {
    let known = name.parse::<ImageReference>().ok();
    known.filter(|_| !name.contains('*')).map_or_else(|| name.to_owned(), |it| it.gun())
}

fn authorities(given: &[String]) -> Result<BTreeMap<String, String>, CommandError> {
    let mut table: BTreeMap<String, String> = BTreeMap::new();
    for text in given {
        let form = "PREFIX=CA.pem";
        // The prefix of a repository holds no `=`, a path may.
        let sides = text.split_once('=').filter(|(prefix, _)| !prefix.is_empty());
        let (prefix, path) = sides.ok_or_else(|| usage("--pin-ca", text, not_of(form)))?;
        let pem = read_text(Path::new(path))?;
        if !pem.contains("-----BEGIN CERTIFICATE-----") {
            return Err(usage("--pin-ca", text, "the file holds no certificate in PEM form"));
        }
        let prefix = prefix.strip_suffix("/*").unwrap_or(prefix).trim_end_matches('/').to_owned();
        let all = table.entry(prefix).or_default();
        all.push_str(&pem);
        all.push('\n');
    }
    Ok(table)
}

pub(super) fn not_of(form: &str) -> String {
    format!("it is not of the form {form}")
}

/// `--at`.
pub(crate) fn instant(text: &str) -> Result<Wall, CommandError> {
    let refuse = |_| usage("--at", text, "it is not a time such as 2026-11-23T12:00:00Z");
    let nanos = OffsetDateTime::parse(text, &Rfc3339).map_err(refuse)?.unix_timestamp_nanos();
    let micros = i64::try_from(nanos.div_euclid(1_000));
    micros.map(Wall).map_err(|_| usage("--at", text, "it is too far away"))
}

/// A small text file.
pub(crate) fn read_text(path: &Path) -> Result<String, CommandError> {
    let failed = |source| CommandError::File { what: "read", path: path.to_owned(), source };
    if std::fs::metadata(path).map_err(failed)?.len() > limits::OBJECT_BYTES as u64 {
        return Err(failed(std::io::Error::other("it is too large")));
    }
    std::fs::read_to_string(path).map_err(failed)
}
