//! The end of a fetch.

use portreeve_protocol::limits::ROOT_CHAIN;
use portreeve_protocol::messages::admission::ResolutionOutcome;
use portreeve_protocol::messages::notary::{DocumentName, FetchOutcome, Fetched, NotaryEffect};
use portreeve_protocol::planted::{self, Bug};
use portreeve_protocol::{Blob, Denial, DenyClass, DenyCode, Fact, Sha256};

use super::flight::{Ask, Flight, Stage};
use super::{NotaryFetcher, Turn};

impl NotaryFetcher {
    /// Notes the end of a fetch; when it was the last of its stage, goes on.
    pub(super) fn fetched(&mut self, fetched: &Fetched, turn: &mut Turn<'_>) {
        let Fetched { document, flight: number, gun, outcome, .. } = fetched;
        if self.try_again(fetched, turn) {
            return;
        }
        let flight = self.flights.get_mut(gun).filter(|flight| flight.number == *number);
        let arrived = flight.map(|flight| (flight.arrive(document, outcome), flight.all_arrived()));
        let Some((true, complete)) = arrived else {
            return self.unexpected(format!("{document} for flight {number} of {gun}"), turn);
        };
        if let FetchOutcome::Failed(why) = outcome {
            self.note_failed_fetch(gun, document, why, turn);
        }
        if complete && let Some(flight) = self.flights.remove(gun) {
            self.stage_complete(gun, flight, turn);
        }
    }

    pub(super) fn note_failed_fetch(
        &self,
        gun: &str,
        document: &DocumentName,
        why: &Denial,
        turn: &mut Turn<'_>,
    ) {
        turn.out.push(NotaryEffect::Note(Fact::FetchFailed {
            document: document.to_string(),
            gun: gun.to_owned(),
            server: self.server.clone(),
            why: why.clone(),
        }));
    }

    fn stage_complete(&mut self, gun: &str, mut flight: Flight, turn: &mut Turn<'_>) {
        let stage = std::mem::replace(&mut flight.stage, Stage::Verifying(Default::default()));
        let Stage::Fetching { arrived, lengths, .. } = stage else {
            self.flights.insert(gun.to_owned(), Flight { stage, ..flight });
            return;
        };
        if let Some(denial) = flight.puzzle.take() {
            let denial = explained(gun, &flight, arrived.get(&DocumentName::Root), denial);
            return self.end(gun, flight, &ResolutionOutcome::Refused(denial), turn);
        }
        let failed = arrived.values().find_map(|outcome| match outcome {
            FetchOutcome::Failed(why) => Some(why.clone()),
            FetchOutcome::Absent | FetchOutcome::Document(_) => None,
        });
        if let Some(why) = failed {
            return self.end(gun, flight, &failure(why), turn);
        }
        let mut root_step = None;
        for (name, outcome) in arrived {
            let blob = match outcome {
                FetchOutcome::Document(blob) => Some(blob),
                FetchOutcome::Absent | FetchOutcome::Failed(_) => None,
            };
            match (name, blob) {
                (DocumentName::Hashed { role, sha256 }, Some(blob)) => {
                    let name = DocumentName::Hashed { role: role.clone(), sha256 };
                    if let Err(denial) = check_named(&role, &blob, sha256, lengths.get(&name)) {
                        return self.refuse(gun, flight, denial, turn);
                    }
                    flight.fetched.insert(sha256);
                    flight.documents.insert(sha256, blob);
                }
                (DocumentName::Hashed { role, sha256 }, None) => {
                    let detail = format!("the trust server has no {role} document {sha256}");
                    let denial = Denial::new(DenyCode::MissingDocument, detail);
                    return self.refuse(gun, flight, denial, turn);
                }
                (DocumentName::Root, Some(blob)) => flight.roots = vec![blob],
                (DocumentName::RootVersion(version), blob) => root_step = Some((version, blob)),
                (DocumentName::Timestamp, Some(blob)) => flight.timestamp = Some(blob),
                (DocumentName::Timestamp, None)
                    if planted::is(Bug::AbsenceAsSuccess)
                        && let Some(kept) = self.collections.get(gun) =>
                {
                    flight.timestamp.clone_from(&kept.timestamp);
                }
                (DocumentName::Root | DocumentName::Timestamp, None) => {
                    return self.nothing_there(gun, flight, turn);
                }
            }
        }
        if let Some((version, successor)) = root_step {
            return self.chain_step(gun, flight, version, successor, turn);
        }
        match flight.timestamp.clone() {
            Some(timestamp) => self.verify(gun, flight, timestamp, turn),
            None => self.ask_for_timestamp(gun, flight, turn),
        }
    }

    /// The server has no root or no timestamp: an unsigned repository, unless it was verified
    /// before. Walking the root chain could not bring a timestamp back, so that refusal is final.
    fn nothing_there(&mut self, gun: &str, flight: Flight, turn: &mut Turn<'_>) {
        let known = self.collections.contains_key(gun) && !planted::is(Bug::WithheldAsUnsigned);
        let outcome = if known {
            ResolutionOutcome::Refused(Denial::new(
                DenyCode::MissingDocument,
                format!("the trust server has no timestamp of {gun} any more, which was signed"),
            ))
        } else {
            ResolutionOutcome::Absent
        };
        self.end(gun, flight, &outcome, turn);
    }

    /// One step of the root chain came: the next is asked for, until there is none or the bound is
    /// reached; then the timestamp is asked for anew.
    fn chain_step(
        &mut self,
        gun: &str,
        mut flight: Flight,
        version: u64,
        successor: Option<Blob>,
        turn: &mut Turn<'_>,
    ) {
        let more = successor.is_some();
        flight.roots.extend(successor);
        // The first of the roots is the one the chain starts from.
        if more && flight.roots.len() as u64 <= ROOT_CHAIN {
            let next = Ask::unmeasured(DocumentName::RootVersion(version.saturating_add(1)));
            return self.fetch(gun, flight, vec![next], turn);
        }
        flight.ask_anew(turn.mono);
        self.ask_for_timestamp(gun, flight, turn);
    }

    /// A requirement is not met. If a root was trusted before, its successors may explain it: the
    /// chain is walked once and all is verified once more (notary `client/tufclient.go:Update`).
    /// Kept documents that were only looked at again are first brought up to date. A kept root that
    /// was taken on first use gives way to a pin, and any that a trust bundle contradicts: what is
    /// served is then judged by the pin alone.
    pub(super) fn refuse(
        &mut self,
        gun: &str,
        mut flight: Flight,
        denial: Denial,
        turn: &mut Turn<'_>,
    ) {
        if flight.local {
            flight.ask_anew(turn.mono);
            return self.ask_for_timestamp(gun, flight, turn);
        }
        let kept = self.collections.get(gun).filter(|_| !flight.anew);
        let contradicts =
            denial.code == DenyCode::RootPinMismatch || planted::is(Bug::RefusedRootReplaced);
        // Successors of the kept root that are not pinned say nothing against the kept one.
        let anchored = flight.by.anchor.as_ref().is_some_and(|anchor| anchor.pins());
        let gives_way = |first_use: bool| first_use || (anchored && !flight.chain_walked);
        if contradicts && kept.is_some_and(|kept| gives_way(kept.first_use)) {
            flight.begin_anew(turn.mono);
            return self.ask_for_timestamp(gun, flight, turn);
        }
        let version = kept.and_then(|kept| kept.root_version);
        let walks = !flight.chain_walked && !planted::is(Bug::RotationNotFollowed);
        let step = version.filter(|_| walks).map(|version| {
            vec![Ask::unmeasured(DocumentName::RootVersion(version.saturating_add(1)))]
        });
        match step {
            Some(step) if flight.check_bounds(gun, &step).is_ok() => {
                flight.chain_walked = true;
                self.fetch(gun, flight, step, turn);
            }
            Some(_) | None => self.unexplained(gun, flight, denial, turn),
        }
    }

    /// Nothing at hand explains the refusal. Where signatures are not those of the root trusted,
    /// the root that is served now is looked at: not to be believed, but so that the denial can
    /// say that it is another one.
    fn unexplained(&mut self, gun: &str, mut flight: Flight, denial: Denial, turn: &mut Turn<'_>) {
        let known = self.collections.contains_key(gun) && !flight.anew;
        let look = vec![Ask::unmeasured(DocumentName::Root)];
        let bounds = flight.check_bounds(gun, &look);
        if !known || denial.code != DenyCode::Signature || bounds.is_err() {
            return self.end(gun, flight, &ResolutionOutcome::Refused(denial), turn);
        }
        flight.puzzle = Some(denial);
        self.fetch(gun, flight, look, turn);
    }
}

/// The refusal, as the root that is served explains it.
fn explained(gun: &str, flight: &Flight, root: Option<&FetchOutcome>, denial: Denial) -> Denial {
    let Some(FetchOutcome::Document(root)) = root else { return denial };
    if flight.roots.iter().any(|known| known.digest() == root.digest()) {
        return denial;
    }
    let detail = format!(
        "the trust server has another root of {gun} than the one trusted, and no rotation leads \
         to it; by the one trusted, {}",
        denial.detail
    );
    Denial::new(DenyCode::RootChanged, detail)
}

/// Whether a document is the one its parent names: its length, then its digest.
fn check_named(
    role: &str,
    blob: &Blob,
    sha256: Sha256,
    length: Option<&u64>,
) -> Result<(), Denial> {
    let found = blob.length();
    if let Some(stated) = length.filter(|stated| **stated != found) {
        let detail = format!("{role} has {found} bytes, and {stated} by its parent");
        return Err(Denial::new(DenyCode::Oversize, detail));
    }
    if blob.digest() != sha256 {
        let detail = format!("{role} hashes to {}, and to {sha256} by its parent", blob.digest());
        return Err(Denial::new(DenyCode::Checksum, detail));
    }
    Ok(())
}

/// A failed fetch, told by its class: too long a document is bad trust data, all else is no data.
fn failure(why: Denial) -> ResolutionOutcome {
    match why.code.class() {
        DenyClass::Trust => ResolutionOutcome::Refused(why),
        DenyClass::Internal | DenyClass::Policy | DenyClass::Unavailable => {
            ResolutionOutcome::Unavailable(why)
        }
    }
}
