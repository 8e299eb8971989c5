//! Fetches under way. Whatever happens to a fetch, exactly one `Fetched` comes of it.

use std::sync::Arc;
use std::time::Duration;

use portreeve_protocol::messages::notary::{FetchOutcome, FetchRequest, Fetched, NotaryInput};
use portreeve_protocol::{ActorId, Cause, Denial, DenyCode, EventId, Input, limits};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::deliver::Deliver;
use super::links::Links;
use crate::notary_client::Fetcher;

/// Performs fetches on a runtime of many threads.
pub(crate) struct Fetches {
    fetcher: Arc<dyn Fetcher>,
    places: Arc<Semaphore>,
    runtime: Handle,
}

impl Fetches {
    pub(crate) fn new(fetcher: Arc<dyn Fetcher>, runtime: Handle) -> Self {
        let places = Arc::new(Semaphore::new(limits::FETCHES_IN_FLIGHT));
        Self { fetcher, places, runtime }
    }

    /// Starts a fetch; its end is delivered to `actor`.
    pub(crate) fn start(
        links: &Arc<Links>,
        actor: &ActorId,
        request: FetchRequest,
        cause: Cause,
        lamport: u64,
        root: &EventId,
    ) {
        let (links, actor, root) = (Arc::clone(links), actor.clone(), root.clone());
        let runtime = links.fetches.runtime.clone();
        runtime.spawn(async move {
            let begun = links.clock.now().mono;
            let outcome = links.fetches.outcome(&request).await;
            let micros = links.clock.now().mono.since(begun);
            links.facts.metrics().fetched(&request.server, &outcome, micros);
            let FetchRequest { document, flight, gun, .. } = request;
            let fetched = Fetched {
                credential: None,
                document,
                flight,
                gun,
                micros,
                outcome,
                retry_after: None,
            };
            let deliver = Deliver {
                cause,
                input: Arc::new(Input::Notary(NotaryInput::Fetched(fetched))),
                lamport,
                root: Some(root),
                ticket: None,
                waiter: None,
            };
            links.send_or_wait(&actor, deliver);
        });
    }

    async fn outcome(&self, request: &FetchRequest) -> FetchOutcome {
        let within = Duration::from_micros(request.timeout);
        let failed = |code, detail: String| FetchOutcome::Failed(Denial::new(code, detail));
        let late = || {
            let detail =
                format!("{} did not answer in {} ms", request.server, request.timeout / 1_000);
            failed(DenyCode::Unreachable, detail)
        };
        let fetch = async {
            let _place = self.places.acquire().await;
            // A task of its own, so that a panic in the client is an outcome like any other.
            let mut task = Aborting(tokio::spawn(self.fetcher.fetch(request.clone())));
            (&mut task.0).await
        };
        match tokio::time::timeout(within, fetch).await {
            Err(_) => late(),
            Ok(Err(_)) => failed(DenyCode::Internal, "the Notary client failed".to_owned()),
            Ok(Ok(FetchOutcome::Document(blob))) if blob.length() > request.limit => {
                let detail = format!(
                    "{} has {} bytes; at most {} are accepted",
                    request.document,
                    blob.length(),
                    request.limit
                );
                failed(DenyCode::Oversize, detail)
            }
            Ok(Ok(outcome)) => outcome,
        }
    }
}

/// Ends the task when nobody waits for it any more.
struct Aborting(tokio::task::JoinHandle<FetchOutcome>);

impl Drop for Aborting {
    fn drop(&mut self) {
        self.0.abort();
    }
}
