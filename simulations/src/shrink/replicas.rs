//! Leaving out replicas. Others refer to them by their place, so they are renumbered.
//!
//! A fault names a replica in a member whose name begins with `replica`; it is read and written as
//! JSON, so that a new class of faults needs nothing here.

use serde_json::Value;

use super::Shrinker;
use crate::Scenario;
use crate::fault::Fault;

impl Shrinker<'_> {
    /// Leaves out each replica in turn, the last one first.
    pub(super) fn leave_out_replicas(&mut self) {
        for place in (0..self.best.replicas.len()).rev() {
            if self.best.replicas.len() > 1 {
                let candidate = without(&self.best, place);
                self.attempt(candidate);
            }
        }
    }
}

/// The scenario without the replica at a place, and without the faults that concern it.
fn without(scenario: &Scenario, place: usize) -> Scenario {
    let mut less = scenario.clone();
    less.replicas.remove(place);
    for review in &mut less.reviews {
        review.to = review.to.and_then(|to| renumbered(to, place));
    }
    less.faults = scenario.faults.iter().filter_map(|fault| renumber(fault, place)).collect();
    less
}

/// The new place of a replica when one is left out; `None` if it is that one.
fn renumbered(replica: usize, place: usize) -> Option<usize> {
    match replica.cmp(&place) {
        std::cmp::Ordering::Less => Some(replica),
        std::cmp::Ordering::Equal => None,
        std::cmp::Ordering::Greater => Some(replica - 1),
    }
}

fn renumber(fault: &Fault, place: usize) -> Option<Fault> {
    let mut value = serde_json::to_value(fault).ok()?;
    renumber_in(&mut value, false, place)?;
    serde_json::from_value(value).ok()
}

/// Renumbers whatever stands under a member that names replicas.
fn renumber_in(value: &mut Value, names: bool, place: usize) -> Option<()> {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                renumber_in(member, names || name.starts_with("replica"), place)?;
            }
        }
        Value::Array(elements) => {
            for element in elements {
                renumber_in(element, names, place)?;
            }
        }
        Value::Number(number) if names => {
            let replica = usize::try_from(number.as_u64()?).ok()?;
            *value = renumbered(replica, place)?.into();
        }
        Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => {}
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Crash;

    #[test]
    fn faults_of_a_replica_go_with_it_and_those_of_later_ones_are_renumbered() {
        let crash = |replica| Fault::from(Crash { at: 1, back: 2, replica });
        assert_eq!(renumber(&crash(1), 1), None);
        assert_eq!(renumber(&crash(0), 1), Some(crash(0)));
        assert_eq!(renumber(&crash(3), 1), Some(crash(2)));
    }
}
