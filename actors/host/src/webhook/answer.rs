//! The AdmissionReview that goes back.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64_simd::STANDARD;
use portreeve_protocol::messages::admission::ReviewVersion;
use portreeve_protocol::seal::ANNOTATION;
use portreeve_protocol::{Denial, ProtocolError, codec, limits};
use serde::Serialize;

use crate::node::Answer;
use crate::seals::Sealer;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Review<'a> {
    api_version: &'static str,
    kind: &'static str,
    response: Response<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<codec::Plain<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    audit_annotations: BTreeMap<&'a str, Cow<'a, str>>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    warnings: &'a [String],
}

/// An operation of a patch that adds `value`; the members stand in the order of RFC 6902.
#[derive(Serialize)]
struct Add<'a, V> {
    op: &'static str,
    path: &'a str,
    value: V,
}

#[derive(Serialize)]
struct Status<'a> {
    code: u16,
    message: &'a str,
    reason: &'static str,
}

/// The key of the audit annotation that names the event in which the review was received.
pub const EVENT_ANNOTATION: &str = "event";
/// The key of the audit annotation that holds the hash of the decision's record.
pub const RECORD_ANNOTATION: &str = "record";

/// What the answer to a review depends on besides the decision.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    /// Whether the object has annotations to put a seal into.
    pub(super) annotated: bool,
    /// The version to answer in.
    pub(super) version: ReviewVersion,
}

/// As [`decided`], with the seal that the decision asks for.
///
/// # Errors
/// As [`decided`].
pub(super) fn sealed(
    answer: &Answer,
    form: Form,
    sealer: &Sealer,
) -> Result<Vec<u8>, ProtocolError> {
    let Form { annotated, version } = form;
    let text = answer.decision.seal.as_ref().and_then(|seal| sealer.give(seal));
    let seal = text.map(|text| SealChange { annotated, text });
    decided(version, answer, seal.as_ref())
}

/// The bytes of the answer to a review of `version` (Kubernetes `admission/v1` AdmissionResponse;
/// that of `v1beta1` has the same members since Kubernetes 1.19, and a server passes over what it
/// does not know).
///
/// # Errors
/// Never in practice: everything in an answer can be written as JSON.
pub fn decided(
    version: ReviewVersion,
    answer: &Answer,
    seal: Option<&SealChange>,
) -> Result<Vec<u8>, ProtocolError> {
    let decision = &*answer.decision;
    let mut audit = decision.annotations();
    audit.extend(answer.record.map(|record| (RECORD_ANNOTATION, record.to_hex().into())));
    // What the host denied by itself never became an event.
    let event = (decision.review.seq > 0).then(|| decision.review.to_string());
    audit.extend(event.map(|event| (EVENT_ANNOTATION, event.into())));
    let stands_in = decision.denial.as_ref().map(in_words).unwrap_or_default();
    let message = if decision.message.is_empty() { &stands_in } else { &decision.message };
    let patch = decision.patch();
    let patch = with_seal(patch.as_deref(), seal.filter(|_| decision.allowed))?;
    let patch = patch.map(|patch| STANDARD.encode_to_string(&*patch));
    let patch = patch.as_deref();
    write(
        version,
        Response {
            uid: &decision.uid,
            allowed: decision.allowed,
            status: (!decision.allowed).then(|| forbidden(message)),
            patch: patch.map(codec::Plain),
            patch_type: patch.map(|_| "JSONPatch"),
            audit_annotations: audit,
            warnings: &decision.warnings,
        },
    )
}

/// The seal that the patch is to put on the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealChange {
    /// Whether the object has annotations to put it into.
    pub annotated: bool,
    /// The seal.
    pub text: String,
}

/// The patch with the seal behind the rest, as text; `None` if nothing is to be changed.
fn with_seal<'a>(
    patch: Option<&'a str>,
    seal: Option<&SealChange>,
) -> Result<Option<Cow<'a, [u8]>>, ProtocolError> {
    let Some(SealChange { annotated, text }) = seal else {
        return Ok(patch.map(|patch| Cow::Borrowed(patch.as_bytes())));
    };
    let first = patch.and_then(|patch| patch.strip_suffix(']')).filter(|first| *first != "[");
    // To read it only to write it again would be the most expensive thing done here.
    let mut whole = Vec::with_capacity(first.map_or(0, str::len) + text.len() + 256);
    whole.extend_from_slice(first.unwrap_or("[").as_bytes());
    if !annotated {
        let value = BTreeMap::<&str, &str>::new();
        add(Add { op: "add", path: "/metadata/annotations", value }, &mut whole)?;
    }
    // A slash in the name of a member is written so in a JSON pointer.
    let path = format!("/metadata/annotations/{}", ANNOTATION.replace('/', "~1"));
    add(Add { op: "add", path: &path, value: text }, &mut whole)?;
    whole.push(b']');
    Ok(Some(Cow::Owned(whole)))
}

/// Adds an operation to the patch that `whole` opens.
fn add<V: Serialize>(operation: Add<'_, V>, whole: &mut Vec<u8>) -> Result<(), ProtocolError> {
    if whole.len() > 1 {
        whole.push(b',');
    }
    codec::append(&operation, whole)
}

fn write(version: ReviewVersion, response: Response<'_>) -> Result<Vec<u8>, ProtocolError> {
    let api_version = match version {
        ReviewVersion::V1 => "admission.k8s.io/v1",
        ReviewVersion::V1Beta1 => "admission.k8s.io/v1beta1",
    };
    codec::canonical(&Review { api_version, kind: "AdmissionReview", response })
}

fn in_words(denial: &Denial) -> String {
    let Denial { code, detail } = denial;
    format!("{}: {detail}. {} {}", code.code(), code.meaning(), code.advice())
}

fn forbidden(message: &str) -> Status<'_> {
    let mut end = message.len().min(limits::MESSAGE_BYTES);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    Status { code: 403, message: &message[..end], reason: "Forbidden" }
}
