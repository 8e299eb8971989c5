//! The walk over targets and all published delegations
//! (Notary `client/tufclient.go:downloadTargets`, `tuf/tuf.go:WalkTargets`).

use std::collections::{BTreeMap, BTreeSet};

use portreeve_protocol::evidence::{DroppedRole, Floor, Floors, RoleEvidence, TagView};
use portreeve_protocol::limits::{COLLECTION_SIGNATURES, DELEGATIONS, TARGETS_BYTES};
use portreeve_protocol::planted::{self, Bug};
use portreeve_protocol::{Blob, Denial, DenyCode, Sha256, Wall};

use crate::envelope::Envelope;
use crate::error::TrustError;
use crate::floors;
use crate::role::{RELEASES, RoleKeys, TARGETS};
use crate::signature::Judge;
use crate::snapshot::Snapshot;
use crate::targets::{Delegation, Targets, within};

/// The documents at hand, by digest.
pub(crate) type Documents<'a> = BTreeMap<Sha256, &'a Blob>;

/// What a walk goes by.
pub(crate) struct Given<'a> {
    /// The documents at hand; all that the snapshot names are there.
    pub(crate) documents: &'a Documents<'a>,
    /// The floors that hold.
    pub(crate) floors: &'a Floors,
    /// By whom signatures are judged.
    pub(crate) judge: Judge<'a>,
    /// As of when to judge.
    pub(crate) now: Wall,
    /// The verified snapshot.
    pub(crate) snapshot: &'a Snapshot,
    /// The tags to look up.
    pub(crate) tags: &'a BTreeSet<String>,
}

/// What a walk found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Delegations left out, in the order of the walk.
    pub(crate) dropped: Vec<DroppedRole>,
    /// The floors of the verified roles.
    pub(crate) floors: Floors,
    /// What holds of the verified roles.
    pub(crate) roles: BTreeMap<String, RoleEvidence>,
    /// Tag to what the verified roles say of it.
    pub(crate) tags: BTreeMap<String, TagView>,
}

/// A verified document of a targets role.
struct Verified {
    evidence: RoleEvidence,
    floor: Floor,
    targets: Targets,
}

/// Verifies targets by `keys`, then the published delegations depth first, parents before children
/// and in the order their parents list them.
///
/// A delegation that is expired or under its threshold is left out with all below it; any other
/// fault in any of them refuses the collection, as in the real client.
///
/// # Errors
/// Whatever is wrong with one of the documents.
pub(crate) fn walk(given: &Given<'_>, keys: &RoleKeys) -> Result<Found, TrustError> {
    let mut found = Found::default();
    for tag in given.tags {
        let view = TagView { entries: BTreeMap::new(), tag: tag.clone() };
        found.tags.insert(tag.clone(), view);
    }
    let everything =
        Delegation { keys: keys.clone(), name: TARGETS.to_owned(), paths: vec![String::new()] };
    let mut releases_delegated = false;
    let mut stack = vec![everything];
    let mut visited = 0;
    let mut signatures = COLLECTION_SIGNATURES;
    while let Some(role) = stack.pop() {
        releases_delegated |= role.name == RELEASES;
        if !given.snapshot.meta.contains_key(&role.name) {
            continue;
        }
        visited += 1;
        if visited > DELEGATIONS + 1 {
            let why = format!("it has more than {DELEGATIONS} delegations");
            return Err(TrustError::UnsupportedForm { document: TARGETS.to_owned(), why });
        }
        let verified = match verify(given, &role, &mut signatures) {
            Err(error) if role.name != TARGETS && merely_drops(&error) => {
                found.dropped.push(DroppedRole { role: role.name, why: error.into() });
                continue;
            }
            result => result?,
        };
        for mut child in verified.targets.delegations.iter().rev().cloned() {
            child.restrict(&role.paths);
            stack.push(child);
        }
        found.take(role, verified);
    }
    found.judge_releases(given.floors, releases_delegated);
    Ok(found)
}

/// Whether a delegation is left out for this fault instead of refusing the collection.
const fn merely_drops(error: &TrustError) -> bool {
    matches!(error, TrustError::Expired { .. } | TrustError::Threshold { .. })
}

/// Checks one document in the order of the real client: hash, JSON, signatures, structure, version,
/// expiry; `signatures` is how many may still be looked at.
/// Source: Notary `tuf/builder.go:loadTargets, loadDelegation`.
fn verify(
    given: &Given<'_>,
    role: &Delegation,
    signatures: &mut usize,
) -> Result<Verified, TrustError> {
    let name = role.name.as_str();
    let meta = given.snapshot.meta.get(name);
    let absent = || TrustError::Checksum { document: name.to_owned(), algorithm: "sha256" };
    let meta = meta.ok_or_else(absent)?;
    let wanted = meta.wanted(name, TARGETS_BYTES)?;
    let blob = given.documents.get(&wanted.sha256).ok_or_else(absent)?;
    meta.check(name, blob)?;
    if name != TARGETS {
        fit(role)?;
    }
    let envelope = Envelope::read(name, blob, TARGETS_BYTES)?;
    let left = signatures.checked_sub(envelope.signatures());
    *signatures = left.ok_or_else(|| TrustError::UnsupportedForm {
        document: name.to_owned(),
        why: format!("the collection has more than {COLLECTION_SIGNATURES} signatures"),
    })?;
    let signed_by = envelope.verify(&role.keys, given.judge)?;
    let targets = Targets::read(name, &envelope.signed, given.tags)?;
    let version = targets.header.version;
    let content = envelope.content();
    floors::check(given.floors, name, version, content)?;
    targets.header.unexpired(name, given.now)?;
    Ok(Verified {
        evidence: RoleEvidence {
            expires: targets.header.expires,
            sha256: wanted.sha256,
            signed_by,
            threshold: role.keys.threshold,
            version,
        },
        floor: floors::of(&role.keys, version, content),
        targets,
    })
}

/// Refuses keys in certificates that no date makes good. A certificate that cannot be read is
/// merely a key that verifies nothing, and one that has expired counts: the role's own expiry
/// limits it.
/// Source: Notary `tuf/tuf.go:GetDelegationRole`.
fn fit(role: &Delegation) -> Result<(), TrustError> {
    let mut leafs = role.keys.keys.values().filter_map(|key| key.certificates.first());
    match leafs.find_map(|leaf| leaf.unfit()) {
        Some(why) => {
            Err(TrustError::Certificate { document: role.name.clone(), why: why.to_owned() })
        }
        None => Ok(()),
    }
}

impl Found {
    /// Adds a verified role: its entries within its paths, and what holds of it.
    fn take(&mut self, role: Delegation, verified: Verified) {
        for (tag, entry) in verified.targets.entries {
            if (within(&tag, &role.paths) || planted::is(Bug::DelegationPathIgnored))
                && let Some(view) = self.tags.get_mut(&tag)
            {
                view.entries.insert(role.name.clone(), entry);
            }
        }
        self.floors.insert(role.name.clone(), verified.floor);
        self.roles.insert(role.name, verified.evidence);
    }

    /// Says so if the role that releases images is not there though it was, or should be: who holds
    /// the snapshot key alone could hide it, and base targets would answer in its place.
    fn judge_releases(&mut self, floors: &Floors, delegated: bool) {
        if self.roles.contains_key(RELEASES) {
            return;
        }
        let dropped = self.dropped.iter_mut().find(|dropped| dropped.role == RELEASES);
        let known = floors.contains_key(RELEASES) && !planted::is(Bug::WithdrawalAccepted);
        let why = match (known, &dropped) {
            (true, Some(dropped)) => Denial::new(
                DenyCode::RoleWithdrawn,
                format!("targets/releases was verified before, but now: {}", dropped.why.detail),
            ),
            (true, None) => Denial::new(
                DenyCode::RoleWithdrawn,
                "targets/releases was verified before, but it is not published any more",
            ),
            (false, None) if delegated => Denial::new(
                DenyCode::NotReleased,
                "targets delegates to targets/releases, but the snapshot does not name it",
            ),
            (false, _) => return,
        };
        match dropped {
            Some(dropped) => dropped.why = why,
            None => self.dropped.push(DroppedRole { role: RELEASES.to_owned(), why }),
        }
    }
}
