//! Pins: what an operator knows about a collection's root beforehand
//! (Notary `trustpinning/trustpin.go`). Unlike there, pins are held against the root on every load.

use std::collections::BTreeMap;

use portreeve_protocol::{Sha256, Wall};

use crate::ca;
use crate::error::TrustError;
use crate::key::Key;

/// The pins of one trust server's collections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pins {
    /// GUN prefix, in whole path segments, to the PEM certificates of an authority that must have
    /// issued the root's certificate.
    pub ca: BTreeMap<String, String>,
    /// GUN, or a prefix of it with `*` behind, to the ids of admissible root keys as listed.
    pub certs: BTreeMap<String, Vec<Sha256>>,
    /// Whether a root that no pin covers may be trusted at first use.
    pub first_use: bool,
}

impl Default for Pins {
    /// No pins, first use allowed.
    fn default() -> Self {
        Self { ca: BTreeMap::new(), certs: BTreeMap::new(), first_use: true }
    }
}

/// What holds for one collection.
enum Pin<'a> {
    /// One of these authorities must have issued the certificate.
    Authority(&'a str),
    /// The key's id must be one of these.
    KeyIds(&'a [Sha256]),
}

impl Pins {
    /// The pin of `gun`: its own ids, the ids of the longest wildcard, the authority of the longest
    /// prefix. Source: Notary `trustpinning/trustpin.go:NewTrustPinChecker`.
    fn pin(&self, gun: &str) -> Option<Pin<'_>> {
        let ids = self.certs.get(gun).or_else(|| {
            let prefix =
                |name: &'_ str| name.strip_suffix('*').filter(|p| gun.starts_with(p)).map(str::len);
            let fitting = self.certs.iter().filter_map(|(name, ids)| Some((prefix(name)?, ids)));
            fitting.max_by_key(|(length, _)| *length).map(|(_, ids)| ids)
        });
        if let Some(ids) = ids {
            return Some(Pin::KeyIds(ids));
        }
        let covers = |prefix: &str| {
            let prefix = prefix.trim_end_matches('/');
            gun.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let fitting = self.ca.iter().filter(|(prefix, _)| covers(prefix));
        fitting.max_by_key(|(prefix, _)| prefix.len()).map(|(_, pem)| Pin::Authority(pem))
    }

    /// Whether some pin covers `gun`, so that its root is not taken on first use.
    #[must_use]
    pub fn covers(&self, gun: &str) -> bool {
        self.pin(gun).is_some()
    }

    /// Keeps the keys of a root that the pin of `gun` admits.
    ///
    /// # Errors
    /// `RootPinMismatch` if it admits none, `RootUnpinned` if there is no pin and must be one.
    pub(crate) fn filter(
        &self,
        gun: &str,
        version: u64,
        keys: &mut BTreeMap<Sha256, Key>,
        now: Wall,
    ) -> Result<(), TrustError> {
        match self.pin(gun) {
            None if self.first_use => return Ok(()),
            None => return Err(TrustError::RootUnpinned),
            Some(Pin::KeyIds(ids)) => keys.retain(|id, _| ids.contains(id)),
            Some(Pin::Authority(pem)) => {
                keys.retain(|_, key| ca::issued(pem, &key.certificates, now));
            }
        }
        if keys.is_empty() {
            return Err(TrustError::RootPinMismatch { version });
        }
        Ok(())
    }
}
