//! What the swarm knows of a scenario when it draws faults for it.

use super::Spot;
use crate::rng::Rng;

/// What the swarm knows of a scenario when it draws faults for it.
#[derive(Debug, Clone)]
pub struct Ground {
    /// Server and GUN of each collection.
    pub collections: Vec<(String, String)>,
    /// Until when faults may last, in microseconds after the start.
    pub heal: u64,
    /// Server and GUN of each collection whose root the trust bundle pins at any time.
    pub pinned: Vec<(String, String)>,
    /// How many replicas there are.
    pub replicas: usize,
    /// URLs of the trust servers.
    pub servers: Vec<String>,
}

impl Ground {
    /// Any of the replicas.
    pub fn replica(&self, rng: &mut Rng) -> usize {
        let most = u64::try_from(self.replicas).unwrap_or_default();
        usize::try_from(rng.below(most)).unwrap_or_default()
    }

    /// Any of the trust servers.
    pub fn server(&self, rng: &mut Rng) -> Option<&str> {
        rng.pick(&self.servers).map(String::as_str)
    }

    /// Any of the collections: server and GUN.
    pub fn collection(&self, rng: &mut Rng) -> Option<(&str, &str)> {
        rng.pick(&self.collections).map(|(server, gun)| (server.as_str(), gun.as_str()))
    }

    /// Any of the collections, the first two more often than the others: so it is with reviews.
    pub fn busy_collection(&self, rng: &mut Rng) -> Option<(&str, &str)> {
        let busy = self.collections.len().min(if rng.chance(600) { 2 } else { usize::MAX });
        rng.pick(&self.collections[..busy]).map(|(server, gun)| (server.as_str(), gun.as_str()))
    }

    /// Two places that have to do with each other: the first sends to the second.
    pub fn link(&self, rng: &mut Rng) -> (Spot, Spot) {
        let replica = Spot::Replica(self.replica(rng));
        let server = self.server(rng).map(|server| Spot::TrustServer(server.to_owned()));
        let other = server.filter(|_| rng.chance(500)).unwrap_or(Spot::ApiServer);
        if rng.chance(500) { (replica, other) } else { (other, replica) }
    }

    /// Some of the places, not all and not none.
    pub fn side(&self, rng: &mut Rng) -> Vec<Spot> {
        let mut places = vec![Spot::ApiServer];
        places.extend((0..self.replicas).map(Spot::Replica));
        places.extend(self.servers.iter().cloned().map(Spot::TrustServer));
        let one = rng.pick(&places).cloned();
        let all = places.len();
        places.retain(|_| rng.chance(300));
        if places.is_empty() || places.len() == all { one.into_iter().collect() } else { places }
    }

    /// Of a thousand, how many a fault concerns: the worse the rate, the more it may be.
    pub fn share(&self, rate: u64, rng: &mut Rng) -> u64 {
        rng.between(1, rate.clamp(1, 1_000))
    }

    /// A time from when and until when something lasts: the worse the rate, the longer.
    pub fn span(&self, rate: u64, rng: &mut Rng) -> (u64, u64) {
        let longest = (self.heal / 1_000).saturating_mul(rate).max(10_000);
        let from = rng.below(self.heal);
        let until = from.saturating_add(rng.log_between(10_000, longest));
        (from, until.min(self.heal))
    }
}
