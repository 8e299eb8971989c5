//! `bounds`: no work grows without end.
//!
//! * No more reviews, fetches and timers at once in a replica than there may be.
//! * A document is asked for in one flight at most as often as its tries allow: a document that is
//!   named by its digest or version in one stage, a timestamp or a newest root in as many stages as
//!   a flight can have (from what is kept, from a root that gives way, behind the root chain).
//! * Flights: at most two for each question (one by network, one for a tag that came late).
//! * Verifications: at most as many in a flight as its documents can call for.
//! * No message is longer than a person is shown, and no review is decided twice.

use std::collections::{BTreeMap, BTreeSet};

use portreeve_protocol::messages::notary::{DocumentName, Fetched, NotaryInput};
use portreeve_protocol::messages::verify::VerifyInput;
use portreeve_protocol::{ActorId, Entry, EventId, Input, limits};

use super::{Oracle, Run, Violation};
use crate::node::Journal;

/// The oracle.
pub const ORACLE: Oracle = Oracle {
    check,
    id: "bounds",
    rule: "reviews, fetches, tries, flights, verifications and timers stay within their limits",
};

/// Stages of a flight in which a timestamp or a newest root is asked for.
const STAGES: u64 = 4;
/// Stages in which a document that is named by its digest is asked for: what comes in its place is
/// not kept, and a flight that then asks for the timestamp anew asks for it, too.
const ROUNDS: u64 = 2;
/// Verifications in a flight: each level of delegations may be missing once, before and behind the
/// root chain, and a root that gives way begins anew.
const VERIFICATIONS: u64 = 32;

fn check(run: &Run<'_>, found: &mut Vec<Violation>) {
    let counts = &run.outcome.counts;
    let most = |limit: usize| u64::try_from(limit).unwrap_or(u64::MAX);
    let collections = most(collections(run));
    let bounds = [
        ("fetches at once", counts.most_fetches, most(limits::FETCHES_IN_FLIGHT)),
        ("reviews being decided at once", counts.most_reviews, most(limits::REVIEWS_IN_FLIGHT)),
        // One for each review, and two for each flight.
        ("timers at once", counts.most_timers, counts.most_reviews + 2 * collections),
    ];
    for (what, count, bound) in bounds {
        if count > bound {
            let what = format!("{count} {what}, and {bound} may be");
            found.push(Violation { at: run.outcome.took, oracle: ORACLE.id, replica: None, what });
        }
    }
    for (replica, left) in run.outcome.replicas.iter().enumerate() {
        let journals = left.given_up.iter().chain([&left.journal]);
        found.extend(journals.flat_map(recorded).map(|what| Violation {
            at: run.outcome.took,
            oracle: ORACLE.id,
            replica: Some(replica),
            what,
        }));
    }
}

/// How many collections can be asked for: by each trust server, each that an image is of.
fn collections(run: &Run<'_>) -> usize {
    let reviews = run.outcome.history.iter().filter_map(|seen| seen.what.review());
    let images = reviews.flat_map(|facts| &facts.images);
    let parsed = images.filter_map(|image| {
        image.image.parse::<portreeve_protocol::reference::ImageReference>().ok()
    });
    let guns: BTreeSet<String> = parsed.map(|image| image.gun()).collect();
    let servers = run.scenario.servers.len() + run.scenario.settings.trust_servers.len();
    guns.len() * servers.max(1)
}

/// Incarnation, trust server, number of the flight.
type Flight<'a> = (u32, &'a str, u64);

/// What was counted in a journal.
#[derive(Default)]
struct Counted<'a> {
    decided: BTreeMap<&'a EventId, u64>,
    fetches: BTreeMap<(Flight<'a>, &'a DocumentName), u64>,
    flights: BTreeSet<Flight<'a>>,
    faults: Vec<String>,
    questions: BTreeMap<(u32, &'a str), u64>,
    verifications: BTreeMap<Flight<'a>, u64>,
}

/// What is wrong in a journal. Each is for itself, for incarnations begin anew on an empty disk.
fn recorded(journal: &Journal) -> Vec<String> {
    let mut counted = Counted::default();
    let mut whole = true;
    let (mut open, mut most_open) = (BTreeSet::new(), 0);
    for entry in journal.entries() {
        match entry {
            Entry::Delivered(delivered) => {
                counted.count(&delivered.event, &delivered.input);
                if crate::history::review(&delivered.input).is_some() {
                    open.insert(&delivered.event);
                }
                for decision in &delivered.decisions {
                    open.remove(&decision.review);
                    *counted.decided.entry(&decision.review).or_default() += 1;
                    let bytes = decision.message.len();
                    if bytes > limits::MESSAGE_BYTES {
                        let uid = &decision.uid;
                        counted.faults.push(format!("review {uid}: {bytes} bytes of message"));
                    }
                }
            }
            // What is lost cannot be counted.
            Entry::Gap(_) => {
                whole = false;
                open.clear();
            }
            Entry::Started(_) => open.clear(),
            Entry::Answered(_) | Entry::Checkpoint(_) | Entry::Panicked(_) => {}
        }
        most_open = most_open.max(open.len());
    }
    if most_open > limits::REVIEWS_IN_FLIGHT {
        counted.faults.push(format!("{most_open} reviews waited at once"));
    }
    counted.judge(whole)
}

impl<'a> Counted<'a> {
    fn count(&mut self, event: &'a EventId, input: &'a Input) {
        let incarnation = event.incarnation;
        match (&event.actor, input) {
            (ActorId::Notary(server), Input::Notary(NotaryInput::Fetched(fetched))) => {
                let Fetched { document, flight, .. } = fetched;
                let flight = (incarnation, server.as_str(), *flight);
                self.flights.insert(flight);
                *self.fetches.entry((flight, document)).or_default() += 1;
            }
            (ActorId::Notary(server), Input::Notary(NotaryInput::Resolve(_))) => {
                *self.questions.entry((incarnation, server)).or_default() += 1;
            }
            (ActorId::Verify(_), Input::Verify(VerifyInput::Verify(request))) => {
                let flight = (incarnation, request.server.as_str(), request.flight);
                *self.verifications.entry(flight).or_default() += 1;
            }
            (
                _,
                Input::Admission(_)
                | Input::Journal(_)
                | Input::Notary(_)
                | Input::Policy(_)
                | Input::Verify(_),
            ) => {}
        }
    }

    fn judge(self, whole: bool) -> Vec<String> {
        let mut faults = self.faults;
        let tries = u64::from(limits::FETCH_TRIES);
        for (((_, server, flight), document), count) in self.fetches {
            let most = match document {
                DocumentName::RootVersion(_) => tries,
                DocumentName::Hashed { .. } => tries * ROUNDS,
                DocumentName::Root | DocumentName::Timestamp => tries * STAGES,
            };
            if count > most {
                faults.push(format!("flight {flight} to {server}: {count} times {document}"));
            }
        }
        for ((_, server, flight), count) in self.verifications {
            if count > VERIFICATIONS {
                faults.push(format!("flight {flight} to {server}: {count} verifications"));
            }
        }
        let mut flights: BTreeMap<(u32, &str), u64> = BTreeMap::new();
        for (incarnation, server, _) in self.flights {
            *flights.entry((incarnation, server)).or_default() += 1;
        }
        for (key, count) in flights.into_iter().filter(|_| whole) {
            let asked = self.questions.get(&key).copied().unwrap_or_default();
            if count > 2 * asked {
                faults.push(format!("{count} flights to {} for {asked} questions", key.1));
            }
        }
        for (review, count) in self.decided.into_iter().filter(|(_, count)| *count > 1) {
            faults.push(format!("review {review} was decided {count} times"));
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use portreeve_protocol::messages::notary::FetchOutcome;
    use portreeve_protocol::{Mono, Now};

    use super::*;
    use crate::oracle::sample::{self, GUN, IMAGE, SERVER, START, Story, digest, facts, verified};

    fn fetched(story: &mut Story, seq: u64, document: DocumentName) {
        let fetched = Fetched {
            credential: None,
            document,
            flight: 1,
            gun: GUN.to_owned(),
            micros: 1,
            outcome: FetchOutcome::Absent,
            retry_after: None,
        };
        let mut event = sample::event(1, seq);
        event.actor = ActorId::Notary(SERVER.to_owned());
        let now = Now { mono: Mono(seq), wall: START };
        story.write(now, event, NotaryInput::Fetched(fetched), Vec::new());
    }

    fn asked(story: &mut Story, seq: u64) {
        let resolve = portreeve_protocol::messages::notary::Resolve {
            anchor: None,
            credentials: BTreeSet::new(),
            dry_run: false,
            gun: GUN.to_owned(),
            namespace: String::new(),
            not_before: Mono(0),
            sealed_roots: BTreeSet::new(),
            tag: "1.0".to_owned(),
        };
        let mut event = sample::event(1, seq);
        event.actor = ActorId::Notary(SERVER.to_owned());
        let now = Now { mono: Mono(seq), wall: START };
        story.write(now, event, NotaryInput::Resolve(resolve), Vec::new());
    }

    #[test]
    fn as_many_tries_as_there_may_be_keep_bounds() {
        let mut story = Story::new();
        asked(&mut story, 1);
        for seq in 2..5 {
            fetched(&mut story, seq, DocumentName::RootVersion(2));
        }
        story.keeps(check);
    }

    #[test]
    fn one_try_too_many_breaks_bounds() {
        let mut story = Story::new();
        asked(&mut story, 1);
        for seq in 2..6 {
            fetched(&mut story, seq, DocumentName::RootVersion(2));
        }
        story.breaks(check, "4 times 2.root.json");
    }

    #[test]
    fn a_flight_that_nobody_asked_for_breaks_bounds() {
        let mut story = Story::new();
        fetched(&mut story, 2, DocumentName::Timestamp);
        story.breaks(check, "1 flights");
    }

    #[test]
    fn a_review_decided_twice_breaks_bounds() {
        let mut story = Story::new();
        let facts = facts("uid", IMAGE);
        let event = story.review(5, &facts);
        let decision = Arc::new(sample::decision(&event, &facts, verified(digest())));
        story.record(6, START, &decision);
        story.record(7, START, &decision);
        story.breaks(check, "decided 2 times");
    }

    #[test]
    fn more_at_once_than_there_may_be_breaks_bounds() {
        let mut story = Story::new();
        story.outcome.counts.most_timers = 7;
        story.breaks(check, "7 timers at once");
    }
}
