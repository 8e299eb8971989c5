//! Every oracle is told of in ARCHITECTURE.md, and has runs made by hand that keep its rule and
//! break it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::Path;

use portreeve_simulations::oracle::ORACLES;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn every_oracle_stands_in_architecture_md_with_its_rule() {
    let text = std::fs::read_to_string(root().join("../ARCHITECTURE.md")).expect("it is there");
    for oracle in ORACLES {
        let line = format!("| `{}` | {} |", oracle.id, oracle.rule);
        assert!(text.contains(&line), "ARCHITECTURE.md lacks this line:\n{line}");
    }
}

#[test]
fn every_oracle_has_an_id_of_its_own_that_is_the_name_of_its_file() {
    let ids: BTreeSet<_> = ORACLES.iter().map(|oracle| oracle.id).collect();
    assert_eq!(ids.len(), ORACLES.len());
    for id in ids {
        let plain = |letter: char| letter.is_ascii_lowercase() || letter == '-';
        assert!(id.chars().all(plain), "{id}");
        let file = format!("src/oracle/{}.rs", id.replace('-', "_"));
        assert!(root().join(&file).exists(), "there is no {file}");
    }
}

#[test]
fn every_oracle_has_tests_of_runs_that_keep_and_that_break_its_rule() {
    for oracle in ORACLES {
        let name = oracle.id.replace('-', "_");
        let file = root().join(format!("src/oracle/{name}.rs"));
        let text = std::fs::read_to_string(&file).expect("an oracle has a file");
        let tests = text.lines().filter_map(|line| line.trim().strip_prefix("fn "));
        let tests: Vec<&str> = tests.collect();
        for verbs in [["keep", "keeps"], ["break", "breaks"]] {
            let found = verbs
                .iter()
                .any(|verb| tests.iter().any(|test| test.contains(&format!("{verb}_{name}"))));
            assert!(found, "no test of {} is named `…_{}_{name}…`", oracle.id, verbs[1]);
        }
    }
}
