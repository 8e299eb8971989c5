//! Makes an authority and the one certificate that it signs.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Pair, Wanted, failed};
use crate::HostError;

/// Clocks of other machines may be behind by this.
const BEHIND: time::Duration = time::Duration::HOUR;

/// A new authority and certificate, both ECDSA P-256, valid from an hour before `now` (in seconds
/// since 1970). API servers make a handshake for most reviews of a burst, so the chain is short.
pub(super) fn issue(wanted: &Wanted, now: i64) -> Result<Pair, HostError> {
    let now =
        OffsetDateTime::from_unix_timestamp(now).map_err(|error| failed(error.to_string()))?;
    let validity = time::Duration::try_from(wanted.validity);
    let end = validity.ok().and_then(|validity| now.checked_add(validity));
    let end = end.ok_or_else(|| failed("it would be valid for longer than dates can tell"))?;
    let unusable = |error: rcgen::Error| failed(format!("no certificate could be made: {error}"));
    let params = |names: Vec<String>, subject: &str| {
        let mut params = CertificateParams::new(names).map_err(unusable)?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, subject);
        params.not_before = now - BEHIND;
        params.not_after = end;
        Ok::<_, HostError>(params)
    };

    // Two authorities in one bundle are told apart by their names.
    let date = now.format(&Rfc3339).map_err(|error| failed(error.to_string()))?;
    let authority_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(unusable)?;
    let mut authority = params(Vec::new(), &format!("Portreeve authority of {date}"))?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let bundle = authority.self_signed(&authority_key).map_err(unusable)?.pem();
    let issuer = Issuer::new(authority, authority_key);

    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(unusable)?;
    let subject = wanted.names.first().map_or("portreeve", String::as_str);
    // A common name has at most 64 letters; names are looked for elsewhere anyway.
    let subject: String = subject.chars().take(64).collect();
    let mut leaf = params(wanted.names.clone(), &subject)?;
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    leaf.is_ca = IsCa::ExplicitNoCa;
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.use_authority_key_identifier_extension = true;
    let certificate = leaf.signed_by(&key, &issuer).map_err(unusable)?.pem();
    Ok(Pair { bundle, certificate, key: key.serialize_pem() })
}
