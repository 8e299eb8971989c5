//! Trust servers in memory: what they serve, by the clock of the node that asks.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use portreeve_host::clock::Clock;
use portreeve_host::notary_client::{FetchAnswer, Fetcher};
use portreeve_lab::{BaseRole, Collection, Documents};
use portreeve_protocol::messages::notary::{FetchOutcome, FetchRequest};
use portreeve_protocol::{Blob, Denial, DenyCode, Wall};
use portreeve_simulations::scenario::{Change, CollectionPlan, Publication};
use portreeve_simulations::{Scenario, SimulationError};

use super::{Outage, node_failed};
use crate::TestError;

/// How long a trust server takes to answer.
const FETCH: Duration = Duration::from_millis(10);

/// The trust servers of a scenario.
pub(super) struct Servers {
    clock: Clock,
    outages: Vec<Outage>,
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
    pub(super) fn of(
        scenario: &Scenario,
        outages: &[Outage],
        clock: &Clock,
    ) -> Result<Self, TestError> {
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
        Ok(Self { clock: clock.clone(), outages: outages.to_vec(), shelves, urls })
    }

    /// What a request made now comes to.
    fn serve(&self, request: &FetchRequest) -> FetchOutcome {
        let now = self.clock.now().mono.0;
        let is_away = |outage: &Outage| {
            let until = outage.until.unwrap_or(u64::MAX);
            outage.server == request.server && (outage.from..until).contains(&now)
        };
        let failed = |code, detail| FetchOutcome::Failed(Denial::new(code, detail));
        if self.outages.iter().any(is_away) || !self.urls.contains(&request.server) {
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
        let outcome = self.serve(&request);
        Box::pin(async move {
            tokio::time::sleep(FETCH).await;
            outcome.into()
        })
    }
}
