//! What a verifier concluded.

use std::collections::BTreeSet;

use portreeve_protocol::anchors::RootAnchor;
use portreeve_protocol::evidence::Evidence;
use portreeve_protocol::messages::admission::{ResolutionOutcome, VerifiedTag};
use portreeve_protocol::messages::notary::{
    NotaryEffect, Verification, VerifiedCollection, VerifyOutcome, Wanted,
};
use portreeve_protocol::planted::{self, Bug};
use portreeve_protocol::{Blob, Denial, DenyCode, Fact, Proof, Sha256};

use super::collection::{Checked, Collection};
use super::flight::{Ask, Flight, Stage};
use super::{NotaryFetcher, Turn};

impl NotaryFetcher {
    /// Goes on with the flight the conclusion is for.
    pub(super) fn verification(&mut self, verification: &Verification, turn: &mut Turn<'_>) {
        let Verification { flight: number, gun, outcome } = verification;
        let Some((flight, asked)) = self.take_verifying(gun, *number) else {
            return self.unexpected(format!("a conclusion for flight {number} of {gun}"), turn);
        };
        match outcome {
            VerifyOutcome::Missing(wanted) => self.missing(gun, flight, wanted, turn),
            VerifyOutcome::Refused(denial) => self.refuse(gun, flight, denial.clone(), turn),
            VerifyOutcome::Verified(verified) => {
                self.verified(gun, flight, &asked, verified, turn);
            }
        }
    }

    /// Takes out the flight of this number if it waits for a verifier, with the tags asked about.
    pub(super) fn take_verifying(
        &mut self,
        gun: &str,
        number: u64,
    ) -> Option<(Flight, BTreeSet<String>)> {
        let flight = self.flights.get_mut(gun).filter(|flight| flight.number == number)?;
        let Stage::Verifying(asked) = &mut flight.stage else { return None };
        let asked = std::mem::take(asked);
        self.flights.remove(gun).map(|flight| (flight, asked))
    }

    fn missing(&mut self, gun: &str, flight: Flight, wanted: &[Wanted], turn: &mut Turn<'_>) {
        // Asking again for what is at hand would never end.
        if wanted.is_empty() || wanted.iter().any(|one| flight.documents.contains_key(&one.sha256))
        {
            let detail = format!("the verifier misses documents of {gun} that it was given");
            let outcome = ResolutionOutcome::Unavailable(Denial::new(DenyCode::Internal, detail));
            return self.end(gun, flight, &outcome, turn);
        }
        match wanted.iter().map(Ask::wanted).collect() {
            Ok(asks) => self.fetch(gun, flight, asks, turn),
            Err(denial) => self.end(gun, flight, &ResolutionOutcome::Refused(denial), turn),
        }
    }

    fn verified(
        &mut self,
        gun: &str,
        mut flight: Flight,
        asked: &BTreeSet<String>,
        verified: &VerifiedCollection,
        turn: &mut Turn<'_>,
    ) {
        let anchor = flight.by.anchor.clone();
        if self.pins(gun, anchor.as_deref()).required && verified.evidence.first_use {
            let detail = format!("no pin covers the root of {gun}");
            let denial = Denial::new(DenyCode::RootUnpinned, detail);
            return self.end(gun, flight, &ResolutionOutcome::Refused(denial), turn);
        }
        let below = anchor.and_then(|anchor| below_floor(gun, &anchor, &verified.evidence));
        if let Some(denial) = below {
            return self.refuse(gun, flight, denial, turn);
        }
        let first = flight.anew || !self.collections.contains_key(gun);
        if let Some(denial) = contradicts_seals(gun, first, &flight, &verified.evidence) {
            return self.end(gun, flight, &ResolutionOutcome::Refused(denial), turn);
        }
        let in_use = verified.evidence.roles.get("root").map(|found| found.sha256);
        let mut roots = flight.roots.iter().chain(flight.documents.values());
        let Some(root) = roots.find(|root| Some(root.digest()) == in_use) else {
            let detail = format!("{gun} was verified with a root that was not given");
            let outcome = ResolutionOutcome::Unavailable(Denial::new(DenyCode::Internal, detail));
            return self.end(gun, flight, &outcome, turn);
        };
        // A dry run must leave no trace, least of all a root that is trusted from now on.
        let tentative = first
            && verified.evidence.first_use
            && flight.by.dry_run
            && !planted::is(Bug::DryRunLeavesRoot);
        if !tentative {
            self.note_verified(gun, &flight, &verified.evidence, turn);
            let root = root.clone();
            self.keep(gun, &mut flight, root, verified, turn);
        }
        let proof = Proof::from(verified.evidence.clone());
        for tag in asked {
            let outcome = match verified.tags.get(tag) {
                Some(view) => ResolutionOutcome::Verified(Box::new(VerifiedTag {
                    evidence: proof.clone(),
                    view: view.clone(),
                })),
                None => ResolutionOutcome::Unavailable(Denial::new(
                    DenyCode::Internal,
                    format!("the verifier said nothing about the tag {tag}"),
                )),
            };
            let asked = (flight.asked_at, flight.by.anchored());
            self.announce(gun, tag, asked, outcome, tentative, turn);
        }
        // Tags that joined after the verifier was asked: what is kept now serves them.
        let late: Vec<String> = flight.waiting.difference(asked).cloned().collect();
        for tag in late.into_iter().filter(|_| !planted::is(Bug::LateTagsForgotten)) {
            flight.queue(tag, flight.asked_at);
        }
        self.land(gun, flight, turn);
    }

    /// Replaces what is kept by what was verified. Documents out of use go, unless they were
    /// fetched just now or the snapshot is the one before: what it names without its being used,
    /// such as a delegation that is not believed, would be missed and fetched again each time.
    fn keep(
        &mut self,
        gun: &str,
        flight: &mut Flight,
        root: Blob,
        verified: &VerifiedCollection,
        turn: &Turn<'_>,
    ) {
        let VerifiedCollection { evidence, floors, tags } = verified;
        let (namespace, before) = match self.collections.remove(gun) {
            Some(kept) => (kept.namespace, kept.checked.filter(|_| !flight.anew)),
            None => (flight.by.namespace.clone(), None),
        };
        let same_snapshot =
            before.as_ref().is_some_and(|before| snapshot(&before.evidence) == snapshot(evidence));
        let in_use: BTreeSet<_> = evidence.roles.values().map(|found| found.sha256).collect();
        let mut documents = std::mem::take(&mut flight.documents);
        documents.remove(&root.digest());
        documents.retain(|digest, _| {
            same_snapshot || in_use.contains(digest) || flight.fetched.contains(digest)
        });
        let proof = Proof::from(evidence.clone());
        let asked = (flight.asked_at, flight.by.anchored());
        let checked = Checked::new(asked, proof, tags, before, turn.mono);
        let collection = Collection {
            checked: Some(checked),
            documents,
            first_use: evidence.first_use,
            floors: floors.clone(),
            namespace,
            root,
            root_version: evidence.roles.get("root").map(|found| found.version),
            timestamp: flight.timestamp.take(),
        };
        self.collections.insert(gun.to_owned(), collection);
    }

    /// What is worth knowing of a verified collection. Looking again at kept documents tells
    /// nothing new.
    fn note_verified(&self, gun: &str, flight: &Flight, evidence: &Evidence, turn: &mut Turn<'_>) {
        if flight.local {
            return;
        }
        let version = |role: &str| evidence.roles.get(role).map_or(0, |found| found.version);
        let (gun, server) = (gun.to_owned(), self.server.clone());
        let known = self.collections.get(&gun).map(|kept| kept.root_version.unwrap_or_default());
        let fact = match known {
            Some(_) if flight.anew => Some(Fact::TrustReset {
                gun: gun.clone(),
                reason: "the pinned root replaces the one trusted before".to_owned(),
                server: server.clone(),
            }),
            None if evidence.first_use => Some(Fact::FirstUse {
                gun: gun.clone(),
                server: server.clone(),
                version: version("root"),
            }),
            Some(known) if version("root") > known => Some(Fact::RootRotated {
                gun: gun.clone(),
                server: server.clone(),
                version: version("root"),
            }),
            Some(_) | None => None,
        };
        turn.out.push(NotaryEffect::Note(Fact::Refreshed {
            gun: gun.clone(),
            server,
            timestamp: version("timestamp"),
        }));
        if let Some(fact) = fact {
            turn.out.push(NotaryEffect::Note(fact));
        }
        for dropped in &evidence.dropped {
            turn.out.push(NotaryEffect::Note(Fact::DelegationDropped {
                gun: gun.clone(),
                role: dropped.role.clone(),
                why: dropped.why.code,
            }));
        }
    }
}

/// The first role, in order of name, that is older than the trust bundle allows.
fn below_floor(gun: &str, anchor: &RootAnchor, evidence: &Evidence) -> Option<Denial> {
    anchor.floors.iter().find_map(|(role, floor)| {
        let found = evidence.roles.get(role).map(|found| found.version);
        let detail = match found {
            Some(_) if planted::is(Bug::BundleFloorsIgnored) => return None,
            Some(version) if version >= *floor => return None,
            Some(version) => format!(
                "{role} of {gun} has version {version}, and the trust bundle wants {floor} at least"
            ),
            None => format!(
                "{role} of {gun} is not there, and the trust bundle wants version {floor} at least"
            ),
        };
        Some(Denial::new(DenyCode::Rollback, detail))
    })
}

/// A root taken at first use must be one that the seals of workloads know, if they know any: a
/// replica that lost its state would otherwise trust whoever answers now.
fn contradicts_seals(
    gun: &str,
    first: bool,
    flight: &Flight,
    evidence: &Evidence,
) -> Option<Denial> {
    let sealed = &flight.by.sealed_roots;
    if !first || !evidence.first_use || sealed.is_empty() || planted::is(Bug::SealedRootsIgnored) {
        return None;
    }
    let signed_by = evidence.roles.get("root").map(|root| root.signed_by.as_slice());
    let known = signed_by.unwrap_or_default().iter().any(|key| sealed.contains(&key.keyid));
    let detail = format!(
        "the root of {gun} is signed by none of the keys that signed it when the workload was \
         sealed, and this replica knows no root; pin the new one if it is right"
    );
    (!known).then(|| Denial::new(DenyCode::RootChanged, detail))
}

fn snapshot(evidence: &Evidence) -> Option<Sha256> {
    evidence.roles.get("snapshot").map(|found| found.sha256)
}
