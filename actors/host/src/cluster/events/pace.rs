//! How often something may be done: a token bucket, kept as one point in time.

use portreeve_protocol::Mono;

/// Lets `burst` through at once, and then one in each `every` microseconds.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    burst: u64,
    every: u64,
    /// When the bucket would be full again if nothing more was taken.
    full: Mono,
}

impl Pace {
    /// A full bucket.
    pub(super) const fn new(burst: u64, every: u64) -> Self {
        Self { burst, every, full: Mono(0) }
    }

    /// Whether there is one to be taken, besides `reserve` that must stay.
    pub(super) const fn admits(&self, now: Mono, reserve: u64) -> bool {
        let taken = self.full.since(now);
        taken + reserve * self.every <= (self.burst - 1) * self.every
    }

    /// Takes one.
    pub(super) fn take(&mut self, now: Mono) {
        self.full = self.full.max(now).plus(self.every);
    }

    /// Whether nothing is missing, so that a new one would be as good.
    pub(super) fn is_full(&self, now: Mono) -> bool {
        self.full <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(pace: &mut Pace, now: Mono, reserve: u64) -> usize {
        let mut taken = 0;
        while pace.admits(now, reserve) {
            pace.take(now);
            taken += 1;
        }
        taken
    }

    #[test]
    fn a_burst_is_let_through_and_then_one_at_a_time() {
        let mut pace = Pace::new(5, 100);
        assert_eq!(taken(&mut pace, Mono(1_000), 0), 5);
        assert_eq!(taken(&mut pace, Mono(1_099), 0), 0);
        assert_eq!(taken(&mut pace, Mono(1_100), 0), 1);
        assert_eq!(taken(&mut pace, Mono(1_350), 0), 2);
        assert!(!pace.is_full(Mono(1_799)) && pace.is_full(Mono(1_800)));
        assert_eq!(taken(&mut pace, Mono(1_000_000), 0), 5);
    }

    #[test]
    fn a_reserve_is_left_for_others() {
        let mut pace = Pace::new(4, 100);
        assert_eq!(taken(&mut pace, Mono(0), 2), 2);
        assert_eq!(taken(&mut pace, Mono(0), 0), 2);
    }
}
