//! Leaving out: whatever stands in lists, first much at once, then one by one.

use super::Shrinker;
use crate::Scenario;
use crate::fault::CLASSES;

/// A list of a scenario; `None` if it has no such list.
type List<'a, T> = &'a dyn Fn(&mut Scenario) -> Option<&mut Vec<T>>;

impl Shrinker<'_> {
    /// Leaves out all that comes after the rule is broken, at once.
    pub(super) fn leave_out_later(&mut self) {
        let end = self.violation.at.0;
        let mut candidate = self.best.clone();
        candidate.reviews.retain(|review| review.at <= end);
        candidate.changes.retain(|change| change.at <= end);
        candidate.policy_changes.retain(|change| change.at <= end);
        self.attempt(candidate);
    }

    /// Leaves out all faults of a class at once.
    pub(super) fn leave_out_classes(&mut self) {
        for (class, _) in CLASSES {
            let mut candidate = self.best.clone();
            candidate.faults.retain(|fault| fault.class() != *class);
            self.attempt(candidate);
        }
    }

    /// Leaves out elements of all lists but that of replicas.
    pub(super) fn leave_out_parts(&mut self) {
        self.thin("reviews", &|scenario| Some(&mut scenario.reviews));
        self.thin("faults", &|scenario| Some(&mut scenario.faults));
        self.thin("changes", &|scenario| Some(&mut scenario.changes));
        self.thin("changes of policies", &|scenario| Some(&mut scenario.policy_changes));
        self.thin("editions of the trust bundle", &|scenario| {
            Some(&mut scenario.bundle.as_mut()?.editions)
        });
        self.thin("signers", &|scenario| Some(&mut scenario.signers));
        self.thin("policies", &|scenario| Some(&mut scenario.policies));
        for place in 0..self.best.policies.len() {
            self.thin("rules", &|scenario| Some(&mut scenario.policies.get_mut(place)?.rules));
        }
        self.thin("trust servers", &|scenario| Some(&mut scenario.servers));
        for place in 0..self.best.servers.len() {
            self.thin("collections", &|scenario| {
                Some(&mut scenario.servers.get_mut(place)?.collections)
            });
            let collections = self.best.servers.get(place).map_or(0, |it| it.collections.len());
            for inner in 0..collections {
                self.thin("tags", &|scenario| {
                    let server = scenario.servers.get_mut(place)?;
                    Some(&mut server.collections.get_mut(inner)?.tags)
                });
            }
        }
        for place in 0..self.best.reviews.len() {
            self.thin("images", &|scenario| {
                Some(&mut scenario.reviews.get_mut(place)?.facts.images)
            });
            self.thin("old images", &|scenario| {
                Some(&mut scenario.reviews.get_mut(place)?.facts.old_images)
            });
            self.thin("owners", &|scenario| {
                Some(&mut scenario.reviews.get_mut(place)?.facts.owners)
            });
        }
    }

    /// Leaves out elements of one list: all of them, then halves, quarters, and so on.
    fn thin<T>(&mut self, what: &'static str, list: List<'_, T>) {
        self.what = what;
        let length = |scenario: &mut Scenario| list(scenario).map_or(0, |list| list.len());
        let mut chunk = length(&mut self.best);
        while chunk > 0 {
            let mut from = 0;
            while from < length(&mut self.best) {
                let mut candidate = self.best.clone();
                if let Some(list) = list(&mut candidate) {
                    let to = (from + chunk).min(list.len());
                    drop(list.drain(from..to));
                }
                if !self.attempt(candidate) {
                    from += chunk;
                }
            }
            chunk /= 2;
        }
    }
}
