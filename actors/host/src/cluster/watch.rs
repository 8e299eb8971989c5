//! The watch on policies and the Secrets of their signers: its sources, and what becomes of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::Client;
use portreeve_protocol::messages::policy::PolicyInput;
use slog::{Logger, crit, debug, error, info, warn};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::found::Found;
use super::merge::Merge;
use super::origin::{Origin, PolicyKind};
use super::source::{self, Fault, FaultKind, News, What};
use super::status::Board;
use crate::metrics::Metrics;

/// News that wait; a source that has more waits itself.
const NEWS: usize = 256;

/// A watch under way. It ends when it is dropped, too.
#[derive(Debug)]
pub(super) struct Watch {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// What a watch needs.
pub(super) struct Parts<S> {
    pub(super) client: Client,
    pub(super) log: Logger,
    pub(super) metrics: Arc<Metrics>,
    pub(super) operator_namespace: String,
    pub(super) sink: S,
    /// Whether the status of policies is written.
    pub(super) status: bool,
}

impl Watch {
    /// Starts to watch. `sink` is told as soon as everything was listed; it must not block.
    pub(super) fn start<S: Fn(PolicyInput) + Send + 'static>(parts: Parts<S>) -> Self {
        let (stop, stopped) = oneshot::channel();
        Self { stop, task: tokio::spawn(Running::new(parts).run(stopped)) }
    }

    /// Ends it: when this returns, `sink` is not told any more.
    pub(super) async fn stop(self) {
        drop(self.stop);
        // It can only have ended before by a panic, of which the runtime has told.
        let _ = self.task.await;
    }
}

struct Running<S> {
    board: Board,
    client: Client,
    /// What each source failed of, while it does.
    failing: BTreeMap<Origin, Fault>,
    log: Logger,
    merge: Merge,
    metrics: Arc<Metrics>,
    news: mpsc::Receiver<News>,
    secrets: BTreeMap<(String, String), AbortHandle>,
    sender: mpsc::Sender<News>,
    sink: S,
    tasks: JoinSet<()>,
}

impl<S: Fn(PolicyInput) + Send + 'static> Running<S> {
    fn new(parts: Parts<S>) -> Self {
        let Parts { client, log, metrics, operator_namespace, sink, status } = parts;
        let (sender, news) = mpsc::channel(NEWS);
        let (board, mut tasks) = (Board::default(), JoinSet::new());
        if status {
            tasks.spawn(board.clone().write(client.clone(), log.clone()));
        }
        for kind in PolicyKind::ALL {
            tasks.spawn(source::run(client.clone(), Origin::Policies(kind), sender.clone()));
        }
        let merge = Merge::new(&operator_namespace);
        let (failing, secrets) = (BTreeMap::new(), BTreeMap::new());
        Self { board, client, failing, log, merge, metrics, news, secrets, sender, sink, tasks }
    }

    /// Runs until it is stopped. The sources end with it, for they are its tasks.
    async fn run(mut self, mut stopped: oneshot::Receiver<()>) {
        loop {
            let wake = self.merge.wake();
            tokio::select! {
                _ = &mut stopped => return,
                news = self.news.recv() => self.take(news),
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
                // Those of Secrets that are not wanted any more are cancelled.
                Some(Err(failure)) = self.tasks.join_next() => if failure.is_panic() {
                    crit!(self.log, "a part of the watch ended; restart this replica");
                },
            }
            // What came at once is told at once.
            for _ in 0..NEWS {
                match self.news.try_recv() {
                    Ok(news) => self.take(Some(news)),
                    Err(_) => break,
                }
            }
            self.watch_secrets();
            for input in self.merge.tell(Instant::now()) {
                self.tell(input);
            }
        }
    }

    fn take(&mut self, news: Option<News>) {
        let Some(news) = news else { return };
        self.note(&news);
        self.merge.take(news, Instant::now());
    }

    /// Watches the Secrets that policies name, and no others.
    fn watch_secrets(&mut self) {
        let mut unwanted = std::mem::take(&mut self.secrets);
        for id in self.merge.wanted() {
            let watch = unwanted.remove(id).unwrap_or_else(|| {
                let origin = Origin::Secret { namespace: id.0.clone(), name: id.1.clone() };
                self.tasks.spawn(source::run(self.client.clone(), origin, self.sender.clone()))
            });
            self.secrets.insert(id.clone(), watch);
        }
        for ((namespace, name), watch) in unwanted {
            watch.abort();
            self.failing.remove(&Origin::Secret { namespace, name });
        }
    }

    /// Logs and counts what a source says, and notes the status of policies.
    fn note(&mut self, news: &News) {
        if !matches!(news.what, What::Failed(_)) {
            self.failing.remove(&news.origin);
        }
        let (watched, source) = (self.metrics.watch(), news.origin.label());
        match &news.what {
            What::Absent => {
                watched.absent(source);
                debug!(self.log, "the cluster has no such kind"; "kind" => %news.origin);
            }
            What::Applied(found) => {
                watched.changed(source);
                self.note_found(news, found);
            }
            What::Deleted(found) => {
                watched.changed(source);
                if let Found::Policy(found) = found {
                    self.board.forget(&found.sighting.policy);
                }
            }
            What::Failed(fault) => {
                watched.failed(source);
                // It is tried again and again: only what is new is worth a line.
                let known = self.failing.insert(news.origin.clone(), fault.clone());
                if known.as_ref() != Some(fault) {
                    note_fault(&self.log, fault);
                }
            }
            What::Listed(found) => {
                watched.listed(source);
                found.iter().for_each(|found| self.note_found(news, found));
            }
        }
    }

    fn note_found(&self, news: &News, found: &Found) {
        match found {
            Found::Policy(found) => self.board.see(found.sighting.clone()),
            Found::Unnamed { namespace, why } => {
                error!(self.log, "a policy cannot be told from others; its scope is denied";
                    "kind" => %news.origin, "why" => why,
                    "namespace" => namespace.as_deref().unwrap_or("unknown"));
            }
            Found::Nothing | Found::Secret(_) => {}
        }
    }

    fn tell(&self, input: PolicyInput) {
        match &input {
            PolicyInput::Relisted(list) => {
                info!(self.log, "the policies were listed"; "objects" => list.objects.len());
            }
            PolicyInput::WatchLost(lost) => {
                error!(self.log, "the policies are not watched; what is known stays in force";
                    "why" => &lost.why);
            }
            PolicyInput::WatchRestored => info!(self.log, "the policies are watched again"),
            PolicyInput::Applied(_) | PolicyInput::Deleted(_) => {}
        }
        (self.sink)(input);
    }
}

fn note_fault(log: &Logger, fault: &Fault) {
    match fault.kind {
        FaultKind::Forbidden => warn!(log, "a list may not be read"; "why" => &fault.why),
        FaultKind::Expired | FaultKind::NotFound | FaultKind::Other => {
            info!(log, "a list is not watched"; "why" => &fault.why);
        }
    }
}
