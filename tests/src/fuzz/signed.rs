//! Any text as what a document says, validly signed, in a collection that is otherwise in order.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portreeve_protocol::Sha256;
use portreeve_protocol::evidence::{RootPins, TargetEntry};
use portreeve_protocol::messages::notary::{VerifiedCollection, VerifyOutcome};
use portreeve_trust::{canonical_json, verify};
use serde_json::Value;

use super::forge::{AUTHORITY, Forge, INTERMEDIATE, LEAF, NOW, TAG, root_spki};
use super::spelling::spelt_otherwise;

/// The roles of the collection.
const ROLES: [&str; 5] = ["root", "timestamp", "snapshot", "targets", "targets/releases"];

/// Takes the first byte of `data` for a role and pins, and the rest for what is signed in the
/// role's document.
///
/// # Panics
/// If what has no canonical form is verified; if what is verified is not what the document says;
/// or if order of members, blanks and escapes make a difference.
pub fn signed(data: &[u8]) {
    let Some((choice, text)) = data.split_first() else { return };
    let role = ROLES[usize::from(choice % 5)];
    let pins = pins(choice / 5 % 4);
    let outcome = judged(role, pins.clone(), text);
    let tree = serde_json::from_slice::<Value>(text).ok();
    let tree = tree.filter(|_| canonical_json(text).is_ok());
    let Some(tree) = tree else {
        assert!(!matches!(outcome, VerifyOutcome::Verified(_)), "{role} was verified: {outcome:?}");
        return;
    };
    if let VerifyOutcome::Verified(collection) = &outcome {
        assert_ne!(choice / 5 % 4, 3, "a root was taken against a pin");
        says(collection, role, &tree);
    }
    let mut otherwise = String::new();
    spelt_otherwise(&tree, &mut otherwise);
    let again = judged(role, pins, otherwise.as_bytes());
    assert!(same(&outcome, &again), "spelling matters: {outcome:?}, but {again:?} if respelt");
}

/// No pins, the authority of the root, the root's own key, or a key that nobody has.
fn pins(choice: u8) -> RootPins {
    let (authorities, keyids) = match choice {
        0 => (Vec::new(), Vec::new()),
        1 => (vec![AUTHORITY.to_owned()], Vec::new()),
        2 => (Vec::new(), vec![root_spki()]),
        _ => (Vec::new(), vec![Sha256::ZERO]),
    };
    RootPins { authorities, keyids: keyids.into_iter().collect(), required: choice > 0 }
}

fn judged(role: &'static str, pins: RootPins, text: &[u8]) -> VerifyOutcome {
    let chain = [LEAF, INTERMEDIATE].concat();
    let forge = Forge { chain: &chain, pins, replaced: Some((role, text)) };
    let request = forge.request();
    assert!(request.is_some(), "the forge has no keys");
    request.map_or_else(|| VerifyOutcome::Missing(Vec::new()), |request| verify(&request, NOW))
}

/// What was verified is what the document says, read by another reader.
fn says(collection: &VerifiedCollection, role: &str, tree: &Value) {
    let Some(evidence) = collection.evidence.roles.get(role) else {
        // A delegation that its parent does not list, or that was left out.
        assert_eq!(role, "targets/releases", "{role} was not looked at: {collection:?}");
        return;
    };
    assert_eq!(Some(evidence.version), tree["version"].as_u64(), "{collection:?}");
    assert!(evidence.expires >= NOW && !evidence.signed_by.is_empty(), "{collection:?}");
    let entries = collection.tags.get(TAG).map(|view| view.entries.clone()).unwrap_or_default();
    for (name, entry) in entries {
        let TargetEntry::Image { length, sha256 } = entry else { continue };
        let (stated, digest) = if name == role {
            let stated = &tree["targets"][TAG];
            let sha256 = stated["hashes"]["sha256"].as_str().unwrap_or_default();
            (
                stated["length"].as_u64(),
                Sha256::from_raw(&STANDARD.decode(sha256).unwrap_or_default()),
            )
        } else {
            let manifest: &[u8] = if name == "targets" { b"base" } else { b"released" };
            (Some(manifest.len() as u64), Some(Sha256::of(manifest)))
        };
        assert_eq!((stated, digest), (Some(length), Some(sha256)), "{name} in {collection:?}");
    }
}

/// Whether two outcomes say the same of what may run, whatever the bytes were.
fn same(one: &VerifyOutcome, other: &VerifyOutcome) -> bool {
    match (one, other) {
        (VerifyOutcome::Verified(one), VerifyOutcome::Verified(other)) => {
            let facts = |of: &VerifiedCollection| {
                let roles = of.evidence.roles.iter();
                let roles = roles.map(|(name, it)| (name.clone(), it.version, it.expires));
                let dropped = of.evidence.dropped.iter().map(|it| it.role.clone());
                (roles.collect::<Vec<_>>(), dropped.collect::<Vec<_>>())
            };
            one.tags == other.tags && facts(one) == facts(other)
        }
        (VerifyOutcome::Refused(one), VerifyOutcome::Refused(other)) => one.code == other.code,
        (VerifyOutcome::Missing(one), VerifyOutcome::Missing(other)) => one.len() == other.len(),
        (VerifyOutcome::Verified(_) | VerifyOutcome::Refused(_) | VerifyOutcome::Missing(_), _) => {
            false
        }
    }
}
