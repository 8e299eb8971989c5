//! How long to wait before something is tried again.

use std::time::Duration;

/// The first wait.
const SHORTEST: Duration = Duration::from_millis(100);
/// No wait is longer.
pub(super) const LONGEST: Duration = Duration::from_secs(5);

/// Waits that double, each shortened by a random part, so that replicas do not come all at once.
#[derive(Debug)]
pub(super) struct Backoff {
    wait: Duration,
}

impl Backoff {
    pub(super) const fn new() -> Self {
        Self { wait: SHORTEST }
    }

    /// Begins anew with the shortest wait.
    pub(super) const fn reset(&mut self) {
        self.wait = SHORTEST;
    }

    /// The next wait: between half of it and all of it.
    pub(super) fn next(&mut self) -> Duration {
        let wait = self.wait;
        self.wait = (wait * 2).min(LONGEST);
        wait / 2 + below(wait / 2)
    }
}

/// A random span below `most`.
pub(super) fn below(most: Duration) -> Duration {
    let mut random = [0; 8];
    // Without random numbers all wait for the shortest time, which only makes for a crowd.
    let _ = aws_lc_rs::rand::fill(&mut random);
    let micros = u64::try_from(most.as_micros()).unwrap_or(u64::MAX).max(1);
    Duration::from_micros(u64::from_le_bytes(random) % micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_five_seconds_and_begin_anew_after_a_success() {
        let mut backoff = Backoff::new();
        let waits: Vec<_> = (0..10).map(|_| backoff.next()).collect();
        for (index, wait) in waits.iter().enumerate() {
            let full = (SHORTEST * 2_u32.pow(u32::try_from(index).unwrap_or(0))).min(LONGEST);
            assert!(*wait >= full / 2 && *wait <= full, "{index}: {wait:?} of {full:?}");
        }
        backoff.reset();
        assert!(backoff.next() <= SHORTEST);
    }
}
