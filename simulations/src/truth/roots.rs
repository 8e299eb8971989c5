//! Which root each replica has of a collection: none, the publishers', or perhaps an impostor's.

use std::collections::BTreeMap;

use portreeve_protocol::Mono;
use portreeve_protocol::limits::FLIGHT_TIMEOUT;
use portreeve_protocol::messages::admission::{Resolution, ResolutionOutcome};

use super::Truth;
use crate::history::Sight;

/// Trust server and GUN.
type Collection = (String, String);

/// The roots that one replica has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roots {
    /// When an operator last had the replica forget what it trusted of each collection.
    forgotten: BTreeMap<Collection, Mono>,
    /// Whether it may be an impostor's, for each collection that there is a root of.
    held: BTreeMap<Collection, bool>,
    /// When the replica was last given an empty disk.
    wiped: Mono,
}

impl Roots {
    /// Takes note of something that the replica did, or that was done to it, at `at`.
    pub fn see(&mut self, at: Mono, what: &Sight, truth: &Truth) {
        match what {
            Sight::Resolved(resolution) => self.resolved(at, resolution, truth),
            Sight::Started(started) => {
                let before = std::mem::take(&mut self.held);
                for trusted in &started.restored.trust {
                    let key = (trusted.server.clone(), trusted.gun.clone());
                    // What came from a journal that is not known here may be anyone's.
                    let captive = before.get(&key).copied().unwrap_or(trusted.first_use);
                    self.held.insert(key, captive && trusted.first_use);
                }
            }
            Sight::TrustReset { gun, server } => {
                let key = (server.clone(), gun.clone());
                self.held.remove(&key);
                self.forgotten.insert(key, at);
            }
            Sight::Wiped { .. } => {
                self.held.clear();
                self.wiped = at;
            }
            Sight::Answered(_)
            | Sight::Bundle(_)
            | Sight::ClockAcknowledged { .. }
            | Sight::Crashed
            | Sight::Flipped
            | Sight::GaveUp { .. }
            | Sight::Policies(_)
            | Sight::Reached { .. }
            | Sight::Received { .. }
            | Sight::Stopped => {}
        }
    }

    /// Whether the replica may believe what an impostor serves: it has no root of the collection,
    /// or may have the impostor's.
    #[must_use]
    pub fn impostor(&self, server: &str, gun: &str) -> bool {
        let key = (server.to_owned(), gun.to_owned());
        self.held.get(&key).copied().unwrap_or(true)
    }

    /// Since when all that the replica knows of a collection is what it has been told.
    #[must_use]
    pub fn since(&self, server: &str, gun: &str) -> Mono {
        let forgotten = self.forgotten.get(&(server.to_owned(), gun.to_owned()));
        forgotten.map_or(self.wiped, |forgotten| self.wiped.max(*forgotten))
    }

    fn resolved(&mut self, at: Mono, resolution: &Resolution, truth: &Truth) {
        let Resolution { gun, server, tentative, .. } = resolution;
        let ResolutionOutcome::Verified(verified) = &resolution.outcome else { return };
        if *tentative {
            return;
        }
        let first_use = verified.evidence.first_use;
        let possible = || truth.impostor(server, gun, at.minus(2 * FLIGHT_TIMEOUT), at);
        let captive = self.held.entry((server.clone(), gun.clone())).or_insert_with(possible);
        *captive &= first_use;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostile::{Hostile, Nature};
    use crate::oracle::sample;
    use crate::truth::{Served, Stand};

    fn besieged() -> Truth {
        let mut truth = sample::truth();
        let impostor = |class: &&Hostile| class.nature() == Nature::Impostor;
        for shelf in truth.collections.values_mut() {
            let class = Hostile::ALL.iter().find(impostor);
            let bad = class.map(|class| Served::Bad { class: *class, evil: sample::digest() });
            shelf.served.extend(bad.map(|what| Stand { from: Mono(100), what }));
        }
        truth
    }

    fn first_contact(truth: &Truth) -> Roots {
        let mut roots = Roots::default();
        roots.see(Mono(200), &Sight::Resolved(sample::resolution(Mono(150)).into()), truth);
        roots
    }

    #[test]
    fn a_replica_without_a_root_may_believe_an_impostor_and_one_with_a_root_does_not() {
        let believes = |roots: &Roots| roots.impostor(sample::SERVER, sample::GUN);
        assert!(believes(&Roots::default()));
        assert!(!believes(&first_contact(&sample::truth())));
        assert!(believes(&first_contact(&besieged())), "it may have the impostor's");
    }

    #[test]
    fn a_reset_or_an_empty_disk_leaves_no_root() {
        let truth = sample::truth();
        let (gun, server) = (sample::GUN.to_owned(), sample::SERVER.to_owned());
        for what in [
            Sight::TrustReset { gun, server },
            Sight::Wiped { why: "test".to_owned() },
            Sight::Started(sample::started(2).into()),
        ] {
            let mut roots = first_contact(&truth);
            roots.see(Mono(300), &what, &truth);
            assert!(roots.impostor(sample::SERVER, sample::GUN), "{what:?}");
        }
    }
}
