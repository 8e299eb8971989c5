//! A simulated trust server: what it holds, how that changes, and when it cannot be reached.

use std::collections::BTreeMap;

use portreeve_lab::{BaseRole, Collection, Documents};
use portreeve_protocol::messages::notary::{FetchOutcome, FetchRequest};
use portreeve_protocol::{Blob, Denial, DenyCode, Mono, Wall};

use crate::SimulationError;
use crate::scenario::{Fault, Publication, Scenario, TrustServerPlan};

/// A trust server.
pub(super) struct TrustServer {
    /// Times without service: from, until.
    down: Vec<(u64, u64)>,
    shelves: BTreeMap<String, Shelf>,
}

/// A collection and what is served of it.
struct Shelf {
    before: Documents,
    collection: Collection,
    served: Documents,
}

/// What a server makes of a request.
pub(super) struct Served {
    /// Whether a fault decided it.
    pub(super) fault: bool,
    pub(super) outcome: FetchOutcome,
}

impl Shelf {
    fn new(collection: Collection) -> Self {
        let served = collection.documents().clone();
        Self { before: Documents::new(), collection, served }
    }
}

impl TrustServer {
    pub(super) fn new(
        plan: &TrustServerPlan,
        scenario: &Scenario,
    ) -> Result<Self, SimulationError> {
        let down = scenario.faults.iter().filter_map(|fault| match fault {
            Fault::ServerDown { from, server, until } if *server == plan.url => {
                Some((*from, until.unwrap_or(u64::MAX)))
            }
            Fault::ServerDown { .. } | Fault::Crash { .. } | Fault::DiskFull { .. } => None,
        });
        let mut shelves = BTreeMap::new();
        for collection in &plan.collections {
            let shelf = Shelf::new(collection.sign(scenario.published)?);
            shelves.insert(collection.gun.clone(), shelf);
        }
        Ok(Self { down: down.collect(), shelves })
    }

    /// Changes what is served. A change to a collection that is not there is none.
    pub(super) fn change(&mut self, what: &Publication, wall: Wall) -> Result<(), SimulationError> {
        if let Publication::Publish(plan) = what {
            self.shelves.insert(plan.gun.clone(), Shelf::new(plan.sign(wall)?));
            return Ok(());
        }
        let Some(shelf) = self.shelves.get_mut(what.gun()) else { return Ok(()) };
        let collection = &mut shelf.collection;
        match what {
            Publication::Publish(_) => {}
            Publication::Remove { tag, .. } => collection.remove(tag),
            Publication::Rollback { .. } => {
                shelf.served = std::mem::take(&mut shelf.before);
                return Ok(());
            }
            Publication::RotateRoot { .. } => collection.rotate_root(wall)?,
            Publication::RotateTimestamp { .. } => collection.rotate(BaseRole::Timestamp)?,
            Publication::Sign { tag, .. } => tag.sign(collection)?,
            Publication::Withdraw { .. } => {
                shelf.before = std::mem::take(&mut shelf.served);
                return Ok(());
            }
        }
        let documents = collection.publish(wall)?.clone();
        shelf.before = std::mem::replace(&mut shelf.served, documents);
        Ok(())
    }

    /// Answers a request as the host's client would tell of it.
    pub(super) fn serve(&self, request: &FetchRequest, now: Mono) -> Served {
        if self.down.iter().any(|(from, until)| (*from..*until).contains(&now.0)) {
            return unreachable(request);
        }
        let shelf = self.shelves.get(&request.gun);
        let found = shelf.and_then(|shelf| shelf.served.get(&request.document.to_string()));
        let outcome = match found {
            None => FetchOutcome::Absent,
            Some(bytes) if bytes.len() as u64 > request.limit => FetchOutcome::Failed(Denial::new(
                DenyCode::Oversize,
                format!("{} is longer than {} bytes", request.document, request.limit),
            )),
            Some(bytes) => FetchOutcome::Document(Blob::new(bytes.clone())),
        };
        Served { fault: false, outcome }
    }
}

/// What a request to a server that takes no connection comes to.
pub(super) fn unreachable(request: &FetchRequest) -> Served {
    let detail = format!("{} refuses the connection", request.server);
    let outcome = FetchOutcome::Failed(Denial::new(DenyCode::Unreachable, detail));
    Served { fault: true, outcome }
}
