//! The committed inputs of the fuzzer, through the functions it calls.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::PathBuf;

use portreeve_tests::fuzz::TARGETS;
use portreeve_tests::tidy::tree;

/// Bytes of all committed inputs together.
const CORPUS_BYTES: u64 = 300 << 10;
/// Inputs that each function has at least.
const INPUTS: usize = 15;

fn corpus() -> PathBuf {
    tree::root().join("tests/fuzz/corpus")
}

/// The names of the entries of a directory, sorted.
fn entries(directory: &PathBuf) -> Vec<String> {
    let entries = std::fs::read_dir(directory).expect("the corpus is there");
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name();
    let mut names: Vec<_> =
        entries.map(|entry| name(entry).to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Calls the fuzz function `target` with each of its inputs; which one it fails on is said last.
fn hold(target: &str) {
    let (_, function) = TARGETS.iter().find(|(name, _)| *name == target).expect("it is a target");
    let directory = corpus().join(target);
    let inputs = entries(&directory);
    assert!(inputs.len() >= INPUTS, "{target} has {} inputs only", inputs.len());
    for name in inputs {
        let data = std::fs::read(directory.join(&name)).unwrap();
        let held = std::panic::catch_unwind(|| function(&data));
        assert!(held.is_ok(), "tests/fuzz/corpus/{target}/{name}");
    }
}

#[test]
fn keys_have_one_encoding_and_certificates_carry_what_their_issuer_signed() {
    hold("certificate");
}

#[test]
fn a_token_header_yields_no_realm_that_is_not_in_it() {
    hold("challenge");
}

#[test]
fn a_recorded_collection_with_changes_is_never_verified_as_another() {
    hold("collection");
}

#[test]
fn what_is_read_as_json_is_its_canonical_form() {
    hold("json");
}

#[test]
fn a_policy_is_understood_in_one_way_and_whole() {
    hold("policy");
}

#[test]
fn a_reference_is_written_as_it_is_read() {
    hold("reference");
}

#[test]
fn what_is_validly_signed_is_verified_as_what_it_says() {
    hold("signed");
}

#[test]
fn every_fuzz_function_has_its_inputs_and_its_coverage_guided_target() {
    let names: Vec<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(entries(&corpus()), names);
    let files: Vec<_> = names.iter().map(|name| format!("{name}.rs")).collect();
    assert_eq!(entries(&tree::root().join("tests/fuzz/fuzz_targets")), files);
}

#[test]
fn the_committed_inputs_are_small() {
    let sizes = TARGETS.iter().flat_map(|(name, _)| {
        let directory = corpus().join(name);
        entries(&directory).into_iter().map(move |name| directory.join(name))
    });
    let bytes: u64 = sizes.map(|path| path.metadata().unwrap().len()).sum();
    assert!(bytes <= CORPUS_BYTES, "{bytes} bytes");
}
