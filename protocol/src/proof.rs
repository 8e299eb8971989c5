//! Evidence as decisions carry it: by digest. The journal holds it in full once, in the
//! `Resolution` that told it; every decision that rests on it names it by its SHA-256.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, OnceLock};

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::evidence::Evidence;
use crate::{Sha256, Wall, codec};

/// Shared evidence and its digest. It is written in full, or by digest alone with [`by_digest`].
///
/// A proof that was read by digest alone looks like evidence of nothing until it is filled in by
/// [`Proof::fill`]; two proofs are equal if their digests are.
#[derive(Clone)]
pub struct Proof(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    /// Of the canonical JSON of the evidence; computed when it is first asked for.
    digest: OnceLock<Sha256>,
    evidence: Option<Evidence>,
}

/// What stands for evidence that is not at hand.
static NOTHING: Evidence = Evidence {
    dropped: Vec::new(),
    expires: Wall(0),
    first_use: false,
    gun: String::new(),
    roles: BTreeMap::new(),
};

impl Proof {
    /// A proof of which only the digest is known.
    #[must_use]
    pub fn named(digest: Sha256) -> Self {
        Self(Arc::new(Inner { digest: digest.into(), evidence: None }))
    }

    /// SHA-256 of the canonical JSON of the evidence.
    #[must_use]
    pub fn digest(&self) -> Sha256 {
        // Evidence can always be written: its maps have strings for keys.
        *self.0.digest.get_or_init(|| codec::digest(&**self).unwrap_or(Sha256::ZERO))
    }

    /// Whether the evidence itself is at hand.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.0.evidence.is_some()
    }

    /// Takes the evidence over from another proof, if it is the one that is named here.
    pub fn fill(&mut self, told: &Self) {
        if !self.is_known() && *self == *told {
            self.clone_from(told);
        }
    }
}

impl From<Evidence> for Proof {
    fn from(evidence: Evidence) -> Self {
        Self(Arc::new(Inner { digest: OnceLock::new(), evidence: Some(evidence) }))
    }
}

impl Deref for Proof {
    type Target = Evidence;

    fn deref(&self) -> &Evidence {
        self.0.evidence.as_ref().unwrap_or(&NOTHING)
    }
}

impl DerefMut for Proof {
    /// Other holders of the same evidence keep it as it was.
    fn deref_mut(&mut self) -> &mut Evidence {
        let inner = Arc::make_mut(&mut self.0);
        inner.digest = OnceLock::new();
        inner.evidence.get_or_insert_with(|| NOTHING.clone())
    }
}

impl PartialEq for Proof {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.digest() == other.digest()
    }
}

impl Eq for Proof {}

impl fmt::Debug for Proof {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.evidence {
            Some(evidence) => evidence.fmt(formatter),
            None => write!(formatter, "Proof({})", self.digest()),
        }
    }
}

impl Serialize for Proof {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0.evidence {
            Some(evidence) => evidence.serialize(serializer),
            None => Err(serde::ser::Error::custom("evidence that is known by its digest alone")),
        }
    }
}

impl<'de> Deserialize<'de> for Proof {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Evidence::deserialize(deserializer).map(Self::from)
    }
}

/// The form by digest, for `#[serde(with = …)]`. Schema 1 wrote the evidence in full, which is read
/// as well.
pub mod by_digest {
    use super::*;

    /// Writes the digest.
    ///
    /// # Errors
    /// What the serializer says.
    pub fn serialize<S: Serializer>(proof: &Proof, serializer: S) -> Result<S::Ok, S::Error> {
        proof.digest().serialize(serializer)
    }

    /// Reads a digest, or evidence in full.
    ///
    /// # Errors
    /// What the deserializer says.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Proof, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Proof;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("the digest of evidence, or evidence")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Proof, E> {
                text.parse().map(Proof::named).map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Proof, A::Error> {
                Evidence::deserialize(MapAccessDeserializer::new(map)).map(Proof::from)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Named(#[serde(with = "by_digest")] Proof);

    fn evidence() -> Evidence {
        Evidence { gun: "registry.example/app".to_owned(), ..NOTHING.clone() }
    }

    #[test]
    fn evidence_named_by_digest_is_filled_in_by_the_evidence_itself_and_by_no_other()
    -> Result<(), serde_json::Error> {
        let told = Proof::from(evidence());
        let text = serde_json::to_string(&Named(told.clone()))?;
        assert_eq!(text, format!("\"{}\"", told.digest()));
        let Named(mut read) = serde_json::from_str(&text)?;
        assert!(read == told && !read.is_known());
        read.fill(&Proof::from(NOTHING.clone()));
        assert!(!read.is_known());
        read.fill(&told);
        assert_eq!((read.is_known(), read.gun.as_str()), (true, "registry.example/app"));
        Ok(())
    }

    #[test]
    fn evidence_in_full_is_read_where_a_digest_is_written_now() -> Result<(), serde_json::Error> {
        let text = serde_json::to_string(&evidence())?;
        let Named(read) = serde_json::from_str(&text)?;
        assert_eq!(read, Proof::from(evidence()));
        Ok(())
    }

    #[test]
    fn a_changed_proof_has_another_digest_and_leaves_its_copies_alone() {
        let before = Proof::from(evidence());
        let mut after = before.clone();
        assert_eq!(after, before);
        after.first_use = true;
        assert_ne!(after, before);
        assert!(!before.first_use);
    }
}
