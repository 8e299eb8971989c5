//! Any bytes as a JSON document.

use portreeve_trust::canonical_json;
use serde_json::Value;

use super::spelling::spelt_otherwise;

/// Reads `data` as a document whose canonical form is asked for.
///
/// # Panics
/// If what is read is not what another reader of JSON sees, if the canonical form is not its own
/// canonical form, or if order of members, blanks and escapes make a difference.
pub fn json(data: &[u8]) {
    let Ok(canonical) = canonical_json(data) else { return };
    let other: Result<Value, _> = serde_json::from_slice(data);
    assert!(other.is_ok(), "accepted, though it is not JSON: {other:?}");
    let Ok(tree) = other else { return };

    // Canonical JSON writes control characters as they are, which JSON does not allow.
    if canonical.iter().all(|byte| *byte >= 0x20) {
        assert_eq!(canonical_json(&canonical).as_ref(), Ok(&canonical), "it is not its own form");
        let again: Result<Value, _> = serde_json::from_slice(&canonical);
        assert_eq!(again.ok().as_ref(), Some(&tree), "the canonical form says something else");
    }

    let mut text = String::new();
    spelt_otherwise(&tree, &mut text);
    assert_eq!(canonical_json(text.as_bytes()), Ok(canonical), "spelling matters: {text}");
}
