//! How a verdict on a case of the corpus is held against the real client's.

use portreeve_protocol::reference::ImageReference;
use portreeve_protocol::{DenyClass, DenyCode};

use crate::corpus::{Case, Expect, Query};

/// Cases in which an image is refused although the real client answers, and by which rule.
pub const STRICTER: &[(&str, &str)] = &[
    (
        "http-500-all-with-cache",
        "an unreachable server denies: no cached timestamp is taken for a current one",
    ),
    ("json-duplicate-key-in-signed", "a member name may occur once in a document"),
    ("json-duplicate-signed-member-last-good", "a member name may occur once in a document"),
    ("length-too-large", "a document has exactly the length its parent names"),
    ("oversize-targets-chunked", "a body longer than announced is refused, not cut"),
    ("root-cn-star-only", "a certificate for every collection is a certificate for none"),
    ("rotate-forged-same-version", "a successor of a root has exactly the next version"),
];

/// What was concluded about an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// It is denied with this code.
    Denied(String),
    /// It is allowed with this digest, as `sha256:…`; empty if it was not pinned.
    Digest(String),
}

/// How an outcome is held against the real client's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// A refusal has to have one of the codes that say the same.
    ToTheWord,
    /// A refusal has to be one of trust: not of policy, and no failure of ours.
    ToTheVerdict,
}

/// The codes that say the same as the real client's words. One tag may fail two requirements at
/// once; which of them is named first is ours to choose.
fn codes(words: &str) -> &'static [&'static str] {
    match words {
        "no_trust_data" => &["tag-not-signed", "not-released"],
        "signer_missing" => &["signer-missing", "tag-not-signed", "not-released"],
        "signers_disagree" => &["signers-disagree", "signer-missing"],
        "not_released" => &["not-released"],
        "bad_entry" => &["bad-entry"],
        _ => &[],
    }
}

/// Whether an image reference can name what is asked about. Collections hold names that none can
/// spell; whoever tries gets nothing.
#[must_use]
pub fn spelt(case: &Case, query: &Query) -> bool {
    let parsed = format!("{}:{}", case.gun, query.tag).parse::<ImageReference>();
    parsed.is_ok_and(|it| it.gun() == case.gun && it.tag.as_ref() == Some(&query.tag))
}

/// What is wrong with the conclusion, if anything is.
#[must_use]
pub fn difference(case: &Case, query: &Query, given: &Given, held: Held) -> Option<String> {
    let spelt = spelt(case, query);
    let of_trust = |code: &str| {
        let code = DenyCode::ALL.iter().find(|it| it.code() == code);
        code.is_some_and(|code| matches!(code.class(), DenyClass::Trust | DenyClass::Unavailable))
    };
    let agrees = match (&query.expect, given) {
        (_, Given::Denied(_)) if !spelt => held == Held::ToTheVerdict,
        (_, Given::Digest(_)) if !spelt => false,
        (Expect::Digest(digest), Given::Digest(found)) => found == digest,
        (Expect::Digest(_), Given::Denied(code)) => {
            of_trust(code) && STRICTER.iter().any(|(name, _)| *name == case.name)
        }
        (Expect::Denied(words), Given::Denied(code)) => match held {
            Held::ToTheWord => codes(words).contains(&code.as_str()),
            Held::ToTheVerdict => of_trust(code),
        },
        (Expect::Denied(_), Given::Digest(_)) => false,
    };
    let Query { expect, signers, tag } = query;
    (!agrees).then(|| format!("{} {tag} by {signers:?}: {expect:?}, not {given:?}", case.name))
}
