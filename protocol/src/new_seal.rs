//! The seal that a decision gives an object. A record of the decision names by digest what the seal
//! says: the object carries it, and replay makes it again.

use std::fmt;
use std::sync::OnceLock;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::seal::{SealClaims, SealEntry};
use crate::{ProtocolError, Sha256, codec};

/// A seal that an object is to carry. One that was read from a record tells no more than whose it
/// is, and the digest of what it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewSeal {
    /// SHA-256 of what the seal says: of the canonical JSON of its [`SealClaims`], which the
    /// annotation holds in base64 between its second and third dot. Up to schema 6 the list of
    /// generations itself stood here, as `generations`.
    #[serde(serialize_with = "by_digest")]
    claims: Claims,
    /// The object's kind.
    pub kind: String,
    /// The object's name.
    pub name: String,
    /// The object's namespace.
    pub namespace: String,
}

impl NewSeal {
    /// The seal that says `claims`.
    ///
    /// # Errors
    /// As [`codec::canonical`].
    pub fn of(claims: SealClaims) -> Result<Self, ProtocolError> {
        let json = codec::canonical(&claims)?;
        let SealClaims { generations: _, kind, name, namespace } = claims;
        let claims = Claims { digest: OnceLock::new(), json: json.into_boxed_slice() };
        Ok(Self { claims, kind, name, namespace })
    }

    /// What it says, as canonical JSON; `None` if it was read from a record.
    #[must_use]
    pub fn json(&self) -> Option<&[u8]> {
        Some(&*self.claims.json).filter(|json| !json.is_empty())
    }

    /// What it says; `None` if it was read from a record.
    #[must_use]
    pub fn claims(&self) -> Option<SealClaims> {
        serde_json::from_slice(self.json()?).ok()
    }

    /// SHA-256 of what it says, as canonical JSON.
    #[must_use]
    pub fn digest(&self) -> Sha256 {
        self.claims.digest()
    }
}

/// What a seal says; two are equal if their digests are.
#[derive(Clone)]
struct Claims {
    /// Computed when it is first asked for.
    digest: OnceLock<Sha256>,
    /// Canonical JSON; empty if only the digest is known.
    json: Box<[u8]>,
}

impl Claims {
    fn digest(&self) -> Sha256 {
        *self.digest.get_or_init(|| Sha256::of(&self.json))
    }
}

impl PartialEq for Claims {
    fn eq(&self, other: &Self) -> bool {
        self.digest() == other.digest()
    }
}

impl Eq for Claims {}

impl fmt::Debug for Claims {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match str::from_utf8(&self.json) {
            Ok(json) if !json.is_empty() => formatter.write_str(json),
            Ok(_) | Err(_) => write!(formatter, "Claims({})", self.digest()),
        }
    }
}

fn by_digest<S: Serializer>(claims: &Claims, serializer: S) -> Result<S::Ok, S::Error> {
    claims.digest().serialize(serializer)
}

impl<'de> Deserialize<'de> for NewSeal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// As it is written, or as it was up to schema 6.
        #[derive(Deserialize)]
        struct Either {
            claims: Option<Sha256>,
            generations: Option<Vec<Vec<SealEntry>>>,
            kind: String,
            name: String,
            namespace: String,
        }

        let Either { claims, generations, kind, name, namespace } =
            Either::deserialize(deserializer)?;
        match (claims, generations) {
            (Some(digest), None) => {
                let claims = Claims { digest: digest.into(), json: Box::default() };
                Ok(Self { claims, kind, name, namespace })
            }
            (None, Some(generations)) => {
                Self::of(SealClaims { generations, kind, name, namespace })
                    .map_err(D::Error::custom)
            }
            (Some(_), Some(_)) | (None, None) => {
                Err(D::Error::custom("a seal has either `claims` or `generations`"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> SealClaims {
        SealClaims {
            generations: vec![Vec::new()],
            kind: "Deployment".to_owned(),
            name: "web".to_owned(),
            namespace: "shop".to_owned(),
        }
    }

    #[test]
    fn what_a_seal_says_is_written_as_a_digest_and_equal_to_what_was_read()
    -> Result<(), Box<dyn std::error::Error>> {
        let seal = NewSeal::of(claims())?;
        let digest = codec::digest(&claims())?;
        let text = serde_json::to_string(&seal)?;
        let whose = r#""kind":"Deployment","name":"web","namespace":"shop""#;
        assert_eq!(text, format!(r#"{{"claims":"{digest}",{whose}}}"#));
        let read: NewSeal = serde_json::from_str(&text)?;
        assert_eq!((&read, read.claims(), read.json()), (&seal, None, None));
        assert_eq!((seal.digest(), seal.claims()), (digest, Some(claims())));
        let shown = (format!("{read:?}"), format!("{seal:?}"));
        assert!(shown.0.contains(&digest.to_string()) && shown.1.contains("generations"));
        Ok(())
    }

    #[test]
    fn up_to_schema_6_all_that_a_seal_says_stood_in_the_record()
    -> Result<(), Box<dyn std::error::Error>> {
        let text = serde_json::to_string(&claims())?;
        let read: NewSeal = serde_json::from_str(&text)?;
        assert_eq!((read.claims(), read.clone()), (Some(claims()), NewSeal::of(claims())?));
        for neither in ["{}", &text.replace("generations", "entries")] {
            assert!(serde_json::from_str::<NewSeal>(neither).is_err(), "{neither}");
        }
        let both = text.replacen('{', &format!("{{\"claims\":\"{}\",", Sha256::ZERO), 1);
        let error = serde_json::from_str::<NewSeal>(&both).err().ok_or("an error")?.to_string();
        assert!(error.contains("either `claims` or `generations`"), "{error}");
        Ok(())
    }

    #[test]
    fn another_seal_has_another_digest() -> Result<(), ProtocolError> {
        let other = SealClaims { generations: Vec::new(), ..claims() };
        assert_ne!(NewSeal::of(claims())?, NewSeal::of(other)?);
        Ok(())
    }
}
