//! Rust source seen as code, comments and literals, so that prose does not trip a rule about code.

use super::Violation;

/// A Rust file and its views. All views have as many lines as the text.
#[derive(Debug, Clone)]
pub struct Source {
    /// Path below the workspace root.
    pub path: String,
    /// The file as it is.
    pub text: String,
    /// The file with comments and the content of literals blanked.
    pub code: String,
    /// The comments alone.
    pub comments: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Code,
    Comment,
    Literal,
}

impl Source {
    /// Splits `text` into its views.
    #[must_use]
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        let (path, text) = (path.into(), text.into());
        let chars: Vec<char> = text.chars().collect();
        let classes = classify(&chars);
        let view = |wanted: Class| -> String {
            let shown = |(character, class): (&char, &Class)| {
                if *character == '\n' || *class == wanted { *character } else { ' ' }
            };
            chars.iter().zip(&classes).map(shown).collect()
        };
        let (code, comments) = (view(Class::Code), view(Class::Comment));
        Self { path, text, code, comments }
    }

    /// Whether the file holds tests only: it lies below a `tests` directory, or is named so.
    #[must_use]
    pub fn is_test(&self) -> bool {
        let inside = self.path.split('/').rev().skip(1).any(|part| part == "tests");
        let workspace_library =
            ["tests/src/", "tests/bench/src/"].iter().any(|at| self.path.starts_with(at));
        (inside && !workspace_library) || self.path.ends_with("/tests.rs")
    }

    /// The lines that `#[cfg(test)]` modules cover, first and last, counted from 1.
    #[must_use]
    pub fn test_modules(&self) -> Vec<(usize, usize)> {
        let code: Vec<char> = self.code.chars().collect();
        let marker: Vec<char> = "#[cfg(test)]".chars().collect();
        let mut found = Vec::new();
        let mut at = 0;
        while at + marker.len() <= code.len() {
            if code[at..at + marker.len()] == marker[..] {
                let from = at + marker.len();
                if let Some(end) = block_end(&code, from) {
                    found.push((line_of(&code, at), line_of(&code, end)));
                    at = end;
                }
            }
            at += 1;
        }
        found
    }

    /// A violation in this file.
    #[must_use]
    pub fn violation(&self, line: usize, rule: &'static str, found: &str) -> Violation {
        let found = found.trim().chars().take(120).collect();
        Violation { path: self.path.clone(), line, rule, found }
    }
}

/// The line of the character at `index`, counted from 1.
pub(super) fn line_of(code: &[char], index: usize) -> usize {
    1 + code[..index].iter().filter(|character| **character == '\n').count()
}

/// The index of the brace that closes the first block that opens at or after `from`; `None` if a
/// semicolon outside parentheses and brackets comes first.
pub(super) fn block_end(code: &[char], from: usize) -> Option<usize> {
    let (mut parentheses, mut braces) = (0_usize, 0_usize);
    for (index, character) in code.iter().enumerate().skip(from) {
        match character {
            '(' | '[' => parentheses += 1,
            ')' | ']' => parentheses = parentheses.saturating_sub(1),
            '{' => braces += 1,
            '}' => {
                braces = braces.saturating_sub(1);
                if braces == 0 {
                    return Some(index);
                }
            }
            ';' if parentheses == 0 && braces == 0 => return None,
            _ => {}
        }
    }
    None
}

fn classify(chars: &[char]) -> Vec<Class> {
    let mut classes = vec![Class::Code; chars.len()];
    let mut at = 0;
    while at < chars.len() {
        let (end, class) = token(chars, at);
        for slot in &mut classes[at..end.min(chars.len())] {
            *slot = class;
        }
        at = end;
    }
    classes
}

/// The end and class of the token at `at`; one character of code where nothing special begins.
fn token(chars: &[char], at: usize) -> (usize, Class) {
    let next = chars.get(at + 1).copied();
    match chars[at] {
        '/' if next == Some('/') => (find(chars, at, '\n'), Class::Comment),
        '/' if next == Some('*') => (block_comment_end(chars, at), Class::Comment),
        '"' => (string_end(chars, at), Class::Literal),
        '\'' => character_end(chars, at).map_or((at + 1, Class::Code), |end| (end, Class::Literal)),
        'r' if !is_word(chars, at) => {
            raw_end(chars, at).map_or((at + 1, Class::Code), |end| (end, Class::Literal))
        }
        _ => (at + 1, Class::Code),
    }
}

/// Whether the character before `at` belongs to a word that `at` continues; `br"…"` does not count.
fn is_word(chars: &[char], at: usize) -> bool {
    let before = |back: usize| at.checked_sub(back).map(|index| chars[index]);
    let word = |character: Option<char>| {
        character.is_some_and(|found| found.is_alphanumeric() || found == '_')
    };
    match before(1) {
        Some('b' | 'c') => word(before(2)),
        other => word(other),
    }
}

fn find(chars: &[char], from: usize, wanted: char) -> usize {
    let rest = chars[from..].iter().position(|character| *character == wanted);
    rest.map_or(chars.len(), |offset| from + offset)
}

fn block_comment_end(chars: &[char], from: usize) -> usize {
    let (mut depth, mut at) = (0_usize, from);
    while at + 1 < chars.len() {
        match (chars[at], chars[at + 1]) {
            ('/', '*') => (depth, at) = (depth + 1, at + 2),
            ('*', '/') => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    chars.len()
}

fn string_end(chars: &[char], from: usize) -> usize {
    let mut at = from + 1;
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

/// The end of a character literal; `None` for a lifetime.
fn character_end(chars: &[char], from: usize) -> Option<usize> {
    if chars.get(from + 1) == Some(&'\\') {
        return Some(find(chars, from + 3, '\'') + 1);
    }
    (chars.get(from + 2) == Some(&'\'')).then_some(from + 3)
}

/// The end of a raw string; `None` for an identifier that begins with `r`.
fn raw_end(chars: &[char], from: usize) -> Option<usize> {
    let hashes = chars[from + 1..].iter().take_while(|character| **character == '#').count();
    let open = from + 1 + hashes;
    if chars.get(open) != Some(&'"') {
        return None;
    }
    let mut at = open + 1;
    while at < chars.len() {
        let close = chars[at] == '"'
            && chars[at + 1..].iter().take_while(|character| **character == '#').count() >= hashes;
        if close {
            return Some(at + 1 + hashes);
        }
        at += 1;
    }
    Some(chars.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_not_code() {
        let source = Source::new(
            "x.rs",
            "let a = \"fn \\\" b\"; // fn c\nlet d = r#\"fn \" e\"#; \
             /* fn /* f */ g */ fn h<'a>() { '{' }",
        );
        assert_eq!(source.code.matches("fn").count(), 1);
        assert_eq!(source.code.matches('{').count(), 1);
        assert!(source.comments.contains("fn c") && source.comments.contains("g */"));
        assert!(!source.comments.contains("h<'a>"));
        assert_eq!(source.code.lines().count(), source.text.lines().count());
    }

    #[test]
    fn a_test_module_covers_its_lines() {
        let source = Source::new("x.rs", "fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() {}\n}\n");
        assert_eq!(source.test_modules(), vec![(2, 5)]);
    }

    #[test]
    fn files_below_a_tests_directory_are_tests_and_the_library_of_the_tests_is_not() {
        assert!(Source::new("actors/trust/tests/a.rs", "").is_test());
        assert!(Source::new("tests/tests/tidy.rs", "").is_test());
        assert!(Source::new("actors/trust/src/verify/tests.rs", "").is_test());
        assert!(!Source::new("tests/src/lib.rs", "").is_test());
        assert!(!Source::new("actors/trust/src/verify.rs", "").is_test());
    }
}
