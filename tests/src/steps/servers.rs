//! Trust servers in memory, and the way to them: what they serve, by the clock of the node that
//! asks, and what the scenario's faults make of it.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use portreeve_host::clock::Clock;
use portreeve_host::notary_client::{FetchAnswer, Fetcher};
use portreeve_lab::{BaseRole, Collection, Documents};
use portreeve_protocol::messages::notary::{FetchOutcome, FetchRequest};
use portreeve_protocol::{Blob, Denial, DenyCode, Mono, Wall};
use portreeve_simulations::fault::{Fault, Link, Passage, Place, Service, Traffic};
use portreeve_simulations::rng::{Rng, Streams};
use portreeve_simulations::scenario::{Change, CollectionPlan, Publication};
use portreeve_simulations::{Scenario, SimulationError};

use super::node_failed;
use crate::TestError;

/// Microseconds that a request or an answer is on its way.
const WAY: u64 = 5_000;

/// The trust servers of a scenario; clones are the same ones.
#[derive(Clone)]
pub(super) struct Servers(Arc<Inner>);

struct Inner {
    clock: Clock,
    faults: Vec<Fault>,
    rng: Mutex<Rng>,
    shelves: BTreeMap<(String, String), Shelf>,
    urls: Vec<String>,
}

/// A collection of a server, and what is served of it.
struct Shelf {
    collection: Collection,
    /// From when, in microseconds after the start, and what; in order.
    stands: Vec<(u64, Documents)>,
}

impl Servers {
    pub(super) fn of(scenario: &Scenario, clock: &Clock) -> Result<Self, TestError> {
        let mut shelves = BTreeMap::new();
        for plan in &scenario.servers {
            for collection in &plan.collections {
                let shelf = Shelf::begun(collection, 0, scenario.published).map_err(node_failed)?;
                shelves.insert((plan.url.clone(), collection.gun.clone()), shelf);
            }
        }
        let mut changes: Vec<&Change> = scenario.changes.iter().collect();
        changes.sort_by_key(|change| change.at);
        for change in changes {
            let since = i64::try_from(change.at).unwrap_or(i64::MAX);
            let wall = Wall(scenario.start.0.saturating_add(since));
            let place = (change.server.clone(), change.what.gun().to_owned());
            if let Publication::Publish(plan) = &change.what {
                let mut shelf = Shelf::begun(plan, change.at, wall).map_err(node_failed)?;
                if let Some(before) = shelves.remove(&place) {
                    shelf.stands.splice(0..0, before.stands);
                }
                shelves.insert(place, shelf);
            } else if let Some(shelf) = shelves.get_mut(&place) {
                shelf.change(change, wall).map_err(node_failed)?;
            }
        }
        let urls = scenario.servers.iter().map(|plan| plan.url.clone()).collect();
        let (faults, clock) = (scenario.faults.clone(), clock.clone());
        let rng = Mutex::new(Streams::new(0).stream("trust servers"));
        Ok(Self(Arc::new(Inner { clock, faults, rng, shelves, urls })))
    }
}

impl Inner {
    /// Has the faults, in order, change what happens now.
    fn bend(&self, mut each: impl FnMut(&Fault, Mono, &mut Rng)) {
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now().mono;
        self.faults.iter().for_each(|fault| each(fault, now, &mut rng));
    }

    /// Ends when what goes this way has arrived, which is never if it is lost.
    async fn pass(&self, link: Link<'_>) {
        let mut passage = Passage { copies: 1, delay: WAY };
        self.bend(|fault, now, rng| fault.influence().pass(now, &link, rng, &mut passage));
        if passage.copies == 0 {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(Duration::from_micros(passage.delay)).await;
    }

    async fn fetch(&self, request: &FetchRequest) -> FetchAnswer {
        let (node, server) = (Place::Replica(0), Place::TrustServer(&request.server));
        self.pass(Link { from: node, to: server, traffic: Traffic::Fetch }).await;
        let mut service = Service::Documents;
        self.bend(|fault, now, rng| fault.influence().serve(now, request, rng, &mut service));
        let answer = match service {
            Service::Documents => self.serve(request).into(),
            Service::Fails(denial, retry_after) => {
                let outcome = FetchOutcome::Failed(denial);
                FetchAnswer { credential: None, outcome, retry_after }
            }
        };
        self.pass(Link { from: server, to: node, traffic: Traffic::Document }).await;
        answer
    }

    /// What a request made now comes to.
    fn serve(&self, request: &FetchRequest) -> FetchOutcome {
        let now = self.clock.now().mono.0;
        let failed = |code, detail| FetchOutcome::Failed(Denial::new(code, detail));
        if !self.urls.contains(&request.server) {
            let detail = format!("{} refuses the connection", request.server);
            return failed(DenyCode::Unreachable, detail);
        }
        let shelf = self.shelves.get(&(request.server.clone(), request.gun.clone()));
        let stand = shelf.and_then(|shelf| shelf.stands.iter().rfind(|(from, _)| *from <= now));
        match stand.and_then(|(_, served)| served.get(&request.document.to_string())) {
            None => FetchOutcome::Absent,
            Some(bytes) if bytes.len() as u64 > request.limit => {
                failed(DenyCode::Oversize, format!("{} is too long", request.document))
            }
            Some(bytes) => FetchOutcome::Document(Blob::new(bytes.clone())),
        }
    }
}

impl Shelf {
    fn begun(plan: &CollectionPlan, at: u64, published: Wall) -> Result<Self, SimulationError> {
        let collection = plan.sign(published)?;
        let stands = vec![(at, collection.documents().clone())];
        Ok(Self { collection, stands })
    }

    fn change(&mut self, change: &Change, wall: Wall) -> Result<(), SimulationError> {
        let collection = &mut self.collection;
        match &change.what {
            // It is another shelf.
            Publication::Publish(_) => return Ok(()),
            Publication::Remove { tag, .. } => collection.remove(tag),
            Publication::Rollback { .. } => {
                let before = self.stands.iter().rev().nth(1).map(|(_, served)| served.clone());
                self.stands.push((change.at, before.unwrap_or_default()));
                return Ok(());
            }
            Publication::RotateRoot { .. } => collection.rotate_root(wall)?,
            Publication::RotateTimestamp { .. } => collection.rotate(BaseRole::Timestamp)?,
            Publication::Sign { tag, .. } => tag.sign(collection)?,
            Publication::Withdraw { .. } => {
                self.stands.push((change.at, Documents::new()));
                return Ok(());
            }
        }
        self.stands.push((change.at, collection.publish(wall)?.clone()));
        Ok(())
    }
}

impl Fetcher for Servers {
    fn fetch(&self, request: FetchRequest) -> Pin<Box<dyn Future<Output = FetchAnswer> + Send>> {
        let servers = Arc::clone(&self.0);
        Box::pin(async move { servers.fetch(&request).await })
    }
}
