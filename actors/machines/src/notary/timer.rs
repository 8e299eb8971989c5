//! A timer fired.

use portreeve_protocol::limits::FLIGHT_TIMEOUT;
use portreeve_protocol::messages::admission::ResolutionOutcome;
use portreeve_protocol::messages::notary::NotaryTimer;
use portreeve_protocol::planted::{self, Bug};
use portreeve_protocol::{Denial, DenyCode};

use super::flight::Stage;
use super::{NotaryFetcher, Turn};

impl NotaryFetcher {
    /// Ends the flight whose time is over; whatever still comes for it is noted and ignored.
    pub(super) fn timer(&mut self, timer: &NotaryTimer, turn: &mut Turn<'_>) {
        let (number, gun) = match timer {
            NotaryTimer::FlightDeadline { flight, gun } => (flight, gun),
            NotaryTimer::Retry { flight, gun } => return self.retry(*flight, gun, turn),
        };
        let current = self.flights.get(gun).is_some_and(|flight| flight.number == *number)
            && !planted::is(Bug::FlightDeadlineIgnored);
        let flight = if current { self.flights.remove(gun) } else { None };
        let Some(mut flight) = flight else {
            return self.unexpected(format!("the deadline of flight {number} of {gun}"), turn);
        };
        let detail = match &flight.stage {
            Stage::Fetching { outstanding, .. } => {
                let names: Vec<_> = outstanding.keys().take(3).map(ToString::to_string).collect();
                format!("the trust server has not given {}", names.join(", "))
            }
            Stage::Verifying(_) => "the verifiers have not concluded".to_owned(),
        };
        let detail = format!("after {} s {detail}", FLIGHT_TIMEOUT / 1_000_000);
        let denial = Denial::new(DenyCode::Deadline, detail);
        if let Stage::Fetching { outstanding, .. } = &flight.stage {
            for document in outstanding.keys() {
                self.note_failed_fetch(gun, document, &denial, turn);
            }
        }
        let outcome = match flight.puzzle.take() {
            // It was refused before, and only the explanation did not come.
            Some(refused) => ResolutionOutcome::Refused(refused),
            None => ResolutionOutcome::Unavailable(denial),
        };
        self.end(gun, flight, &outcome, turn);
    }
}
