//! Rules about planted bugs: each is one line of the machine that it names, and no build has them
//! but one that asks for them.

use portreeve_protocol::planted::Bug;

use super::rules::names;
use super::{Source, Violation};

/// Where the bugs are declared.
const TABLE: &str = "protocol/src/planted.rs";
/// The feature that compiles them in.
const FEATURE: &str = "planted-bugs";
/// The crates that have it.
const FORWARDED: &[&str] = &[
    "actors/machines/Cargo.toml",
    "actors/replay/Cargo.toml",
    "actors/trust/Cargo.toml",
    "protocol/Cargo.toml",
];
/// The crate that may have it on, for a target of its own.
const MEASURED: &str = "simulations/Cargo.toml";

/// The bugs that are not in exactly one line, or in a line of another machine. What tests name is
/// not counted.
#[must_use]
pub fn placed(sources: &[Source]) -> Vec<Violation> {
    let rule = "a planted bug is one line of the machine that it names";
    let mut found = Vec::new();
    for bug in Bug::ALL {
        let name = format!("Bug::{bug:?}");
        let lines: Vec<_> = sources.iter().flat_map(|source| lines(source, &name)).collect();
        match lines.as_slice() {
            [(source, line)] => {
                let seats = bug.machine().sources();
                if !seats.iter().any(|seat| source.path.starts_with(seat)) {
                    found.push(source.violation(*line, rule, &name));
                }
            }
            [] => {
                let path = TABLE.to_owned();
                found.push(Violation { path, line: 1, rule, found: format!("{name} is nowhere") });
            }
            several => {
                found.extend(several.iter().map(|(it, line)| it.violation(*line, rule, &name)));
            }
        }
    }
    found
}

/// The lines of code outside tests and the table that hold `name`, counted from 1.
fn lines<'a>(source: &'a Source, name: &str) -> Vec<(&'a Source, usize)> {
    if source.path == TABLE || source.is_test() || source.path.starts_with("tests/") {
        return Vec::new();
    }
    let tests = source.test_modules();
    let in_test = |line: usize| tests.iter().any(|(first, last)| (*first..=*last).contains(&line));
    let numbered = source.code.lines().enumerate().map(|(index, text)| (index + 1, text));
    let holds = numbered.filter(|(line, text)| names(text, name) && !in_test(*line));
    holds.map(|(line, _)| (source, line)).collect()
}

/// The line of a manifest that has the feature on, or by default: a crate hands it on to others at
/// most, and only those that bugs sit in.
#[must_use]
pub fn enabled(path: &str, text: &str) -> Option<usize> {
    let hands_on = |line: &str| {
        let listed = line.strip_prefix("planted-bugs = [").and_then(|it| it.strip_suffix(']'));
        let each = |entry: &str| entry.trim_matches('"').ends_with("/planted-bugs");
        listed.is_some_and(|listed| listed.is_empty() || listed.split(", ").all(each))
    };
    let wrong = |line: &str| {
        let may = match path {
            MEASURED => !line.starts_with("default"),
            _ => FORWARDED.contains(&path) && hands_on(line),
        };
        line.contains(FEATURE) && !line.starts_with('#') && !may
    };
    text.lines().map(str::trim).position(wrong).map(|index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(path: &str, text: &str) -> Vec<String> {
        let bug = format!("Bug::{:?}", Bug::PinLeftOut);
        let text = text.replace("BUG", &bug);
        let found = placed(&[Source::new(path, text)]);
        let of = found.into_iter().filter(|it| it.found.starts_with(&bug));
        of.map(|it| format!("{}:{}", it.path, it.line)).collect()
    }

    #[test]
    fn a_bug_in_no_line_in_two_or_in_another_machine_is_reported() {
        let here = "actors/machines/src/admission/answer.rs";
        assert_eq!(places(here, "if planted::is(BUG) {}\n"), [""; 0]);
        assert_eq!(places(here, "// BUG\n"), [format!("{TABLE}:1")]);
        let twice = "planted::is(BUG);\nplanted::is(BUG);\n";
        assert_eq!(places(here, twice), [format!("{here}:1"), format!("{here}:2")]);
        let there = "actors/machines/src/notary/end.rs";
        assert_eq!(places(there, "\nplanted::is(BUG);\n"), [format!("{there}:2")]);
        let tests = "planted::is(BUG);\n#[cfg(test)]\nmod tests {\n choose(BUG);\n}\n";
        assert_eq!(places(here, tests), [""; 0]);
    }

    #[test]
    fn a_manifest_that_has_the_feature_on_is_reported() {
        let trust = "actors/trust/Cargo.toml";
        let handed_on = "[features]\nplanted-bugs = [\"portreeve-protocol/planted-bugs\"]\n";
        assert_eq!(enabled(trust, handed_on), None);
        assert_eq!(enabled("actors/host/Cargo.toml", handed_on), Some(2));
        assert_eq!(enabled(trust, "default = [\"planted-bugs\"]\n"), Some(1));
        let depends = "portreeve-trust = { workspace = true, features = [\"planted-bugs\"] }\n";
        assert_eq!(enabled(trust, depends), Some(1));
        assert_eq!(enabled(MEASURED, depends), None);
        assert_eq!(enabled(MEASURED, "default = [\"planted-bugs\"]\n"), Some(1));
    }
}
