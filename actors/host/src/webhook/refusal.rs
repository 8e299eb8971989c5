//! Bodies that are no AdmissionReview of a known version, or not JSON throughout, and yet have a
//! uid to answer to.
//!
//! Under `failurePolicy: Ignore` an HTTP error would be an allow, so whoever can be answered is: in
//! the version asked in, or the newest one known where theirs is not.

use portreeve_protocol::messages::admission::{ReviewFacts, ReviewVersion};
use serde::Deserialize;

use super::members::Members;
use super::review::{self, Circumstances, Text, Unreadable};

/// What an answer needs; the rest is only passed over, so that what is wrong there does not matter.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Legible<'a> {
    #[serde(borrow, default)]
    api_version: Option<Text<'a>>,
    #[serde(default)]
    kind: Option<Text<'a>>,
    #[serde(default)]
    request: Option<Members<Request<'a>>>,
}

#[derive(Deserialize)]
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
    let Ok(legible) = Members::<Legible<'_>>::deserialize(&mut reader) else { return Err(why) };
    let text = |text: &Option<Text<'_>>| {
        text.as_ref().map(|Text(text)| text.clone().into_owned()).unwrap_or_default()
    };
    let uid = legible.request.as_ref().map(|request| text(&request.uid)).unwrap_or_default();
    let Ok(uid) = review::uid(&uid) else { return Err(why) };
    let version = review::version(&text(&legible.kind), &text(&legible.api_version));
    let version = version.unwrap_or(ReviewVersion::V1);
    let Unreadable(malformed) = why;
    Ok(ReviewFacts { malformed: Some(malformed), ..review::empty(uid, version, circumstances) })
}
