//! What the swarm knows of a scenario when it draws faults for it.

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

    /// A time from when and until when something lasts: the worse the rate, the longer.
    pub fn span(&self, rate: u64, rng: &mut Rng) -> (u64, u64) {
        let longest = (self.heal / 1_000).saturating_mul(rate).max(10_000);
        let from = rng.below(self.heal);
        let until = from.saturating_add(rng.log_between(10_000, longest));
        (from, until.min(self.heal))
    }
}
