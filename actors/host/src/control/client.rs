//! Asks a running node.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use portreeve_protocol::limits;

use super::{Reply, Request};
use crate::HostError;

/// Sends one request to the node whose data directory this is, and reads the answer. It blocks for
/// as long as the node may take, at most.
///
/// # Errors
/// `Control` if no node listens there, or the answer is none.
pub fn ask(data_dir: &Path, request: &Request) -> Result<Reply, HostError> {
    let path = super::path(data_dir);
    let failed = |why: String| HostError::Control { path: path.clone(), why };
    let broken = |error: std::io::Error| failed(format!("no node answers there: {error}"));
    let mut stream = UnixStream::connect(&path).map_err(broken)?;
    let patience = Some(Duration::from_micros(2 * limits::CONTROL_TIMEOUT));
    stream.set_read_timeout(patience).map_err(broken)?;
    stream.set_write_timeout(patience).map_err(broken)?;
    let mut line = serde_json::to_vec(request).map_err(|error| failed(error.to_string()))?;
    line.push(b'\n');
    stream.write_all(&line).map_err(broken)?;
    let mut answer = Vec::new();
    let mut reader = BufReader::new(stream).take(limits::STATE_BYTES);
    reader.read_until(b'\n', &mut answer).map_err(broken)?;
    let unclear = |_| failed("what answers there is no node of this version".to_owned());
    serde_json::from_slice(&answer).map_err(unclear)
}
