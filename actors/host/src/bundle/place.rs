//! Where a trust bundle is, as the operator says it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use portreeve_bundle::{Directory, Source};
use portreeve_protocol::settings::{BundleExpired, BundleSettings};
use portreeve_protocol::{Sha256, limits};

use super::web::Web;
use crate::HostError;
use crate::notary_client::{Proxies, ServerUrl};

/// What the operator says of the trust bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleConfig {
    /// PEM files of CAs believed where the bundle is fetched, besides the others.
    pub ca: Vec<PathBuf>,
    /// The root to start from, as it stands in its file.
    pub given: Vec<u8>,
    /// Where it is.
    pub place: BundlePlace,
    /// How long after one look the next is taken; microseconds.
    pub refresh: u64,
}

/// Where a trust bundle is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BundlePlace {
    /// A directory, or a mounted ConfigMap.
    Directory(PathBuf),
    /// Below this URL: https, or http on this machine.
    Web(ServerUrl),
}

impl BundlePlace {
    /// Reads a URL, or else the path of a directory.
    ///
    /// # Errors
    /// What is wrong with the URL, as the end of a sentence that began with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if !text.contains("://") {
            return Ok(Self::Directory(text.into()));
        }
        let url = ServerUrl::parse(text)?;
        let address = url.literal();
        let local = address.map_or_else(|| url.host() == "localhost", |it| it.is_loopback());
        if !url.secure() && !local {
            return Err("http:// is for loopback addresses only; use https://");
        }
        Ok(Self::Web(url))
    }

    /// What it is read from. For a directory this is good for one load.
    ///
    /// # Errors
    /// `Tls` for a CA file that cannot be used.
    pub(super) fn source(
        &self,
        (ca, trust_ca): (&[PathBuf], &[PathBuf]),
        proxies: &Proxies,
    ) -> Result<Arc<dyn Source>, HostError> {
        match self {
            Self::Directory(path) => Ok(Arc::new(Directory::now(path))),
            Self::Web(url) => {
                let own = BTreeMap::from([(url.authority().to_owned(), ca.to_vec())]);
                Ok(Arc::new(Web::new(url.clone(), trust_ca, &own, proxies.clone())?))
            }
        }
    }
}

impl BundleConfig {
    /// Reads the root from which all else is verified.
    ///
    /// # Errors
    /// `File` if it cannot be read or is larger than a root may be.
    pub fn read(
        place: BundlePlace,
        root: &Path,
        ca: Vec<PathBuf>,
        refresh: u64,
    ) -> Result<Self, HostError> {
        let failed =
            |source| HostError::File { what: "cannot read", path: root.to_owned(), source };
        let length = std::fs::metadata(root).map_err(failed)?.len();
        if length > limits::BUNDLE_METADATA_BYTES {
            return Err(failed(std::io::ErrorKind::FileTooLarge.into()));
        }
        let given = std::fs::read(root).map_err(failed)?;
        Ok(Self { ca, given, place, refresh })
    }

    /// What machines obey of it.
    #[must_use]
    pub fn settings(&self, expired: BundleExpired) -> BundleSettings {
        BundleSettings { expired, root: Sha256::of(&self.given) }
    }
}
