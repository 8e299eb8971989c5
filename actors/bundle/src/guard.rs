//! A transport that reads for `tough` and refuses what `tough` should not see.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{StreamExt, stream};
use tough::{Bytes, Transport, TransportError, TransportErrorKind, TransportStream, async_trait};
use url::Url;

/// The most bytes of any one file of a bundle.
pub const FILE_BYTES: usize = 16 << 20;

/// A refusal by the guard, or a failed look for a newer root, remembered for whoever loads: `tough`
/// takes any failed root fetch for "there is no newer root".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The last part of the file's URL.
    pub file: String,
    /// What was wrong.
    pub why: String,
}

/// Another transport, guarded: every file is read to its end within [`FILE_BYTES`], and must be
/// ASCII, because `tough` normalises Unicode where signatures were made over the bytes as they are.
#[derive(Debug, Clone)]
pub struct Guarded<T> {
    inner: T,
    fault: Arc<Mutex<Option<Fault>>>,
}

impl<T: Transport + Clone> Guarded<T> {
    /// Guards `inner`.
    pub fn new(inner: T) -> Self {
        Self { inner, fault: Arc::default() }
    }

    /// The first fault since the guard was made.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn refuse(&self, url: &Url, why: String) -> TransportError {
        let file = url.path().rsplit('/').next().unwrap_or_default().to_owned();
        let mut fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        fault.get_or_insert(Fault { file, why: why.clone() });
        TransportError::new_with_cause(TransportErrorKind::Other, url, why)
    }

    async fn read(&self, url: &Url) -> Result<Vec<u8>, TransportError> {
        let mut stream = self.inner.fetch(url.clone()).await?;
        let mut bytes = Vec::new();
        while let Some(part) = stream.next().await {
            bytes.extend_from_slice(&part?);
            if bytes.len() > FILE_BYTES {
                return Err(self.refuse(url, format!("it is longer than {FILE_BYTES} bytes")));
            }
        }
        if !bytes.is_ascii() {
            return Err(self.refuse(url, "it holds a byte that is not ASCII".to_owned()));
        }
        Ok(bytes)
    }
}

#[async_trait]
impl<T: Transport + Clone + 'static> Transport for Guarded<T> {
    async fn fetch(&self, url: Url) -> Result<TransportStream, TransportError> {
        match self.read(&url).await {
            Ok(bytes) => Ok(Box::pin(stream::iter([Ok(Bytes::from(bytes))]))),
            Err(error) if error.kind() == TransportErrorKind::FileNotFound => Err(error),
            Err(error) => Err(self.refuse(&url, error.to_string())),
        }
    }
}
