//! A trust bundle on a web server, asked through the client that trust servers are asked with: no
//! redirects, bounded bytes and time, CAs by host.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use portreeve_bundle::{Missed, Reading, Source};
use portreeve_protocol::limits;

use crate::HostError;
use crate::notary_client::{FileReply, FileServer, Proxies, ServerUrl};

/// The files of a bundle below a URL.
pub(super) struct Web {
    base: ServerUrl,
    server: FileServer,
}

impl fmt::Debug for Web {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Web({})", self.base)
    }
}

impl Web {
    /// # Errors
    /// `Tls` for a CA file that cannot be used.
    pub(super) fn new(
        base: ServerUrl,
        trust_ca: &[PathBuf],
        own_ca: &BTreeMap<String, Vec<PathBuf>>,
        proxies: Proxies,
    ) -> Result<Self, HostError> {
        Ok(Self { base, server: FileServer::new(trust_ca, own_ca, proxies)? })
    }

    async fn ask(&self, path: &str, limit: u64) -> Result<Vec<u8>, Missed> {
        let uri: Result<Uri, _> = format!("{}/{path}", self.base).parse();
        let uri = uri.map_err(|_| Missed::Failed("its URL is too long".to_owned()))?;
        let time = Duration::from_micros(limits::FETCH_TIMEOUT);
        match tokio::time::timeout(time, self.server.get(&uri, self.base.secure(), limit)).await {
            Ok(FileReply::Absent) => Err(Missed::Absent),
            Ok(FileReply::Body(bytes)) => Ok(bytes),
            Ok(FileReply::Failed(why)) => Err(Missed::Failed(why)),
            Ok(FileReply::Oversize) => Err(Missed::Oversize),
            Err(_) => {
                let seconds = time.as_secs();
                Err(Missed::Failed(format!("it did not come within {seconds} s")))
            }
        }
    }
}

impl Source for Web {
    fn file<'a>(&'a self, path: &'a str, limit: u64) -> Reading<'a> {
        Box::pin(self.ask(path, limit))
    }
}
