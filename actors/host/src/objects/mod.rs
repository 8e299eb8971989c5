//! The source of policies: a directory of Kubernetes YAML, read at the start and watched.
//!
//! A directory that cannot be read as a whole is never used in part: a policy that forbids
//! something might be in the part that is missing. The last list stays in force, the policy cache
//! is told that the watch is lost, and so every decision says so, until the directory is in order
//! again. If it is not in order at the start, there is no list, and everything that needs a policy
//! is denied. Files should be replaced by renaming a whole one over them, as mounted ConfigMaps
//! are: one that is written in place may be seen when it is half written.

pub(crate) mod object;
mod scan;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use notify::{RecursiveMode, Watcher};
use portreeve_protocol::Sha256;
use portreeve_protocol::messages::policy::{PolicyInput, Relisted, SourceObject, WatchLost};
use slog::{Logger, error, info, warn};

use crate::HostError;
use crate::credentials::{Credentials, PullObjects};
use crate::owners::OwnerStore;
pub use scan::{Files, Objects, ScanFault};

/// How often the directory is read again, whatever the watch says.
const RESCAN: Duration = Duration::from_secs(2);
/// How long the directory must be quiet before it is read, so that a change is seen as a whole.
const QUIET: Duration = Duration::from_millis(50);
/// How long it is waited for quiet.
const PATIENCE: Duration = Duration::from_millis(400);

/// What the directory was when it was last looked at, and what was said about it.
#[derive(Debug, Default)]
pub struct Directory {
    credentials: Credentials,
    digest: Option<Sha256>,
    lost: Option<String>,
    objects: Option<Vec<SourceObject>>,
    owners: OwnerStore,
    path: PathBuf,
    warnings: Vec<String>,
}

impl Directory {
    /// A directory nothing is known of.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), ..Self::default() }
    }

    /// Puts the pull secrets and the workloads that are found into these stores, besides what it
    /// tells.
    #[must_use]
    pub fn filling(mut self, credentials: &Credentials, owners: &OwnerStore) -> Self {
        self.credentials = credentials.clone();
        self.owners = owners.clone();
        self
    }

    /// What of the pull secrets found last could not be used, and was not told yet.
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// Looks at the directory: what the policy cache must be told, if anything.
    pub fn look(&mut self) -> Option<PolicyInput> {
        let files = match Files::read(&self.path) {
            Ok(files) => files,
            Err(fault) => return self.lose(None, &fault),
        };
        let digest = files.digest();
        if self.digest == Some(digest) {
            return None;
        }
        match files.objects() {
            Ok(Objects { credentials, objects, workloads, .. }) => {
                self.owners.replace(workloads);
                self.filled(credentials);
                self.found(digest, objects)
            }
            Err(fault) => self.lose(Some(digest), &fault),
        }
    }

    fn filled(&mut self, credentials: PullObjects) {
        self.warnings = credentials.warnings().to_vec();
        self.credentials.replace(credentials);
    }

    fn found(&mut self, digest: Sha256, objects: Vec<SourceObject>) -> Option<PolicyInput> {
        self.digest = Some(digest);
        let was_lost = self.lost.take().is_some();
        if self.objects.as_ref() == Some(&objects) {
            return was_lost.then_some(PolicyInput::WatchRestored);
        }
        self.objects = Some(objects.clone());
        Some(PolicyInput::Relisted(Relisted { objects }))
    }

    fn lose(&mut self, digest: Option<Sha256>, fault: &ScanFault) -> Option<PolicyInput> {
        self.digest = digest;
        let why = fault.to_string();
        if self.lost.as_ref() == Some(&why) {
            return None;
        }
        self.lost = Some(why.clone());
        Some(PolicyInput::WatchLost(WatchLost { why }))
    }
}

/// A thread that watches a directory.
#[derive(Debug)]
pub struct DirectoryWatch {
    signal: SyncSender<Signal>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signal {
    Changed,
    Stop,
}

impl DirectoryWatch {
    /// Looks at the directory, tells `sink` and fills the stores before it returns, and goes on
    /// to do so whenever the directory changes, within a second.
    ///
    /// # Errors
    /// `Thread` if the thread cannot be started. `sink` is told of a directory out of order.
    pub fn start(
        path: &Path,
        credentials: &Credentials,
        owners: &OwnerStore,
        log: Logger,
        sink: impl Fn(PolicyInput) + Send + 'static,
    ) -> Result<Self, HostError> {
        let (signal, signals) = mpsc::sync_channel(1);
        let watcher = watcher(path, signal.clone(), &log);
        let mut directory = Directory::new(path).filling(credentials, owners);
        tell(&mut directory, &log, &sink);
        let body = move || {
            // Dropped with the thread; without it the directory is read every two seconds.
            let _watcher = watcher;
            while wait(&signals) {
                tell(&mut directory, &log, &sink);
            }
        };
        let thread = std::thread::Builder::new().name("objects".to_owned()).spawn(body);
        let thread = thread
            .map_err(|error| HostError::Thread { thread: "objects", why: error.to_string() })?;
        Ok(Self { signal, thread: Some(thread) })
    }

    /// Ends the thread.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some(thread) = self.thread.take() {
            // Blocks for the moment in which a signal of change is still waiting to be taken.
            let _ = self.signal.send(Signal::Stop);
            let _ = thread.join();
        }
    }
}

impl Drop for DirectoryWatch {
    fn drop(&mut self) {
        self.end();
    }
}

/// Has the system tell of changes. Where it cannot, the regular look must do.
fn watcher(
    path: &Path,
    signal: SyncSender<Signal>,
    log: &Logger,
) -> Option<notify::RecommendedWatcher> {
    let changed = move |event: notify::Result<notify::Event>| {
        // Reading the files is an event too, and would have no end.
        if !matches!(event, Ok(notify::Event { kind: notify::EventKind::Access(_), .. })) {
            // One waiting signal is as good as many.
            let _ = signal.try_send(Signal::Changed);
        }
    };
    let watcher = notify::recommended_watcher(changed).and_then(|mut watcher| {
        watcher.watch(path, RecursiveMode::NonRecursive)?;
        Ok(watcher)
    });
    match watcher {
        Ok(watcher) => Some(watcher),
        Err(failure) => {
            warn!(log, "the directory of objects is not watched, only read every two seconds";
                "why" => %failure);
            None
        }
    }
}

/// Waits for a change that has come to rest, or for the regular look. `false` means to stop.
fn wait(signals: &Receiver<Signal>) -> bool {
    match signals.recv_timeout(RESCAN) {
        Ok(Signal::Changed) => {}
        Err(RecvTimeoutError::Timeout) => return true,
        Ok(Signal::Stop) | Err(RecvTimeoutError::Disconnected) => return false,
    }
    let until = Instant::now() + PATIENCE;
    loop {
        let left = until.saturating_duration_since(Instant::now()).min(QUIET);
        match signals.recv_timeout(left) {
            Ok(Signal::Changed) if Instant::now() < until => {}
            Ok(Signal::Changed) | Err(RecvTimeoutError::Timeout) => return true,
            Ok(Signal::Stop) | Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
}

fn tell(directory: &mut Directory, log: &Logger, sink: &impl Fn(PolicyInput)) {
    let input = directory.look();
    for warning in directory.take_warnings() {
        warn!(log, "a credential for registries cannot be used"; "why" => warning);
    }
    let Some(input) = input else { return };
    match &input {
        PolicyInput::Relisted(list) => {
            info!(log, "the objects were read"; "objects" => list.objects.len());
        }
        PolicyInput::WatchLost(lost) => {
            error!(log, "the objects cannot be read; the last list stays"; "why" => &lost.why);
        }
        PolicyInput::WatchRestored => info!(log, "the objects can be read again"),
        PolicyInput::Applied(_) | PolicyInput::Deleted(_) => {}
    }
    sink(input);
}
