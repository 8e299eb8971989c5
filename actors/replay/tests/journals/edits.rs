//! Random damage: whatever single byte changes, it is reported at its record.

use portreeve_replay::{FindingKind, ReplayError, recover, split, verify};

use crate::rig::SEGMENT;
use crate::{eventful, small};

/// SplitMix64: the same edits in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % below as u64) as usize
    }
}

/// One byte replaced, removed or added; gives the place.
fn edit(bytes: &mut Vec<u8>, dice: &mut Dice) -> usize {
    let at = dice.roll(bytes.len());
    match dice.roll(3) {
        0 => bytes[at] ^= 1 + dice.roll(255) as u8,
        1 => drop(bytes.remove(at)),
        _ => bytes.insert(at, dice.roll(256) as u8),
    }
    at
}

#[test]
fn one_edited_byte_anywhere_is_reported_at_its_record() {
    let rig = small();
    let mut dice = Dice(1);
    for round in 0..1_000 {
        let mut journal = rig.journal.clone();
        let at = edit(&mut journal, &mut dice);
        if journal == rig.journal {
            continue;
        }
        let line = 1 + rig.journal[..at].iter().filter(|byte| **byte == b'\n').count() as u64;
        let report = verify(split(SEGMENT, &journal), &rig.blobs, &mut |_| {}).unwrap();
        match (&report.first, &report.torn) {
            (Some(found), _) => {
                assert_eq!(found.line, line, "round {round}, byte {at}: {found:?}");
                assert!(
                    matches!(found.kind, FindingKind::AlteredRecord | FindingKind::Unparsable),
                    "round {round}, byte {at}: {found:?}"
                );
            }
            // Only the end of the last line can be lost without a trace of an edit.
            (None, Some(torn)) => {
                assert_eq!(torn.line, line, "round {round}, byte {at}");
            }
            (None, None) => panic!("round {round}: the edit at byte {at} was not found"),
        }
    }
}

#[test]
pub fn recovery_refuses_damage_that_no_crash_does_and_cuts_what_a_crash_does() {
    let rig = small();
    let last = rig.journal.iter().filter(|byte| **byte == b'\n').count() as u64;
    let mut dice = Dice(2);
    for round in 0..300 {
        let mut journal = rig.journal.clone();
        let at = edit(&mut journal, &mut dice);
        if journal == rig.journal {
            continue;
        }
        let line = 1 + rig.journal[..at].iter().filter(|byte| **byte == b'\n').count() as u64;
        match recover(split(SEGMENT, &journal), &rig.blobs) {
            Ok(found) => {
                let tail = found.tail.expect("an edit is no good end");
                assert_eq!(found.records, last - 1, "round {round}");
                assert!(tail.keep < journal.len() as u64, "round {round}");
            }
            Err(ReplayError::Damaged { line: found, .. }) => {
                assert_eq!(found, line, "round {round}, byte {at}");
            }
            Err(other) => panic!("round {round}: {other}"),
        }
    }
}

/// The lines of a journal, each with its end.
fn lines(journal: &[u8]) -> Vec<Vec<u8>> {
    journal.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

#[test]
fn one_record_removed_or_exchanged_for_another_is_reported_where_it_was() {
    let rig = eventful();
    let whole = lines(&rig.journal);
    let mut dice = Dice(2);
    for round in 0..1_000 {
        let mut changed = whole.clone();
        let at = dice.roll(whole.len() - 1);
        if round % 2 == 0 {
            changed.remove(at);
        } else {
            let other = at + 1 + dice.roll(whole.len() - 1 - at);
            changed.swap(at, other);
        }
        let journal = changed.concat();
        let report = verify(split(SEGMENT, &journal), &rig.blobs, &mut |_| {}).unwrap();
        let found = report.first.unwrap_or_else(|| panic!("round {round}, record {at}"));
        // A later start in the place of the first may be where an older journal was cut off; then
        // what follows it does not fit.
        let expected = at as u64 + 1..=at as u64 + 1 + u64::from(at == 0);
        assert!(expected.contains(&found.line), "round {round}, record {at}: {found:?}");
        assert_eq!(found.kind, FindingKind::BrokenChain, "round {round}, record {at}");
    }
}
