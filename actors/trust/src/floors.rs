//! What was believed once is the least that is believed from then on.
//!
//! The real client takes its floor from its cache and loses it with the cache, after every key
//! rotation of a role, and for delegations often altogether. Here a floor stays until a newer root,
//! signed as the older one asks, changes the keys of the role; the floors of delegations then go
//! with that of `targets`, whose keys say who signs for them.

use std::collections::BTreeSet;

use portreeve_protocol::Sha256;
use portreeve_protocol::evidence::{Floor, Floors};
use portreeve_protocol::planted::{self, Bug};

use crate::error::TrustError;
use crate::role::{RoleKeys, SNAPSHOT, TARGETS, TIMESTAMP, is_delegation};

/// Takes away the floors of the roles that a walk over newer roots gave other keys.
pub(crate) fn forget(floors: &mut Floors, rekeyed: &BTreeSet<&'static str>) {
    let targets = rekeyed.contains(TARGETS);
    // The root's own floor stays: its versions are walked one by one in any case.
    floors.retain(|role, _| {
        role == crate::role::ROOT
            || !(rekeyed.contains(role.as_str()) || targets && is_delegation(role))
    });
}

/// Holds a validly signed document against the floor of its role. What counts is the content that
/// is signed: a document that was only signed again is the one seen before.
///
/// # Errors
/// `Rollback` for a lower version, `Equivocation` for the same version of another document.
pub(crate) fn check(
    floors: &Floors,
    role: &str,
    version: u64,
    content: Sha256,
) -> Result<(), TrustError> {
    let document = || role.to_owned();
    match floors.get(role) {
        Some(_) if role == TIMESTAMP && planted::is(Bug::TimestampRollback) => Ok(()),
        Some(_) if role == SNAPSHOT && planted::is(Bug::SnapshotRollback) => Ok(()),
        Some(_) if role.starts_with(TARGETS) && planted::is(Bug::TargetsRollback) => Ok(()),
        Some(floor) if version == floor.version && planted::is(Bug::EquivocationAccepted) => Ok(()),
        Some(floor) if version < floor.version => {
            Err(TrustError::Rollback { document: document(), version, floor: floor.version })
        }
        Some(floor) if version == floor.version && content != floor.sha256 => {
            Err(TrustError::Equivocation { document: document(), version })
        }
        Some(_) | None => Ok(()),
    }
}

/// The floor that a verified document sets.
pub(crate) fn of(keys: &RoleKeys, version: u64, content: Sha256) -> Floor {
    Floor { keys: keys.ids(), sha256: content, version }
}
