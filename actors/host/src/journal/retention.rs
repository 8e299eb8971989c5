//! Old segments go, whole ones and the oldest first, so that a journal keeps within its bounds.
//!
//! What is left always begins with a start or a checkpoint, so that it can be run again. Blobs are
//! left alone: they may be named by what remains.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::layout;
use super::reader::begins;

/// How much of a journal is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Time after which a segment goes, from when it was last written; `None` for never.
    pub max_age: Option<Duration>,
    /// Bytes of all segments together; the newest ones are kept whatever they have.
    pub max_bytes: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self { max_age: None, max_bytes: portreeve_protocol::limits::JOURNAL_BYTES }
    }
}

/// Removes what is beyond the bounds; the number of segments removed. The last segment with which
/// the journal can be begun, and what follows it, stays.
pub(crate) fn trim(journal: &Path, bounds: Retention, now: SystemTime) -> usize {
    let Ok(segments) = layout::list(journal) else { return 0 };
    let Some(last) = segments.iter().rposition(|(_, path)| begins(path)) else { return 0 };
    let described: Vec<(u64, bool)> = segments
        .iter()
        .map(|(_, path)| fs::metadata(path))
        .map(|found| {
            let Ok(found) = found else { return (0, false) };
            let age = found.modified().ok().and_then(|at| now.duration_since(at).ok());
            (found.len(), bounds.max_age.zip(age).is_some_and(|(most, age)| age > most))
        })
        .collect();
    let mut bytes: u64 = described.iter().map(|(length, _)| length).sum();
    let mut end = 0;
    for (length, old) in described.iter().take(last) {
        if !old && bytes <= bounds.max_bytes {
            break;
        }
        bytes = bytes.saturating_sub(*length);
        end += 1;
    }
    // Back to where the journal can be begun.
    while end > 0 && !segments.get(end).is_some_and(|(_, path)| begins(path)) {
        end -= 1;
    }
    let mut removed = 0;
    for (_, path) in segments.iter().take(end) {
        // In order, so that what is left never has a hole.
        if fs::remove_file(path).is_err() {
            break;
        }
        removed += 1;
    }
    removed
}
