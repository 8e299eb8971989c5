//! Looks at the trust bundle again and again, and tells the machines what came of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use portreeve_bundle::{Asked, BundleError, Directory, Loaded, load};
use portreeve_protocol::bundle_reason::BundleCode;
use portreeve_protocol::messages::admission::{AdmissionInput, BundleFailed, BundleLoaded};
use portreeve_protocol::{Sha256, limits};
use slog::Logger;
use tokio::task::JoinHandle;

use super::{BundleConfig, BundlePlace};
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::notary_client::{HttpFetcher, Proxies};

/// How often a directory is looked at for changes, which costs one file's reading.
const DIRECTORY: Duration = Duration::from_secs(2);
/// How often it is looked whether the bundle in force has expired, whose end is a time of the wall
/// clock: that may be set, or the machine may sleep.
const EXPIRY: Duration = Duration::from_secs(60);
/// How often a load of a directory is tried again that was swapped meanwhile.
const SWAPS: u32 = 3;

/// What came of a look.
pub type Looked = Result<Box<BundleLoaded>, BundleFailed>;

/// What came of a look, as the admission actor is told.
#[must_use]
pub fn input(looked: Looked) -> AdmissionInput {
    looked.map_or_else(AdmissionInput::BundleFailed, AdmissionInput::BundleLoaded)
}

/// What looks at the bundle.
pub struct Looker {
    /// The last bundle taken: floors, and the root to start from.
    pub before: Option<Box<BundleLoaded>>,
    /// The clocks.
    pub clock: Clock,
    /// Where the bundle is.
    pub config: BundleConfig,
    /// Who is to believe the trust servers that the bundle names.
    pub fetcher: HttpFetcher,
    /// Through whom to ask.
    pub proxies: Proxies,
    /// A directory of Portreeve's own, which is emptied for each load.
    pub store: Option<PathBuf>,
    /// PEM files of CAs believed besides the system's.
    pub trust_ca: Vec<PathBuf>,
}

impl Looker {
    /// Looks once, within bounded time. A bundle that is taken is kept for the next look, and its
    /// trust servers are believed at once.
    pub async fn look(&mut self) -> Looked {
        let time = Duration::from_micros(limits::BUNDLE_TIMEOUT);
        let loaded = match tokio::time::timeout(time, self.load()).await {
            Ok(loaded) => loaded,
            Err(_) => {
                let why = format!("it could not be read within {} s", time.as_secs());
                Err(failed(BundleCode::Unreachable, why))
            }
        };
        let taken = loaded.and_then(|loaded| {
            let vouched = self.fetcher.vouch(&loaded.anchors.servers());
            vouched.map_err(|why| failed(BundleCode::Anchors, why))?;
            Ok(Box::new(loaded.message))
        });
        if let Ok(message) = &taken {
            self.before = Some(message.clone());
        }
        taken
    }

    /// The last bundle taken, unless the root that is given now begins anew.
    fn in_force(&self) -> Option<&BundleLoaded> {
        let given = Sha256::of(&self.config.given);
        self.before.as_deref().filter(|before| before.goes_on_from(given))
    }

    /// Believes the trust servers of the bundle that an earlier run took.
    pub fn resume(&self) {
        let anchors = self.in_force().map(|before| before.anchors.bytes());
        let anchors = anchors.map(portreeve_protocol::anchors::TrustAnchors::parse);
        if let Some(Ok(anchors)) = anchors {
            // They were believed when the bundle was taken; were they of no use now, then the
            // server's certificate would be refused and the denial would say so.
            let _ = self.fetcher.vouch(&anchors.servers());
        }
    }

    /// Loads the bundle, and changes nothing.
    ///
    /// # Errors
    /// Why it is not taken.
    pub async fn load(&self) -> Result<Loaded, BundleFailed> {
        let mut tries = 0;
        loop {
            let mark = self.mark();
            let ca = (self.config.ca.as_slice(), self.trust_ca.as_slice());
            let source = self.config.place.source(ca, &self.proxies);
            let source =
                source.map_err(|error| failed(BundleCode::Unreachable, error.to_string()))?;
            let asked = Asked {
                before: self.before.as_deref(),
                given: &self.config.given,
                now: self.clock.now().wall,
                store: self.store.as_deref(),
            };
            tries += 1;
            match load(source, asked).await {
                Ok(loaded) => return Ok(loaded),
                // It was swapped for another in the middle.
                Err(_) if tries < SWAPS && self.mark() != mark => {}
                Err(error) => return Err(told(error)),
            }
        }
    }

    /// What tells whether a directory was changed; nothing for what is not one.
    fn mark(&self) -> Option<Sha256> {
        let BundlePlace::Directory(path) = &self.config.place else { return None };
        let timestamp = "metadata/timestamp.json";
        let found = Directory::now(path).read(timestamp, limits::BUNDLE_METADATA_BYTES);
        found.ok().map(|bytes| Sha256::of(&bytes))
    }
}

fn failed(code: BundleCode, detail: String) -> BundleFailed {
    BundleFailed { code, detail }
}

fn told(error: BundleError) -> BundleFailed {
    match error {
        BundleError::NotTaken { code, detail } => failed(code, detail),
        BundleError::File { .. } | BundleError::Key { .. } | BundleError::Workshop(_) => {
            failed(BundleCode::Unreachable, error.to_string())
        }
    }
}

/// Looks at the bundle as often as the configuration says; ends when it is dropped.
pub struct BundleWatch {
    task: JoinHandle<()>,
}

impl BundleWatch {
    /// Looks once, tells, and then goes on by itself. So the first review after this is decided by
    /// the bundle, if it can be had. What came of a look is told when it is news.
    pub async fn start(
        mut looker: Looker,
        metrics: Arc<Metrics>,
        log: Logger,
        tell: impl Fn(AdmissionInput) + Send + 'static,
    ) -> Self {
        looker.resume();
        let mut teller = Teller { last: None, log, metrics, tell };
        if let Some(before) = looker.in_force() {
            teller.metrics.bundle(before.versions.targets, before.expires, &looker.clock);
        }
        let first = looker.look().await;
        let mut expired = teller.tell_of(&looker, first);
        let task = tokio::spawn(async move {
            loop {
                wait(&looker, expired).await;
                let found = looker.look().await;
                expired = teller.tell_of(&looker, found);
            }
        });
        Self { task }
    }
}

impl Drop for BundleWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What an expired bundle is told as; a load itself refuses one.
fn expired(looker: &Looker) -> Option<BundleFailed> {
    let before = looker.in_force()?;
    let expired = before.expires < looker.clock.now().wall;
    expired.then(|| failed(BundleCode::Expired, format!("it expired at {}", before.expires)))
}

/// Waits until the next look, until a directory was changed, or until the bundle in force expires,
/// unless it was told already that it has. A tenth more or less, so that the replicas of a cluster
/// do not ask at one instant.
async fn wait(looker: &Looker, told: bool) {
    let watched = matches!(looker.config.place, BundlePlace::Directory(_));
    let mark = looker.mark();
    let mut left = jittered(looker.config.refresh);
    while !left.is_zero() {
        let step = left.min(if watched { DIRECTORY } else { EXPIRY });
        let step = if told { step } else { step.min(until_expiry(looker)) };
        tokio::time::sleep(step).await;
        left = left.saturating_sub(step);
        if (!told && expired(looker).is_some()) || (watched && looker.mark() != mark) {
            return;
        }
    }
}

/// How long until the bundle in force has expired, if the wall clock is not set meanwhile; never
/// nothing, so that whoever waits does not spin.
fn until_expiry(looker: &Looker) -> Duration {
    let Some(before) = looker.in_force() else { return Duration::MAX };
    let left = before.expires.0.saturating_sub(looker.clock.now().wall.0);
    Duration::from_micros(u64::try_from(left).unwrap_or_default()) + Duration::from_millis(1)
}

fn jittered(micros: u64) -> Duration {
    let mut seed = [0; 8];
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    // Without randomness all replicas ask at one instant, and that is all.
    let _ = provider.secure_random.fill(&mut seed);
    let spread = micros / 5;
    let jitter = u64::from_le_bytes(seed).checked_rem(spread).unwrap_or_default();
    Duration::from_micros((micros - micros / 10).saturating_add(jitter))
}

/// Tells what is news.
struct Teller<F> {
    last: Option<Looked>,
    log: Logger,
    metrics: Arc<Metrics>,
    tell: F,
}

impl<F: Fn(AdmissionInput)> Teller<F> {
    /// Whatever came of the look: once the bundle in force has expired, that is what is told. Gives
    /// whether it has.
    fn tell_of(&mut self, looker: &Looker, found: Looked) -> bool {
        let expired = expired(looker);
        let has = expired.is_some();
        self.tell(expired.map_or(found, Err), &looker.clock);
        has
    }

    fn tell(&mut self, found: Looked, clock: &Clock) {
        match &found {
            Ok(loaded) => {
                slog::debug!(self.log, "the trust bundle was looked at";
                    "version" => loaded.versions.targets);
                self.metrics.bundle_looked("loaded");
                self.metrics.bundle(loaded.versions.targets, loaded.expires, clock);
            }
            Err(failed) => self.metrics.bundle_looked(failed.code.code()),
        }
        let same = self.last.as_ref().is_some_and(|last| match (last, &found) {
            // A failure is told again only when it is another one.
            (Err(last), Err(found)) => last.code == found.code,
            (last, found) => last == found,
        });
        if !same {
            (self.tell)(input(found.clone()));
            self.last = Some(found);
        }
    }
}
