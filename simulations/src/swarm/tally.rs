//! What was in runs, added up.

use std::collections::BTreeMap;

use portreeve_protocol::{Admitted, Verdict};
use serde::Serialize;

use crate::Outcome;
use crate::history::Sight;
use crate::oracle::ORACLES;
use crate::outcome::Counts;

/// What was in runs, added up. The members are those of the command's `--json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Reviews that were allowed.
    pub allowed: u64,
    /// Deliveries to machines.
    pub deliveries: u64,
    /// Code of denial to the number of answers with it.
    pub denied: BTreeMap<&'static str, u64>,
    /// Events: what a line of a trace stands for.
    pub events: u64,
    /// How often each fact was noted, by its name.
    pub facts: BTreeMap<&'static str, u64>,
    /// Fetches that were begun.
    pub fetches: u64,
    /// How often faults of each class were hit.
    pub marks: BTreeMap<&'static str, u64>,
    /// Simulated microseconds.
    pub micros: u64,
    /// The most answers that waited for their records at one instant.
    pub most_held: u64,
    /// The most fetches under way at one instant.
    pub most_fetches: u64,
    /// The most reviews that were being decided at one instant.
    pub most_reviews: u64,
    /// Times that an oracle judged a run.
    pub judged: u64,
    /// Reviews that were decided.
    pub reviews: u64,
    /// Runs that came to their end.
    pub runs: u64,
    /// Code of denial to the number of images that it was found of, in answers that allow too.
    pub verdicts: BTreeMap<&'static str, u64>,
    /// Verifications asked for.
    pub verifications: u64,
}

impl Tally {
    /// What was in one run.
    #[must_use]
    pub fn of(outcome: &Outcome) -> Self {
        let Counts { deliveries, fetches, most_held, most_fetches, most_reviews, .. } =
            outcome.counts;
        let mut tally = Self {
            deliveries,
            events: outcome.trace.events(),
            facts: outcome.facts.clone(),
            fetches,
            judged: ORACLES.len() as u64,
            marks: outcome.marks.clone(),
            micros: outcome.took.0,
            most_fetches,
            most_held,
            most_reviews,
            reviews: outcome.counts.reviews,
            runs: 1,
            verifications: outcome.counts.verifications,
            ..Self::default()
        };
        for seen in &outcome.history {
            let Sight::Answered(answered) = &seen.what else { continue };
            match answered.denial() {
                Some(denial) => *tally.denied.entry(denial.code.code()).or_default() += 1,
                None => tally.allowed += 1,
            }
            for verdict in &answered.decision.verdicts {
                let denial = match &verdict.verdict {
                    Verdict::Allowed(Admitted::Tolerated(tolerated)) => &tolerated.denial,
                    Verdict::Allowed(_) => continue,
                    Verdict::Denied(denial) => denial,
                };
                *tally.verdicts.entry(denial.code.code()).or_default() += 1;
            }
        }
        tally
    }

    /// Adds what was in other runs.
    pub fn add(&mut self, other: &Self) {
        self.allowed += other.allowed;
        self.deliveries += other.deliveries;
        self.events += other.events;
        self.fetches += other.fetches;
        self.judged += other.judged;
        self.micros += other.micros;
        self.most_fetches = self.most_fetches.max(other.most_fetches);
        self.most_held = self.most_held.max(other.most_held);
        self.most_reviews = self.most_reviews.max(other.most_reviews);
        self.reviews += other.reviews;
        self.runs += other.runs;
        self.verifications += other.verifications;
        for (mine, others) in [
            (&mut self.denied, &other.denied),
            (&mut self.facts, &other.facts),
            (&mut self.marks, &other.marks),
            (&mut self.verdicts, &other.verdicts),
        ] {
            for (name, count) in others {
                *mine.entry(name).or_default() += count;
            }
        }
    }

    /// Whether a code of denial was given, of a review or of an image.
    #[must_use]
    pub fn gave(&self, code: &str) -> bool {
        self.denied.contains_key(code) || self.verdicts.contains_key(code)
    }
}
