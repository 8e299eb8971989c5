//! What `portreeve serve` is told: a file, and flags that override it.

pub use portreeve_protocol::duration;
mod bundle;
mod file;
mod pins;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use portreeve_protocol::settings::TrustServerRule;
use portreeve_protocol::{NodeId, Settings, limits};

use crate::HostError;
use crate::bundle::BundleConfig;
use crate::cluster::ClusterOptions;
use crate::journal::Retention;
pub use crate::log::LogFormat;
pub use crate::node::Durability;
use crate::notary_client::ServerUrl;
use file::{File, own_namespace};

/// Everything a node needs to know before it starts, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The trust bundle, if there is one.
    pub bundle: Option<BundleConfig>,
    /// Host (with port unless 443) of a trust server to hosts its tokens may come from.
    pub allow_realm: BTreeMap<String, BTreeSet<String>>,
    /// PEM file of the CAs whose clients may send reviews; `None` lets anyone.
    pub client_ca: Option<PathBuf>,
    /// Directory of the node's own files; made if it is not there.
    pub data_dir: PathBuf,
    /// For how long reviews are still taken after readiness went false; microseconds.
    pub drain_delay: u64,
    /// When an answer may leave.
    pub durability: Durability,
    /// Directory of the journal and its blobs: `journal` below `data_dir`, unless it is moved.
    pub journal_dir: PathBuf,
    /// How much of the journal is kept.
    pub retention: Retention,
    /// Where reviews are received.
    pub listen: SocketAddr,
    /// How log lines look.
    pub log: LogFormat,
    /// The least important log lines that are written.
    pub log_level: slog::Level,
    /// Where metrics are served without TLS, besides the main listener.
    pub metrics_listen: Option<SocketAddr>,
    /// The name of this replica.
    pub node: NodeId,
    /// Where policies and the Secrets they name come from.
    pub objects: ObjectSource,
    /// File of the keys that workloads are sealed with; `None` seals nothing.
    pub seal_key: Option<PathBuf>,
    /// What the machines obey.
    pub settings: Settings,
    /// PEM file of the server's certificate chain, leaf first.
    pub tls_cert: PathBuf,
    /// PEM file of the server's private key.
    pub tls_key: PathBuf,
    /// PEM files of CAs trusted for trust servers besides the system's.
    pub trust_ca: Vec<PathBuf>,
    /// Host, with port unless 443 or all ports are meant, to PEM files of CAs trusted there alone.
    pub trust_server_cas: BTreeMap<String, Vec<PathBuf>>,
}

/// Where objects come from: exactly one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectSource {
    /// The API server of a cluster.
    Cluster(ClusterOptions),
    /// A directory of Kubernetes YAML.
    Directory(PathBuf),
}

impl ObjectSource {
    /// The directory, if it is one.
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        match self {
            Self::Cluster(_) => None,
            Self::Directory(directory) => Some(directory),
        }
    }
}

/// The flags of `portreeve serve`; whatever is set here overrides the file. Texts are as typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--allow-realm SERVER=HOST`, added to those of the file.
    pub allow_realm: Vec<String>,
    /// `--allow-trust-server URL`, added to those of the file.
    pub allow_trust_server: Vec<String>,
    /// `--bundle URL|DIR`.
    pub bundle: Option<String>,
    /// `--bundle-ca FILE`, added to those of the file.
    pub bundle_ca: Vec<PathBuf>,
    /// `--bundle-root ROOT.json`.
    pub bundle_root: Option<PathBuf>,
    /// `--client-ca FILE`.
    pub client_ca: Option<PathBuf>,
    /// `--data-dir DIR`.
    pub data_dir: Option<PathBuf>,
    /// `--drain-delay DURATION`.
    pub drain_delay: Option<String>,
    /// `--durability group|process`.
    pub durability: Option<String>,
    /// `--journal-max-age SPAN`.
    pub journal_max_age: Option<String>,
    /// `--journal-max-bytes BYTES`.
    pub journal_max_bytes: Option<u64>,
    /// `--journal-min-free BYTES`.
    pub journal_min_free: Option<u64>,
    /// `--listen ADDR`.
    pub listen: Option<String>,
    /// `--kubeconfig FILE`.
    pub kubeconfig: Option<PathBuf>,
    /// `--log json|term`.
    pub log: Option<String>,
    /// `--log-level LEVEL`.
    pub log_level: Option<String>,
    /// `--metrics-listen ADDR`.
    pub metrics_listen: Option<String>,
    /// `--objects DIR`.
    pub objects: Option<PathBuf>,
    /// `--require-pins`.
    pub require_pins: bool,
    /// `--seal-key FILE`.
    pub seal_key: Option<PathBuf>,
    /// `--tls-cert FILE`.
    pub tls_cert: Option<PathBuf>,
    /// `--tls-key FILE`.
    pub tls_key: Option<PathBuf>,
    /// `--trust-ca FILE`, added to those of the file.
    pub trust_ca: Vec<PathBuf>,
}

impl Config {
    /// Reads `file`, if one is named, and puts `overrides` over it.
    ///
    /// # Errors
    /// `File` if the file cannot be read, `ConfigFile` if it is not YAML or has an unknown key,
    /// `Setting` for a value that cannot be obeyed or is missing.
    pub fn load(file: Option<&Path>, overrides: Overrides) -> Result<Self, HostError> {
        let file = match file {
            None => File::default(),
            Some(path) => File::parse(path, &file::read(path)?)?,
        };
        Self::resolve(file, overrides)
    }

    fn resolve(file: File, flags: Overrides) -> Result<Self, HostError> {
        let objects = source(
            (flags.objects.clone(), flags.kubeconfig.clone()),
            (file.objects.clone(), file.kubeconfig.clone()),
        )?;
        let bundle = bundle::read(bundle::Words {
            ca: file.bundle_ca.iter().flatten().chain(&flags.bundle_ca).cloned().collect(),
            expired: file.bundle_expired.clone(),
            place: flags.bundle.clone().or(file.bundle.clone()),
            refresh: file.bundle_refresh.clone(),
            root: flags.bundle_root.clone().or(file.bundle_root.clone()),
        })?;
        let settings = Settings {
            bundle: bundle.as_ref().map(|(_, settings)| *settings),
            ..obeyed(&file, &flags, &objects)?
        };
        let (listen, metrics_listen) =
            addresses(flags.listen.or(file.listen), flags.metrics_listen.or(file.metrics_listen))?;
        let node = file.node.unwrap_or_else(file::host_name);
        let client_ca = flags.client_ca.or(file.client_ca);
        let data_dir = flags.data_dir.or(file.data_dir).unwrap_or_else(|| DATA_DIR.into());
        Ok(Self {
            bundle: bundle.map(|(bundle, _)| bundle),
            allow_realm: allowed_realms(
                file.allow_realm.into_iter().flatten().chain(flags.allow_realm),
            )?,
            client_ca,
            drain_delay: drain_delay(flags.drain_delay.or(file.drain_delay).as_deref())?,
            durability: durability(flags.durability.or(file.durability).as_deref())?,
            journal_dir: data_dir.join("journal"),
            retention: Retention {
                max_age: max_age(flags.journal_max_age.or(file.journal_max_age).as_deref())?,
                max_bytes: max_bytes(flags.journal_max_bytes.or(file.journal_max_bytes))?,
                min_free: flags
                    .journal_min_free
                    .or(file.journal_min_free)
                    .unwrap_or(limits::JOURNAL_FREE),
            },
            data_dir,
            listen,
            log: log_format(flags.log.or(file.log).as_deref())?,
            log_level: log_level(flags.log_level.or(file.log_level).as_deref())?,
            metrics_listen,
            node: node.parse().map_err(|error| setting("node", format!("{error}")))?,
            objects,
            seal_key: flags.seal_key.or(file.seal_key),
            settings,
            tls_cert: required("tlsCert", "--tls-cert FILE", flags.tls_cert.or(file.tls_cert))?,
            tls_key: required("tlsKey", "--tls-key FILE", flags.tls_key.or(file.tls_key))?,
            trust_ca: file.trust_ca.into_iter().flatten().chain(flags.trust_ca).collect(),
            trust_server_cas: server_cas(file.trust_server_cas.unwrap_or_default())?,
        })
    }
}

/// What the machines of a node with this configuration file obey, for commands that decide as it
/// would, but for the trust bundle, which they do not load.
///
/// # Errors
/// As [`Config::load`], but nothing has to be set.
pub fn settings(file: Option<&Path>) -> Result<Settings, HostError> {
    let file = match file {
        None => File::default(),
        Some(path) => File::parse(path, &file::read(path)?)?,
    };
    let objects = source((None, None), (file.objects.clone(), file.kubeconfig.clone()))?;
    obeyed(&file, &Overrides::default(), &objects)
}

fn obeyed(file: &File, flags: &Overrides, objects: &ObjectSource) -> Result<Settings, HostError> {
    let allowed = (file.allow_trust_server.clone(), flags.allow_trust_server.clone());
    Ok(Settings {
        approved_only: file.approved_only.unwrap_or_default(),
        approved_servers: approved(allowed.0, allowed.1)?,
        bundle: None,
        client_required: flags.client_ca.is_some() || file.client_ca.is_some(),
        freshness: freshness(file.freshness.as_deref())?,
        max_staleness: max_staleness(file.max_staleness.as_deref())?,
        operator_namespace: namespace(file.operator_namespace.clone(), objects)?,
        pin_cas: pins::authorities(file.pin_cas.clone().unwrap_or_default())?,
        pins: pins::key_ids(file.pins.clone().unwrap_or_default())?,
        require_pins: flags.require_pins || file.require_pins.unwrap_or_default(),
        trust_servers: trust_servers(file.trust_servers.clone().unwrap_or_default())?,
    })
}

const DATA_DIR: &str = "/var/lib/portreeve";
/// Kubernetes removes an endpoint within this time of the replica's not being ready, as a rule.
const DRAIN_DELAY: u64 = 5 * portreeve_protocol::time::SECOND;
const LONGEST_DRAIN_DELAY: u64 = 60 * portreeve_protocol::time::SECOND;
const LISTEN: &str = "0.0.0.0:8443";

fn setting(key: &'static str, why: impl Into<String>) -> HostError {
    HostError::Setting { key, why: why.into() }
}

fn required(
    key: &'static str,
    flag: &'static str,
    value: Option<PathBuf>,
) -> Result<PathBuf, HostError> {
    value.ok_or_else(|| setting(key, format!("it is not set; pass {flag} or set it in the file")))
}

/// Where reviews are received, and where metrics are served besides.
fn addresses(
    listen: Option<String>,
    metrics: Option<String>,
) -> Result<(SocketAddr, Option<SocketAddr>), HostError> {
    let listen = address("listen", listen.as_deref().unwrap_or(LISTEN))?;
    let Some(text) = metrics else { return Ok((listen, None)) };
    let metrics = address("metricsListen", &text)?;
    let everywhere = listen.ip().is_unspecified() || metrics.ip().is_unspecified();
    // Of port 0 the system gives each socket another one.
    if listen.port() != 0
        && listen.port() == metrics.port()
        && (everywhere || listen.ip() == metrics.ip())
    {
        let why = format!("{metrics} is where reviews are received ({listen}); take another port");
        return Err(setting("metricsListen", why));
    }
    Ok((listen, Some(metrics)))
}

fn address(key: &'static str, text: &str) -> Result<SocketAddr, HostError> {
    text.parse().map_err(|_| {
        setting(key, format!("`{text}` is not an address with port, such as 127.0.0.1:8443"))
    })
}

fn durability(text: Option<&str>) -> Result<Durability, HostError> {
    match text {
        None | Some("group") => Ok(Durability::Group),
        Some("process") => Ok(Durability::Process),
        Some(other) => Err(setting("durability", format!("`{other}` is not group or process"))),
    }
}

/// The newest segment with a checkpoint and the one being written are always kept.
fn max_bytes(bytes: Option<u64>) -> Result<u64, HostError> {
    let least = 4 * limits::SEGMENT_BYTES;
    match bytes {
        None => Ok(limits::JOURNAL_BYTES),
        Some(bytes) if bytes >= least => Ok(bytes),
        Some(bytes) => {
            Err(setting("journalMaxBytes", format!("{bytes} is too little; {least} is the least")))
        }
    }
}

fn max_age(text: Option<&str>) -> Result<Option<std::time::Duration>, HostError> {
    let Some(text) = text else { return Ok(None) };
    let micros = duration::parse(text).ok_or_else(|| {
        setting("journalMaxAge", format!("`{text}` is not a duration such as 720h"))
    })?;
    Ok(Some(std::time::Duration::from_micros(micros)))
}

/// Delay and drain must end before Kubernetes kills, after thirty seconds as a rule.
fn drain_delay(text: Option<&str>) -> Result<u64, HostError> {
    let Some(text) = text else { return Ok(DRAIN_DELAY) };
    duration::parse(text).filter(|delay| *delay <= LONGEST_DRAIN_DELAY).ok_or_else(|| {
        setting("drainDelay", format!("`{text}` is not a duration such as 5s, at most 60s"))
    })
}

fn log_format(text: Option<&str>) -> Result<LogFormat, HostError> {
    match text {
        None | Some("json") => Ok(LogFormat::Json),
        Some("term") => Ok(LogFormat::Term),
        Some(other) => Err(setting("log", format!("`{other}` is not json or term"))),
    }
}

fn log_level(text: Option<&str>) -> Result<slog::Level, HostError> {
    text.unwrap_or("info").parse().map_err(|()| {
        let known = "critical, error, warning, info, debug or trace";
        setting("logLevel", format!("`{}` is not {known}", text.unwrap_or_default()))
    })
}

fn freshness(text: Option<&str>) -> Result<u64, HostError> {
    let Some(text) = text else { return Ok(Settings::default().freshness) };
    duration::parse(text)
        .ok_or_else(|| setting("freshness", format!("`{text}` is not a duration such as 30s")))
}

fn max_staleness(text: Option<&str>) -> Result<u64, HostError> {
    let Some(text) = text else { return Ok(Settings::default().max_staleness) };
    duration::parse(text)
        .ok_or_else(|| setting("maxStaleness", format!("`{text}` is not a duration such as 10m")))
}

/// A directory or a cluster, never both; flags count before the file.
fn source(flags: Source, file: Source) -> Result<ObjectSource, HostError> {
    let named = if flags == (None, None) { file } else { flags };
    match named {
        (Some(directory), None) => Ok(ObjectSource::Directory(directory)),
        (None, kubeconfig) => Ok(ObjectSource::Cluster(ClusterOptions { kubeconfig })),
        (Some(_), Some(_)) => {
            let why = "there are two sources of objects: --objects DIR and --kubeconfig FILE; \
                       choose one";
            Err(setting("objects", why))
        }
    }
}

/// The directory of objects and the kubeconfig file, as one place names them.
type Source = (Option<PathBuf>, Option<PathBuf>);

fn namespace(text: Option<String>, objects: &ObjectSource) -> Result<String, HostError> {
    let own = || match objects {
        ObjectSource::Cluster(_) => own_namespace(),
        ObjectSource::Directory(_) => None,
    };
    let Some(text) = text.or_else(own) else { return Ok(Settings::default().operator_namespace) };
    let label = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if text.is_empty() || text.len() > 63 || !text.bytes().all(label) {
        let why = format!("`{text}` is not the name of a namespace: 1 to 63 of a-z, 0-9 and `-`");
        return Err(setting("operatorNamespace", why));
    }
    Ok(text)
}

/// The approved servers in the one spelling machines compare.
fn approved(file: Option<Vec<String>>, flags: Vec<String>) -> Result<BTreeSet<String>, HostError> {
    let server = |text: String| match ServerUrl::parse(&text) {
        Ok(url) => Ok(url.to_string()),
        Err(why) => Err(setting("allowTrustServer", format!("`{text}`: {why}"))),
    };
    file.into_iter().flatten().chain(flags).map(server).collect()
}

/// `SERVER=HOST` pairs as a table from trust server to the hosts its tokens may come from, with the
/// one that Docker Hub needs built in.
///
/// # Errors
/// `Setting` for a text that is no such pair.
pub fn allowed_realms(
    pairs: impl Iterator<Item = String>,
) -> Result<BTreeMap<String, BTreeSet<String>>, HostError> {
    let mut table: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for pair in std::iter::once("notary.docker.io=auth.docker.io".to_owned()).chain(pairs) {
        let sides = pair.split_once('=').and_then(|(server, host)| {
            Some((authority(server)?, authority(host).filter(|host| !host.is_empty())?))
        });
        let Some((server, host)) = sides else {
            let why = format!("`{pair}` is not SERVER=HOST, such as {DOCKER_REALM}");
            return Err(setting("allowRealm", why));
        };
        table.entry(server).or_default().insert(host);
    }
    Ok(table)
}

/// CAs by host, in the one spelling that connections know.
fn server_cas(
    lines: BTreeMap<String, Vec<PathBuf>>,
) -> Result<BTreeMap<String, Vec<PathBuf>>, HostError> {
    let mut table: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (text, files) in lines {
        let Some(host) = authority(&text) else {
            let why = format!("`{text}` is not a host, such as notary.example:4443");
            return Err(setting("trustServerCAs", why));
        };
        table.entry(host).or_default().extend(files);
    }
    Ok(table)
}

const DOCKER_REALM: &str = "notary.docker.io=auth.docker.io";

/// A host with its port unless that is 443, from a host or a URL.
fn authority(text: &str) -> Option<String> {
    let url = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    ServerUrl::parse(&url).ok().map(|url| url.authority().to_owned())
}

/// The built-in map with the file's lines over it (`null` takes one out), exact hosts first and
/// then the longer suffixes first, so that the order in the file never matters.
fn trust_servers(
    lines: BTreeMap<String, Option<String>>,
) -> Result<Vec<TrustServerRule>, HostError> {
    let built_in = Settings::default().trust_servers.into_iter();
    let mut map: BTreeMap<_, _> = built_in.map(|rule| (rule.registry, Some(rule.server))).collect();
    for (registry, server) in lines {
        let server = match server {
            None => None,
            Some(text) => {
                let sample = text.replace("{host}", "registry.example");
                ServerUrl::parse(&sample)
                    .map_err(|why| setting("trustServers", format!("`{text}`: {why}")))?;
                Some(text.trim_end_matches('/').to_owned())
            }
        };
        map.insert(registry.to_ascii_lowercase(), server);
    }
    let mut rules: Vec<_> = map
        .into_iter()
        .filter_map(|(registry, server)| Some(TrustServerRule { registry, server: server? }))
        .collect();
    rules.sort_by_key(|rule| (rule.registry.starts_with('.'), usize::MAX - rule.registry.len()));
    Ok(rules)
}
