//! The digests of what rules ask for: most images of a node are asked for the same.

use std::collections::{BTreeMap, BTreeSet};

use portreeve_protocol::seal::Requirement;
use portreeve_protocol::{ProtocolError, Sha256, codec};

/// Digests kept at most; they begin anew when there would be more.
const MOST: usize = 256;

/// What was asked for lately, and its digest. A digest depends on nothing but what it is kept by,
/// so no decision depends on which ones are kept.
#[derive(Debug, Default)]
pub(super) struct Requirements {
    known: BTreeMap<BTreeSet<Requirement>, Sha256>,
}

impl Requirements {
    /// The digest of what all rules of an image ask for.
    ///
    /// # Errors
    /// As [`codec::digest`].
    pub(super) fn digest(&mut self, asked: BTreeSet<Requirement>) -> Result<Sha256, ProtocolError> {
        if let Some(digest) = self.known.get(&asked) {
            return Ok(*digest);
        }
        let digest = codec::digest(&asked)?;
        if self.known.len() >= MOST {
            self.known.clear();
        }
        self.known.insert(asked, digest);
        Ok(digest)
    }

    /// Drops what other policies asked for.
    pub(super) fn clear(&mut self) {
        self.known.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(server: usize) -> BTreeSet<Requirement> {
        BTreeSet::from([Requirement {
            authorities: BTreeSet::new(),
            first_use_forbidden: false,
            floors: BTreeMap::new(),
            pins: BTreeSet::new(),
            server: format!("https://notary-{server}.example"),
            signers: BTreeSet::new(),
            strict_roles: false,
        }])
    }

    #[test]
    fn a_digest_is_the_same_whether_it_was_kept_or_not() -> Result<(), ProtocolError> {
        let mut kept = Requirements::default();
        for server in (0..=MOST).chain(0..=MOST) {
            assert_eq!(kept.digest(asked(server))?, codec::digest(&asked(server))?);
            assert!(kept.known.len() <= MOST, "{} are kept", kept.known.len());
        }
        Ok(())
    }
}
