//! Whether all comes right once nothing goes wrong any more: every replica is asked for whatever
//! was asked for before, several times.

use std::borrow::Cow;
use std::collections::BTreeSet;

use portreeve_protocol::messages::admission::{Operation, ReviewFacts, ReviewPath};
use portreeve_protocol::time::SECOND;
use portreeve_protocol::workload::{Carrier, carrier};
use portreeve_protocol::{Mono, SealFact, limits};

use super::call::Intent;
use super::{Happening, World};
use crate::SimulationError;
use crate::scenario::PlannedReview;

/// Rounds of questions.
const ROUNDS: u32 = 4;
/// From one round to the next, and from the heal to the first: longer than trust data stay fresh,
/// waits grow, and calls wait.
const APART: u64 = 65 * SECOND;
/// Questions a replica is asked in each round at most.
const QUESTIONS: usize = 12;

/// When the first round is, if the heal is at `heal`.
pub(super) const fn first(heal: u64) -> Mono {
    Mono(heal.saturating_add(APART))
}

impl World<'_> {
    /// Asks what is not settled yet; in the end says what did not come right.
    pub(super) fn probe(&mut self, round: u32) -> Result<(), SimulationError> {
        let questions = questions(&self.scenario.reviews);
        if round >= ROUNDS || (round > 0 && self.is_settled(questions.len())) {
            self.stuck = self.why_stuck(round);
            self.over = true;
            return Ok(());
        }
        for replica in 0..self.replicas.len() {
            for (place, facts) in questions.iter().enumerate() {
                if self.api.settled.contains(&(replica, place)) {
                    continue;
                }
                let mut facts = (*facts).clone();
                facts.uid = format!("probe-{replica}-{place}-{round}");
                (facts.budget, facts.seal) = (9 * SECOND, SealFact::Absent);
                let plan = PlannedReview { to: Some(replica), ..PlannedReview::once(0, 0, facts) };
                self.intend(Intent::new(Cow::Owned(plan), Some((replica, place))));
            }
        }
        let next = self.scheduler.now().plus(APART);
        self.scheduler.schedule(next, Happening::Probe(round + 1));
        Ok(())
    }

    fn is_settled(&self, questions: usize) -> bool {
        self.api.settled.len() == questions * self.replicas.len()
    }

    /// Why the cluster did not come right, whatever was decided.
    fn why_stuck(&self, round: u32) -> Option<String> {
        for replica in &self.replicas {
            let name = &replica.name;
            if !replica.is_up() {
                return Some(format!("{name} does not run"));
            }
            if !replica.is_ready() {
                return Some(format!("{name} is not ready"));
            }
            if replica.watch.broken {
                return Some(format!("{name} does not watch policies"));
            }
            if let Some(call) = replica.calls.values().next() {
                return Some(format!("{name} has not answered call {call} after {round} rounds"));
            }
        }
        None
    }
}

/// What is asked: workloads that were to be created, those with the same images once.
fn questions(reviews: &[PlannedReview]) -> Vec<&ReviewFacts> {
    let mut seen = BTreeSet::new();
    let asked = |plan: &&PlannedReview| {
        let facts = &plan.facts;
        facts.operation == Operation::Create
            && facts.path == ReviewPath::Admit
            && facts.malformed.is_none()
            && facts.sub_resource.is_none()
            && facts.owners.is_empty()
            && facts.images.len() <= limits::REVIEW_IMAGES
            && carrier(&facts.kind.group, &facts.kind.kind, None) != Carrier::Unknown
    };
    let facts = reviews.iter().filter(asked).map(|plan| &plan.facts);
    let images = |facts: &&ReviewFacts| -> (String, Vec<String>) {
        (facts.namespace.clone(), facts.images.iter().map(|one| one.image.to_string()).collect())
    };
    facts.filter(|facts| seen.insert(images(facts))).take(QUESTIONS).collect()
}
