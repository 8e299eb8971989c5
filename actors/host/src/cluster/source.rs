//! One list of the API server, watched for as long as somebody wants to know.
//!
//! `kube`'s watcher lists and watches; whenever it reports an error, it is thrown away and another
//! one lists anew, so that what is known never rests on a watch that nobody can vouch for. A list
//! counts only when all of its pages were read.

use std::fmt::Write;
use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt;
use kube::core::Status;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, sleep, timeout};

use super::backoff::Backoff;
use super::found::{self, Found};
use super::origin::Origin;
use super::record::Record;

/// After how many seconds the API server ends a watch. It also bounds for how long a connection
/// that died in silence is believed in: five seconds more.
const WATCH_SECONDS: u32 = 20;
/// How long a page of a list may take.
const PAGE: Duration = Duration::from_secs(10);
/// How long a kind that was there must be missing before it is believed to be gone. A starting API
/// server may answer 404 for kinds that it has not read yet.
const GONE: Duration = Duration::from_secs(5);
/// How often it is looked whether a missing kind has come.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// How long an API server may take to say whether it is ready.
const READY: Duration = Duration::from_secs(5);
/// A watch that held for this long ends a series of failures.
const STEADY: Duration = Duration::from_secs(5);

/// Something about a list.
#[derive(Debug)]
pub(super) struct News {
    pub(super) origin: Origin,
    pub(super) what: What,
}

/// What there is to say.
#[derive(Debug)]
pub(super) enum What {
    /// The cluster does not know the kind.
    Absent,
    /// An object was created or changed.
    Applied(Found),
    /// An object is gone.
    Deleted(Found),
    /// The list is not watched.
    Failed(Fault),
    /// The whole list, replacing what was known.
    Listed(Vec<Found>),
}

/// Why a list is not watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) kind: FaultKind,
    /// For a person, with what to do where that is known.
    pub(super) why: String,
}

/// What the API server made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FaultKind {
    /// 410: the version that the watch was to go on from is too old. Nothing is wrong.
    Expired,
    /// 403: the right is missing.
    Forbidden,
    /// 404: the API server does not know the kind.
    NotFound,
    /// Anything else.
    Other,
}

/// Watches a list until nobody receives what it sends.
pub(super) async fn run(client: Client, origin: Origin, news: Sender<News>) {
    let presence = Presence::Absent;
    let (backoff, said_absent) = (Backoff::new(), false);
    let mut source = Source { backoff, client, news, origin, presence, said_absent };
    while source.watch_once().await.is_some() {}
}

struct Source {
    backoff: Backoff,
    client: Client,
    news: Sender<News>,
    origin: Origin,
    presence: Presence,
    /// Whether the last that was said is that there is no such kind.
    said_absent: bool,
}

/// Whether the API server knows the kind.
#[derive(Debug, Clone, Copy)]
enum Presence {
    /// It was never seen, or is believed to be gone.
    Absent,
    /// It was seen, and is missing since then.
    MissingSince(Instant),
    /// It was listed last time.
    Present,
}

impl Source {
    /// Lists and watches until something fails, says so, and waits before it may be tried again.
    /// `None` if nobody listens any more.
    async fn watch_once(&mut self) -> Option<()> {
        let (fault, steady) = self.follow().await?;
        if steady {
            self.backoff.reset();
        }
        match fault.kind {
            FaultKind::Expired => {
                sleep(self.backoff.next()).await;
                Some(())
            }
            FaultKind::NotFound => self.absent(fault).await,
            FaultKind::Forbidden | FaultKind::Other => {
                self.send(What::Failed(fault)).await?;
                sleep(self.backoff.next()).await;
                Some(())
            }
        }
    }

    /// Follows one watcher to its first error. The flag tells whether it held for a while.
    async fn follow(&mut self) -> Option<(Fault, bool)> {
        let mut stream = pin!(watcher(self.api(), self.settings()));
        let mut page = Some(Vec::new());
        let mut listed_at = None;
        loop {
            let next = match page {
                None => stream.next().await,
                Some(_) => match timeout(PAGE, stream.next()).await {
                    Ok(next) => next,
                    Err(_) => return Some((stalled(), false)),
                },
            };
            let what = match next? {
                Err(error) => return Some((fault(&self.origin, &error), steady(listed_at))),
                Ok(Event::Init) => {
                    page = Some(Vec::new());
                    continue;
                }
                Ok(Event::InitApply(record)) => {
                    let found = found::read(&self.origin, record);
                    page.get_or_insert_default().extend(found);
                    continue;
                }
                Ok(Event::InitDone) => {
                    listed_at = Some(Instant::now());
                    self.presence = Presence::Present;
                    What::Listed(page.take().unwrap_or_default())
                }
                Ok(Event::Apply(record)) => match found::read(&self.origin, record) {
                    None => continue,
                    // Only a list tells when it is gone again.
                    Some(Found::Unnamed { why, .. }) => {
                        return Some((unnamed(&why), steady(listed_at)));
                    }
                    Some(found) => What::Applied(found),
                },
                Ok(Event::Delete(record)) => match found::read(&self.origin, record) {
                    None => continue,
                    Some(Found::Unnamed { why, .. }) => {
                        return Some((unnamed(&why), steady(listed_at)));
                    }
                    Some(found) => What::Deleted(found),
                },
            };
            self.send(what).await?;
        }
    }

    /// Judges that the API server does not know the kind.
    async fn absent(&mut self, fault: Fault) -> Option<()> {
        let now = Instant::now();
        let since = match self.presence {
            Presence::Absent => None,
            Presence::MissingSince(since) => Some(since),
            Presence::Present => Some(now),
        };
        self.presence = since.map_or(Presence::Absent, Presence::MissingSince);
        let doubted = since.is_some_and(|since| now.duration_since(since) < GONE);
        if doubted || !self.server_is_ready().await {
            let why = format!("{}; waiting whether it comes back", fault.why);
            self.send(What::Failed(Fault { why, ..fault })).await?;
            sleep(self.backoff.next()).await;
            return Some(());
        }
        self.presence = Presence::Absent;
        self.backoff.reset();
        if !self.said_absent {
            self.send(What::Absent).await?;
        }
        sleep(LOOK_AGAIN).await;
        Some(())
    }

    /// Whether the API server has read all kinds. One that does not let us ask is believed.
    async fn server_is_ready(&self) -> bool {
        let Ok(request) = http::Request::get("/readyz").body(Vec::new()) else { return true };
        match timeout(READY, self.client.request_text(request)).await {
            Ok(Ok(_)) => true,
            Ok(Err(kube::Error::Api(status))) => matches!(status.code, 401 | 403 | 404),
            Ok(Err(_)) | Err(_) => false,
        }
    }

    async fn send(&mut self, what: What) -> Option<()> {
        self.said_absent = matches!(what, What::Absent);
        self.news.send(News { origin: self.origin.clone(), what }).await.ok()
    }

    fn api(&self) -> Api<Record> {
        let (client, resource) = (self.client.clone(), self.origin.resource());
        match &self.origin {
            Origin::Policies(_) => Api::all_with(client, &resource),
            Origin::Secret { namespace, .. } => Api::namespaced_with(client, namespace, &resource),
        }
    }

    fn settings(&self) -> watcher::Config {
        let settings = watcher::Config::default().timeout(WATCH_SECONDS);
        match &self.origin {
            Origin::Policies(_) => settings,
            // So that a Role may grant it by `resourceNames`.
            Origin::Secret { name, .. } => settings.fields(&format!("metadata.name={name}")),
        }
    }
}

fn steady(listed_at: Option<Instant>) -> bool {
    listed_at.is_some_and(|at| at.elapsed() >= STEADY)
}

fn stalled() -> Fault {
    let why = format!("the API server did not send the list within {} s", PAGE.as_secs());
    Fault { kind: FaultKind::Other, why }
}

fn unnamed(why: &str) -> Fault {
    let why = format!("an object came that cannot be told from others: {why}");
    // Nothing is wrong with the watch: the list is read at once.
    Fault { kind: FaultKind::Expired, why }
}

fn fault(origin: &Origin, error: &watcher::Error) -> Fault {
    let (kind, why) = match error {
        watcher::Error::WatchError(status) => of_status(status),
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => {
            if let kube::Error::Api(status) = error {
                of_status(status)
            } else {
                (FaultKind::Other, causes(error))
            }
        }
        watcher::Error::NoResourceVersion => {
            (FaultKind::Other, "the API server gave no resourceVersion".to_owned())
        }
    };
    let advice = match kind {
        FaultKind::Forbidden => "; grant `list` and `watch`, as the chart's roles do",
        FaultKind::Expired | FaultKind::NotFound | FaultKind::Other => "",
    };
    Fault { kind, why: format!("{origin}: {why}{advice}") }
}

fn of_status(status: &Status) -> (FaultKind, String) {
    let kind = match status.code {
        403 => FaultKind::Forbidden,
        404 => FaultKind::NotFound,
        410 => FaultKind::Expired,
        _ => FaultKind::Other,
    };
    let message = status.message.chars().take(MESSAGE).collect::<String>();
    (kind, format!("the API server answers {}: {message}", status.code))
}

/// An error with what it came from, down to the system's words.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            // Writing into a String cannot fail.
            let _ = write!(text, ": {cause_text}");
        }
        source = cause.source();
    }
    text.chars().take(MESSAGE).collect()
}

/// Characters of a message from the API server that are passed on.
const MESSAGE: usize = 512;
