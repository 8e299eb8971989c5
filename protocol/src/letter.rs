//! Letters that say nothing and steer whatever shows them.

/// Whether a letter steers a terminal or turns the direction of text around, so that what others
/// wrote must not be shown with it: control characters, and Unicode's `Bidi_Control`.
#[must_use]
pub fn steers(letter: char) -> bool {
    let turns = matches!(letter,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || letter.is_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_and_turns_of_direction_steer_and_letters_of_any_script_do_not() {
        for letter in ['\0', '\n', '\u{1b}', '\u{7f}', '\u{9b}', '\u{202e}', '\u{2067}', '\u{200f}']
        {
            assert!(steers(letter), "{letter:?}");
        }
        for letter in ['a', ' ', 'ü', 'ש', '中', '…', '\u{200d}'] {
            assert!(!steers(letter), "{letter:?}");
        }
    }
}
