//! Bodies that are no AdmissionReview of a known version, or not JSON throughout, and yet have a
//! uid to answer to.
//!
//! Under `failurePolicy: Ignore` an HTTP error would be an allow, so whoever can be answered is: in
//! the version asked in, or the newest one known where theirs is not.

use portreeve_protocol::messages::admission::{ReviewFacts, ReviewVersion};
use serde::Deserialize;

use super::members::Members;
use super::review::{self, Circumstances, Review, Text, Unreadable, text};

/// What an answer needs; the rest is only passed over, so that what is wrong there does not matter.
#[derive(Default, Deserialize)]
struct Request<'a> {
    #[serde(borrow, default)]
    uid: Option<Text<'a>>,
}

/// Facts that are denied with `why`, if the body begins with an object that has one legible uid.
///
/// # Errors
/// `why` again if it does not.
pub(super) fn rescue(
    body: &[u8],
    circumstances: Circumstances,
    why: Unreadable,
) -> Result<ReviewFacts, Unreadable> {
    // Which of two is meant cannot be known; a review is answered with its own uid or not at all.
    if why.0.contains("stands twice") {
        return Err(why);
    }
    let mut reader = serde_json::Deserializer::from_slice(body);
    let legible = Members::<Review<'_, Request<'_>>>::deserialize(&mut reader);
    let Ok(Members(Review { api_version, kind, request })) = legible else { return Err(why) };
    let Ok(uid) = review::uid(&text(request.unwrap_or_default().0.uid)) else { return Err(why) };
    let version = review::version(&text(kind), &text(api_version));
    let version = version.unwrap_or(ReviewVersion::V1);
    let Unreadable(malformed) = why;
    Ok(ReviewFacts { malformed: Some(malformed), ..review::empty(uid, version, circumstances) })
}
