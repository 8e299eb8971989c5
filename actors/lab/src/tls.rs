//! Certificates for servers on a loopback address: a CA, and a leaf for `localhost`.
//!
//! rustls refuses a self-signed CA as a server's certificate, so there are two.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::{LabError, pem};

/// A new CA, and a leaf it signed for `localhost`, `127.0.0.1` and `::1`; all ECDSA P-256.
pub struct LoopbackTls {
    ca_pem: String,
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl LoopbackTls {
    /// Makes new keys and certificates.
    ///
    /// # Errors
    /// `Certificate`.
    pub fn new() -> Result<Self, LabError> {
        let failed = |error: rcgen::Error| LabError::Certificate {
            subject: "localhost".to_owned(),
            why: error.to_string(),
        };
        let ca_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed)?;
        let mut ca = CertificateParams::default();
        ca.distinguished_name.push(DnType::CommonName, "Portreeve lab CA");
        ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let ca_certificate = ca.self_signed(&ca_key).map_err(failed)?;
        let issuer = Issuer::new(ca, ca_key);

        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed)?;
        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
        let mut leaf = CertificateParams::new(names).map_err(failed)?;
        leaf.distinguished_name.push(DnType::CommonName, "localhost");
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.is_ca = IsCa::ExplicitNoCa;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.use_authority_key_identifier_extension = true;
        let certificate = leaf.signed_by(&key, &issuer).map_err(failed)?;
        Ok(Self {
            ca_pem: pem::encode("CERTIFICATE", ca_certificate.der()),
            certificate: certificate.der().clone(),
            key: key.serialize_der(),
        })
    }

    /// PEM text of the CA's certificate, for whoever is to trust the server.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// PEM text of the leaf.
    #[must_use]
    pub fn certificate_pem(&self) -> String {
        pem::encode("CERTIFICATE", &self.certificate)
    }

    /// PEM text of the leaf's private key (PKCS#8).
    #[must_use]
    pub fn key_pem(&self) -> String {
        pem::encode("PRIVATE KEY", &self.key)
    }

    /// A server's side of TLS 1.2 and 1.3 with the leaf, speaking HTTP/1.1 only, as Notary's.
    ///
    /// # Errors
    /// `Tls`.
    pub fn server_config(&self) -> Result<Arc<ServerConfig>, LabError> {
        let failed = |error: rustls::Error| LabError::Tls { why: error.to_string() };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.clone()));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(failed)?
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone()], key)
            .map_err(failed)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}
