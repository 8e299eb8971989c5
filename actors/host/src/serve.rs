//! A whole node: the actors, the watch on the objects, the webhook, the metrics.

mod objects;

use std::net::SocketAddr;
use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use portreeve_protocol::Settings;
use portreeve_protocol::entry::Restored;
use slog::{Logger, error, info};

use crate::HostError;
use crate::bundle::{BundleWatch, Looker};
use crate::clock::Clock;
use crate::config::Config;
use crate::control::ControlSocket;
use crate::credentials::Credentials;
use crate::descriptors;
use crate::metrics::Metrics;
use crate::node::{Health, Node, NodeOptions};
use crate::notary_client::{FetcherOptions, HttpFetcher, Proxies};
use crate::owners::{OwnerSource, OwnerStore};
use crate::seals::{KeyFile, KeyWatch, Sealer};
use crate::webhook::{Certificates, Listeners, Sockets, TlsPaths, WebhookOptions};
use objects::{Around, Objects, Source};

/// A running server. Call [`Running::shutdown`] to end it in order.
pub struct Running {
    bundle: Option<BundleWatch>,
    control: Option<ControlSocket>,
    drain_delay: Duration,
    keys: KeyWatch,
    listeners: Listeners,
    log: Logger,
    node: Node,
    objects: Objects,
}

/// How often readiness is asked for while it is waited for.
const ASK_AGAIN: Duration = Duration::from_millis(5);

/// Starts a whole node: recovers the journal, reads the objects once, and listens. Call it on a
/// multi-thread tokio runtime that outlives it. It returns before the policies have taken effect
/// (see [`Running::ready`]) and asks no trust server for anything.
///
/// # Errors
/// `SealKeys`, `Tls` and `File` for files that cannot be used, `Listen`, and whatever
/// [`Node::start`] reports.
pub async fn serve(config: Config, clock: Clock, logger: Logger) -> Result<Running, HostError> {
    descriptors::raise(&logger);
    let metrics = Arc::new(Metrics::new(env!("CARGO_PKG_VERSION")));
    let owners = OwnerStore::new(Sealer::default());
    let key_file = config.seal_key.as_deref().map(KeyFile::at);
    let keys = KeyWatch::start(key_file, owners.sealer(), &logger)?;
    // A start that comes to nothing for its files or addresses leaves no trace in the journal.
    let certificates = certificates(&config, &clock, &metrics, &logger)?;
    let sockets = Sockets::bind(config.listen, config.metrics_listen)?;
    let mut source = Source::open(&config.objects).await?;
    let credentials = source.credentials(&clock, &metrics, &logger);
    let looks = source.owners(&owners, &metrics);
    let fetcher = HttpFetcher::new(fetcher_options(&config, &credentials)?)?;
    let options = node_options(&config, &clock, &metrics, &fetcher, looks, &logger)?;
    // Recovery reads files and may take a while.
    let node = blocking("node", move || Node::start(options)).await??;
    let bundle = watch_bundle(&node, &config, &clock, &metrics, fetcher, &logger).await?;
    let control = control(&config, &node, &owners, &logger);
    let events = source.events(&config.node, &clock, &metrics, &logger);
    // The objects come first, so that the first review finds policies.
    let around = async {
        let around = Around {
            credentials: &credentials,
            log: &logger,
            metrics: &metrics,
            operator_namespace: &config.settings.operator_namespace,
            owners: &owners,
        };
        let objects = source.watch(&node, &around).await?;
        let listeners = Listeners::start(WebhookOptions {
            certificates,
            clock,
            events,
            log: logger.clone(),
            metrics: Arc::clone(&metrics),
            node: node.clone(),
            sealer: owners.sealer().clone(),
            sockets,
        })?;
        Ok::<_, HostError>((objects, listeners))
    };
    match around.await {
        Ok((objects, listeners)) => {
            info!(logger, "reviews are received"; "address" => %listeners.address());
            let drain_delay = Duration::from_micros(config.drain_delay);
            Ok(Running {
                bundle,
                control,
                drain_delay,
                keys,
                listeners,
                log: logger,
                node,
                objects,
            })
        }
        Err(failure) => {
            node.stop().await;
            Err(failure)
        }
    }
}

impl Running {
    /// Where reviews are received.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.listeners.address()
    }

    /// Where metrics are served without TLS.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.listeners.metrics_address()
    }

    /// How the node is.
    #[must_use]
    pub fn health(&self) -> Health {
        self.node.health()
    }

    /// Waits until the node is ready for reviews, which takes for ever if the objects are not in
    /// order: the caller bounds it.
    pub async fn ready(&self) {
        while !self.health().ready() {
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }

    /// Ends it. First readiness goes false, and reviews are decided as before for the delay that
    /// was configured, so that none is sent to a closed port. Then what waits and whatever still
    /// comes is denied as `draining`, the listeners close, and answers under way are let out. Each
    /// of these steps is bounded.
    ///
    /// # Errors
    /// `Thread` if a thread could not be waited for.
    pub async fn shutdown(self) -> Result<(), HostError> {
        let Self { bundle, control, drain_delay, keys, listeners, log, node, objects } = self;
        info!(log, "not ready any more"; "delay" => ?drain_delay);
        listeners.leave();
        tokio::time::sleep(drain_delay).await;
        info!(log, "draining");
        drop((bundle, control, keys));
        node.drain().await;
        listeners.stop().await;
        let watch = objects.stop().await;
        node.stop().await;
        info!(log, "ended");
        watch
    }
}

fn fetcher_options(
    config: &Config,
    credentials: &Credentials,
) -> Result<FetcherOptions, HostError> {
    Ok(FetcherOptions {
        allow_realm: config.allow_realm.clone(),
        approved: config.settings.approved_servers.clone(),
        credentials: credentials.clone(),
        host_ca: config.trust_server_cas.clone(),
        proxies: Proxies::from_environment()?,
        trust_ca: config.trust_ca.clone(),
    })
}

/// The trust bundle comes before the policies, so that the first decision goes by it.
async fn watch_bundle(
    node: &Node,
    config: &Config,
    clock: &Clock,
    metrics: &Arc<Metrics>,
    fetcher: HttpFetcher,
    log: &Logger,
) -> Result<Option<BundleWatch>, HostError> {
    let Some(bundle) = &config.bundle else { return Ok(None) };
    let looker = Looker {
        before: node.bundle_left(),
        clock: clock.clone(),
        config: bundle.clone(),
        fetcher,
        proxies: Proxies::from_environment()?,
        store: Some(config.data_dir.join("bundle")),
        trust_ca: config.trust_ca.clone(),
    };
    let teller = node.clone();
    let tell = move |input| teller.bundle(input);
    Ok(Some(BundleWatch::start(looker, Arc::clone(metrics), log.clone(), tell).await))
}

fn node_options(
    config: &Config,
    clock: &Clock,
    metrics: &Arc<Metrics>,
    fetcher: &HttpFetcher,
    owners: Arc<dyn OwnerSource>,
    log: &Logger,
) -> Result<NodeOptions, HostError> {
    Ok(NodeOptions {
        clock: clock.clone(),
        data_dir: config.data_dir.clone(),
        durability: config.durability,
        fetcher: Arc::new(fetcher.clone()),
        jitter_seed: random()?,
        journal_dir: config.journal_dir.clone(),
        log: log.clone(),
        metrics: Arc::clone(metrics),
        node: config.node.clone(),
        owners,
        restored: Restored::default(),
        runtime: tokio::runtime::Handle::current(),
        retention: config.retention,
        segment_bytes: portreeve_protocol::limits::SEGMENT_BYTES,
        // Derived once more, so that no two parts of the node can differ about it.
        settings: Settings {
            client_required: config.client_ca.is_some(),
            ..config.settings.clone()
        },
        verifiers: std::thread::available_parallelism().map_or(1, NonZero::get),
    })
}

/// The operator's socket. Reviews do not depend on it: a path too long for a socket must not keep a
/// cluster waiting.
fn control(
    config: &Config,
    node: &Node,
    owners: &OwnerStore,
    log: &Logger,
) -> Option<ControlSocket> {
    // The workloads of a cluster are for whoever may see them all, which this server may not.
    let owners = config.objects.directory().is_some().then(|| owners.clone());
    ControlSocket::start(&config.data_dir, node.clone(), owners, log.clone())
        .inspect_err(|error| error!(log, "no operator's socket"; "why" => error.to_string()))
        .ok()
}

fn certificates(
    config: &Config,
    clock: &Clock,
    metrics: &Arc<Metrics>,
    log: &Logger,
) -> Result<Certificates, HostError> {
    let paths = TlsPaths {
        certificate: config.tls_cert.clone(),
        client_ca: config.client_ca.clone(),
        key: config.tls_key.clone(),
    };
    Certificates::start(paths, clock.clone(), log.clone(), Arc::clone(metrics))
}

/// Runs what blocks where it may.
async fn blocking<T: Send + 'static>(
    thread: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, HostError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| HostError::Thread { thread, why: error.to_string() })
}

fn random() -> Result<u64, HostError> {
    let mut seed = [0; 8];
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.secure_random.fill(&mut seed).map_err(|_| HostError::Thread {
        thread: "node",
        why: "the system has no random numbers".to_owned(),
    })?;
    Ok(u64::from_le_bytes(seed))
}
