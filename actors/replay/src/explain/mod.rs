//! Why a review was decided as it was.

use portreeve_protocol::BlobSource;
use serde::Serialize;

use crate::{Line, ReplayError};

/// Why one review was decided as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The review's uid, as sent.
    pub uid: String,
}

impl Explanation {
    /// Plain text of at most `width` columns, where words allow.
    #[must_use]
    pub fn render(&self, _width: usize) -> String {
        self.uid.clone()
    }
}

/// Explains every review of this uid, in the order they were received; none if there is no such.
///
/// # Errors
/// `Damaged` if the journal cannot be read to its end, `Read` as handed in.
pub fn explain(
    _lines: impl Iterator<Item = Result<Line, ReplayError>>,
    _blobs: &dyn BlobSource,
    uid: &str,
) -> Result<Vec<Explanation>, ReplayError> {
    let _ = uid;
    Ok(Vec::new())
}
