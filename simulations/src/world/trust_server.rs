//! A simulated trust server: what it holds, and when it cannot be reached.

use std::collections::BTreeMap;

use portreeve_lab::Documents;
use portreeve_protocol::messages::notary::{FetchOutcome, FetchRequest};
use portreeve_protocol::{Blob, Denial, DenyCode, Mono, Wall};

use crate::SimulationError;
use crate::scenario::{Fault, Scenario, TrustServerPlan};

/// A trust server.
#[derive(Debug)]
pub(super) struct TrustServer {
    collections: BTreeMap<String, Documents>,
    /// Times without service: from, until.
    down: Vec<(u64, u64)>,
}

/// What a server makes of a request.
#[derive(Debug)]
pub(super) struct Served {
    /// Whether a fault decided it.
    pub(super) fault: bool,
    pub(super) outcome: FetchOutcome,
}

impl TrustServer {
    pub(super) fn new(
        plan: &TrustServerPlan,
        scenario: &Scenario,
        published: Wall,
    ) -> Result<Self, SimulationError> {
        let down =
            scenario.faults.iter().filter_map(|Fault::ServerDown { from, server, until }| {
                (*server == plan.url).then_some((*from, until.unwrap_or(u64::MAX)))
            });
        Ok(Self { collections: plan.publish(published)?, down: down.collect() })
    }

    /// Answers a request as the host's client would tell of it.
    pub(super) fn serve(&self, request: &FetchRequest, now: Mono) -> Served {
        if self.down.iter().any(|(from, until)| (*from..*until).contains(&now.0)) {
            return unreachable(request);
        }
        let documents = self.collections.get(&request.gun);
        let found = documents.and_then(|documents| documents.get(&request.document.to_string()));
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
