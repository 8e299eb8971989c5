//! The operator's pins: what is known of roots beforehand.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use portreeve_protocol::Sha256;
use portreeve_protocol::settings::is_gun_or_prefix;

use super::{file, setting};
use crate::HostError;

/// `pins`: GUN, or whole path segments with `/*`, to the ids of admissible root keys.
pub(super) fn key_ids(
    pins: BTreeMap<String, Vec<String>>,
) -> Result<BTreeMap<String, BTreeSet<Sha256>>, HostError> {
    pins.into_iter().map(|(name, ids)| Ok((checked(name)?, ids_of(&ids)?))).collect()
}

fn checked(name: String) -> Result<String, HostError> {
    if !is_gun_or_prefix(&name) {
        let why = format!("`{name}` is neither a GUN nor whole path segments followed by `/*`");
        return Err(setting("pins", why));
    }
    Ok(name)
}

fn ids_of(ids: &[String]) -> Result<BTreeSet<Sha256>, HostError> {
    if ids.is_empty() {
        return Err(setting("pins", "a pin names at least one key id"));
    }
    let id = |text: &String| {
        text.parse().map_err(|_| {
            setting("pins", format!("`{text}` is not a key id of 64 hexadecimal digits"))
        })
    };
    ids.iter().map(id).collect()
}

/// `pinCAs`: prefix of GUNs to the PEM file of the authorities that issue their roots.
pub(super) fn authorities(
    files: BTreeMap<String, PathBuf>,
) -> Result<BTreeMap<String, String>, HostError> {
    let read = |(prefix, path): (String, PathBuf)| {
        let pem = file::read(&path)?;
        if !pem.contains("-----BEGIN CERTIFICATE-----") {
            let why = format!("{} holds no certificate in PEM form", path.display());
            return Err(setting("pinCAs", why));
        }
        Ok((prefix, pem))
    };
    files.into_iter().map(read).collect()
}
