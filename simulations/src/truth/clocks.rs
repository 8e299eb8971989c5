//! What the clocks of a replica show, by the faults of the scenario.

use portreeve_protocol::{Mono, Wall};

use crate::Scenario;

/// Microseconds by which a reading may differ from what is computed here, by rounding alone.
pub const ROUNDING: u64 = 1_000;

/// The clocks of one replica.
#[derive(Debug, Clone, Copy)]
pub struct Clocks<'a> {
    /// By how many parts in a million the monotonic clock runs too fast.
    drift: i64,
    replica: usize,
    scenario: &'a Scenario,
}

impl<'a> Clocks<'a> {
    /// The clocks of the replica at this place.
    #[must_use]
    pub fn of(scenario: &'a Scenario, replica: usize) -> Self {
        let faults = scenario.faults.iter();
        let drift = faults.map(|fault| fault.influence().drift(replica)).sum();
        Self { drift, replica, scenario }
    }

    /// What the monotonic clock of an incarnation that started at `start` shows at `at`.
    #[must_use]
    pub fn mono(&self, start: Mono, at: Mono) -> Mono {
        let passed = i128::from(at.since(start));
        let shown = passed + passed * i128::from(self.drift) / 1_000_000;
        Mono(u64::try_from(shown).unwrap_or_default())
    }

    /// True microseconds that pass while the monotonic clock goes on by `micros`, rounded up.
    #[must_use]
    pub fn true_span(&self, micros: u64) -> u64 {
        let rate = i128::from(1_000_000_i64.saturating_add(self.drift)).max(1);
        let span = i128::from(micros) * 1_000_000 / rate + 1;
        u64::try_from(span).unwrap_or(u64::MAX)
    }

    /// The instant by true time at which the monotonic clock of an incarnation that started at
    /// `start` shows `mono`, as near as rounding lets it be told.
    #[must_use]
    pub fn true_time(&self, start: Mono, mono: Mono) -> Mono {
        start.plus(self.true_span(mono.0).saturating_sub(1))
    }

    /// The wall time that is right at `at`.
    #[must_use]
    pub fn right(&self, at: Mono) -> Wall {
        Wall(self.scenario.start.0.saturating_add_unsigned(at.0))
    }

    /// By how much the wall clock is set wrong at `at`, in microseconds; drift comes to that.
    #[must_use]
    pub fn error(&self, at: Mono) -> i64 {
        let mut wrong = 0;
        for fault in &self.scenario.faults {
            fault.influence().clock(at, self.replica, &mut wrong);
        }
        wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::sample;

    #[test]
    fn without_faults_a_clock_shows_the_truth() {
        let scenario = sample::scenario();
        let clocks = Clocks::of(&scenario, 0);
        assert_eq!(clocks.mono(Mono(5), Mono(12)), Mono(7));
        assert_eq!(clocks.true_time(Mono(5), Mono(7)), Mono(12));
        assert_eq!((clocks.right(Mono(9)), clocks.error(Mono(9))), (Wall(scenario.start.0 + 9), 0));
    }

    #[test]
    fn a_clock_that_runs_fast_shows_more_than_has_passed() {
        let scenario = sample::scenario();
        let clocks = Clocks { drift: 1_000, ..Clocks::of(&scenario, 0) };
        assert_eq!(clocks.mono(Mono(0), Mono(1_000_000)), Mono(1_001_000));
        assert!(clocks.true_span(1_001_000).abs_diff(1_000_000) <= 1);
    }
}
