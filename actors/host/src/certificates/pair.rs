//! A certificate with its key and the authorities that others are to believe.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{KeyPair, PublicKeyData};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::{Wanted, failed};
use crate::HostError;

/// Authorities in one bundle; more than are ever made within the time that they are valid.
const BUNDLE: usize = 16;

/// All of it in PEM. It holds a private key, so it has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Pair {
    /// The authority that signed it first, and those of earlier certificates.
    pub bundle: String,
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

impl Pair {
    /// Why a new one is needed at `now` (in seconds since 1970); `None` if this one will do.
    pub(super) fn fault(&self, wanted: &Wanted, now: i64) -> Option<String> {
        let Some(leaf) = Leaf::read(&self.certificate) else {
            return Some("what was there was no certificate".to_owned());
        };
        let key = KeyPair::from_pem(&self.key).map(|key| key.subject_public_key_info());
        if !key.is_ok_and(|key| key == leaf.public_key) {
            return Some("the key that was there is not the certificate's".to_owned());
        }
        let authorities = certificates(&self.bundle);
        if !authorities.iter().any(|authority| lasts(authority, now) && leaf.is_of(authority)) {
            return Some("no authority that was there had signed it".to_owned());
        }
        if let Some(name) = wanted.names.iter().find(|name| !leaf.names.contains(*name)) {
            return Some(format!("the one that was there is not for {name}"));
        }
        let least = i64::try_from(wanted.renew_before.as_secs()).unwrap_or(i64::MAX);
        let soon = leaf.ends.saturating_sub(now) < least.max(1);
        soon.then(|| format!("the one that was there ends on {}", date(leaf.ends)))
    }

    /// How long it holds, for a person.
    pub(super) fn how(&self, now: i64) -> String {
        let ends = Leaf::read(&self.certificate).map_or(now, |leaf| leaf.ends);
        let days = ends.saturating_sub(now) / DAY;
        format!("valid until {} ({days} days)", date(ends))
    }

    /// The bundle with those of `others` that have not ended, each certificate once.
    ///
    /// # Errors
    /// `Certificates` if the pair has no authority of its own.
    pub(super) fn bundle_with(&self, others: &[String], now: i64) -> Result<String, HostError> {
        let leaf = Leaf::read(&self.certificate).ok_or_else(|| failed("it is no certificate"))?;
        let own = certificates(&self.bundle).into_iter().find(|authority| leaf.is_of(authority));
        let own = own.ok_or_else(|| failed("its authority is missing"))?;
        let rest = others.iter().flat_map(|text| certificates(text));
        let mut seen = BTreeSet::new();
        let each = std::iter::once(own).chain(rest.filter(|der| lasts(der, now)));
        let each = each.filter(|der| seen.insert(der.clone()));
        Ok(each.take(BUNDLE).map(|der| pem(&der)).collect())
    }
}

/// What is read of a certificate.
struct Leaf {
    der: Vec<u8>,
    /// In seconds since 1970.
    ends: i64,
    names: BTreeSet<String>,
    /// Its SubjectPublicKeyInfo.
    public_key: Vec<u8>,
}

impl Leaf {
    /// The first certificate in a text.
    fn read(text: &str) -> Option<Self> {
        let der = certificates(text).into_iter().next()?;
        let (_, parsed) = X509Certificate::from_der(&der).ok()?;
        let listed = parsed.subject_alternative_name().ok().flatten();
        let listed = listed.map(|it| it.value.general_names.as_slice()).unwrap_or_default();
        let names = listed.iter().filter_map(name).collect();
        let ends = parsed.validity().not_after.timestamp();
        let public_key = parsed.public_key().raw.to_vec();
        Some(Self { ends, names, public_key, der })
    }

    fn is_of(&self, authority: &[u8]) -> bool {
        let Ok((_, leaf)) = X509Certificate::from_der(&self.der) else { return false };
        let Ok((_, authority)) = X509Certificate::from_der(authority) else { return false };
        leaf.verify_signature(Some(authority.public_key())).is_ok()
    }
}

/// Whether it is a certificate that has not ended.
fn lasts(der: &[u8], now: i64) -> bool {
    let parsed = X509Certificate::from_der(der);
    parsed.is_ok_and(|(_, it)| it.validity().not_after.timestamp() > now)
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    if let GeneralName::DNSName(name) = name {
        return Some((*name).to_owned());
    }
    let GeneralName::IPAddress(bytes) = name else { return None };
    let four = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
    let address = four.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
    address.ok().map(|address| address.to_string())
}

/// The certificates in a text; whatever else is in it is passed over.
pub(super) fn certificates(text: &str) -> Vec<Vec<u8>> {
    let found = CertificateDer::pem_slice_iter(text.as_bytes());
    found.filter_map(Result::ok).map(|der| der.to_vec()).collect()
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut lines = String::from("-----BEGIN CERTIFICATE-----\n");
    for (index, letter) in text.chars().enumerate() {
        if index > 0 && index % 64 == 0 {
            lines.push('\n');
        }
        lines.push(letter);
    }
    lines.push_str("\n-----END CERTIFICATE-----\n");
    lines
}

const DAY: i64 = 86_400;

fn date(seconds: i64) -> String {
    let date = OffsetDateTime::from_unix_timestamp(seconds).map(OffsetDateTime::date);
    date.map_or_else(|_| "an impossible date".to_owned(), |date| date.to_string())
}

/// Whether two texts hold the same certificates in the same order.
pub(super) fn same(one: &str, other: &str) -> bool {
    certificates(one) == certificates(other)
}

impl Wanted {
    /// What cannot work about it: a sentence.
    ///
    /// # Errors
    /// That sentence.
    pub fn check(&self) -> Result<(), String> {
        const SHORTEST: Duration = Duration::from_secs(3_600);
        if self.validity < SHORTEST {
            return Err("a certificate is valid for an hour at least".to_owned());
        }
        if self.renew_before >= self.validity {
            return Err("it would be made anew each time: renewing must begin after it".to_owned());
        }
        Ok(())
    }
}
