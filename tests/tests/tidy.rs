//! The house rules, applied to every file of the workspace and to its dependency graph.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;

use portreeve_tests::tidy::graph::{BANNED, Graph, KEPT, LAYERS, SIDE_EFFECTS, built, resolve};
use portreeve_tests::tidy::{
    Source, Violation, forms, function, lint, manual, pages, planted, reasons, report, rules, tree,
};

/// Applies `rule` to every Rust file and fails with file, line and rule.
fn hold(rule: fn(&Source) -> Vec<Violation>) {
    let sources = tree::sources(&tree::root()).expect("the workspace can be read");
    assert!(sources.len() > 50, "only {} Rust files were found", sources.len());
    let violations: Vec<Violation> = sources.iter().flat_map(rule).collect();
    assert!(violations.is_empty(), "\n{}\n", report(violations));
}

/// Every file whose text `is_wrong` finds fault with, at the line it returns.
fn hold_of_all_files(rule: &'static str, is_wrong: impl Fn(&str) -> Option<usize>) {
    let root = tree::root();
    let mut violations = Vec::new();
    for path in tree::files(&root).expect("the workspace can be read") {
        let bytes = std::fs::read(root.join(&path)).expect("a file of the workspace can be read");
        let text = String::from_utf8_lossy(&bytes);
        if let Some(line) = is_wrong(&text) {
            violations.push(Violation { found: path.clone(), path, line, rule });
        }
    }
    assert!(violations.is_empty(), "\n{}\n", report(violations));
}

fn graph() -> Graph {
    resolve(&tree::root()).expect("cargo knows the workspace")
}

#[test]
fn a_file_is_short_enough_to_be_one_concern() {
    hold(rules::file_length);
}

#[test]
fn a_line_fits_on_a_screen() {
    hold(rules::line_length);
}

#[test]
fn a_function_fits_on_a_screen() {
    hold(function::length);
}

#[test]
fn a_file_says_first_what_it_is_for() {
    hold(rules::header);
}

#[test]
fn a_module_is_named_after_what_it_holds() {
    hold(rules::module_name);
}

#[test]
fn pure_crates_name_no_hidden_input_and_no_side_effect() {
    hold(rules::purity);
}

#[test]
fn nothing_banned_is_named_and_nothing_is_left_unfinished() {
    hold(rules::banned);
}

#[test]
fn tests_do_not_sleep() {
    hold(rules::no_sleep_in_tests);
}

#[test]
fn nothing_refers_to_a_place_outside_the_repository() {
    hold_of_all_files("the repository stands by itself", rules::outside);
}

#[test]
fn private_keys_stand_only_in_files_marked_test_only() {
    hold_of_all_files("a private key stands only in a file marked TEST ONLY", |text| {
        rules::private_key(text).filter(|_| !text.contains("TEST ONLY"))
    });
}

#[test]
fn a_planted_bug_is_one_line_of_the_machine_that_it_names() {
    let sources = tree::sources(&tree::root()).expect("the workspace can be read");
    let violations = planted::placed(&sources);
    assert!(violations.is_empty(), "\n{}\n", report(violations));
}

#[test]
fn no_manifest_but_that_of_the_simulations_has_planted_bugs_on() {
    let root = tree::root();
    let mut manifests = tree::files(&root).expect("the workspace can be read");
    manifests.retain(|path| path.ends_with("Cargo.toml"));
    assert!(manifests.len() > 10, "only {} manifests were found", manifests.len());
    for path in manifests {
        let text = tree::read(&root, &path).expect("a manifest can be read");
        assert_eq!(planted::enabled(&path, &text), None, "{path}");
    }
    let host = tree::read(&root, "actors/host/src/lib.rs").expect("the host is there");
    assert!(host.contains("!portreeve_protocol::planted::COMPILED"), "the host refuses them");
}

#[test]
fn every_path_the_documents_name_exists() {
    let root = tree::root();
    let mut violations = Vec::new();
    for document in ["ARCHITECTURE.md", "README.md"] {
        let text = tree::read(&root, document).expect("the document is there");
        violations.extend(manual::dead_paths(document, &text, |path| root.join(path).exists()));
    }
    assert!(violations.is_empty(), "\n{}\n", report(violations));
}

#[test]
fn the_code_map_names_every_crate_and_module_directory() {
    let root = tree::root();
    let needed = manual::directories(&tree::files(&root).expect("the workspace can be read"));
    let text = tree::read(&root, "ARCHITECTURE.md").expect("ARCHITECTURE.md is there");
    let violations = manual::unnamed("ARCHITECTURE.md", &text, &needed);
    assert!(violations.is_empty(), "\n{}\n", report(violations));
}

/// Holds a page equal to what is written from a table.
fn hold_page(document: &str, wanted: &str) {
    let path = tree::root().join(document);
    if std::env::var_os("PORTREEVE_BLESS").is_some() {
        std::fs::write(&path, wanted).expect("the page can be written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let differ = wanted.lines().zip(found.lines()).position(|(wanted, found)| wanted != found);
    let line = differ.unwrap_or_else(|| wanted.lines().count().min(found.lines().count())) + 1;
    assert!(
        wanted == found,
        "{document}:{line}: is not what the table gives; run with PORTREEVE_BLESS=1"
    );
}

#[test]
fn the_page_of_reasons_is_the_table_of_codes() {
    hold_page("docs/reasons.md", &reasons::page());
}

#[test]
fn the_page_of_lint_is_the_table_of_codes() {
    hold_page("docs/lint.md", &lint::page());
}

#[test]
fn the_page_of_metrics_is_the_table_of_metrics() {
    hold_page("docs/metrics.md", &pages::metrics());
}

#[test]
fn the_page_of_log_lines_is_the_table_of_facts() {
    hold_page("docs/logging.md", &pages::logging());
}

#[test]
fn the_page_of_forms_is_what_the_types_declare() {
    let shapes = forms::declared(&tree::root()).expect("the workspace can be read");
    assert_eq!(forms::without_meaning(&shapes), Vec::<String>::new());
    hold_page("docs/journal-forms.md", &forms::page(&shapes));
}

#[test]
fn crates_depend_in_one_direction_only() {
    let graph = graph();
    let known: BTreeSet<&str> = LAYERS.iter().map(|(name, _)| *name).collect();
    let strangers: Vec<&String> = graph
        .members
        .iter()
        .filter(|name| !known.contains(name.as_str()) && *name != "portreeve-tests")
        .collect();
    assert!(strangers.is_empty(), "give these crates a place in LAYERS: {strangers:?}");
    assert_eq!(graph.wrong_direction(LAYERS), Vec::<String>::new());
}

#[test]
fn pure_crates_reach_no_runtime_network_or_shared_map() {
    let graph = graph();
    let mut found = Vec::new();
    for package in [
        "portreeve-protocol",
        "portreeve-trust",
        "portreeve-machines",
        "portreeve-replay",
        "portreeve-simulations",
    ] {
        for wanted in SIDE_EFFECTS {
            // The simulator takes its signed documents from the lab, which can also serve them;
            // what the simulator itself names is held by the purity rule.
            found.extend(graph.path(package, wanted, &["portreeve-lab"]));
        }
    }
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn simulations_and_replay_reach_neither_host_nor_actix_by_any_way() {
    let graph = graph();
    let mut found = Vec::new();
    for package in ["portreeve-simulations", "portreeve-replay"] {
        for wanted in ["portreeve-host", "actix", "kube", "dashmap"] {
            found.extend(graph.path(package, wanted, &[]));
        }
    }
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn a_package_with_one_keeper_is_used_by_no_other_crate() {
    assert_eq!(graph().unkept(KEPT), Vec::<String>::new());
}

#[test]
fn nothing_is_built_with_a_second_provider_of_cryptography() {
    let built = built(&tree::root()).expect("cargo knows the workspace");
    assert!(built.contains("aws-lc-rs"), "cargo tree lists what is built: {built:?}");
    let found: Vec<&&str> = BANNED.iter().filter(|name| built.contains(**name)).collect();
    assert!(found.is_empty(), "{found:?}");
}

/// Cargo writes every optional dependency that some feature could strengthen into the lock file:
/// `rustls-webpki` has one on `ring` (`ring?/alloc`) that is never turned on.
#[test]
fn the_lock_file_names_no_second_provider_but_one_that_is_never_built() {
    let lock = tree::read(&tree::root(), "Cargo.lock").expect("Cargo.lock is there");
    for package in lock.split("[[package]]").skip(1) {
        let name = package.lines().find_map(|line| line.strip_prefix("name = "));
        let name = name.unwrap_or_default().trim_matches('"');
        assert!(name == "ring" || !BANNED.contains(&name), "{name} is in Cargo.lock");
        if package.contains("\n \"ring\"") {
            assert_eq!(name, "rustls-webpki", "{name} may be built with ring");
        }
    }
}
