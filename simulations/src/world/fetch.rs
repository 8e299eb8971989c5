//! Requests to trust servers, there and back, and questions for owners.

use std::collections::BTreeMap;
use std::sync::Arc;

use portreeve_protocol::messages::admission::{
    AdmissionInput, OwnerFound, OwnerOutcome, OwnerQuery,
};
use portreeve_protocol::messages::notary::{FetchOutcome, FetchRequest, Fetched, NotaryInput};
use portreeve_protocol::{Denial, DenyCode, Input, Mono, limits};

use super::replica::Replica;
use super::{Happening, World, asked};
use crate::SimulationError;
use crate::fault::{Link, Place, Service, Traffic};
use crate::node::{Envelope, Handled};

/// A request on its way to a trust server.
pub(super) struct Flight {
    /// What brings the answer back; its input is not the answer yet.
    envelope: Envelope,
    /// When it was sent.
    began: Mono,
    life: u64,
    number: u64,
    replica: usize,
    request: FetchRequest,
}

impl Replica {
    /// The first request that waits and for which there is a place.
    fn next_fetch(&mut self) -> Option<Flight> {
        if self.fetches.len() >= limits::FETCHES_IN_FLIGHT {
            return None;
        }
        let mut flying: BTreeMap<&str, usize> = BTreeMap::new();
        for server in self.fetches.values() {
            *flying.entry(server).or_default() += 1;
        }
        flying.retain(|_, count| *count >= limits::FETCHES_PER_SERVER);
        let fits = |flight: &Flight| !flying.contains_key(flight.request.server.as_str());
        let place = self.queued.iter().position(fits)?;
        self.queued.remove(place)
    }
}

impl World<'_> {
    /// Sends a request. It ends at the latest when its time is over.
    pub(super) fn fetch(
        &mut self,
        replica: usize,
        handled: &Handled,
        index: u32,
        request: &FetchRequest,
    ) {
        let began = self.scheduler.now();
        self.counts.fetches += 1;
        let number = self.counts.fetches;
        let life = self.replicas[replica].life;
        let late = Denial::new(
            DenyCode::Unreachable,
            format!("{} did not answer within {} ms", request.server, request.timeout / 1_000),
        );
        let outcome = FetchOutcome::Failed(late);
        let input = ended(request, request.timeout, outcome, None);
        let envelope = handled.envelope(index, handled.event.actor.clone(), input);
        let timeout = began.plus(request.timeout);
        let ended = Happening::Fetched { envelope: envelope.clone(), life, number, replica };
        self.scheduler.schedule(timeout, ended);
        let request = request.clone();
        let flight = Flight { envelope, began, life, number, replica, request };
        self.replicas[replica].queued.push_back(flight);
        self.launch(replica);
    }

    /// Sends the requests that wait and for which there is a place, as the host does: so many at
    /// once, and so many to one server.
    fn launch(&mut self, replica: usize) {
        while let Some(flight) = self.replicas[replica].next_fetch() {
            let server = flight.request.server.clone();
            let flying = &mut self.replicas[replica].fetches;
            flying.insert(flight.number, server.clone());
            let flying = u64::try_from(flying.len()).unwrap_or_default();
            self.counts.most_fetches = self.counts.most_fetches.max(flying);
            let (from, to) = (Place::Replica(replica), Place::TrustServer(&server));
            let passage = self.passage(&Link { from, to, traffic: Traffic::Fetch });
            if passage.copies > 0 {
                let at = self.scheduler.now().plus(passage.delay);
                self.scheduler.schedule(at, Happening::Fetch(Box::new(flight)));
            }
        }
    }

    /// A request is at its trust server.
    pub(super) fn serve(&mut self, flight: Flight) -> Result<(), SimulationError> {
        let Flight { mut envelope, began, life, number, replica, request } = flight;
        let at = self.scheduler.now();
        let mut service = Service::Documents;
        let hit = self.bend(&mut service, |influence, rng, service| {
            influence.serve(at, &request, rng, service);
        });
        for index in hit {
            let class = self.scenario.faults[index].class();
            self.note('!', None, format!("{class}: {}", asked(&request)));
        }
        let (outcome, retry_after) = match service {
            Service::Documents => (self.document(&request), None),
            Service::Fails(denial, retry_after) => (FetchOutcome::Failed(denial), retry_after),
        };
        let (from, to) = (Place::TrustServer(&request.server), Place::Replica(replica));
        let passage = self.passage(&Link { from, to, traffic: Traffic::Document });
        if passage.copies > 0 {
            let arrival = at.plus(self.delays.service()).plus(passage.delay);
            envelope.input = ended(&request, arrival.since(began), outcome, retry_after);
            let ended = Happening::Fetched { envelope, life, number, replica };
            self.scheduler.schedule(arrival, ended);
        }
        Ok(())
    }

    fn document(&self, request: &FetchRequest) -> FetchOutcome {
        match self.servers.get(&request.server) {
            Some(server) => server.serve(request),
            None => FetchOutcome::Failed(Denial::new(
                DenyCode::Unreachable,
                format!("{} refuses the connection", request.server),
            )),
        }
    }

    /// A request ended, one way or the other.
    pub(super) fn fetched(
        &mut self,
        replica: usize,
        life: u64,
        number: u64,
        envelope: Envelope,
    ) -> Result<(), SimulationError> {
        if !self.lives(replica, life) {
            return Ok(());
        }
        let process = &mut self.replicas[replica];
        let queued = process.queued.iter().position(|flight| flight.number == number);
        let waited = queued.and_then(|place| process.queued.remove(place)).is_some();
        let flew = process.fetches.remove(&number).is_some();
        if !waited && !flew {
            return Ok(());
        }
        self.deliver(replica, envelope)?;
        self.launch(replica);
        Ok(())
    }

    /// Asks the API server for an owner.
    pub(super) fn look_up(
        &mut self,
        replica: usize,
        handled: &Handled,
        index: u32,
        query: &OwnerQuery,
    ) {
        let (here, there) = (Place::Replica(replica), Place::ApiServer);
        let asks = self.passage(&Link { from: here, to: there, traffic: Traffic::Look });
        let tells = self.passage(&Link { from: there, to: here, traffic: Traffic::Owner });
        let mut micros = asks.delay + tells.delay;
        let mut outcome = self.api.owner(query);
        if asks.copies == 0 || tells.copies == 0 || micros >= limits::OWNER_TIMEOUT {
            micros = limits::OWNER_TIMEOUT;
            outcome = OwnerOutcome::Unavailable(Denial::new(
                DenyCode::ApiServer,
                "the API server did not answer in time",
            ));
        }
        let found = OwnerFound { micros, outcome, review: query.review.clone() };
        let input = Arc::new(Input::Admission(AdmissionInput::OwnerFound(found)));
        let envelope = handled.envelope(index, handled.event.actor.clone(), input);
        let life = self.replicas[replica].life;
        let at = self.scheduler.now().plus(micros);
        self.scheduler.schedule(at, Happening::Inside { envelope, life, replica });
    }
}

fn ended(
    request: &FetchRequest,
    micros: u64,
    outcome: FetchOutcome,
    retry_after: Option<u64>,
) -> Arc<Input> {
    Arc::new(Input::Notary(NotaryInput::Fetched(Fetched {
        credential: None,
        document: request.document.clone(),
        flight: request.flight,
        gun: request.gun.clone(),
        micros,
        outcome,
        retry_after,
    })))
}
