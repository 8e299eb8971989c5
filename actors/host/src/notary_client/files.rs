//! Files of a server that the operator named, without credentials.

use std::collections::BTreeMap;
use std::path::PathBuf;

use http::Uri;

use super::address::Reach;
use super::anchors::Anchors;
use super::exchange::{Exchange, Question, Reply};
use super::proxy::Proxies;
use super::trouble::Trouble;
use crate::HostError;

/// Asks for files. It may be asked anywhere that the operator names: over TLS, or on this machine.
pub(crate) struct FileServer(Exchange);

/// What came of asking for a file.
pub(crate) enum FileReply {
    /// 404.
    Absent,
    /// The file.
    Body(Vec<u8>),
    /// It could not be had; why. What the server wrote is not in it.
    Failed(String),
    /// It is longer than it may be.
    Oversize,
}

impl FileServer {
    /// # Errors
    /// `Tls` for a CA file that cannot be read or used.
    pub(crate) fn new(
        trust_ca: &[PathBuf],
        own_ca: &BTreeMap<String, Vec<PathBuf>>,
        proxies: Proxies,
    ) -> Result<Self, HostError> {
        Ok(Self(Exchange::new(Anchors::read(trust_ca, own_ca)?, proxies)))
    }

    /// Asks for one file of at most `limit` bytes.
    pub(crate) async fn get(&self, uri: &Uri, secure: bool, limit: u64) -> FileReply {
        let reach = if secure { Reach::Any } else { Reach::Loopback };
        let question = Question { authorization: None, form: None, limit, reach, uri };
        match self.0.ask(&question).await {
            Ok(Reply::Absent) => FileReply::Absent,
            Ok(Reply::Body(bytes)) => FileReply::Body(bytes),
            Ok(Reply::Challenge(_)) => FileReply::Failed("it asks for credentials".to_owned()),
            Err(Trouble::Oversize(_)) => FileReply::Oversize,
            Err(trouble) => FileReply::Failed(trouble.in_words()),
        }
    }
}
