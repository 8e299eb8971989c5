//! A question about a tag.

use portreeve_protocol::limits::{GUNS_PER_NAMESPACE, GUNS_PER_SERVER};
use portreeve_protocol::messages::admission::{ResolutionOutcome, VerifiedTag};
use portreeve_protocol::messages::notary::{DocumentName, NotaryEffect, NotaryTimer, Resolve};
use portreeve_protocol::planted::{self, Bug};
use portreeve_protocol::{Denial, DenyCode, Mono, Sha256};

use super::flight::{Ask, Asker, Flight};
use super::{NotaryFetcher, Turn};

impl NotaryFetcher {
    /// Answers at once from what is kept, joins a flight, waits for the next one, or starts one.
    pub(super) fn resolve(&mut self, resolve: &Resolve, turn: &mut Turn<'_>) {
        let Resolve { gun, not_before, tag, .. } = resolve;
        let asker = Asker {
            anchor: resolve.anchor.clone(),
            credentials: resolve.credentials.clone(),
            dry_run: resolve.dry_run,
            namespace: resolve.namespace.clone(),
            sealed_roots: resolve.sealed_roots.clone(),
        };
        self.question(gun, tag, *not_before, asker, turn);
    }

    pub(super) fn question(
        &mut self,
        gun: &str,
        tag: &str,
        not_before: Mono,
        asker: Asker,
        turn: &mut Turn<'_>,
    ) {
        let anchor = asker.anchored();
        if self.answer_from_kept(gun, tag, (not_before, anchor), turn) {
            return;
        }
        if let Some(flight) = self.flights.get_mut(gun) {
            if !flight.has_room(tag, anchor) {
                let detail = format!("too many tags of {gun} are being looked up");
                let why = Denial::new(DenyCode::Overloaded, detail);
                self.unavailable(gun, tag, anchor, why, turn);
            } else if (flight.asked_at >= not_before || planted::is(Bug::JoinsOlderFlight))
                && flight.by.anchored() == anchor
            {
                flight.join(tag, &asker);
            } else {
                // The tag may wait for this flight too: it is told twice then, and whoever needs
                // the later answer takes the second.
                let key = (tag.to_owned(), anchor);
                let (latest, others) =
                    flight.queued.entry(key).or_insert((not_before, asker.clone()));
                *latest = not_before.max(*latest);
                others.share(&asker);
                others.credentials.extend(asker.credentials);
            }
            return;
        }
        self.take_off(gun, tag, not_before, asker, turn);
    }

    fn answer_from_kept(
        &self,
        gun: &str,
        tag: &str,
        (not_before, anchor): (Mono, Option<Sha256>),
        turn: &mut Turn<'_>,
    ) -> bool {
        let kept = self.collections.get(gun);
        let Some(checked) = kept.and_then(|kept| kept.checked_since(not_before, turn.wall)) else {
            return false;
        };
        if checked.anchor != anchor && !planted::is(Bug::AnchorNotCompared) {
            return false;
        }
        let Some(view) = checked.view(tag).cloned() else { return false };
        let verified = VerifiedTag { evidence: checked.evidence.clone(), view };
        let outcome = ResolutionOutcome::Verified(Box::new(verified));
        let at = if planted::is(Bug::KeptToldAsNew) { turn.mono } else { checked.at };
        self.publish(gun, tag, (at, anchor), outcome, turn);
        true
    }

    /// Starts a flight: without the network if what is kept was checked late enough and only the
    /// tag was never looked up in it, or another anchor is to be held against it.
    fn take_off(
        &mut self,
        gun: &str,
        tag: &str,
        not_before: Mono,
        asker: Asker,
        turn: &mut Turn<'_>,
    ) {
        let kept = self.collections.get(gun);
        if kept.is_none()
            && let Some(detail) = self.is_full(&asker.namespace)
        {
            let why = Denial::new(DenyCode::Capacity, detail);
            return self.unavailable(gun, tag, asker.anchored(), why, turn);
        }
        if kept.is_none() {
            self.accounts.insert((asker.namespace.clone(), gun.to_owned()));
        }
        self.last_flight = self.last_flight.saturating_add(1);
        let mut flight = Flight::new(self.last_flight, turn.mono, kept, asker);
        flight.waiting.insert(tag.to_owned());
        turn.out.push(NotaryEffect::Arm(
            flight.ends_at,
            NotaryTimer::FlightDeadline { flight: flight.number, gun: gun.to_owned() },
        ));
        let checked = kept.and_then(|kept| kept.checked_since(not_before, turn.wall));
        let timestamp = kept.and_then(|kept| kept.timestamp.clone());
        if let (Some(checked), Some(timestamp)) = (checked, timestamp) {
            flight.local = true;
            flight.asked_at = checked.at;
            self.verify(gun, flight, timestamp, turn);
        } else {
            self.ask_for_timestamp(gun, flight, turn);
        }
    }

    /// Asks for the timestamp, and for the newest root if none is at hand.
    pub(super) fn ask_for_timestamp(&mut self, gun: &str, flight: Flight, turn: &mut Turn<'_>) {
        let mut asks = vec![Ask::unmeasured(DocumentName::Timestamp)];
        if flight.roots.is_empty() {
            asks.push(Ask::unmeasured(DocumentName::Root));
        }
        self.fetch(gun, flight, asks, turn);
    }

    /// Which bound one more collection of `namespace` would pass; those whose first flight is under
    /// way count as kept. What is kept is never given up for something new.
    fn is_full(&self, namespace: &str) -> Option<String> {
        let total = self.accounts.len();
        let first = (namespace.to_owned(), String::new());
        let own = self.accounts.range(first..).take_while(|(one, _)| one == namespace).count();
        if total >= GUNS_PER_SERVER {
            return Some(format!("{GUNS_PER_SERVER} repositories of this trust server are kept"));
        }
        (own >= GUNS_PER_NAMESPACE).then(|| {
            format!(
                "{GUNS_PER_NAMESPACE} repositories of this trust server are kept for namespace \
                 `{namespace}`"
            )
        })
    }

    fn unavailable(
        &self,
        gun: &str,
        tag: &str,
        anchor: Option<Sha256>,
        why: Denial,
        turn: &mut Turn<'_>,
    ) {
        let outcome = ResolutionOutcome::Unavailable(why);
        self.publish(gun, tag, (turn.mono, anchor), outcome, turn);
    }
}
