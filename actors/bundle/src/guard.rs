//! A transport that reads for `tough` and refuses what `tough` should not see.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::stream;
use portreeve_protocol::bundle_reason::BundleCode;
use portreeve_protocol::limits::{BUNDLE_BYTES, BUNDLE_METADATA_BYTES, BUNDLE_TARGET_BYTES};
use tough::{Bytes, Transport, TransportError, TransportErrorKind, TransportStream, async_trait};
use url::Url;

use crate::error::BundleError;
use crate::source::{Missed, Source};

/// Files asked for in one load at most: a chain of roots, the other metadata, the target.
const FILES: usize = 128;
/// Where `tough` believes the bundle to be; nobody is ever asked there.
const PLACE: &str = "https://bundle.invalid/";

/// The URL of a folder of the bundle, as `tough` is to know it.
pub(crate) fn folder(name: &str) -> Result<Url, BundleError> {
    let url = Url::parse(PLACE).and_then(|place| place.join(name));
    url.map_err(|error| BundleError::Workshop(error.to_string()))
}

/// A [`Source`] as `tough` wants it, guarded: every file is read to its end within its bound and
/// the bound of all, and metadata must be ASCII, because `tough` normalises Unicode where
/// signatures were made over the bytes as they are.
#[derive(Debug, Clone)]
pub(crate) struct Guarded {
    source: Arc<dyn Source>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    bytes: u64,
    /// The first refusal: `tough` takes any failed root fetch for "there is no newer root".
    fault: Option<(BundleCode, String)>,
    files: usize,
    /// The roots that came, by name.
    roots: BTreeMap<String, Vec<u8>>,
}

impl Guarded {
    /// Guards `source`.
    pub(crate) fn new(source: Arc<dyn Source>) -> Self {
        Self { source, seen: Arc::default() }
    }

    /// The first refusal.
    pub(crate) fn fault(&self) -> Option<BundleError> {
        let (code, detail) = self.seen().fault.clone()?;
        Some(BundleError::not_taken(code, detail))
    }

    /// The root of this version, if it came.
    pub(crate) fn root(&self, version: u64) -> Option<Vec<u8>> {
        self.seen().roots.remove(&format!("{version}.root.json"))
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes account of one more file; the most bytes it may have.
    fn allowance(&self, metadata: bool) -> Result<u64, (BundleCode, String)> {
        let mut seen = self.seen();
        seen.files += 1;
        if seen.files > FILES {
            let why = format!("it has more than the {FILES} files that a load reads");
            return Err((BundleCode::Oversize, why));
        }
        let own = if metadata { BUNDLE_METADATA_BYTES } else { BUNDLE_TARGET_BYTES as u64 };
        Ok(own.min(BUNDLE_BYTES.saturating_sub(seen.bytes)))
    }

    async fn read(&self, url: &Url) -> Result<Vec<u8>, Option<(BundleCode, String)>> {
        let path = url.path().trim_start_matches('/');
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
        // What else could be meant by it stays within the bundle: there is no such file.
        if !path.bytes().all(plain) || path.contains("..") {
            return Err(None);
        }
        let metadata = path.starts_with("metadata/");
        let limit = self.allowance(metadata).map_err(Some)?;
        let bytes = match self.source.file(path, limit).await {
            Ok(bytes) => bytes,
            Err(Missed::Absent) => return Err(None),
            Err(Missed::Oversize) => {
                let why = format!("{name} is longer than the {limit} bytes it may have");
                return Err(Some((BundleCode::Oversize, why)));
            }
            Err(Missed::Failed(why)) if name.ends_with(".root.json") => {
                let why = format!("{name} could not be asked for: {why}");
                return Err(Some((BundleCode::RootUnread, why)));
            }
            Err(Missed::Failed(why)) => {
                let why = format!("{name} could not be read: {why}");
                return Err(Some((BundleCode::Unreachable, why)));
            }
        };
        let mut seen = self.seen();
        seen.bytes = seen.bytes.saturating_add(bytes.len() as u64);
        if metadata && !bytes.is_ascii() {
            let why = format!("{name} holds a byte that is not ASCII");
            return Err(Some((BundleCode::NotAscii, why)));
        }
        if name.ends_with(".root.json") {
            seen.roots.insert(name, bytes.clone());
        }
        Ok(bytes)
    }
}

#[async_trait]
impl Transport for Guarded {
    async fn fetch(&self, url: Url) -> Result<TransportStream, TransportError> {
        match self.read(&url).await {
            Ok(bytes) => Ok(Box::pin(stream::iter([Ok(Bytes::from(bytes))]))),
            Err(None) => Err(TransportError::new(TransportErrorKind::FileNotFound, &url)),
            Err(Some(fault)) => {
                self.seen().fault.get_or_insert(fault);
                Err(TransportError::new(TransportErrorKind::Other, &url))
            }
        }
    }
}
