//! Bodies that are no AdmissionReview of a known version, and yet have a uid to answer to.
//!
//! Under `failurePolicy: Ignore` an HTTP error would be an allow, so whoever can be answered is: in
//! the newest version known, since theirs is not.

use portreeve_protocol::messages::admission::{ReviewFacts, ReviewVersion};
use serde_json::Value;

use super::review::{self, Circumstances, Unreadable};

/// Facts that are denied with `why`, if the body is JSON with one legible uid.
///
/// # Errors
/// `why` again if it is not.
pub(super) fn rescue(
    body: &[u8],
    circumstances: Circumstances,
    why: Unreadable,
) -> Result<ReviewFacts, Unreadable> {
    let Ok(tree) = serde_json::from_slice::<Value>(body) else { return Err(why) };
    // Which of two is meant cannot be known; a review is answered with its own uid or not at all.
    if why.0.contains("stands twice") {
        return Err(why);
    }
    let uid = tree.pointer("/request/uid").and_then(Value::as_str).unwrap_or_default();
    let Ok(uid) = review::uid(uid) else { return Err(why) };
    let Unreadable(malformed) = why;
    Ok(ReviewFacts {
        malformed: Some(malformed),
        ..review::empty(uid, ReviewVersion::V1, circumstances)
    })
}
