//! Pins: what an operator knows about a collection's root beforehand
//! (Notary `trustpinning/trustpin.go`). Unlike there, pins are held against the root on every load.
//! Which pins concern a collection, [`portreeve_protocol::Settings::root_pins`] says.

use std::collections::BTreeMap;

use portreeve_protocol::evidence::RootPins;
use portreeve_protocol::planted::{self, Bug};
use portreeve_protocol::{Sha256, Wall};

use crate::ca;
use crate::error::TrustError;
use crate::key::Key;

/// Whether `pins` ask for anything, so that a root they admit is not taken on first use.
pub(crate) fn cover(pins: &RootPins) -> bool {
    !(pins.keyids.is_empty() && pins.authorities.is_empty())
}

/// Keeps the keys of a root that `pins` admit: by the id they are listed under or that of the bare
/// key, or by an authority that issued their certificate.
///
/// # Errors
/// `RootPinMismatch` if they admit none, `RootUnpinned` if there are none and must be.
pub(crate) fn filter(
    pins: &RootPins,
    version: u64,
    keys: &mut BTreeMap<Sha256, Key>,
    now: Wall,
) -> Result<(), TrustError> {
    if !pins.keyids.is_empty() {
        keys.retain(|id, key| {
            let bare = key.public.as_ref().map(|public| public.spki);
            planted::is(Bug::PinsIgnored)
                || pins.keyids.contains(id)
                || bare.is_ok_and(|bare| pins.keyids.contains(&bare))
        });
    } else if !pins.authorities.is_empty() {
        keys.retain(|_, key| {
            pins.authorities.iter().any(|pem| ca::issued(pem, &key.certificates, now))
        });
    } else if pins.required {
        return Err(TrustError::RootUnpinned);
    }
    if keys.is_empty() {
        return Err(TrustError::RootPinMismatch { version });
    }
    Ok(())
}
