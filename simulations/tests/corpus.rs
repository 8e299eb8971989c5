//! Every scenario of the corpus, run again: none may break a rule any more.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::PathBuf;

use portreeve_simulations::shrink::Case;
use portreeve_simulations::swarm::{Ending, examine};

fn cases() -> Vec<(PathBuf, Case)> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut paths: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        let case = serde_json::from_str(&text);
        let case = case.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path, case)
    };
    paths.into_iter().map(read).collect()
}

#[test]
fn no_scenario_of_the_corpus_breaks_a_rule() {
    let cases = cases();
    assert!(cases.len() >= 8, "{} scenarios", cases.len());
    for (path, case) in cases {
        let (examined, outcome) = examine(&case.scenario, case.seed);
        let Ending::Held = examined.ending else {
            panic!("{} ({}): {:?}", path.display(), case.rule, examined.ending)
        };
        let wrong = case.wrong_answers(&outcome.unwrap());
        assert!(wrong.is_empty(), "{} ({}): {wrong:?}", path.display(), case.rule);
        assert!(examined.tally.reviews > 0, "{}: nothing was decided", path.display());
    }
}

#[test]
fn a_scenario_of_the_corpus_is_named_after_its_rule_and_says_it() {
    for (path, case) in cases() {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let kebab = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        assert!(name.bytes().all(kebab), "{name}");
        assert!(case.rule.ends_with('.') && case.rule.len() > 20, "{name}: {}", case.rule);
    }
}
