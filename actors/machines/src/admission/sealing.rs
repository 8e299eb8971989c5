//! The seal that a workload is to carry.

use portreeve_protocol::messages::admission::{GroupKind, ReviewFacts, ReviewPath};
use portreeve_protocol::seal::{SealClaims, SealEntry, SealFact, is_sealed_kind};
use portreeve_protocol::{Admitted, NewSeal, Sha256, Verdict, codec, limits};

use super::image::Concluded;
use super::seals::Seals;

/// What a seal may hold as JSON, so that its annotation stays within [`limits::SEAL_BYTES`]: three
/// bytes become four letters, and some room is for the key's name and the code of authenticity.
const CLAIMS_BYTES: usize = (limits::SEAL_BYTES - 256) / 4 * 3;

/// What becomes of an object's seal.
#[derive(Debug)]
pub(super) enum Sealing {
    /// It stays as it is.
    Left,
    /// The object is to be given this one.
    Given(NewSeal),
    /// What there is to say of the object's images does not fit into a seal.
    TooLarge,
}

/// What becomes of the object's seal.
///
/// The generations of the old object's seal stay behind the new one, so that rollback, eviction
/// in the middle of a rollout and partitions need no trust server.
pub(super) fn seal(facts: &ReviewFacts, seals: &Seals, concluded: &mut [Concluded]) -> Sealing {
    if !is_sealed(facts) {
        return Sealing::Left;
    }
    let current: Vec<SealEntry> =
        concluded.iter_mut().filter_map(|one| entry(seals, one)).collect();
    let mut wanted = seals.old.clone().unwrap_or_else(|| SealClaims {
        generations: Vec::new(),
        kind: facts.kind.kind.clone(),
        name: facts.name.clone(),
        namespace: facts.namespace.clone(),
    });
    wanted.advance(current);
    while wanted.generations.len() > 1 && !fits(&wanted) {
        wanted.generations.pop();
    }
    if wanted.generations.is_empty() {
        return Sealing::Left;
    }
    if !fits(&wanted) {
        return Sealing::TooLarge;
    }
    let there = matches!(&facts.seal, SealFact::Valid(there) if **there == wanted);
    if there {
        return Sealing::Left;
    }
    NewSeal::of(wanted).map_or(Sealing::TooLarge, Sealing::Given)
}

/// Whether the review is of an object that carries a seal of its own: a named workload that makes
/// others. A ReplicaSet with a controller carries the copy of its Deployment's, which stays.
fn is_sealed(facts: &ReviewFacts) -> bool {
    let GroupKind { group, kind, .. } = &facts.kind;
    let named = !facts.name.is_empty() && !facts.name.ends_with('*');
    let copied = kind == "ReplicaSet" && facts.owners.iter().any(|owner| owner.controller);
    facts.sealing
        && facts.path == ReviewPath::Admit
        && facts.sub_resource.is_none()
        && named
        && !copied
        && is_sealed_kind(group, kind)
}

/// What the seal says of one image: what was just found, or what was known of an image that the
/// update leaves as it is.
fn entry(seals: &Seals, concluded: &mut Concluded) -> Option<SealEntry> {
    if let Some(entry) = concluded.entry.take() {
        return Some(seals.same(entry));
    }
    let verdict = &concluded.verdict;
    if verdict.verdict != Verdict::Allowed(Admitted::Unchanged) {
        return None;
    }
    let named = named_digest(&verdict.image);
    let same = |entry: &&SealEntry| match &named {
        // An image of a volume may have the name of a container.
        Some((gun, digest)) => entry.digest == *digest && *entry.repository == **gun,
        None => entry.reference == verdict.image,
    };
    // The newest generation comes first.
    let mut known = seals.old.as_ref()?.entries();
    known.find(|entry| entry.container == verdict.container && same(entry)).cloned()
}

/// The collection and the digest that an image names.
fn named_digest(image: &str) -> Option<(String, Sha256)> {
    let reference = image.parse::<portreeve_protocol::reference::ImageReference>().ok()?;
    Some((reference.gun(), reference.digest?))
}

fn fits(claims: &SealClaims) -> bool {
    longest(claims) <= CLAIMS_BYTES
        || codec::canonical(claims).is_ok_and(|bytes| bytes.len() <= CLAIMS_BYTES)
}

/// No fewer bytes than the claims have as JSON, which most are far too short to be written for.
fn longest(claims: &SealClaims) -> usize {
    /// What a byte may become where it is escaped.
    const ESCAPED: usize = 6;
    /// More than the names, quotes and digests of an entry or of the claims have.
    const AROUND: usize = 320;
    /// More than a digest with its quotes and comma has.
    const DIGEST: usize = 70;
    let entry = |entry: &SealEntry| {
        let text = entry.container.len() + entry.reference.len() + entry.repository.len();
        AROUND + text * ESCAPED + entry.root_keys.len() * DIGEST
    };
    let names = claims.kind.len() + claims.name.len() + claims.namespace.len();
    let lists = claims.generations.len() * 3;
    AROUND + names * ESCAPED + lists + claims.entries().map(entry).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_never_longer_than_is_reckoned() -> Result<(), portreeve_protocol::ProtocolError> {
        let entry = |text: &str, keys: u8| SealEntry {
            container: text.into(),
            digest: Sha256::ZERO,
            reference: text.into(),
            repository: text.into(),
            requirement: Sha256::ZERO,
            root_keys: (0..keys).map(|key| Sha256::of(&[key])).collect(),
        };
        for text in ["", "web", "\u{1}\u{1}", "\"\\é"] {
            for keys in 0..3 {
                for generations in [vec![], vec![vec![]], vec![vec![entry(text, keys); 3]; 4]] {
                    let name = || text.to_owned();
                    let (kind, name, namespace) = (name(), name(), name());
                    let claims = SealClaims { generations, kind, name, namespace };
                    assert!(codec::canonical(&claims)?.len() <= longest(&claims));
                }
            }
        }
        Ok(())
    }
}
