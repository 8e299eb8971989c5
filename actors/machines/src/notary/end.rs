//! The end of a flight: everyone who waits is told, and those who need a later one are taken up.

use std::sync::Arc;

use portreeve_protocol::messages::admission::{Resolution, ResolutionOutcome};
use portreeve_protocol::messages::notary::{NotaryEffect, NotaryTimer};
use portreeve_protocol::{Fact, Mono};

use super::flight::Flight;
use super::{NotaryFetcher, Turn};

impl NotaryFetcher {
    /// Ends a flight that verified nothing: all who wait are told `outcome`.
    pub(super) fn end(
        &mut self,
        gun: &str,
        flight: Flight,
        outcome: &ResolutionOutcome,
        turn: &mut Turn<'_>,
    ) {
        if let ResolutionOutcome::Refused(why) = outcome {
            turn.out.push(NotaryEffect::Note(Fact::Refused {
                gun: gun.to_owned(),
                server: self.server.clone(),
                why: why.clone(),
            }));
        }
        for tag in &flight.waiting {
            self.publish(gun, tag, flight.asked_at, outcome.clone(), turn);
        }
        self.land(gun, flight, turn);
    }

    /// Forgets the flight and takes up the questions that need a later timestamp.
    pub(super) fn land(&mut self, gun: &str, flight: Flight, turn: &mut Turn<'_>) {
        let timer = NotaryTimer::FlightDeadline { flight: flight.number, gun: gun.to_owned() };
        turn.out.push(NotaryEffect::Disarm(timer));
        for (tag, not_before) in flight.queued {
            self.question(gun, &tag, not_before, turn);
        }
    }

    pub(super) fn publish(
        &self,
        gun: &str,
        tag: &str,
        checked_at: Mono,
        outcome: ResolutionOutcome,
        turn: &mut Turn<'_>,
    ) {
        turn.out.push(NotaryEffect::Publish(Arc::new(Resolution {
            checked_at,
            gun: gun.to_owned(),
            last_verified: None,
            outcome,
            server: self.server.clone(),
            tag: tag.to_owned(),
        })));
    }
}
