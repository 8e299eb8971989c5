//! Edits one byte of the journal on its way to the replayer, and expects to be caught.

use portreeve_host::journal::reader::Journal;
use portreeve_replay::{FindingKind, Line};

use crate::error::CommandError;
use crate::replay;
use crate::terminal::Terminal;

/// Replays the journal with one byte of the review's decision changed; the files stay as they are.
/// Returns what did not hold.
pub(super) fn edit(
    journal: &Journal,
    uid: &str,
    terminal: &Terminal,
) -> Result<Vec<String>, CommandError> {
    let mut edited: Option<Line> = None;
    let lines = journal.lines().map(|line| {
        let mut line = line?;
        if edited.is_none() && change(&mut line.bytes, uid) {
            edited = Some(line.clone());
        }
        Ok(line)
    });
    let report = portreeve_replay::verify(lines, &journal.blobs(), &mut |_| {})?;
    let Some(edited) = edited else {
        return Ok(vec![format!("no record decides the review {uid}")]);
    };
    let found = report.first.as_ref().filter(|found| {
        let place = found.segment == edited.segment && found.line == edited.number;
        place && found.kind == FindingKind::AlteredRecord
    });
    replay::show(&report, terminal);
    if found.is_some() {
        return Ok(Vec::new());
    }
    Ok(vec![format!("the edit of {} line {} went unnoticed", edited.segment, edited.number)])
}

/// Turns the refusal of `uid` into something that looks like none: one byte of its `allowed`.
fn change(line: &mut [u8], uid: &str) -> bool {
    const REFUSED: &[u8] = b"\"decisions\":[{\"allowed\":false";
    let named = line.windows(uid.len()).any(|window| window == uid.as_bytes());
    let place = line.windows(REFUSED.len()).position(|window| window == REFUSED);
    let Some(place) = place.filter(|_| named) else { return false };
    let last = place + REFUSED.len() - 1;
    line[last] = b'E';
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_refusal_of_the_named_review_is_changed_and_by_one_byte() {
        let mut line = b"{\"decisions\":[{\"allowed\":false,\"uid\":\"u-1\"}]}".to_vec();
        let before = line.clone();
        assert!(!change(&mut line, "u-2"));
        assert_eq!(line, before);
        assert!(change(&mut line, "u-1"));
        assert_eq!(line.iter().zip(&before).filter(|(left, right)| left != right).count(), 1);
    }
}
