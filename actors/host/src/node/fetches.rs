//! Fetches under way. Whatever happens to a fetch, exactly one `Fetched` comes of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use portreeve_protocol::messages::notary::{FetchOutcome, FetchRequest, Fetched, NotaryInput};
use portreeve_protocol::{ActorId, Cause, Denial, DenyCode, EventId, Input, limits};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::deliver::Deliver;
use super::links::Links;
use crate::notary_client::{FetchAnswer, Fetcher};

/// Performs fetches on a runtime of many threads.
pub(crate) struct Fetches {
    fetcher: Arc<dyn Fetcher>,
    places: Semaphore,
    runtime: Handle,
    /// Places by trust server, so that one that is slow does not take all of them.
    servers: Mutex<BTreeMap<String, Arc<Semaphore>>>,
}

impl Fetches {
    pub(crate) fn new(fetcher: Arc<dyn Fetcher>, runtime: Handle) -> Self {
        let places = Semaphore::new(limits::FETCHES_IN_FLIGHT);
        Self { fetcher, places, runtime, servers: Mutex::default() }
    }

    /// The runtime on which fetches run.
    pub(crate) const fn runtime(&self) -> &Handle {
        &self.runtime
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
            let begun = links.clock.mono();
            let FetchAnswer { credential, outcome, retry_after } =
                links.fetches.answer(&request).await;
            let micros = links.clock.mono().since(begun);
            links.facts.metrics().fetched(&request.server, &outcome, micros);
            let FetchRequest { document, flight, gun, .. } = request;
            let fetched =
                Fetched { credential, document, flight, gun, micros, outcome, retry_after };
            let input = Arc::new(Input::Notary(NotaryInput::Fetched(fetched)));
            links.send_or_wait(&actor, Deliver::caused(cause, input, lamport, Some(root)));
        });
    }

    async fn answer(&self, request: &FetchRequest) -> FetchAnswer {
        let within = Duration::from_micros(request.timeout);
        let failed = |code, detail: String, retry_after| {
            let outcome = FetchOutcome::Failed(Denial::new(code, detail));
            FetchAnswer { credential: None, outcome, retry_after }
        };
        let late = || {
            let detail =
                format!("{} did not answer in {} ms", request.server, request.timeout / 1_000);
            failed(DenyCode::Unreachable, detail, Some(0))
        };
        let fetch = async {
            let places = self.places_of(&request.server);
            // In this order, so that whoever waits for a server keeps no place from others.
            let _of_server = places.acquire().await;
            let _place = self.places.acquire().await;
            // A task of its own, so that a panic in the client is an outcome like any other.
            let mut task = Aborting(tokio::spawn(self.fetcher.fetch(request.clone())));
            (&mut task.0).await
        };
        match tokio::time::timeout(within, fetch).await {
            Err(_) => late(),
            Ok(Err(_)) => failed(DenyCode::Internal, "the Notary client failed".to_owned(), None),
            Ok(Ok(FetchAnswer { outcome: FetchOutcome::Document(blob), .. }))
                if blob.length() > request.limit =>
            {
                let detail = format!(
                    "{} has {} bytes; at most {} are accepted",
                    request.document,
                    blob.length(),
                    request.limit
                );
                failed(DenyCode::Oversize, detail, None)
            }
            Ok(Ok(answer)) => answer,
        }
    }

    fn places_of(&self, server: &str) -> Arc<Semaphore> {
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        if servers.len() >= limits::TRUST_SERVERS && !servers.contains_key(server) {
            servers.retain(|_, places| Arc::strong_count(places) > 1);
        }
        let new = || Arc::new(Semaphore::new(limits::FETCHES_PER_SERVER));
        Arc::clone(servers.entry(server.to_owned()).or_insert_with(new))
    }
}

/// Ends the task when nobody waits for it any more.
struct Aborting(tokio::task::JoinHandle<FetchAnswer>);

impl Drop for Aborting {
    fn drop(&mut self) {
        self.0.abort();
    }
}
