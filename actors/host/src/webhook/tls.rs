//! The server's side of TLS: from files to a configuration.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use portreeve_protocol::{Sha256, limits};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::HostError;

const CERTIFICATE: &str = "cannot use the certificate chain in";
const KEY: &str = "cannot use the private key in";
const CA: &str = "cannot use the CA certificates in";

/// Where the files are, all of them PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsPaths {
    /// The server's certificate chain, leaf first.
    pub certificate: PathBuf,
    /// The CAs whose clients may send reviews; `None` lets anyone.
    pub client_ca: Option<PathBuf>,
    /// The server's private key.
    pub key: PathBuf,
}

/// What the files held at one time. It holds a private key, so it can be neither shown nor written.
pub(super) struct TlsFiles {
    certificate: Vec<u8>,
    client_ca: Option<Vec<u8>>,
    key: Vec<u8>,
}

/// A configuration, and until when its certificate may be used.
pub(super) struct Loaded {
    pub(super) config: Arc<ServerConfig>,
    /// Seconds since 1970.
    pub(super) not_after: i64,
}

impl TlsPaths {
    /// Reads all files, none of them to any length.
    ///
    /// # Errors
    /// `Tls` for a file that cannot be read.
    pub(super) fn read(&self) -> Result<TlsFiles, HostError> {
        let client_ca = self.client_ca.as_deref().map(|path| read(CA, path)).transpose()?;
        Ok(TlsFiles {
            certificate: read(CERTIFICATE, &self.certificate)?,
            client_ca,
            key: read(KEY, &self.key)?,
        })
    }

    /// TLS 1.2 or 1.3, HTTP/2 or HTTP/1.1, from what was read. With a client CA, clients are asked
    /// for a certificate; one that does not verify ends the handshake, none at all does not, so
    /// that probes work: whoever needs to know asks the connection.
    ///
    /// # Errors
    /// `Tls` for a file that cannot be used, and for a key that is not the certificate's.
    pub(super) fn load(&self, files: &TlsFiles) -> Result<Loaded, HostError> {
        let path = &self.certificate;
        let chain = certificates(CERTIFICATE, path, &files.certificate)?;
        let private = PrivateKeyDer::from_pem_slice(&files.key)
            .map_err(|error| failed(KEY, &self.key, error))?;
        let not_after = chain.first().map(not_after).unwrap_or_default();
        let not_after = not_after.ok_or_else(|| failed(CERTIFICATE, path, "it is not X.509"))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| failed("cannot set up TLS for", path, error))?;
        let builder = match (&self.client_ca, &files.client_ca) {
            (Some(path), Some(bytes)) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(CA, path, bytes)? {
                    roots.add(certificate).map_err(|error| failed(CA, path, error))?;
                }
                let roots = Arc::new(roots);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider)
                    .allow_unauthenticated()
                    .build()
                    .map_err(|error| failed(CA, path, error))?;
                builder.with_client_cert_verifier(verifier)
            }
            (None, _) => builder.with_no_client_auth(),
            (Some(path), None) => return Err(failed(CA, path, "it was not read")),
        };
        let mut config = builder
            .with_single_cert(chain, private)
            .map_err(|error| failed(CERTIFICATE, path, error))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Loaded { config: Arc::new(config), not_after })
    }
}

impl TlsFiles {
    /// Tells one content from another.
    pub(super) fn digest(&self) -> Sha256 {
        let parts = [&self.certificate[..], &self.key, self.client_ca.as_deref().unwrap_or(b"")];
        let digests: Vec<String> = parts.map(|part| Sha256::of(part).to_hex()).to_vec();
        Sha256::of(digests.concat().as_bytes())
    }
}

fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, HostError> {
    let opened = std::fs::File::open(path).map_err(|error| failed(what, path, error))?;
    let mut bytes = Vec::new();
    let most = limits::TLS_FILE_BYTES;
    let read = opened.take(most + 1).read_to_end(&mut bytes);
    read.map_err(|error| failed(what, path, error))?;
    if bytes.len() as u64 > most {
        return Err(failed(what, path, format!("it has more than {most} bytes")));
    }
    Ok(bytes)
}

fn certificates(
    what: &'static str,
    path: &Path,
    bytes: &[u8],
) -> Result<Vec<CertificateDer<'static>>, HostError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    let found = found.map_err(|error| failed(what, path, error))?;
    if found.is_empty() { Err(failed(what, path, "it holds no certificate")) } else { Ok(found) }
}

/// Until when a certificate may be used, in seconds since 1970.
fn not_after(certificate: &CertificateDer<'_>) -> Option<i64> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    Some(parsed.validity().not_after.timestamp())
}

fn failed(what: &'static str, path: &Path, why: impl ToString) -> HostError {
    HostError::Tls { what, path: path.to_owned(), why: why.to_string() }
}
