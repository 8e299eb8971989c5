//! Edits one byte of the journal on its way to the replayer, and expects to be caught.

use portreeve_host::journal::reader::Journal;
use portreeve_replay::{FindingKind, Line};

use crate::error::CommandError;
use crate::replay;
use crate::terminal::Terminal;

/// Replays the journal with one byte of the record that decided on `image` for the review `uid`
/// changed; the files stay as they are. Returns what did not hold.
pub(super) fn edit(
    journal: &Journal,
    uid: &str,
    image: &str,
    terminal: &Terminal,
) -> Result<Vec<String>, CommandError> {
    let mut edited: Option<Line> = None;
    let lines = journal.lines().map(|line| {
        let mut line = line?;
        if edited.is_none() && change(&mut line.bytes, uid, image) {
            edited = Some(line.clone());
        }
        Ok(line)
    });
    let report = portreeve_replay::verify(lines, &journal.blobs(), &mut |_| {})?;
    let Some(edited) = edited else {
        return Ok(vec![format!("no record decides the review {uid}")]);
    };
    replay::show(&report, terminal);
    let caught = report.first.as_ref().is_some_and(|found| {
        let place = found.segment == edited.segment && found.line == edited.number;
        place && found.kind == FindingKind::AlteredRecord
    });
    if caught {
        return Ok(Vec::new());
    }
    Ok(vec![format!("the edit of {} line {} went unnoticed", edited.segment, edited.number)])
}

/// Changes the last byte of the image reference in the decision of `uid`, if the line holds it.
fn change(line: &mut [u8], uid: &str, image: &str) -> bool {
    let find = |text: &[u8]| line.windows(text.len()).position(|window| window == text);
    let decides = find(b"\"decisions\":[{").is_some() && find(uid.as_bytes()).is_some();
    let Some(place) = find(image.as_bytes()).filter(|_| decides && !image.is_empty()) else {
        return false;
    };
    let last = &mut line[place + image.len() - 1];
    *last = if *last == b'9' { b'8' } else { b'9' };
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_decision_of_the_named_review_is_changed_and_by_one_byte() {
        let before = b"{\"decisions\":[{\"uid\":\"u-1\",\"image\":\"a:1.0\"}]}".to_vec();
        let mut line = before.clone();
        assert!(!change(&mut line, "u-2", "a:1.0"));
        assert_eq!(line, before);
        assert!(change(&mut line, "u-1", "a:1.0"));
        assert_eq!(line, b"{\"decisions\":[{\"uid\":\"u-1\",\"image\":\"a:1.9\"}]}");
    }
}
