//! Certificates that are replaced while the server runs.
//!
//! A mounted Secret is swapped by a symbolic link, and two files are not read at one instant: a
//! reading counts once a second one, a moment later, found the same. What cannot be used leaves
//! the old certificate in force. Connections that stand keep the certificate, and the client
//! authorities, that they were opened with.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use notify::{RecursiveMode, Watcher};
use portreeve_protocol::Sha256;
use rustls::ServerConfig;
use slog::{Logger, error, info, warn};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use super::tls::{Loaded, TlsPaths};
use crate::HostError;
use crate::clock::Clock;
use crate::metrics::Metrics;

/// How often the files are looked at where nothing tells of changes.
const LOOK: Duration = Duration::from_secs(10);
/// Between two readings that must find the same.
const SETTLE: Duration = Duration::from_millis(100);
/// Readings in a row that may differ before the next look is waited for.
const READINGS: u32 = 20;
/// A certificate that ends within this many seconds is worth a warning: 14 days.
const SOON: i64 = 14 * DAY;
/// A warning is not said again within this many seconds.
const DAY: i64 = 86_400;

/// The certificate in force, kept up to date by a task.
pub struct Certificates {
    asks_clients: bool,
    current: watch::Receiver<Arc<ServerConfig>>,
    task: JoinHandle<()>,
}

struct Keeper {
    clock: Clock,
    /// What is in force, or what was last found to be of no use.
    judged: Option<Sha256>,
    log: Logger,
    metrics: Arc<Metrics>,
    not_after: i64,
    paths: TlsPaths,
    sender: watch::Sender<Arc<ServerConfig>>,
    /// When the end of the certificate was last warned of.
    warned: i64,
}

impl Certificates {
    /// Loads the files, and does so again whenever they change.
    ///
    /// # Errors
    /// `Tls` for files that cannot be used: a server does not start without a certificate.
    pub fn start(
        paths: TlsPaths,
        clock: Clock,
        log: Logger,
        metrics: Arc<Metrics>,
    ) -> Result<Self, HostError> {
        let asks_clients = paths.client_ca.is_some();
        let changed = Arc::new(Notify::new());
        // Before the first reading, so that no change is missed.
        let watcher = watcher(&paths, &changed, &log);
        let files = paths.read()?;
        let Loaded { config, not_after } = paths.load(&files)?;
        let (sender, current) = watch::channel(config);
        let judged = Some(files.digest());
        let mut keeper =
            Keeper { clock, judged, log, metrics, not_after, paths, sender, warned: i64::MIN };
        keeper.metrics.certificate(not_after);
        keeper.warn();
        let task = tokio::spawn(async move {
            let _watcher = watcher;
            loop {
                // Either is a reason to look.
                let _ = tokio::time::timeout(LOOK, changed.notified()).await;
                keeper = keeper.look().await;
                keeper.warn();
            }
        });
        Ok(Self { asks_clients, current, task })
    }

    /// Whether clients are asked for a certificate.
    pub(super) const fn asks_clients(&self) -> bool {
        self.asks_clients
    }

    /// The configuration for a connection that begins now.
    pub(super) fn follow(&self) -> watch::Receiver<Arc<ServerConfig>> {
        self.current.clone()
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a reading came to.
enum Reading {
    Failed(Sha256, HostError),
    Found(Sha256, Box<Loaded>),
    Same,
}

impl Keeper {
    /// Reads until two readings agree, and takes over what they found.
    async fn look(mut self) -> Self {
        let mut before = None;
        for _ in 0..READINGS {
            let (paths, judged) = (self.paths.clone(), self.judged);
            let reading = tokio::task::spawn_blocking(move || read(&paths, judged)).await;
            let Ok(reading) = reading else { return self };
            let digest = match &reading {
                Reading::Same => return self,
                Reading::Failed(digest, _) | Reading::Found(digest, _) => *digest,
            };
            if before == Some(digest) {
                self.take(digest, reading);
                return self;
            }
            before = Some(digest);
            tokio::time::sleep(SETTLE).await;
        }
        self
    }

    fn take(&mut self, digest: Sha256, reading: Reading) {
        self.judged = Some(digest);
        match reading {
            Reading::Same => {}
            Reading::Found(_, loaded) => {
                let Loaded { config, not_after } = *loaded;
                self.sender.send_replace(config);
                (self.not_after, self.warned) = (not_after, i64::MIN);
                self.metrics.certificate(not_after);
                self.metrics.certificate_loaded(true);
                info!(self.log, "the TLS files were replaced and are in force";
                    "notAfter" => not_after);
            }
            Reading::Failed(_, why) => {
                self.metrics.certificate_loaded(false);
                error!(self.log, "the new TLS files cannot be used; the old ones stay in force";
                    "why" => why.to_string());
            }
        }
    }

    /// Warns, once a day, of a certificate that ends soon.
    fn warn(&mut self) {
        let now = self.clock.now().wall.0 / 1_000_000;
        let left = self.not_after.saturating_sub(now);
        if left < SOON && now.saturating_sub(self.warned) >= DAY {
            self.warned = now;
            warn!(self.log, "the server's certificate ends soon; replace it";
                "days" => left.div_euclid(DAY), "notAfter" => self.not_after);
        }
    }
}

fn read(paths: &TlsPaths, judged: Option<Sha256>) -> Reading {
    match paths.read() {
        Ok(files) => {
            let digest = files.digest();
            if judged == Some(digest) {
                return Reading::Same;
            }
            match paths.load(&files) {
                Ok(loaded) => Reading::Found(digest, Box::new(loaded)),
                Err(why) => Reading::Failed(digest, why),
            }
        }
        Err(why) => {
            let digest = Sha256::of(why.to_string().as_bytes());
            if judged == Some(digest) { Reading::Same } else { Reading::Failed(digest, why) }
        }
    }
}

/// Has the system tell of changes in the directories of the files. Where it cannot, the regular
/// look must do.
fn watcher(
    paths: &TlsPaths,
    changed: &Arc<Notify>,
    log: &Logger,
) -> Option<notify::RecommendedWatcher> {
    let changed = Arc::clone(changed);
    let tell = move |event: notify::Result<notify::Event>| {
        // Reading the files is an event too, and would have no end.
        if !matches!(event, Ok(notify::Event { kind: notify::EventKind::Access(_), .. })) {
            changed.notify_one();
        }
    };
    let watched = notify::recommended_watcher(tell).and_then(|mut watcher| {
        let files = [Some(&paths.certificate), Some(&paths.key), paths.client_ca.as_ref()];
        for file in files.into_iter().flatten() {
            let directory = file.parent().filter(|path| !path.as_os_str().is_empty());
            let directory = directory.unwrap_or(Path::new("."));
            watcher.watch(directory, RecursiveMode::NonRecursive)?;
        }
        Ok(watcher)
    });
    watched
        .inspect_err(|failure| {
            warn!(log, "the TLS files are not watched, only read every ten seconds";
                "why" => %failure);
        })
        .ok()
}
