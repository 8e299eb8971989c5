//! The series that every warm review counts in. They are looked for by their labels once.

use std::sync::OnceLock;

use portreeve_protocol::Fact;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

use super::Step;
use crate::metric_labels::{ByAnswer, ByCache, ByFact, ByStep};

/// Each comes to be when it is first counted in, as any other does.
#[derive(Debug, Default)]
pub(super) struct Often {
    allowed: OnceLock<Counter>,
    decided: OnceLock<Counter>,
    hits: OnceLock<Counter>,
    steps: [OnceLock<Histogram>; Step::COUNT],
}

impl Often {
    /// Counts a fact in `facts`.
    pub(super) fn fact(&self, facts: &Family<ByFact, Counter>, fact: &Fact) {
        let of = ByFact { fact: fact.name() };
        if matches!(fact, Fact::ReviewDecided { .. }) {
            self.decided.get_or_init(|| facts.get_or_create_owned(&of)).inc();
        } else {
            facts.get_or_create(&of).inc();
        }
    }

    /// Counts in `judged` a review for which no trust server had to be asked.
    pub(super) fn hit(&self, judged: &Family<ByCache, Counter>) {
        let of = || judged.get_or_create_owned(&ByCache { cache: "hit" });
        self.hits.get_or_init(of).inc();
    }

    /// Counts an answer in `reviews`.
    pub(super) fn answer(&self, reviews: &Family<ByAnswer, Counter>, answer: &ByAnswer) {
        let ByAnswer { allowed, code, mode: _ } = answer;
        if *allowed == "true" && code.is_empty() {
            self.allowed.get_or_init(|| reviews.get_or_create_owned(answer)).inc();
        } else {
            reviews.get_or_create(answer).inc();
        }
    }

    /// Observes in `steps` how long a step took.
    pub(super) fn step(&self, steps: &Family<ByStep, Histogram>, step: Step, seconds: f64) {
        let of = || steps.get_or_create_owned(&ByStep { step: step.name() });
        if let Some(series) = self.steps.get(step as usize) {
            series.get_or_init(of).observe(seconds);
        }
    }
}
