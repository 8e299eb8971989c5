//! A document that was changed after it was signed is never verified, however little; one that
//! was only written differently always is.

use std::cell::RefCell;
use std::sync::LazyLock;

use portreeve_protocol::Blob;
use portreeve_protocol::messages::notary::VerifyOutcome;
use portreeve_protocol::messages::verify::VerifyRequest;
use portreeve_trust::verify;
use proptest::prelude::*;
use serde_json::Value;

use crate::forge::{Collection, NOW, verified};

/// One sound request, signed once.
static SOUND: LazyLock<VerifyRequest> = LazyLock::new(|| Collection::new().request());

/// How many documents there are: timestamp, root, snapshot, targets and two delegations.
const DOCUMENTS: usize = 6;

/// Applies `change` to the bytes of one document.
fn changed(which: usize, change: impl FnOnce(&mut Vec<u8>)) -> VerifyRequest {
    let mut request = SOUND.clone();
    let blob = match which {
        0 => &mut request.timestamp,
        1 => &mut request.roots[0],
        other => &mut request.documents[other - 2],
    };
    let mut bytes = blob.bytes().to_vec();
    change(&mut bytes);
    *blob = Blob::new(bytes);
    request
}

/// The members of every object in `value` and the values of every list, written with these blanks
/// and the members in reverse order where the next bit says so.
fn written(value: &Value, blanks: &str, bits: &mut impl Iterator<Item = bool>) -> String {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members
                .iter()
                .map(|(name, value)| {
                    format!("{blanks}{name:?}{blanks}:{}", written(value, blanks, bits))
                })
                .collect();
            if bits.next() == Some(true) {
                members.reverse();
            }
            format!("{{{}{blanks}}}", members.join(","))
        }
        Value::Array(values) => {
            let values: Vec<_> = values.iter().map(|value| written(value, blanks, bits)).collect();
            format!("[{}{blanks}]", values.join(","))
        }
        Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => {
            format!("{blanks}{value}{blanks}")
        }
    }
}

proptest! {
    #[test]
    fn a_changed_byte_is_never_verified(
        which in 0..DOCUMENTS, at: prop::sample::Index, flip in 1u8..=255,
    ) {
        let request = changed(which, |bytes| {
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
        });
        let outcome = verify(&request, NOW);
        // The only change without effect is one of the case of a method, which is not signed.
        let sound = matches!(&outcome, VerifyOutcome::Verified(_));
        prop_assert!(!sound || (which == 0 && flip == 0x20), "{outcome:?}");
    }

    #[test]
    fn a_removed_or_doubled_byte_is_never_verified(
        which in 0..DOCUMENTS, at: prop::sample::Index, double: bool,
    ) {
        let request = changed(which, |bytes| {
            let at = at.index(bytes.len());
            let byte = bytes.remove(at);
            if double {
                bytes.insert(at, byte);
                bytes.insert(at, byte);
            }
        });
        prop_assert!(!matches!(verify(&request, NOW), VerifyOutcome::Verified(_)));
    }

    #[test]
    fn order_of_members_and_blanks_do_not_matter(
        bits: Vec<bool>, blanks in "[ \t\r\n]{0,3}",
    ) {
        let bits = RefCell::new(bits.into_iter().cycle());
        let spelling =
            |value: &Value| written(value, &blanks, &mut *bits.borrow_mut()).into_bytes();
        let found = verified(&Collection::new().request_spelt(&spelling));
        let sound = verified(&SOUND);
        prop_assert_eq!(found.tags, sound.tags);
        prop_assert!(found.evidence.roles.keys().eq(sound.evidence.roles.keys()));
        prop_assert_eq!(found.evidence.dropped, sound.evidence.dropped);
    }

    #[test]
    fn no_bytes_make_verification_panic(which in 0..DOCUMENTS, bytes: Vec<u8>) {
        let request = changed(which, |document| *document = bytes);
        let outcome = verify(&request, NOW);
        // Other bytes are another document than the one that the snapshot names.
        let lost = which > 1 && matches!(outcome, VerifyOutcome::Missing(_));
        prop_assert!(lost || matches!(outcome, VerifyOutcome::Refused(_)), "{outcome:?}");
    }
}
