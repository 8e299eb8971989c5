//! What every document is: something signed, and signatures (Notary `tuf/data/types.go:Signed`).

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portreeve_protocol::evidence::SigningKey;
use portreeve_protocol::limits::SIGNATURES;
use portreeve_protocol::planted::{self, Bug};
use portreeve_protocol::{Blob, Sha256};

use crate::error::TrustError;
use crate::fields::Fields;
use crate::json::Value;
use crate::key::Key;
use crate::role::{RoleKeys, SNAPSHOT, TARGETS, TIMESTAMP};
use crate::signature::{Claim, Judge, Method};
use crate::{canonical, json};

/// A document, parsed but not believed.
#[derive(Debug, Clone)]
pub(crate) struct Envelope {
    document: String,
    message: Vec<u8>,
    signatures: Vec<Signature>,
    /// What is signed.
    pub(crate) signed: Value,
}

#[derive(Debug, Clone)]
struct Signature {
    bytes: Vec<u8>,
    keyid: String,
    method: Method,
}

impl Envelope {
    /// Parses a document of at most `limit` bytes.
    ///
    /// # Errors
    /// `Length`, `Malformed`, `InvalidMetadata`, `UnsupportedForm`.
    pub(crate) fn read(document: &str, blob: &Blob, limit: u64) -> Result<Self, TrustError> {
        let bytes = blob.bytes();
        if bytes.len() as u64 > limit {
            return Err(TrustError::Length {
                document: document.to_owned(),
                found: bytes.len() as i64,
                allowed: format!("at most {limit} are allowed"),
            });
        }
        let tree = json::parse(document, bytes)?;
        let envelope = Fields::of(document, "the document", &tree, &["signed", "signatures"])?;
        let missing = envelope.invalid("signed", "is missing");
        let mut message = Vec::new();
        let signed = envelope.get("signed").ok_or_else(|| missing.clone())?;
        canonical::write(signed, &mut message).map_err(|why| TrustError::UnsupportedForm {
            document: document.to_owned(),
            why: why.to_owned(),
        })?;
        let listed = envelope.list("signatures")?;
        if listed.len() > SIGNATURES {
            return Err(envelope.invalid("signatures", "are too many"));
        }
        let signatures = listed.iter().map(|value| Signature::read(document, value));
        let signatures = signatures.collect::<Result<_, _>>()?;
        let signed = match tree {
            Value::Object(mut members) => members.remove("signed"),
            Value::Null
            | Value::Bool(_)
            | Value::Integer(_)
            | Value::Text(_)
            | Value::List(_)
            | Value::NoCanonicalForm(_) => None,
        };
        let signed = signed.ok_or(missing)?;
        Ok(Self { document: document.to_owned(), message, signatures, signed })
    }

    /// SHA-256 of the canonical form of what is signed; signing it again does not change it.
    pub(crate) fn content(&self) -> Sha256 {
        Sha256::of(&self.message)
    }

    /// How many signatures are listed.
    pub(crate) const fn signatures(&self) -> usize {
        self.signatures.len()
    }

    /// The keys among `keys` that validly signed, in order of key id. Unknown ids and bad
    /// signatures are passed over, a key counts once.
    pub(crate) fn signed_by(
        &self,
        keys: &BTreeMap<Sha256, Key>,
        judge: Judge<'_>,
    ) -> Vec<SigningKey> {
        let mut signers = BTreeSet::new();
        for one in &self.signatures {
            let Some(key) = one.keyid.parse().ok().and_then(|id: Sha256| keys.get(&id)) else {
                continue;
            };
            let Ok(public) = &key.public else { continue };
            let signer = SigningKey { keyid: key.id, spki: public.spki };
            let (message, signature) = (self.message.as_slice(), one.bytes.as_slice());
            let claim = Claim { key: public, message, method: one.method, signature };
            if !signers.contains(&signer) && judge(&claim) {
                signers.insert(signer);
            }
        }
        signers.into_iter().collect()
    }

    /// As [`Self::signed_by`], if the threshold of `role` is met.
    /// Source: Notary `tuf/signed/verify.go:VerifySignatures`, which counts key ids.
    ///
    /// # Errors
    /// `Unsigned` if there is no signature at all, `Threshold` if there are too few good ones.
    pub(crate) fn verify(
        &self,
        role: &RoleKeys,
        judge: Judge<'_>,
    ) -> Result<Vec<SigningKey>, TrustError> {
        let document = self.document.clone();
        if self.signatures.is_empty() {
            return Err(TrustError::Unsigned { document });
        }
        let signers = self.signed_by(&role.keys, judge);
        let valid = distinct(&signers);
        let passed = (document == TIMESTAMP && planted::is(Bug::TimestampUnsigned))
            || (document == SNAPSHOT && planted::is(Bug::SnapshotUnsigned))
            || (document == TARGETS && planted::is(Bug::TargetsUnsigned))
            || (document.contains('/') && planted::is(Bug::DelegationUnsigned))
            || planted::is(Bug::ThresholdZero)
            || (valid == 1 && planted::is(Bug::ThresholdOne));
        if valid < role.threshold && !passed {
            return Err(TrustError::Threshold { document, valid, threshold: role.threshold });
        }
        Ok(signers)
    }
}

/// How many public keys are among `signers`: one key under two ids is one key.
pub(crate) fn distinct(signers: &[SigningKey]) -> u32 {
    let by_id = planted::is(Bug::KeyCountedTwice);
    let key = |signer: &SigningKey| if by_id { signer.keyid } else { signer.spki };
    let keys: BTreeSet<_> = signers.iter().map(key).collect();
    u32::try_from(keys.len()).unwrap_or(u32::MAX)
}

impl Signature {
    fn read(document: &str, value: &Value) -> Result<Self, TrustError> {
        let one = Fields::of(document, "a signature", value, &["keyid", "method", "sig"])?;
        let bytes = STANDARD
            .decode(one.text("sig")?)
            .map_err(|_| one.invalid("sig", "must be padded standard base64"))?;
        let method = Method::named(one.text("method")?);
        Ok(Self { bytes, keyid: one.text("keyid")?.to_owned(), method })
    }
}
