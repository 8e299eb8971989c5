//! The clocks that are read once per delivery.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use portreeve_protocol::{Mono, Now, Wall};

/// Both clocks of a node: the monotonic one starts at zero with the node, the wall clock may be set
/// off by a fixed amount, which lets recorded collections be judged at the time of their recording.
#[derive(Debug, Clone)]
pub struct Clock {
    started: Instant,
    offset: i64,
}

impl Clock {
    /// The system's clocks.
    #[must_use]
    pub fn system() -> Self {
        Self { started: Instant::now(), offset: 0 }
    }

    /// The system's clocks with a wall clock that shows `wall` now and runs on from there.
    #[must_use]
    pub fn showing(wall: Wall) -> Self {
        let system = Self::system();
        let offset = wall.0.saturating_sub(system.now().wall.0);
        Self { offset, ..system }
    }

    /// Reads the monotonic clock.
    #[must_use]
    pub fn mono(&self) -> Mono {
        Mono(u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    /// Reads both clocks.
    #[must_use]
    pub fn now(&self) -> Now {
        let wall = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
            Err(before) => -i64::try_from(before.duration().as_micros()).unwrap_or(i64::MAX),
        };
        Now { mono: self.mono(), wall: Wall(wall.saturating_add(self.offset)) }
    }
}
