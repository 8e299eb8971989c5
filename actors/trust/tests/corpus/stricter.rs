//! Where Portreeve refuses what the real client accepts, and how reasons and codes correspond.

use portreeve_protocol::{Denial, DenyCode};

/// Cases in which some query is denied although the real client answers it, each with the reason.
pub const CASES: &[(&str, &str)] = &[
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

/// Cases that are denied, as by the real client, but where another fault is met first.
const OTHER_WORDS: &[(&str, DenyCode, &str)] = &[
    ("json-deep-nesting", DenyCode::UnsupportedForm, "refused before any signature is looked at"),
    (
        "json-duplicate-signed-member-last-bad",
        DenyCode::UnsupportedForm,
        "refused before any signature is looked at",
    ),
    (
        "json-duplicate-tag-first-signed",
        DenyCode::UnsupportedForm,
        "refused before any signature is looked at",
    ),
    ("json-null-instead-of-timestamp", DenyCode::InvalidMetadata, "it is no document at all"),
    (
        "rotate-forged-two-steps-missing-2",
        DenyCode::Signature,
        "the chain ends at the gap, and the older root's keys did not sign",
    ),
    (
        "rotate-forged-version-jump",
        DenyCode::Signature,
        "the chain ends at the gap, and the older root's keys did not sign",
    ),
    (
        "rotate-root-missing-intermediate",
        DenyCode::RootChanged,
        "the chain ends at the gap, and the snapshot names a newer root",
    ),
];

/// Why Portreeve is stricter in a case.
pub fn reason(case: &str) -> Option<&'static str> {
    CASES.iter().find(|(name, _)| *name == case).map(|(_, reason)| *reason)
}

/// Whether it is known that this case is denied under this code.
pub fn other_word(case: &str, denial: Option<&Denial>) -> bool {
    OTHER_WORDS
        .iter()
        .any(|(name, code, _)| *name == case && denial.is_some_and(|denial| denial.code == *code))
}

/// Whether a code is what the corpus calls `reason`. The reasons are classes of the real client's
/// words.
pub fn same_kind(reason: &str, code: DenyCode) -> bool {
    code.corpus_reasons().contains(&reason)
}
