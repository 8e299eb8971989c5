//! Asking again for what failed in a way that may pass.

use portreeve_protocol::limits::{FETCH_TRIES, RETRY_DELAY, RETRY_DELAY_LONGEST};
use portreeve_protocol::messages::notary::{FetchOutcome, Fetched, NotaryEffect, NotaryTimer};
use portreeve_protocol::planted::{self, Bug};
use portreeve_protocol::{Fact, Sha256};

use super::flight::{Flight, Stage};
use super::{NotaryFetcher, Turn};

impl NotaryFetcher {
    /// Puts a failed fetch off instead of taking it for the end, if it may pass, was not tried too
    /// often and the flight has the time.
    pub(super) fn try_again(&mut self, fetched: &Fetched, turn: &mut Turn<'_>) -> bool {
        let Fetched { document, flight: number, gun, outcome, retry_after, .. } = fetched;
        let (FetchOutcome::Failed(why), Some(asked_wait)) = (outcome, *retry_after) else {
            return false;
        };
        let Some(flight) = self.flights.get_mut(gun).filter(|it| it.number == *number) else {
            return false;
        };
        // What only explains a refusal is not waited for.
        if flight.puzzle.is_some() {
            return false;
        }
        let ends_at = flight.ends_at;
        let Stage::Fetching { outstanding, .. } = &mut flight.stage else { return false };
        let Some(one) = outstanding.get_mut(document).filter(|it| it.again_at.is_none()) else {
            return false;
        };
        let most = if planted::is(Bug::RetriesUnbounded) { u32::MAX } else { FETCH_TRIES };
        if one.tries >= most || asked_wait > RETRY_DELAY_LONGEST {
            return false;
        }
        let what = format!("{}|{}|{gun}|{number}|{document}|{}", self.seed, self.server, one.tries);
        let at = turn.mono.plus(wait(one.tries, &what).max(asked_wait));
        if at >= ends_at {
            return false;
        }
        one.again_at = Some(at);
        turn.out.push(NotaryEffect::Note(Fact::FetchRetried {
            document: document.to_string(),
            gun: gun.clone(),
            server: self.server.clone(),
            why: why.code,
        }));
        flight.arm_retry(gun, turn);
        true
    }

    /// Asks again for what is due.
    pub(super) fn retry(&mut self, number: u64, gun: &str, turn: &mut Turn<'_>) {
        let current = self.flights.get(gun).is_some_and(|flight| flight.number == number);
        let flight = if current { self.flights.remove(gun) } else { None };
        let Some(mut flight) = flight else {
            return self.unexpected(format!("a retry of flight {number} of {gun}"), turn);
        };
        flight.retrying = false;
        let mut due = Vec::new();
        if let Stage::Fetching { outstanding, .. } = &mut flight.stage {
            for one in outstanding.values_mut() {
                if one.again_at.is_some_and(|at| at <= turn.mono) {
                    one.again_at = None;
                    one.tries += 1;
                    due.push(one.ask.clone());
                }
            }
        }
        if planted::is(Bug::RetryDoublesWork) {
            due.extend(due.clone());
        }
        for ask in due {
            turn.out.push(self.fetch_one(gun, &flight, &ask));
        }
        flight.arm_retry(gun, turn);
        self.flights.insert(gun.to_owned(), flight);
    }
}

impl Flight {
    /// Has the flight woken when the first of the documents put off is due.
    fn arm_retry(&mut self, gun: &str, turn: &mut Turn<'_>) {
        let Stage::Fetching { outstanding, .. } = &self.stage else { return };
        let Some(at) = outstanding.values().filter_map(|one| one.again_at).min() else { return };
        self.retrying = true;
        let timer = NotaryTimer::Retry { flight: self.number, gun: gun.to_owned() };
        turn.out.push(NotaryEffect::Arm(at, timer));
    }
}

/// How long to wait after this many tries, in microseconds: doubling, and half as much more or less
/// by lot, so that what failed together does not come back together. The lot falls by `what`.
fn wait(tries: u32, what: &str) -> u64 {
    let base = RETRY_DELAY << tries.saturating_sub(1).min(8);
    let lot = Sha256::of(what.as_bytes()).as_bytes()[..4]
        .iter()
        .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    base / 2 + base * lot / u64::from(u32::MAX)
}
