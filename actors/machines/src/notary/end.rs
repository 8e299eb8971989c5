//! The end of a flight: everyone who waits is told, and those who need a later one are taken up.

use std::collections::BTreeMap;
use std::sync::Arc;

use portreeve_protocol::messages::admission::{
    LastVerified, Resolution, ResolutionOutcome, VerifiedTag,
};
use portreeve_protocol::messages::notary::{NotaryEffect, NotaryTimer};
use portreeve_protocol::planted::{self, Bug};
use portreeve_protocol::{DenyCode, Fact, Mono, Sha256};

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
        let mut flight = flight;
        // Where other credentials are at hand, nobody who brought them is told before they were
        // tried; each such flight tries more than the one before, so this ends.
        let others = match outcome {
            ResolutionOutcome::Unavailable(why) if why.code == DenyCode::Unauthorized => {
                std::mem::take(&mut flight.others)
            }
            ResolutionOutcome::Absent
            | ResolutionOutcome::Refused(_)
            | ResolutionOutcome::Unavailable(_)
            | ResolutionOutcome::Verified(_) => BTreeMap::new(),
        };
        let asked = (flight.asked_at, flight.by.anchored());
        for tag in &flight.waiting {
            if !others.contains_key(tag) {
                self.publish(gun, tag, asked, outcome.clone(), turn);
            }
        }
        let tried = flight.by.credentials.clone();
        let asked_at = flight.asked_at;
        self.land(gun, flight, turn);
        for (tag, mut asker) in others {
            asker.credentials.extend(tried.iter().cloned());
            self.question(gun, &tag, asked_at, asker, turn);
        }
    }

    /// Forgets the flight and takes up the questions that need a later timestamp.
    pub(super) fn land(&mut self, gun: &str, flight: Flight, turn: &mut Turn<'_>) {
        let timer = NotaryTimer::FlightDeadline { flight: flight.number, gun: gun.to_owned() };
        turn.out.push(NotaryEffect::Disarm(timer));
        if !self.collections.contains_key(gun) && !planted::is(Bug::AccountsKept) {
            self.accounts.remove(&(flight.by.namespace.clone(), gun.to_owned()));
        }
        if flight.retrying {
            let timer = NotaryTimer::Retry { flight: flight.number, gun: gun.to_owned() };
            turn.out.push(NotaryEffect::Disarm(timer));
        }
        let most = if planted::is(Bug::FirstQueuedOnly) { 1 } else { usize::MAX };
        for ((tag, _), (not_before, asker)) in flight.queued.into_iter().take(most) {
            self.question(gun, &tag, not_before, asker, turn);
        }
    }

    /// The state of the tag as it was verified last under this anchor, if nothing in it has
    /// expired.
    fn last_verified(
        &self,
        gun: &str,
        tag: &str,
        anchor: Option<Sha256>,
        turn: &Turn<'_>,
    ) -> Option<Box<LastVerified>> {
        let kept = self.collections.get(gun)?;
        let checked = kept.checked_since(Mono(0), turn.wall)?;
        let checked = Some(checked).filter(|checked| checked.anchor == anchor)?;
        let view = checked.view(tag)?.clone();
        let tag = VerifiedTag { evidence: checked.evidence.clone(), view };
        Some(Box::new(LastVerified { at: checked.at, tag }))
    }

    pub(super) fn publish(
        &self,
        gun: &str,
        tag: &str,
        asked: (Mono, Option<Sha256>),
        outcome: ResolutionOutcome,
        turn: &mut Turn<'_>,
    ) {
        self.announce(gun, tag, asked, outcome, false, turn);
    }

    /// Tells the state of a tag as of when its timestamp was asked for, under which anchor; a
    /// tentative one rests on a root that is not kept.
    pub(super) fn announce(
        &self,
        gun: &str,
        tag: &str,
        (checked_at, anchor): (Mono, Option<Sha256>),
        outcome: ResolutionOutcome,
        tentative: bool,
        turn: &mut Turn<'_>,
    ) {
        let last_verified = match &outcome {
            ResolutionOutcome::Unavailable(_) => self.last_verified(gun, tag, anchor, turn),
            ResolutionOutcome::Absent
            | ResolutionOutcome::Refused(_)
            | ResolutionOutcome::Verified(_) => None,
        };
        turn.out.push(NotaryEffect::Publish(Arc::new(Resolution {
            anchor,
            checked_at,
            gun: gun.to_owned(),
            last_verified,
            outcome,
            server: self.server.clone(),
            tag: tag.to_owned(),
            tentative,
        })));
    }
}
