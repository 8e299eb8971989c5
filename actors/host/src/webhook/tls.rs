//! The server's side of TLS.

use std::path::Path;
use std::sync::Arc;

use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::HostError;
use crate::notary_client::anchors;

/// The server's TLS: version 1.2 or 1.3, HTTP/2 or HTTP/1.1. With a client CA, clients are asked
/// for a certificate; one that does not verify ends the handshake, none at all does not, so that
/// probes work: whoever needs to know asks the connection.
///
/// # Errors
/// `Tls` for a file that cannot be read or used.
pub(super) fn server_config(
    cert: &Path,
    key: &Path,
    client_ca: Option<&Path>,
) -> Result<ServerConfig, HostError> {
    let chain = chain(cert)?;
    let private = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| failed("cannot use the private key in", key, error))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed("cannot set up TLS for", cert, error))?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            anchors::add_file(&mut roots, path)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .allow_unauthenticated()
                .build()
                .map_err(|error| failed("cannot use the CA certificates in", path, error))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder
        .with_single_cert(chain, private)
        .map_err(|error| failed("cannot use the certificate chain in", cert, error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, HostError> {
    let what = "cannot use the certificate chain in";
    let certificates =
        CertificateDer::pem_file_iter(path).map_err(|error| failed(what, path, error))?;
    let chain: Vec<_> =
        certificates.collect::<Result<_, _>>().map_err(|error| failed(what, path, error))?;
    if chain.is_empty() { Err(failed(what, path, "it holds no certificate")) } else { Ok(chain) }
}

fn failed(what: &'static str, path: &Path, why: impl ToString) -> HostError {
    HostError::Tls { what, path: path.to_owned(), why: why.to_string() }
}
