//! Verification of a collection: root, timestamp, snapshot, targets, delegations.

use std::collections::BTreeMap;

use portreeve_protocol::evidence::{Evidence, Floors, RoleEvidence, SigningKey};
use portreeve_protocol::limits::{
    DELEGATIONS, FLOORS_PER_GUN, RESOLVE_BYTES, SMALL_DOCUMENT_BYTES, TARGETS_BYTES,
};
use portreeve_protocol::messages::notary::{VerifiedCollection, VerifyOutcome, Wanted};
use portreeve_protocol::messages::verify::VerifyRequest;
use portreeve_protocol::planted::{self, Bug};
use portreeve_protocol::{Blob, Sha256, Wall};

use crate::envelope::Envelope;
use crate::error::TrustError;
use crate::floors;
use crate::header::Header;
use crate::pins;
use crate::role::{ROOT, RoleKeys, SNAPSHOT, TARGETS, TIMESTAMP, is_delegation};
use crate::root::{self, Current, Root};
use crate::signature::{self, Judge};
use crate::snapshot::{Snapshot, Timestamp};
use crate::walk::{self, Documents, Given};

/// Verifies the documents of `request` as of `now`, holding its pins against
/// the root in use.
///
/// * `Missing`: what is at hand is in order, but the snapshot, or targets and delegations, are not
///   at hand. All of them are named at once; ask again with them added.
/// * `Refused`: a requirement is not met. `RootChanged` says that the snapshot was made for another
///   root than the last of `request.roots`, and not for the same content signed again; any refusal
///   may come from keys that a newer root replaced, so whoever holds an older root looks for its
///   successors before believing a refusal.
/// * `Verified`: evidence, floors and the tags asked about.
///
/// Checks per document and their order: Notary `tuf/builder.go:load*`; order of documents:
/// `client/tufclient.go:Update`.
#[must_use]
pub fn verify(request: &VerifyRequest, now: Wall) -> VerifyOutcome {
    verify_by(request, now, signature::ANEW)
}

/// As [`verify`], with signatures judged by `judge`: whoever verifies the same documents again and
/// again may remember which claims hold.
#[must_use]
pub fn verify_by(request: &VerifyRequest, now: Wall, judge: Judge<'_>) -> VerifyOutcome {
    match conclude(request, now, judge) {
        Ok(outcome) => outcome,
        Err(error) => VerifyOutcome::Refused(error.into()),
    }
}

fn conclude(
    request: &VerifyRequest,
    now: Wall,
    judge: Judge<'_>,
) -> Result<VerifyOutcome, TrustError> {
    let current = root::walk(request, now, judge)?;
    let mut floors = request.floors.clone();
    let root = &current.root;
    if request.trusted_root {
        floors::forget(&mut floors, &current.rekeyed);
    } else if floors.get(ROOT).is_some_and(|known| known.sha256 != root.content) {
        return Err(TrustError::RootReplaced { version: root.header.version });
    }
    floors::check(&floors, ROOT, root.header.version, root.content)?;
    let [_, timestamp_keys, snapshot_keys, targets_keys] = root.roles();
    let mut book = Book { evidence: BTreeMap::new(), floors: Floors::new(), now };

    let envelope = Envelope::read(TIMESTAMP, &request.timestamp, SMALL_DOCUMENT_BYTES)?;
    let signed_by = envelope.verify(timestamp_keys, judge)?;
    let timestamp = Timestamp::read(&envelope.signed)?;
    let content = envelope.content();
    let proof = Proof { blob: &request.timestamp, content, header: timestamp.header, signed_by };
    book.enter(&floors, TIMESTAMP, timestamp_keys, proof)?;

    let blobs = request.documents.iter().filter(|blob| blob.shared().is_some());
    let documents: Documents<'_> = blobs.map(|blob| (blob.digest(), blob)).collect();
    let wanted = timestamp.snapshot.wanted(SNAPSHOT, SMALL_DOCUMENT_BYTES)?;
    let Some(blob) = documents.get(&wanted.sha256) else {
        return Ok(VerifyOutcome::Missing(vec![wanted]));
    };
    timestamp.snapshot.check(SNAPSHOT, blob)?;
    let envelope = Envelope::read(SNAPSHOT, blob, SMALL_DOCUMENT_BYTES)?;
    let signed_by = envelope.verify(snapshot_keys, judge)?;
    let snapshot = Snapshot::read(&envelope.signed)?;
    let content = envelope.content();
    let proof = Proof { blob, content, header: snapshot.header, signed_by };
    book.enter(&floors, SNAPSHOT, snapshot_keys, proof)?;

    let missing = missing(&snapshot, root, &documents)?;
    if !missing.is_empty() {
        return Ok(VerifyOutcome::Missing(missing));
    }
    let current = named_root(&snapshot, current.clone(), &documents, (request, now), judge)?;
    book.enter_root(&current);
    let tags = &request.tags;
    let (documents, floors_then, snapshot) = (&documents, &floors, &snapshot);
    let given = Given { documents, floors: floors_then, judge, now, snapshot, tags };
    let found = walk::walk(&given, targets_keys)?;
    book.evidence.extend(found.roles);
    floors.extend(book.floors);
    floors.extend(found.floors);
    if floors.len() > FLOORS_PER_GUN {
        return Err(TrustError::Floors { roles: floors.len(), limit: FLOORS_PER_GUN });
    }
    let expires = book.evidence.values().map(|role| role.expires).min();
    Ok(VerifyOutcome::Verified(Box::new(VerifiedCollection {
        evidence: Evidence {
            dropped: found.dropped,
            expires: expires.unwrap_or(root.header.expires),
            first_use: request.first_use
                && !pins::cover(&request.pins)
                && !planted::is(Bug::FirstUseHidden),
            gun: request.gun.clone(),
            roles: book.evidence,
        },
        floors,
        tags: found.tags,
    })))
}

/// A document whose signatures hold.
struct Proof<'a> {
    blob: &'a Blob,
    content: Sha256,
    header: Header,
    signed_by: Vec<SigningKey>,
}

/// What is established about the base roles so far.
struct Book {
    evidence: BTreeMap<String, RoleEvidence>,
    floors: Floors,
    now: Wall,
}

impl Book {
    fn enter_root(&mut self, current: &Current) {
        let Current { root, signed_by, .. } = current;
        let [keys, ..] = root.roles();
        self.note(ROOT, keys, (root.sha256, root.content), root.header, signed_by.clone());
    }

    /// Holds version and expiry of a document against floor and time, and enters it.
    fn enter(
        &mut self,
        floors: &Floors,
        role: &str,
        keys: &RoleKeys,
        proof: Proof<'_>,
    ) -> Result<(), TrustError> {
        let Proof { blob, content, header, signed_by } = proof;
        floors::check(floors, role, header.version, content)?;
        header.unexpired(role, self.now)?;
        self.note(role, keys, (blob.digest(), content), header, signed_by);
        Ok(())
    }

    fn note(
        &mut self,
        role: &str,
        keys: &RoleKeys,
        (sha256, content): (Sha256, Sha256),
        header: Header,
        signed_by: Vec<SigningKey>,
    ) {
        let Header { expires, version } = header;
        let threshold = keys.threshold;
        let evidence = RoleEvidence { expires, sha256, signed_by, threshold, version };
        self.evidence.insert(role.to_owned(), evidence);
        self.floors.insert(role.to_owned(), floors::of(keys, version, content));
    }
}

/// The root that the snapshot names: the one in use, or the same content signed again.
/// Source: Notary `tuf/builder.go:validateChecksumsFromSnapshot`.
///
/// # Errors
/// `RootChanged` if it names another root, and as [`Current::signed_again`].
fn named_root(
    snapshot: &Snapshot,
    current: Current,
    documents: &Documents<'_>,
    (request, now): (&VerifyRequest, Wall),
    judge: Judge<'_>,
) -> Result<Current, TrustError> {
    let wanted = snapshot.root.wanted(ROOT, SMALL_DOCUMENT_BYTES)?;
    let version = current.root.header.version;
    let blob = match request.roots.last() {
        Some(blob) if wanted.sha256 == blob.digest() => blob,
        Some(_) | None => {
            documents.get(&wanted.sha256).ok_or(TrustError::RootChanged { version })?
        }
    };
    snapshot.root.check(ROOT, blob)?;
    if blob.digest() == current.root.sha256 {
        Ok(current)
    } else {
        current.signed_again(blob, request, now, judge)
    }
}

/// Targets, every published delegation, and another root than the one in use, as far as they are
/// not at hand. They are asked for together, before targets can say which of them it delegates to:
/// one round to the server instead of one a level.
fn missing(
    snapshot: &Snapshot,
    root: &Root,
    documents: &Documents<'_>,
) -> Result<Vec<Wanted>, TrustError> {
    let mut missing = vec![snapshot.targets.wanted(TARGETS, TARGETS_BYTES)?];
    let published = snapshot.meta.iter().filter(|(role, _)| is_delegation(role));
    for (role, meta) in published {
        missing.push(meta.wanted(role, TARGETS_BYTES)?);
    }
    let bytes: u64 = missing.iter().map(|wanted| wanted.length).sum();
    if bytes > RESOLVE_BYTES || missing.len() > DELEGATIONS + 1 {
        return Err(TrustError::Volume { bytes, documents: missing.len() });
    }
    missing.push(snapshot.root.wanted(ROOT, SMALL_DOCUMENT_BYTES)?);
    missing
        .retain(|wanted| wanted.sha256 != root.sha256 && !documents.contains_key(&wanted.sha256));
    Ok(missing)
}
