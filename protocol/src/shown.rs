//! Text of others as it may stand in what people are told: short, and with nothing in it that
//! steers what shows it.

use std::borrow::Cow;

use crate::letter::steers;
use crate::limits;

/// Bytes of a container's name or image reference that a message shows.
const SHOWN_BYTES: usize = 256;

/// Text of the sender's as it may stand in a message: short, and without characters that steer a
/// terminal.
#[must_use]
pub fn shown(text: &str) -> Cow<'_, str> {
    // Most text is, and names are ASCII.
    if text.len() <= SHOWN_BYTES && text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Cow::Borrowed(text);
    }
    let plain: String = text.chars().map(|it| if steers(it) { '?' } else { it }).collect();
    Cow::Owned(cut(plain, SHOWN_BYTES))
}

/// What stands between two things that are listed.
pub(crate) const BETWEEN: &str = ", ";

/// What an annotation that lists something holds, of at most [`limits::MESSAGE_BYTES`].
#[must_use]
pub fn listed(list: &[String]) -> String {
    cut(list.join(BETWEEN), limits::MESSAGE_BYTES)
}

/// The longest part of `text` of at most `bytes` bytes, marked with `…` if it is not the whole.
#[must_use]
pub fn cut(mut text: String, bytes: usize) -> String {
    if text.len() <= bytes {
        return text;
    }
    let mut end = bytes.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text.push('…');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_short_and_steers_nothing() {
        assert_eq!(shown("web"), "web");
        assert_eq!(shown("w\u{202e}e\nb"), "w?e?b");
        let long = shown(&"é".repeat(SHOWN_BYTES)).into_owned();
        assert!(long.len() <= SHOWN_BYTES && long.ends_with("é…"), "{long}");
    }

    #[test]
    fn a_list_is_as_long_as_a_message_at_most() {
        assert_eq!(listed(&["a".to_owned(), "b".to_owned()]), "a, b");
        let long = listed(&vec!["x".repeat(100); 100]);
        assert!(long.len() <= limits::MESSAGE_BYTES && long.ends_with('…'));
    }
}
