//! The wall clock, as far as it is believed.
//!
//! Expiry dates are judged by the highest time seen, so that a clock that goes back a little makes
//! nothing young again. One that goes back further may be right now and have been wrong before, or
//! the other way round: nobody here can tell, so whatever needs a date is denied until the clock
//! returns or an operator says that it is right. A restart begins anew.

use portreeve_protocol::planted::{self, Bug};
use portreeve_protocol::{Denial, DenyCode, Fact, Now, Wall, limits};
use serde::{Deserialize, Serialize};

/// The highest wall time seen in this incarnation.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Clock {
    /// The highest time seen, or that which an operator acknowledged; `None` before the first.
    highest: Option<Wall>,
    /// Whether the clock is behind that by more than is believed.
    stepped_back: bool,
}

impl Clock {
    /// Reads the clocks of a delivery: what to judge by, and the news about them, if any.
    pub(super) fn read(&mut self, now: Now) -> (Now, Option<Fact>) {
        let highest = self.highest.map_or(now.wall, |highest| highest.max(now.wall));
        self.highest = Some(highest);
        let micros = highest.0.abs_diff(now.wall.0);
        let was = std::mem::replace(
            &mut self.stepped_back,
            micros > limits::CLOCK_STEP && !planted::is(Bug::ClockStepIgnored),
        );
        let news = match (was, self.stepped_back) {
            (false, true) => Some(Fact::ClockSteppedBack { micros }),
            (true, false) => Some(Fact::ClockReturned),
            (false, false) | (true, true) => None,
        };
        (self.believed(now), news)
    }

    /// What to judge by at a delivery whose clocks were read.
    pub(super) fn believed(&self, now: Now) -> Now {
        let highest = self.highest.filter(|_| !planted::is(Bug::ClockFollowedBack));
        Now { wall: highest.unwrap_or(now.wall), ..now }
    }

    /// Believes the clock as it is now.
    pub(super) fn acknowledge(&mut self, now: Now) -> Option<Fact> {
        self.highest = Some(now.wall);
        std::mem::take(&mut self.stepped_back).then_some(Fact::ClockReturned)
    }

    /// Why nothing that has an expiry date can be judged, if it cannot.
    pub(super) fn fault(&self) -> Option<Denial> {
        let highest = self.highest.filter(|_| self.stepped_back)?;
        let detail =
            format!("the wall clock went back behind {highest}, which it has shown before");
        Some(Denial::new(DenyCode::ClockSteppedBack, detail))
    }
}

#[cfg(test)]
mod tests {
    use portreeve_protocol::Mono;

    use super::*;

    fn at(wall: i64) -> Now {
        Now { mono: Mono(1), wall: Wall(wall) }
    }

    #[test]
    fn a_clock_that_goes_back_a_little_is_judged_by_the_highest_time_seen() {
        let mut clock = Clock::default();
        let step = limits::CLOCK_STEP.cast_signed();
        assert_eq!(clock.read(at(step * 3)), (at(step * 3), None));
        assert_eq!(clock.read(at(step * 2)), (at(step * 3), None));
        assert_eq!(clock.fault(), None);
    }

    #[test]
    fn a_clock_that_goes_back_far_is_not_believed_until_it_returns_or_is_acknowledged() {
        let mut clock = Clock::default();
        let far = limits::CLOCK_STEP.cast_signed() + 1;
        clock.read(at(far));
        let micros = limits::CLOCK_STEP + 1;
        assert_eq!(clock.read(at(0)).1, Some(Fact::ClockSteppedBack { micros }));
        assert!(clock.fault().is_some());
        assert_eq!(clock.read(at(far)).1, Some(Fact::ClockReturned));
        assert_eq!(clock.fault(), None);
        clock.read(at(0));
        assert_eq!(clock.acknowledge(at(0)), Some(Fact::ClockReturned));
        assert_eq!(clock.read(at(1)), (at(1), None));
        assert_eq!(clock.fault(), None);
    }
}
