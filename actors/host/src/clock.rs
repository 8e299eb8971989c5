//! The clocks that are read once per delivery.

use std::time::{SystemTime, UNIX_EPOCH};

use portreeve_protocol::{Mono, Now, Wall};
use tokio::runtime::Handle;
use tokio::time::Instant;

/// Both clocks of a node: the monotonic one starts at zero with the node, the wall clock may be set
/// off by a fixed amount, which lets recorded collections be judged at the time of their recording.
#[derive(Debug, Clone)]
pub struct Clock {
    started: Instant,
    wall: WallClock,
}

/// What the wall clock shows.
#[derive(Debug, Clone)]
enum WallClock {
    /// The time of the system, and so many microseconds more.
    System(i64),
    /// `since` when the node started, and what has passed in the runtime; both clocks are its own.
    Runtime { runtime: Handle, since: Wall },
}

impl Clock {
    /// The system's clocks.
    #[must_use]
    pub fn system() -> Self {
        Self { started: Instant::now(), wall: WallClock::System(0) }
    }

    /// The system's clocks with a wall clock that shows `wall` now and runs on from there.
    #[must_use]
    pub fn showing(wall: Wall) -> Self {
        let offset = wall.0.saturating_sub(system_wall());
        Self { started: Instant::now(), wall: WallClock::System(offset) }
    }

    /// The clocks of `runtime`, which show `wall` now: they go as its timers do, on whatever thread
    /// they are read. Where the time of the runtime stands still, so do they.
    #[must_use]
    pub fn of_runtime(runtime: Handle, wall: Wall) -> Self {
        let started = {
            let _within = runtime.enter();
            Instant::now()
        };
        Self { started, wall: WallClock::Runtime { runtime, since: wall } }
    }

    /// Reads the monotonic clock.
    #[must_use]
    pub fn mono(&self) -> Mono {
        let _within = match &self.wall {
            WallClock::System(_) => None,
            WallClock::Runtime { runtime, .. } => Some(runtime.enter()),
        };
        Mono(u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    /// Reads both clocks.
    #[must_use]
    pub fn now(&self) -> Now {
        match &self.wall {
            WallClock::System(offset) => {
                let wall = Wall(system_wall().saturating_add(*offset));
                Now { mono: self.mono(), wall }
            }
            WallClock::Runtime { since, .. } => {
                let mono = self.mono();
                let passed = i64::try_from(mono.0).unwrap_or(i64::MAX);
                Now { mono, wall: Wall(since.0.saturating_add(passed)) }
            }
        }
    }
}

/// The system's wall clock, in microseconds since 1970.
fn system_wall() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_micros()).unwrap_or(i64::MAX),
    }
}
