//! Keys of every kind Notary lists, and signatures in the form Notary writes them.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RSA_PSS_SHA256, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use portreeve_protocol::{Sha256, Wall};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyUsagePurpose, PublicKeyData as _, SerialNumber,
};
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::canonical::canonical;
use crate::{LabError, memo, pem};

/// A kind of key, together with the way it signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// ECDSA on P-256 with SHA-256; method `ecdsa`, signature r||s. What the notary client makes.
    Ecdsa,
    /// Ed25519; method `eddsa`.
    Ed25519,
    /// RSA-2048 with PKCS#1 v1.5 and SHA-256; method `rsapkcs1v15`.
    RsaPkcs1v15,
    /// RSA-2048 with PSS, SHA-256 and a salt of 32 bytes; method `rsapss`.
    RsaPss,
}

impl KeyKind {
    /// The `method` of signatures by such keys (`tuf/signed/verifiers.go`).
    #[must_use]
    pub const fn method(self) -> &'static str {
        match self {
            Self::Ecdsa => "ecdsa",
            Self::Ed25519 => "eddsa",
            Self::RsaPkcs1v15 => "rsapkcs1v15",
            Self::RsaPss => "rsapss",
        }
    }

    /// The `keytype` of such keys listed bare, and in a certificate where Notary has that form.
    const fn keytypes(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Ecdsa => ("ecdsa", Some("ecdsa-x509")),
            Self::Ed25519 => ("ed25519", None),
            Self::RsaPkcs1v15 | Self::RsaPss => ("rsa", Some("rsa-x509")),
        }
    }

    const fn certificate_algorithm(self) -> &'static rcgen::SignatureAlgorithm {
        match self {
            Self::Ecdsa => &rcgen::PKCS_ECDSA_P256_SHA256,
            Self::Ed25519 => &rcgen::PKCS_ED25519,
            Self::RsaPkcs1v15 | Self::RsaPss => &rcgen::PKCS_RSA_SHA256,
        }
    }
}

/// Which kind of key each part of a collection gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyPlan {
    /// Targets, snapshot and timestamp; always listed bare.
    pub base: KeyKind,
    /// The root; always listed in a certificate whose common name is the GUN.
    pub root: KeyKind,
    /// Whether signers are listed in certificates instead of bare.
    pub signer_certificates: bool,
    /// The signers.
    pub signers: KeyKind,
}

/// Where the keys of a collection come from.
#[derive(Debug, Clone)]
pub struct Keys {
    plan: KeyPlan,
    seed: Option<u64>,
    /// Whether they belong to somebody who has none of the keys that other seeds give.
    stranger: bool,
}

/// TEST ONLY keys, published in this repository; see `actors/lab/test-keys/README.md`.
const TEST_ONLY_RSA: [&str; 3] = [
    include_str!("../test-keys/TEST-ONLY-rsa-2048-a.pem"),
    include_str!("../test-keys/TEST-ONLY-rsa-2048-b.pem"),
    include_str!("../test-keys/TEST-ONLY-rsa-2048-c.pem"),
];

/// TEST ONLY: the RSA key of strangers, which no other seed leads to.
const TEST_ONLY_STRANGER: &str = include_str!("../test-keys/TEST-ONLY-rsa-2048-stranger.pem");

impl Keys {
    /// Random keys as the notary client makes them: ECDSA P-256 throughout, signers bare.
    #[must_use]
    pub const fn fresh() -> Self {
        Self::fresh_with(KeyPlan {
            base: KeyKind::Ecdsa,
            root: KeyKind::Ecdsa,
            signer_certificates: false,
            signers: KeyKind::Ecdsa,
        })
    }

    /// Random keys of the kinds in `plan`.
    #[must_use]
    pub const fn fresh_with(plan: KeyPlan) -> Self {
        Self { plan, seed: None, stranger: false }
    }

    /// Keys that follow from `seed`, the GUN and the role, and that sign the same bytes each time.
    /// They are public knowledge: for simulations and tests only. There are three RSA keys, so only
    /// seeds that differ modulo 3 have different root keys.
    #[must_use]
    pub const fn deterministic(seed: u64) -> Self {
        Self::deterministic_with(
            KeyPlan {
                base: KeyKind::Ed25519,
                root: KeyKind::RsaPkcs1v15,
                signer_certificates: false,
                signers: KeyKind::Ed25519,
            },
            seed,
        )
    }

    /// As [`Keys::deterministic`] with kinds of your own; only Ed25519 and RSA PKCS#1 v1.5 will do.
    #[must_use]
    pub const fn deterministic_with(plan: KeyPlan, seed: u64) -> Self {
        Self { plan, seed: Some(seed), stranger: false }
    }

    /// As [`Keys::deterministic`], of somebody who has none of the keys that those have, whatever
    /// their seed. A stranger has one RSA key, however often it is replaced.
    #[must_use]
    pub const fn stranger(seed: u64) -> Self {
        Self { stranger: true, ..Self::deterministic(seed) }
    }

    /// As [`Keys::stranger`], with kinds of your own as for [`Keys::deterministic_with`].
    #[must_use]
    pub const fn stranger_with(plan: KeyPlan, seed: u64) -> Self {
        Self { plan, seed: Some(seed), stranger: true }
    }

    /// The root key number `generation` of `gun`, in a certificate valid for ten years from `now`.
    ///
    /// # Errors
    /// As [`RoleKey`]'s makers: the kind cannot be made, or not with a seed.
    pub fn root(&self, gun: &str, generation: u32, now: Wall) -> Result<RoleKey, LabError> {
        let key = Material::make(self, self.plan.root, gun, "root", generation)?;
        RoleKey::in_certificate(key, gun, now)
    }

    /// The key number `generation` of a base role of `gun`, listed bare.
    ///
    /// # Errors
    /// As [`Keys::root`].
    pub fn base(&self, gun: &str, role: &str, generation: u32) -> Result<RoleKey, LabError> {
        RoleKey::bare(Material::make(self, self.plan.base, gun, role, generation)?)
    }

    /// The key number `generation` of a signer, alike in every collection made from one seed: a
    /// person has one key for many repositories.
    ///
    /// # Errors
    /// As [`Keys::root`].
    pub fn signer(&self, name: &str, generation: u32, now: Wall) -> Result<RoleKey, LabError> {
        let key = Material::make(self, self.plan.signers, "", name, generation)?;
        if self.plan.signer_certificates {
            RoleKey::in_certificate(key, name, now)
        } else {
            RoleKey::bare(key)
        }
    }
}

/// A private key, as PKCS#8, and its kind.
#[derive(Clone)]
struct Material {
    kind: KeyKind,
    pkcs8: Vec<u8>,
}

impl Material {
    fn make(
        keys: &Keys,
        kind: KeyKind,
        gun: &str,
        role: &str,
        generation: u32,
    ) -> Result<Self, LabError> {
        let pkcs8 = match keys.seed {
            None => random_pkcs8(kind)?,
            Some(_) if keys.stranger && kind == KeyKind::RsaPkcs1v15 => {
                pem::decode("PRIVATE KEY", TEST_ONLY_STRANGER)?
            }
            Some(seed) => {
                let label = format!("{gun}\n{role}");
                let label = if keys.stranger { format!("{label}\nstranger") } else { label };
                derived_pkcs8(kind, seed, &label, generation)?
            }
        };
        Ok(Self { kind, pkcs8 })
    }

    fn failed(&self, what: &'static str, why: impl ToString) -> LabError {
        LabError::Key { what, kind: self.kind, why: why.to_string() }
    }

    fn certifying(&self) -> Result<rcgen::KeyPair, LabError> {
        let der = PrivatePkcs8KeyDer::from(self.pkcs8.as_slice());
        rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&der, self.kind.certificate_algorithm())
            .map_err(|error| self.failed("loading", error))
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, LabError> {
        match self.kind {
            KeyKind::Ed25519 | KeyKind::RsaPkcs1v15 => {
                memo::once(&[b"signature", &self.pkcs8, message], || self.sign_anew(message))
            }
            // Each signature of these is another one.
            KeyKind::Ecdsa | KeyKind::RsaPss => self.sign_anew(message),
        }
    }

    fn sign_anew(&self, message: &[u8]) -> Result<Vec<u8>, LabError> {
        let load = |error| self.failed("loading", error);
        let sign = |error| self.failed("signing", error);
        let random = SystemRandom::new();
        match self.kind {
            KeyKind::Ecdsa => {
                let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
                let key = EcdsaKeyPair::from_pkcs8(algorithm, &self.pkcs8).map_err(load)?;
                Ok(key.sign(&random, message).map_err(sign)?.as_ref().to_vec())
            }
            KeyKind::Ed25519 => {
                let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&self.pkcs8).map_err(load)?;
                Ok(key.sign(message).as_ref().to_vec())
            }
            KeyKind::RsaPkcs1v15 | KeyKind::RsaPss => {
                let key = RsaKeyPair::from_pkcs8(&self.pkcs8).map_err(load)?;
                let mut signature = vec![0; key.public_modulus_len()];
                if self.kind == KeyKind::RsaPss {
                    key.sign(&RSA_PSS_SHA256, &random, message, &mut signature)
                } else {
                    key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                }
                .map_err(sign)?;
                Ok(signature)
            }
        }
    }

    /// What Notary's `public` member holds of a bare key: SubjectPublicKeyInfo or 32 raw bytes.
    fn bare_public(&self) -> Result<Vec<u8>, LabError> {
        match self.kind {
            KeyKind::Ed25519 => memo::once(&[b"public", &self.pkcs8], || {
                let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&self.pkcs8)
                    .map_err(|error| self.failed("loading", error))?;
                Ok(key.public_key().as_ref().to_vec())
            }),
            KeyKind::Ecdsa | KeyKind::RsaPkcs1v15 | KeyKind::RsaPss => self.spki(),
        }
    }

    fn spki(&self) -> Result<Vec<u8>, LabError> {
        memo::once(&[b"spki", self.kind.method().as_bytes(), &self.pkcs8], || {
            Ok(self.certifying()?.subject_public_key_info())
        })
    }
}

fn random_pkcs8(kind: KeyKind) -> Result<Vec<u8>, LabError> {
    let failed = |error: aws_lc_rs::error::Unspecified| LabError::Key {
        what: "making",
        kind,
        why: error.to_string(),
    };
    let random = SystemRandom::new();
    match kind {
        KeyKind::Ecdsa => {
            let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
            Ok(made.map_err(failed)?.as_ref().to_vec())
        }
        KeyKind::Ed25519 => {
            Ok(Ed25519KeyPair::generate_pkcs8(&random).map_err(failed)?.as_ref().to_vec())
        }
        KeyKind::RsaPkcs1v15 | KeyKind::RsaPss => {
            let key = RsaKeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
            Ok(key.as_der().map_err(failed)?.as_ref().to_vec())
        }
    }
}

fn derived_pkcs8(
    kind: KeyKind,
    seed: u64,
    label: &str,
    generation: u32,
) -> Result<Vec<u8>, LabError> {
    match kind {
        KeyKind::Ed25519 => {
            let text = format!("portreeve lab\n{seed}\n{label}\n{generation}");
            // PKCS#8 version 1 as in RFC 8410: a fixed head, then the seed.
            let mut pkcs8 = ED25519_PKCS8_HEAD.to_vec();
            pkcs8.extend_from_slice(Sha256::of(text.as_bytes()).as_bytes());
            Ok(pkcs8)
        }
        KeyKind::RsaPkcs1v15 => {
            // Neighbouring seeds and generations get different keys: an impostor and a successor
            // must not come out as the original.
            let offset = u64::from(Sha256::of(label.as_bytes()).as_bytes()[0]);
            let turn = (seed % 3 + u64::from(generation % 3) + offset) % 3;
            let text = match turn {
                0 => TEST_ONLY_RSA[0],
                1 => TEST_ONLY_RSA[1],
                _ => TEST_ONLY_RSA[2],
            };
            pem::decode("PRIVATE KEY", text)
        }
        KeyKind::Ecdsa | KeyKind::RsaPss => Err(LabError::NotDeterministic { kind }),
    }
}

const ED25519_PKCS8_HEAD: &[u8; 16] =
    b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";

/// A key as a collection lists it, with its private half.
#[derive(Clone)]
pub struct RoleKey {
    certificate: Option<String>,
    id: Sha256,
    key: Material,
    listing: Value,
    spki: Vec<u8>,
}

impl RoleKey {
    fn bare(key: Material) -> Result<Self, LabError> {
        let (keytype, _) = key.kind.keytypes();
        let public = key.bare_public()?;
        Self::listed(key, keytype, &public, None)
    }

    /// Lists the key in a self-signed certificate like the client's (`trustmanager` in Notary): ten
    /// years, code signing, not a CA. The serial number follows from key and name.
    fn in_certificate(key: Material, common_name: &str, now: Wall) -> Result<Self, LabError> {
        let kind = key.kind;
        let (_, Some(keytype)) = kind.keytypes() else {
            return Err(LabError::NoCertificateForm { kind });
        };
        let plan = CertificatePlan::of_ten_years(common_name, now)?;
        let text = pem::encode("CERTIFICATE", &certificate(&key, &plan)?);
        Self::listed(key, keytype, text.clone().as_bytes(), Some(text))
    }

    fn listed(
        key: Material,
        keytype: &str,
        public: &[u8],
        certificate: Option<String>,
    ) -> Result<Self, LabError> {
        let public = STANDARD.encode(public);
        let listing = json!({"keytype": keytype, "keyval": {"private": null, "public": public}});
        let id = Sha256::of(&canonical(&listing)?);
        let spki = key.spki()?;
        Ok(Self { certificate, id, key, listing, spki })
    }

    /// The same private key, listed as this type with these bytes, which need not fit each other or
    /// the key: what a list can say and no client would.
    ///
    /// # Errors
    /// `Key` if the key itself cannot be read.
    pub fn listed_as(&self, keytype: &str, public: &[u8]) -> Result<Self, LabError> {
        Self::listed(self.key.clone(), keytype, public, None)
    }

    /// The same private key, listed bare.
    ///
    /// # Errors
    /// As [`RoleKey::listed_as`].
    pub fn listed_bare(&self) -> Result<Self, LabError> {
        Self::bare(self.key.clone())
    }

    /// PEM text of a self-signed certificate over this key.
    ///
    /// # Errors
    /// `Certificate`, `Time`.
    pub fn certificate(&self, plan: &CertificatePlan<'_>) -> Result<String, LabError> {
        Ok(pem::encode("CERTIFICATE", &certificate(&self.key, plan)?))
    }

    /// Notary's id of the key as listed (`tuf/data/keys.go:TUFKey.ID`).
    #[must_use]
    pub const fn id(&self) -> Sha256 {
        self.id
    }

    /// What a `keys` member holds for this key.
    #[must_use]
    pub const fn listing(&self) -> &Value {
        &self.listing
    }

    /// SHA-256 of the bare key's SubjectPublicKeyInfo.
    #[must_use]
    pub fn spki(&self) -> Sha256 {
        Sha256::of(&self.spki)
    }

    /// PEM text of the public key: the certificate if it is listed in one.
    #[must_use]
    pub fn public_pem(&self) -> String {
        self.certificate.clone().unwrap_or_else(|| pem::encode("PUBLIC KEY", &self.spki))
    }

    /// The signature of `message` as an entry of a `signatures` member.
    ///
    /// # Errors
    /// `Key` if the key cannot sign.
    pub fn signature(&self, message: &[u8]) -> Result<Value, LabError> {
        let signature = STANDARD.encode(self.key.sign(message)?);
        let method = self.key.kind.method();
        Ok(json!({"keyid": self.id.to_hex(), "method": method, "sig": signature}))
    }
}

impl std::fmt::Debug for RoleKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "RoleKey({:?}, {})", self.key.kind, self.id)
    }
}

/// What a self-signed certificate says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CertificatePlan<'a> {
    /// Whether it is that of an authority.
    pub authority: bool,
    /// The common name, its only name.
    pub common_name: &'a str,
    /// The second from which it is valid.
    pub from: Wall,
    /// The second until which it is valid.
    pub until: Wall,
}

impl<'a> CertificatePlan<'a> {
    /// What the notary client writes (`trustmanager` in Notary): ten years, not an authority.
    ///
    /// # Errors
    /// `Time` if these years cannot be written.
    pub fn of_ten_years(common_name: &'a str, from: Wall) -> Result<Self, LabError> {
        let until = from.0.checked_add(3_650 * 86_400 * 1_000_000);
        let until = Wall(until.ok_or(LabError::Time { micros: from.0 })?);
        Ok(Self { authority: false, common_name, from, until })
    }
}

/// Key usages are those of the client's certificates: code signing. The serial number follows from
/// key and name.
fn certificate(key: &Material, plan: &CertificatePlan<'_>) -> Result<Vec<u8>, LabError> {
    if key.kind != KeyKind::RsaPkcs1v15 {
        return certificate_anew(key, plan);
    }
    let CertificatePlan { authority, common_name, from, until } = *plan;
    let (authority, name) = ([u8::from(authority)], common_name.as_bytes());
    let (from, until) = (from.0.to_be_bytes(), until.0.to_be_bytes());
    memo::once(&[b"certificate", &key.pkcs8, &authority, name, &from, &until], || {
        certificate_anew(key, plan)
    })
}

fn certificate_anew(key: &Material, plan: &CertificatePlan<'_>) -> Result<Vec<u8>, LabError> {
    let CertificatePlan { authority, common_name, from, until } = *plan;
    let failed = |error: rcgen::Error| LabError::Certificate {
        subject: common_name.to_owned(),
        why: error.to_string(),
    };
    let pair = key.certifying()?;
    let spki = pair.subject_public_key_info();
    let serial = Sha256::of(&[spki.as_slice(), common_name.as_bytes()].concat());
    let mut serial = serial.as_bytes()[..16].to_vec();
    serial[0] = serial[0] & 0x7f | 0x40;
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    let mut params = CertificateParams::default();
    params.distinguished_name = name;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
    params.is_ca =
        if authority { IsCa::Ca(BasicConstraints::Unconstrained) } else { IsCa::ExplicitNoCa };
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    params.not_before = whole_second(from)?;
    params.not_after = whole_second(until)?;
    params.serial_number = Some(SerialNumber::from(serial));
    Ok(params.self_signed(&pair).map_err(failed)?.der().to_vec())
}

/// The second in which `now` lies; certificates know no fractions.
fn whole_second(now: Wall) -> Result<OffsetDateTime, LabError> {
    OffsetDateTime::from_unix_timestamp(now.0.div_euclid(1_000_000))
        .map_err(|_| LabError::Time { micros: now.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_private_key_can_neither_sign_nor_certify() {
        for kind in [KeyKind::Ecdsa, KeyKind::Ed25519, KeyKind::RsaPkcs1v15, KeyKind::RsaPss] {
            let broken = Material { kind, pkcs8: b"no key".to_vec() };
            let signed = broken.sign(b"message");
            assert!(matches!(signed, Err(LabError::Key { what: "loading", .. })), "{kind:?}");
            let listed = RoleKey::bare(broken);
            assert!(matches!(listed, Err(LabError::Key { what: "loading", .. })), "{kind:?}");
        }
    }

    #[test]
    fn a_certificate_cannot_reach_beyond_the_year_9999() {
        let late = Wall(253_402_300_799_000_000);
        let refused = Keys::deterministic(1).root("host/app", 0, late);
        assert!(matches!(refused, Err(LabError::Time { .. })));
    }
}
