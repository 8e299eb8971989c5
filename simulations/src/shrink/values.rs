//! Making simpler: values that say something special give way to ordinary ones.

use portreeve_protocol::Settings;
use portreeve_protocol::messages::admission::{Operation, ReviewPath, ReviewVersion};
use portreeve_protocol::policy::Mode;
use serde_json::Value;

use super::Shrinker;
use crate::Scenario;
use crate::fault::Fault;
use crate::scenario::{Later, PlannedReview, RulePlan};

const SECOND: u64 = 1_000_000;
/// How often a number of a fault is halved at most.
const HALVINGS: u32 = 6;

/// A change of something to something more ordinary.
type Simpler<T> = fn(&mut T);

const REVIEW: &[Simpler<PlannedReview>] = &[
    |review| review.children = 0,
    |review| review.later = Later::Nothing,
    |review| review.retries = 0,
    |review| review.validated = false,
    |review| review.to = None,
    |review| review.spread = 0,
    |review| review.at -= review.at % SECOND,
    |review| {
        review.facts.operation = Operation::Create;
        review.facts.old_images.clear();
    },
    |review| review.facts.dry_run = false,
    |review| review.facts.sealing = false,
    |review| review.facts.annotated = false,
    |review| review.facts.path = ReviewPath::Admit,
    |review| review.facts.version = ReviewVersion::V1,
    |review| review.facts.malformed = None,
    |review| review.facts.sub_resource = None,
    |review| review.facts.budget = 9 * SECOND,
];

const RULE: &[Simpler<RulePlan>] = &[
    |rule| rule.trust = None,
    |rule| rule.mode = Mode::Enforce,
    |rule| rule.mutate_image = true,
    |rule| rule.trust.iter_mut().for_each(|trust| trust.freshness = None),
    |rule| rule.trust.iter_mut().for_each(|trust| trust.max_staleness = None),
    |rule| rule.trust.iter_mut().for_each(|trust| trust.pins.clear()),
    |rule| rule.trust.iter_mut().for_each(|trust| trust.signers.clear()),
    |rule| rule.trust.iter_mut().for_each(|trust| trust.strict_roles = false),
];

const SETTINGS: &[Simpler<Settings>] = &[
    |settings| settings.approved_only = false,
    |settings| settings.client_required = false,
    |settings| settings.freshness = Settings::default().freshness,
    |settings| settings.max_staleness = 0,
    |settings| settings.require_pins = false,
    |settings| settings.pins.clear(),
];

impl Shrinker<'_> {
    /// Makes everything simpler that need not be special.
    pub(super) fn simplify(&mut self) {
        for simpler in REVIEW {
            let all = |scenario: &mut Scenario| scenario.reviews.iter_mut().for_each(simpler);
            if !self.changed(&all) {
                for place in 0..self.best.reviews.len() {
                    self.changed(&|scenario| {
                        scenario.reviews.get_mut(place).into_iter().for_each(simpler);
                    });
                }
            }
        }
        for simpler in RULE {
            for place in 0..self.best.policies.len() {
                self.changed(&|scenario| {
                    let policy = scenario.policies.get_mut(place);
                    let rules = policy.into_iter().flat_map(|policy| &mut policy.rules);
                    rules.for_each(simpler);
                });
            }
        }
        for simpler in SETTINGS {
            self.changed(&|scenario| simpler(&mut scenario.settings));
        }
        self.changed(&|scenario| scenario.bundle = None);
        self.changed(&|scenario| scenario.audited = false);
        self.simplify_faults();
        self.changed(&|scenario| scenario.heal = None);
        self.changed(&|scenario| {
            let ends = scenario.reviews.iter().map(|review| review.at + review.spread);
            let last = ends.max().unwrap_or_default();
            scenario.heal = scenario.heal.map(|heal| heal.min(last + SECOND));
        });
    }

    /// Takes a changed scenario if it still fails.
    fn changed(&mut self, change: &dyn Fn(&mut Scenario)) -> bool {
        let mut candidate = self.best.clone();
        change(&mut candidate);
        self.attempt(candidate)
    }

    /// Lowers the numbers of faults: rates, instants and durations. They are changed as JSON, so
    /// that a new class of faults needs nothing here.
    fn simplify_faults(&mut self) {
        for place in 0..self.best.faults.len() {
            let numbers = self.best.faults.get(place).map_or(0, numbers);
            for index in 0..numbers {
                if self.lowered(place, index, |_| 0) {
                    continue;
                }
                for _ in 0..HALVINGS {
                    if !self.lowered(place, index, |number| number / 2) {
                        break;
                    }
                }
            }
        }
    }

    fn lowered(&mut self, place: usize, index: usize, lower: fn(u64) -> u64) -> bool {
        let mut candidate = self.best.clone();
        let Some(fault) = candidate.faults.get_mut(place) else { return false };
        let Some(lowered) = with_number(fault, index, lower) else { return false };
        *fault = lowered;
        self.attempt(candidate)
    }
}

/// How many numbers a fault has that may be lowered.
fn numbers(fault: &Fault) -> usize {
    let Ok(mut value) = serde_json::to_value(fault) else { return 0 };
    let mut count = 0;
    visit(&mut value, &mut |_| count += 1);
    count
}

/// The fault with another number at an index.
fn with_number(fault: &Fault, index: usize, lower: fn(u64) -> u64) -> Option<Fault> {
    let mut value = serde_json::to_value(fault).ok()?;
    let mut count = 0;
    visit(&mut value, &mut |number| {
        if count == index
            && let Some(old) = number.as_u64()
        {
            *number = lower(old).into();
        }
        count += 1;
    });
    serde_json::from_value(value).ok()
}

/// Each number of a fault but the places of replicas, in order.
fn visit(value: &mut Value, number: &mut dyn FnMut(&mut Value)) {
    match value {
        Value::Object(members) => {
            let others = members.iter_mut().filter(|(name, _)| !name.starts_with("replica"));
            others.for_each(|(_, member)| visit(member, number));
        }
        Value::Array(elements) => elements.iter_mut().for_each(|element| visit(element, number)),
        Value::Number(_) => number(value),
        Value::Bool(_) | Value::Null | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Crash;

    #[test]
    fn numbers_of_a_fault_are_lowered_one_by_one_and_replicas_stay() {
        let crash = Fault::from(Crash { at: 10, back: 21, replica: 3 });
        assert_eq!(numbers(&crash), 2);
        let halved = with_number(&crash, 1, |number| number / 2);
        assert_eq!(halved, Some(Crash { at: 10, back: 10, replica: 3 }.into()));
        let none = with_number(&crash, 0, |_| 0);
        assert_eq!(none, Some(Crash { at: 0, back: 21, replica: 3 }.into()));
    }
}
