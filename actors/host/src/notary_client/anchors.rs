//! Whom TLS connections to trust servers believe: the system's CAs and those of `--trust-ca`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::HostError;

/// A client configuration of TLS 1.2 and 1.3. Missing or odd system CAs are passed over, since a
/// host without any may still name its own.
pub(super) fn client_config(trust_ca: &[PathBuf]) -> Result<ClientConfig, HostError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for path in trust_ca {
        add_file(&mut roots, path)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = versions.map_err(|error| HostError::Thread {
        thread: "trust client",
        why: format!("TLS cannot be set up: {error}"),
    })?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// Adds every certificate of a PEM file.
///
/// # Errors
/// `Tls` if the file cannot be read, holds no certificate, or one that cannot be a trust anchor.
pub(crate) fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), HostError> {
    let failed = |why: String| HostError::Tls {
        what: "cannot use the CA certificates in",
        path: path.to_owned(),
        why,
    };
    let mut found = false;
    for certificate in
        CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))?
    {
        let certificate = certificate.map_err(|error| failed(error.to_string()))?;
        roots.add(certificate).map_err(|error| failed(error.to_string()))?;
        found = true;
    }
    if found { Ok(()) } else { Err(failed("it holds no certificate".to_owned())) }
}
