//! What something takes.

use std::ops::AddAssign;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, Timespec, clock_gettime};

/// What something took.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Spent {
    /// Processor time of this thread: others who want the processor, too, hardly disturb it.
    pub(super) processor: Duration,
    /// Time that passed.
    pub(super) wall: Duration,
}

impl AddAssign for Spent {
    fn add_assign(&mut self, other: Self) {
        self.processor += other.processor;
        self.wall += other.wall;
    }
}

/// Measures from its start on.
pub(super) struct Stopwatch {
    processor: Duration,
    wall: Instant,
}

impl Stopwatch {
    pub(super) fn start() -> Self {
        Self { processor: processor(), wall: Instant::now() }
    }

    /// What was spent on this thread since the start.
    pub(super) fn spent(&self) -> Spent {
        let processor = processor().saturating_sub(self.processor);
        Spent { processor, wall: self.wall.elapsed() }
    }
}

/// Processor time of this thread since it began.
fn processor() -> Duration {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::ThreadCPUTime);
    let whole = |part: i64| u64::try_from(part).unwrap_or_default();
    Duration::from_secs(whole(tv_sec)) + Duration::from_nanos(whole(tv_nsec))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_passes_time_and_spends_no_processor_time() {
        let watch = Stopwatch::start();
        let (_sender, receiver) = std::sync::mpsc::channel::<()>();
        assert!(receiver.recv_timeout(Duration::from_millis(200)).is_err());
        let Spent { processor, wall } = watch.spent();
        assert!(wall >= Duration::from_millis(200) && processor < wall / 2, "{processor:?}");
    }
}
