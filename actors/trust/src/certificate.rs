//! X.509 certificates, as far as Notary looks into them: names, dates, purpose and key.

use portreeve_protocol::Wall;
use portreeve_protocol::time::SECOND;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::public_key::{PublicKey, SMALL_RSA};

/// Signature algorithms that are not refused: SHA-2 with RSA, RSA-PSS or ECDSA, and Ed25519.
/// Notary refuses SHA-1 only; what is older still, or unknown, is refused here as well.
const SOUND: [&str; 8] = [
    "1.2.840.113549.1.1.10",
    "1.2.840.113549.1.1.11",
    "1.2.840.113549.1.1.12",
    "1.2.840.113549.1.1.13",
    "1.2.840.10045.4.3.2",
    "1.2.840.10045.4.3.3",
    "1.2.840.10045.4.3.4",
    "1.3.101.112",
];

/// How long before its notBefore a certificate is accepted, for clocks that differ.
const GRACE: i64 = 86_400 * SECOND as i64;

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Certificate {
    /// Whether its basic constraints call it a CA.
    pub(crate) ca: bool,
    /// The subject's common name, if it has exactly one.
    pub(crate) common_name: Option<String>,
    /// The certificate itself.
    pub(crate) der: Vec<u8>,
    /// Its key, or why that is not a usable one.
    pub(crate) public: Result<PublicKey, &'static str>,
    not_after: i64,
    not_before: i64,
    sound: bool,
}

impl Certificate {
    /// Reads a DER certificate.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(crate) fn read(der: &[u8]) -> Result<Self, &'static str> {
        let Ok((rest, parsed)) = X509Certificate::from_der(der) else {
            return Err("a certificate cannot be read");
        };
        if !rest.is_empty() {
            return Err("bytes follow a certificate");
        }
        let constraints = parsed
            .basic_constraints()
            .map_err(|_| "a certificate has basic constraints that cannot be read")?;
        let mut names = parsed.subject().iter_common_name();
        let common_name = match (names.next(), names.next()) {
            (Some(name), None) => name.as_str().ok().map(str::to_owned),
            _ => None,
        };
        Ok(Self {
            ca: constraints.is_some_and(|constraints| constraints.value.ca),
            common_name,
            der: der.to_vec(),
            public: PublicKey::from_spki(parsed.public_key().raw),
            not_after: parsed.validity().not_after.timestamp(),
            not_before: parsed.validity().not_before.timestamp(),
            sound: SOUND.contains(&parsed.signature_algorithm.algorithm.to_id_string().as_str()),
        })
    }

    /// Why no key in this certificate counts, whatever the date; `None` if nothing is wrong.
    /// Source: Notary `tuf/utils/x509.go:ValidateCertificate` without expiry.
    pub(crate) fn unfit(&self) -> Option<&'static str> {
        if !self.sound {
            Some("it is signed with an algorithm that is not accepted")
        } else if self.not_after < self.not_before {
            Some("it ends before it begins")
        } else if self.public == Err(SMALL_RSA) {
            Some(SMALL_RSA)
        } else {
            None
        }
    }

    /// Whether `now` is in its time, with a day of grace before.
    /// Source: Notary `tuf/utils/x509.go:ValidateCertificate` with expiry.
    pub(crate) fn in_date(&self, now: Wall) -> bool {
        let micros = |seconds: i64| seconds.saturating_mul(SECOND as i64);
        micros(self.not_before) <= now.0.saturating_add(GRACE) && now.0 <= micros(self.not_after)
    }

    /// Whether its common name stands for `gun`: equal, or a `*` behind a prefix of it.
    /// A bare `*` would stand for every collection of every publisher; it is refused.
    /// Source: Notary `trustpinning/certs.go:MatchCNToGun`.
    pub(crate) fn is_for(&self, gun: &str) -> bool {
        match self.common_name.as_deref().map(|name| (name, name.strip_suffix('*'))) {
            None | Some((_, Some(""))) => false,
            Some((_, Some(prefix))) => gun.starts_with(prefix),
            Some((name, None)) => name == gun,
        }
    }
}
