//! Whom TLS connections to trust servers believe: the system's CAs, those of `--trust-ca`, and
//! those the configuration names for one host.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::HostError;

/// Configurations of TLS 1.2 and 1.3.
pub(super) struct Anchors {
    /// The CAs that all hosts are believed by.
    base: RootCertStore,
    /// By host, all CAs of those that have some of their own besides.
    by_host: BTreeMap<String, RootCertStore>,
    /// By host, for those that have CAs of their own besides.
    pub(super) hosts: BTreeMap<String, ClientConfig>,
    /// For all other hosts.
    pub(super) shared: ClientConfig,
}

impl Anchors {
    /// Reads CAs. Missing or odd system CAs are passed over, since a host without any may still
    /// name its own.
    pub(super) fn read(
        trust_ca: &[PathBuf],
        host_ca: &BTreeMap<String, Vec<PathBuf>>,
    ) -> Result<Self, HostError> {
        let mut roots = system_roots();
        for path in trust_ca {
            add_file(&mut roots, path)?;
        }
        let (mut hosts, mut by_host) = (BTreeMap::new(), BTreeMap::new());
        for (host, files) in host_ca {
            let mut roots = roots.clone();
            for path in files {
                add_file(&mut roots, path)?;
            }
            hosts.insert(host.clone(), client_config(roots.clone())?);
            by_host.insert(host.clone(), roots);
        }
        Ok(Self { hosts, shared: client_config(roots.clone())?, base: roots, by_host })
    }

    /// For a host that is believed by these CAs too.
    ///
    /// # Errors
    /// What is wrong with the certificates, as the end of a sentence that began with the host.
    pub(super) fn with(&self, host: &str, pem: &str) -> Result<ClientConfig, String> {
        let mut roots = self.by_host.get(host).unwrap_or(&self.base).clone();
        let mut found = false;
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|error| error.to_string())?;
            roots.add(certificate).map_err(|error| error.to_string())?;
            found = true;
        }
        if !found {
            return Err("its CA holds no certificate".to_owned());
        }
        client_config(roots).map_err(|error| error.to_string())
    }
}

/// The system's CAs, read once in a process: there are well over a hundred, and one process may
/// ask about many images.
fn system_roots() -> RootCertStore {
    static SYSTEM: OnceLock<RootCertStore> = OnceLock::new();
    let read = || {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots
    };
    SYSTEM.get_or_init(read).clone()
}

fn client_config(roots: RootCertStore) -> Result<ClientConfig, HostError> {
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
