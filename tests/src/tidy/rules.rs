//! Rules about one file.

use super::{Source, Violation};

/// Lines of a file.
pub const FILE_LINES: usize = 600;
/// Lines of a function.
pub const FUNCTION_LINES: usize = 70;
/// Characters of a line.
pub const LINE_CHARACTERS: usize = 100;

/// Files in which a line may be longer, and why.
const LONG_LINES: &[(&str, &str)] = &[
    ("protocol/src/bundle_reason.rs", "a row of the table of codes is one line"),
    ("protocol/src/reason.rs", "a row of the table of codes is one line"),
];

/// The source directories of the crates in which nothing but inputs may decide what happens.
const PURE: &[&str] = &[
    "protocol/src/",
    "actors/trust/src/",
    "actors/machines/src/",
    "actors/replay/src/",
    "simulations/src/",
];

/// What a pure crate may not name, each a hidden input or a side effect.
const IMPURE: &[&str] = &[
    "SystemTime",
    "Instant::now",
    "HashMap",
    "HashSet",
    "RandomState",
    "rand::",
    "tokio",
    "actix",
    "async",
    "await",
    "println!",
    "eprintln!",
    "print!",
    "eprint!",
    "std::fs",
    "std::net",
    "std::thread",
    "std::env",
    "std::process",
];

/// What of [`IMPURE`] the command of the simulations may name.
const COMMAND: &[&str] = &[
    "Instant::now",
    "println!",
    "eprintln!",
    "std::env",
    "std::fs",
    "std::process",
    "std::thread",
];

/// Modules of `std` that a grouped `use std::{…}` must not bring into a pure crate.
const IMPURE_MODULES: &[&str] = &["env", "fs", "net", "process", "thread"];

/// What no code of the workspace may name, and why.
const NOWHERE: &[(&str, &str)] = &[
    ("do_send", "do_send ignores the mailbox's capacity: use a permit and try_send"),
    ("todo!", "nothing is left to be written"),
    ("unimplemented!", "nothing is left to be written"),
    ("#[ignore", "a test that does not run is not a test"),
    ("unsafe", "there is no unsafe code"),
];

/// Marks of unfinished work, looked for in comments.
const UNFINISHED: &[&str] = &["FIXME", "XXX", "TODO", "HACK"];

/// A file is short enough to be one concern.
#[must_use]
pub fn file_length(source: &Source) -> Vec<Violation> {
    let lines = source.text.lines().count();
    if lines <= FILE_LINES {
        return Vec::new();
    }
    let rule = "a file has at most 600 lines";
    vec![source.violation(FILE_LINES + 1, rule, &format!("{lines} lines"))]
}

/// A line fits on a screen.
#[must_use]
pub fn line_length(source: &Source) -> Vec<Violation> {
    if LONG_LINES.iter().any(|(path, _)| *path == source.path) {
        return Vec::new();
    }
    let too_long = |(_, line): &(usize, &str)| line.chars().count() > LINE_CHARACTERS;
    let violation = |(index, line): (usize, &str)| {
        source.violation(index + 1, "a line has at most 100 characters", line)
    };
    source.text.lines().enumerate().filter(too_long).map(violation).collect()
}

/// A file says first what it is for.
#[must_use]
pub fn header(source: &Source) -> Vec<Violation> {
    let first = source.text.lines().next().unwrap_or_default();
    if first.starts_with("//! ") {
        return Vec::new();
    }
    vec![source.violation(1, "a file starts with a `//!` line", first)]
}

/// A module is named after what it holds.
#[must_use]
pub fn module_name(source: &Source) -> Vec<Violation> {
    let vague = |part: &str| {
        matches!(part.strip_suffix(".rs").unwrap_or(part), "utils" | "util" | "common" | "helpers")
    };
    if source.path.split('/').any(vague) {
        let rule = "a module is named after what it holds, not utils, common or helpers";
        return vec![source.violation(1, rule, &source.path)];
    }
    Vec::new()
}

/// A pure crate names no hidden input and no side effect.
#[must_use]
pub fn purity(source: &Source) -> Vec<Violation> {
    if !PURE.iter().any(|prefix| source.path.starts_with(prefix)) || source.is_test() {
        return Vec::new();
    }
    let command = source.path == "simulations/src/main.rs"
        || source.path.starts_with("simulations/src/command/");
    let rule = "a pure crate names no clock, randomness, hash map, runtime, file or socket";
    let mut found = Vec::new();
    for (line, text) in outside_tests(source) {
        for name in IMPURE.iter().filter(|name| !(command && COMMAND.contains(name))) {
            if names(text, name) {
                found.push(source.violation(line, rule, name));
            }
        }
        if let Some(group) = text.split_once("std::{").map(|(_, group)| group) {
            for module in IMPURE_MODULES.iter().filter(|module| names(group, module)) {
                found.push(source.violation(line, rule, &format!("std::{module}")));
            }
        }
    }
    found
}

/// Nothing is named that is banned from the whole workspace, and nothing is marked as unfinished.
#[must_use]
pub fn banned(source: &Source) -> Vec<Violation> {
    let mut found = Vec::new();
    for (index, text) in source.code.lines().enumerate() {
        for (name, rule) in NOWHERE {
            // The lint that forbids unsafe code names it, as an attribute of a crate.
            if names(text, name) && !text.contains("forbid(unsafe_code)") {
                found.push(source.violation(index + 1, rule, name));
            }
        }
    }
    for (index, text) in source.comments.lines().enumerate() {
        for mark in UNFINISHED.iter().filter(|mark| names(text, mark)) {
            found.push(source.violation(index + 1, "no comment marks unfinished work", mark));
        }
    }
    found
}

/// A test waits for what it waits for, not for time.
#[must_use]
pub fn no_sleep_in_tests(source: &Source) -> Vec<Violation> {
    let modules = source.test_modules();
    let in_test = |line: usize| {
        source.is_test() || modules.iter().any(|(first, last)| (*first..=*last).contains(&line))
    };
    let mut found = Vec::new();
    for (index, text) in source.code.lines().enumerate() {
        if in_test(index + 1) && (names(text, "sleep") || names(text, "sleep_until")) {
            found.push(source.violation(index + 1, "a test does not sleep", text));
        }
    }
    found
}

/// The line that names a place on the machine the project was written on, outside the repository.
#[must_use]
pub fn outside(text: &str) -> Option<usize> {
    let (beside, above) = (concat!("..", "/shared"), concat!("/work", "/"));
    // Other paths may have a part of that name: it counts where a path begins.
    let begins = |line: &str, at: usize| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|it| !it.is_alphanumeric() && !"_-.})$".contains(it))
    };
    let names_it = |line: &str| {
        line.contains(beside) || line.match_indices(above).any(|(at, _)| begins(line, at))
    };
    text.lines().position(names_it).map(|index| index + 1)
}

/// The line on which a private key in PEM begins: its first line, and base64 behind it.
#[must_use]
pub fn private_key(text: &str) -> Option<usize> {
    let base64 = |it: &char| it.is_ascii_alphanumeric() || matches!(it, '+' | '/' | '=');
    // In source and YAML the line break may be written as such or as an escape.
    let between = |it: &char| it.is_whitespace() || matches!(it, '\\' | 'n' | 'r' | '"');
    let (at, _) = text.match_indices("PRIVATE KEY-----").find(|(at, marker)| {
        let behind = text[at + marker.len()..].chars().skip_while(between);
        behind.take_while(base64).count() >= 32
    })?;
    Some(1 + text[..at].matches('\n').count())
}

/// The numbered lines of code that are not in a `#[cfg(test)]` module.
fn outside_tests(source: &Source) -> impl Iterator<Item = (usize, &str)> {
    let modules = source.test_modules();
    let numbered = source.code.lines().enumerate().map(|(index, text)| (index + 1, text));
    numbered.filter(move |(line, _)| {
        !modules.iter().any(|(first, last)| (*first..=*last).contains(line))
    })
}

/// Whether `text` holds `name` as words of its own, not as a part of longer ones.
#[must_use]
pub fn names(text: &str, name: &str) -> bool {
    let word = |found: Option<char>| found.is_some_and(|it| it.is_alphanumeric() || it == '_');
    let (starts, ends) = (word(name.chars().next()), word(name.chars().next_back()));
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + name.len()..].chars().next();
        !(starts && word(before) || ends && word(after))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [usize; 0] = [];

    fn found(rule: fn(&Source) -> Vec<Violation>, path: &str, text: &str) -> Vec<usize> {
        rule(&Source::new(path, text)).into_iter().map(|violation| violation.line).collect()
    }

    #[test]
    fn a_file_over_600_lines_is_reported_be_it_a_test_or_not() {
        for path in ["a/src/b.rs", "a/tests/b.rs"] {
            assert_eq!(found(file_length, path, &"\n".repeat(600)), NONE);
            assert_eq!(found(file_length, path, &"\n".repeat(601)), vec![601]);
        }
    }

    #[test]
    fn a_line_over_100_characters_is_reported_and_bytes_do_not_count() {
        assert_eq!(found(line_length, "a.rs", &"ä".repeat(100)), NONE);
        assert_eq!(found(line_length, "a.rs", &format!("\n{}", "a".repeat(101))), vec![2]);
    }

    #[test]
    fn a_file_without_its_purpose_is_reported() {
        assert_eq!(found(header, "a.rs", "//! What it is.\n"), NONE);
        assert_eq!(found(header, "a.rs", "// What it is.\n"), vec![1]);
        assert_eq!(found(header, "a.rs", ""), vec![1]);
    }

    #[test]
    fn a_vague_module_name_is_reported() {
        assert_eq!(found(module_name, "a/src/utils.rs", ""), vec![1]);
        assert_eq!(found(module_name, "a/src/common/mod.rs", ""), vec![1]);
        assert_eq!(found(module_name, "a/src/commonplace.rs", ""), NONE);
    }

    #[test]
    fn a_hidden_input_in_a_pure_crate_is_reported_but_not_in_its_tests_or_prose() {
        let machine = "actors/machines/src/a.rs";
        assert_eq!(found(purity, machine, "//! No HashMap.\nuse std::collections::HashMap;"), [2]);
        assert_eq!(found(purity, machine, "\nlet a = Instant::now();"), [2]);
        assert_eq!(found(purity, machine, "use std::{fs, io};"), [1]);
        assert_eq!(found(purity, machine, "let operand::A = \"tokio\";"), NONE);
        assert_eq!(found(purity, "actors/host/src/a.rs", "use tokio::net;"), NONE);
        let tests = "#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n";
        assert_eq!(found(purity, machine, tests), NONE);
        assert_eq!(found(purity, "simulations/src/main.rs", "println!()"), NONE);
        assert_eq!(found(purity, "simulations/src/lib.rs", "println!()"), [1]);
        let threads = "use std::thread;";
        assert_eq!(found(purity, "simulations/src/command/pool.rs", threads), NONE);
        assert_eq!(found(purity, "simulations/src/swarm/mod.rs", threads), [1]);
    }

    #[test]
    fn banned_names_and_marks_are_reported() {
        assert_eq!(found(banned, "a.rs", "actor.do_send(1);\n"), [1]);
        assert_eq!(found(banned, "a.rs", "actor.try_send(1);\n"), NONE);
        assert_eq!(found(banned, "a.rs", "#[ignore = \"slow\"]\n"), [1]);
        assert_eq!(found(banned, "a.rs", &["// FIX", "ME: later\n"].concat()), [1]);
    }

    #[test]
    fn a_private_key_is_found_and_its_label_alone_is_not() {
        let key = |text: &str| private_key(&format!("a\n-----BEGIN EC PRIVATE KEY-----{text}"));
        assert_eq!(key(&format!("\n{}\n", "Ab1+".repeat(12))), Some(2));
        assert_eq!(key(&format!("\\n{}", "Ab1+".repeat(12))), Some(2));
        assert_eq!(key("\", x);\n"), None);
    }

    #[test]
    fn a_place_outside_the_repository_is_found_and_a_part_of_that_name_is_not() {
        assert_eq!(outside(&["\nsee ..", "/shared/x"].concat()), Some(2));
        assert_eq!(outside(&["cd /work", "/main"].concat()), Some(1));
        assert_eq!(outside(&["$here/work", "/run"].concat()), None);
    }

    #[test]
    fn a_sleep_is_reported_in_a_test_only() {
        assert_eq!(found(no_sleep_in_tests, "a/tests/b.rs", "sleep(second).await"), [1]);
        assert_eq!(found(no_sleep_in_tests, "a/src/b.rs", "sleep(second).await"), NONE);
    }
}
