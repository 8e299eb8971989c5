//! From the bytes of an AdmissionReview to facts.
//!
//! The members that are needed are read in one pass, borrowed from the body; the rest is skipped.
//! Members that are read may stand only once. Those that are not read may be doubled: no decision
//! depends on them. Whatever this pass cannot read goes through `diagnose`, which finds the uid if
//! there is one and says what is wrong, so that the sender gets an answer with a reason.

use std::borrow::Cow;

use portreeve_protocol::SealFact;
use portreeve_protocol::limits;
use portreeve_protocol::messages::admission::{
    GroupKind, ImageFact, Operation, OwnerFact, Peer, ReviewFacts, ReviewPath, ReviewVersion,
};
use portreeve_protocol::workload::{Carrier, carrier};
use serde::Deserialize;

use super::diagnose;
use super::members::Members;
use super::pod::{Metadata, Object};
use crate::seals::Sealer;

/// What is known of a review besides its body.
#[derive(Debug, Clone)]
pub struct Circumstances {
    /// How long the client will wait, margin taken off; microseconds.
    pub budget: u64,
    /// At which path it came.
    pub path: ReviewPath,
    /// Who sent it.
    pub peer: Peer,
    /// What checks seals.
    pub sealer: Sealer,
}

/// A body of which no uid can be read, so that no review can be answered; the text says why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable(pub String);

/// A string of the body, borrowed from it unless it holds an escape.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// An AdmissionReview, of whose request as much is read as `R` has.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "R: Deserialize<'de>"))]
pub(super) struct Review<'a, R> {
    #[serde(borrow, default)]
    pub(super) api_version: Option<Text<'a>>,
    #[serde(default)]
    pub(super) kind: Option<Text<'a>>,
    #[serde(default)]
    pub(super) request: Option<Members<R>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    #[serde(default)]
    dry_run: Option<bool>,
    #[serde(borrow, default)]
    kind: Option<Members<Kind<'a>>>,
    #[serde(default)]
    name: Option<Text<'a>>,
    #[serde(default)]
    namespace: Option<Text<'a>>,
    #[serde(default)]
    object: Option<Members<Object<'a>>>,
    #[serde(default)]
    old_object: Option<Members<Object<'a>>>,
    #[serde(default)]
    operation: Option<Text<'a>>,
    #[serde(default)]
    sub_resource: Option<Text<'a>>,
    #[serde(default)]
    uid: Option<Text<'a>>,
    #[serde(default)]
    user_info: Option<Members<UserInfo<'a>>>,
}

#[derive(Default, Deserialize)]
struct Kind<'a> {
    #[serde(borrow, default)]
    group: Option<Text<'a>>,
    #[serde(default)]
    kind: Option<Text<'a>>,
    #[serde(default)]
    version: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct UserInfo<'a> {
    #[serde(borrow, default)]
    username: Option<Text<'a>>,
}

/// Reduces the body of an AdmissionReview, of version v1 or v1beta1, to facts. What of it cannot be
/// read is said in [`ReviewFacts::malformed`].
///
/// # Errors
/// [`Unreadable`] if no uid can be read.
pub fn parse(body: &[u8], circumstances: Circumstances) -> Result<ReviewFacts, Unreadable> {
    // All of it at once is looked at faster than each of its strings (RFC 8259, section 8.1).
    let text = std::str::from_utf8(body).ok();
    match text.map(serde_json::from_str::<Members<Review<'_, Request<'_>>>>) {
        Some(Ok(Members(review))) => facts(review, circumstances),
        Some(Err(_)) | None => diagnose::facts(body, circumstances),
    }
}

fn facts(
    review: Review<'_, Request<'_>>,
    circumstances: Circumstances,
) -> Result<ReviewFacts, Unreadable> {
    let sealer = circumstances.sealer.clone();
    let version = version(&text(review.kind.as_ref()), &text(review.api_version.as_ref()))?;
    let Some(Members(request)) = review.request else {
        return Err(Unreadable("the review has no `request`".to_owned()));
    };
    let uid = uid(&text(request.uid.as_ref()))?;
    let kind = request.kind.unwrap_or_default();
    let sub_resource =
        request.sub_resource.map(|text| cut::<String>(&text.0)).filter(|text| !text.is_empty());
    let mut facts = ReviewFacts {
        dry_run: request.dry_run.unwrap_or_default(),
        kind: GroupKind {
            group: text(kind.group.as_ref()),
            kind: text(kind.kind.as_ref()),
            version: text(kind.version.as_ref()),
        },
        name: text(request.name.as_ref()),
        namespace: text(request.namespace.as_ref()),
        sub_resource,
        user: text(request.user_info.as_ref().and_then(|user| user.username.as_ref())),
        ..empty(uid, version, circumstances)
    };
    match operation(&text(request.operation.as_ref())) {
        Ok(operation) => facts.operation = operation,
        Err(why) => facts.malformed = Some(why),
    }
    if facts.kind.kind.is_empty() {
        facts.malformed = Some("`request.kind` is missing".to_owned());
    }
    let carrier = carrier(&facts.kind.group, &facts.kind.kind, facts.sub_resource.as_deref());
    if let Err(why) = objects(&mut facts, carrier, request.object, request.old_object, &sealer) {
        facts.malformed.get_or_insert(why);
    }
    Ok(facts)
}

/// Puts what the two objects say into the facts.
fn objects(
    facts: &mut ReviewFacts,
    carrier: Carrier,
    object: Option<Members<Object<'_>>>,
    old: Option<Members<Object<'_>>>,
    sealer: &Sealer,
) -> Result<(), String> {
    let seal = |object: &Object<'_>| {
        let text = object.metadata.as_deref().and_then(Metadata::seal);
        text.map(|text| sealer.check(text)).unwrap_or_default()
    };
    if let Some(old) = &old {
        facts.old_seal = seal(old);
        facts.old_images = bounded(old.images(carrier));
    }
    let Some(object) = object else {
        let needed = matches!(facts.operation, Operation::Create | Operation::Update)
            && matches!(carrier, Carrier::PodSpec(_) | Carrier::EphemeralContainers);
        let missing = || Err("`request.object` is missing".to_owned());
        return if needed { missing() } else { Ok(()) };
    };
    facts.images = bounded(object.images(carrier));
    facts.seal = seal(&object);
    if let Some(metadata) = &object.metadata {
        facts.annotated = metadata.annotations.is_some();
        if facts.name.is_empty() {
            facts.name = metadata.display_name();
        }
        let owners = metadata.owner_references.iter().flatten().take(limits::REVIEW_IMAGES);
        facts.owners = owners
            .map(|owner| OwnerFact {
                api_version: text(owner.api_version.as_ref()),
                controller: owner.controller.unwrap_or_default(),
                kind: text(owner.kind.as_ref()),
                name: text(owner.name.as_ref()),
                uid: text(owner.uid.as_ref()),
            })
            .collect();
    } else {
        // A patch cannot add to what is not there.
        facts.sealing = false;
    }
    let Carrier::PodSpec(at) = carrier else { return Ok(()) };
    let spec = object.pod_spec(at);
    let spec = spec.ok_or_else(|| format!("`request.object` has no {}", at.pointer()))?;
    let secrets = spec.image_pull_secrets.iter().flatten().take(limits::REVIEW_IMAGES);
    facts.pull_secrets =
        secrets.filter_map(|secret| secret.name.as_ref()).map(|name| cut(&name.0)).collect();
    let account = spec.service_account_name.as_ref().filter(|name| !name.0.is_empty());
    let account = account.or(spec.service_account.as_ref());
    facts.service_account = account.map(|name| cut(&name.0)).unwrap_or_default();
    Ok(())
}

/// Facts of a review of which nothing is known yet but that it came.
pub(super) fn empty(
    uid: String,
    version: ReviewVersion,
    circumstances: Circumstances,
) -> ReviewFacts {
    let Circumstances { budget, path, peer, sealer } = circumstances;
    ReviewFacts {
        annotated: false,
        budget,
        dry_run: false,
        images: Vec::new(),
        kind: group_kind("", "", ""),
        malformed: None,
        name: String::new(),
        namespace: String::new(),
        old_images: Vec::new(),
        old_seal: SealFact::Absent,
        operation: Operation::Create,
        owners: Vec::new(),
        path,
        peer,
        pull_secrets: Vec::new(),
        seal: SealFact::Absent,
        sealing: sealer.can_seal(),
        service_account: String::new(),
        sub_resource: None,
        uid,
        user: String::new(),
        version,
    }
}

pub(super) fn group_kind(group: &str, kind: &str, version: &str) -> GroupKind {
    GroupKind { group: cut(group), kind: cut(kind), version: cut(version) }
}

/// The version to answer in.
pub(super) fn version(kind: &str, api_version: &str) -> Result<ReviewVersion, Unreadable> {
    match (kind, api_version) {
        ("AdmissionReview", "admission.k8s.io/v1") => Ok(ReviewVersion::V1),
        ("AdmissionReview", "admission.k8s.io/v1beta1") => Ok(ReviewVersion::V1Beta1),
        _ => Err(Unreadable(
            "the body is not an AdmissionReview of admission.k8s.io/v1 or v1beta1".to_owned(),
        )),
    }
}

/// A uid an answer can carry.
pub(super) fn uid(text: &str) -> Result<String, Unreadable> {
    match text.len() {
        0 => Err(Unreadable("the review has no `request.uid`".to_owned())),
        1..=UID_BYTES => Ok(text.to_owned()),
        _ => Err(Unreadable(format!("`request.uid` has more than {UID_BYTES} bytes"))),
    }
}

const UID_BYTES: usize = 256;

pub(super) fn operation(text: &str) -> Result<Operation, String> {
    match text {
        "CONNECT" => Ok(Operation::Connect),
        "CREATE" => Ok(Operation::Create),
        "DELETE" => Ok(Operation::Delete),
        "UPDATE" => Ok(Operation::Update),
        _ => Err("`request.operation` is none of CREATE, UPDATE, DELETE and CONNECT".to_owned()),
    }
}

fn text(text: Option<&Text<'_>>) -> String {
    text.map(|text| cut(&text.0)).unwrap_or_default()
}

/// No name in Kubernetes, and no image reference that is judged, is longer than this; one byte is
/// left beyond the limit of references, so that what was too long stays too long.
pub(super) fn cut<'t, T: From<&'t str>>(text: &'t str) -> T {
    let mut end = text.len().min(limits::REFERENCE_BYTES + 4);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    T::from(&text[..end])
}

/// One more than may be judged is kept, so that what was too many stays too many.
fn bounded(images: impl Iterator<Item = ImageFact>) -> Vec<ImageFact> {
    images.take(limits::REVIEW_IMAGES + 1).collect()
}
