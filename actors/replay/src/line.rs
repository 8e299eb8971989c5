//! Lines of a journal, as whoever opened the files hands them in.

use std::sync::Arc;

use crate::ReplayError;

/// One line of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The bytes as they stand in the file, the newline included. Only the very last line of a
    /// journal may lack its newline: then it was being written when the node stopped.
    pub bytes: Vec<u8>,
    /// The line's number in its segment, counted from 1.
    pub number: u64,
    /// The segment's name, such as `00000001.ndjson`.
    pub segment: Arc<str>,
}

/// The lines of a segment that is in memory.
pub fn split(segment: &str, bytes: &[u8]) -> impl Iterator<Item = Result<Line, ReplayError>> {
    let segment: Arc<str> = Arc::from(segment);
    bytes.split_inclusive(|byte| *byte == b'\n').zip(1..).map(move |(bytes, number)| {
        Ok(Line { bytes: bytes.to_vec(), number, segment: Arc::clone(&segment) })
    })
}
