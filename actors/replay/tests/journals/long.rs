//! Long journals: how much memory and time they take. For rates:
//! `PORTREEVE_TEST_REVIEWS=20000 cargo test --release -p portreeve-replay --test journals
//! every_warm_review -- --nocapture`.

use std::process::Command;
use std::time::Instant;

use portreeve_protocol::messages::admission::AdmissionInput;
use portreeve_protocol::{ActorId, Outside, codec};
use portreeve_replay::explain::Selection;
use portreeve_replay::{Line, ReplayError, explain, find, verify};

use crate::rig::{Blobs, Rig, SEGMENT, review};

/// How many reviews a test works through; more of them in a process of its own, and for a rate.
const REVIEWS: &str = "PORTREEVE_TEST_REVIEWS";

const IMAGES: [&str; 2] =
    ["registry.lab:5000/team/signers:alice-only", "registry.lab:5000/team/signers:both-same"];

/// A rig that has fetched what the reviews of `warm` need.
fn warmed() -> Rig {
    let mut rig = Rig::new();
    rig.policies();
    warm(&mut rig, 0);
    rig
}

/// One review of two images, decided from what is kept, patched and sealed, and its answer.
fn warm(rig: &mut Rig, number: u64) {
    let mut facts = review(&format!("u-{number}"), &IMAGES);
    facts.sealing = true;
    let input = AdmissionInput::Review(facts.into());
    rig.outside(ActorId::Admission, Outside::Webhook, input.into());
}

/// The lines of a journal that is written while it is read, so that it is never in memory.
fn streamed(mut rig: Rig, reviews: u64) -> impl Iterator<Item = Result<Line, ReplayError>> {
    let mut number = 0;
    let mut left: std::vec::IntoIter<Vec<u8>> = Vec::new().into_iter();
    (1..).map_while(move |line| {
        let bytes = loop {
            if let Some(bytes) = left.next() {
                break bytes;
            }
            if number == reviews {
                return None;
            }
            if number > 0 {
                warm(&mut rig, number);
            }
            number += 1;
            let written = std::mem::take(&mut rig.journal);
            let lines = written.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec);
            left = lines.collect::<Vec<_>>().into_iter();
        };
        Some(Ok(Line { bytes, number: line, segment: SEGMENT.into() }))
    })
}

fn reviews() -> u64 {
    std::env::var(REVIEWS).map_or(100, |text| text.parse().unwrap())
}

/// The most memory that a child process ever had, in KiB, after working through so many reviews.
fn peak_of(test: &str, reviews: u64) -> u64 {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads", "1"])
        .env(REVIEWS, reviews.to_string())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}");
    let (_, rest) = text.split_once("VmHWM:").unwrap_or_else(|| panic!("{text}"));
    rest.split_whitespace().next().unwrap().parse().unwrap()
}

fn print_peak() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    println!("{}", status.lines().find(|line| line.starts_with("VmHWM:")).unwrap());
}

#[test]
fn a_journal_is_verified_while_it_is_written() {
    let reviews = reviews();
    let rig = warmed();
    let blobs = Blobs::default();
    blobs.0.borrow_mut().extend(rig.blobs.0.borrow().clone());
    let report = verify(streamed(rig, reviews), &blobs, &mut |_| {}).unwrap();
    assert_eq!(report.first, None);
    assert_eq!(report.decisions, reviews);
    print_peak();
}

#[test]
fn a_journal_is_explained_while_it_is_written() {
    let reviews = reviews();
    let found = find(streamed(warmed(), reviews), &Selection::default(), 20);
    assert_eq!((found.matches.len(), found.reviews, found.broken_off), (20, reviews, None));
    let events = found.matches.into_iter().map(|found| found.event).collect();
    let told = explain(streamed(warmed(), reviews), &Blobs::default(), events);
    assert_eq!((told.reviews.len(), told.broken_off), (20, None));
    print_peak();
}

#[test]
fn memory_of_a_verification_does_not_grow_with_the_journal() {
    let (short, long) = (
        peak_of("long::a_journal_is_verified_while_it_is_written", 500),
        peak_of("long::a_journal_is_verified_while_it_is_written", 3_000),
    );
    assert!(long < short + 512, "{short} KiB and {long} KiB");
}

#[test]
fn memory_of_an_explanation_does_not_grow_with_the_journal() {
    let (short, long) = (
        peak_of("long::a_journal_is_explained_while_it_is_written", 500),
        peak_of("long::a_journal_is_explained_while_it_is_written", 3_000),
    );
    assert!(long < short + 512, "{short} KiB and {long} KiB");
}

#[test]
fn every_warm_review_of_a_long_journal_is_run_again() {
    let reviews = reviews();
    let mut rig = warmed();
    let before = rig.journal.len();
    for number in 1..reviews {
        warm(&mut rig, number);
    }
    let megabytes = rig.journal.len() as f64 / 1e6;
    let records = rig.journal.iter().filter(|byte| **byte == b'\n').count() as f64;
    let show = |what: &str, started: Instant| {
        let seconds = started.elapsed().as_secs_f64();
        println!("{what}: {:.0} records/s, {:.0} MB/s", records / seconds, megabytes / seconds);
    };
    println!("{records} records, {megabytes:.1} MB, {before} bytes of them not warm");
    let started = Instant::now();
    for line in rig.journal.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        codec::read_line(line).unwrap();
    }
    show("read_line", started);
    let started = Instant::now();
    let report = verify(rig.lines(), &rig.blobs, &mut |_| {}).unwrap();
    show("verify", started);
    assert_eq!((report.first, report.decisions), (None, reviews));
    let started = Instant::now();
    rig.found(&Selection::default(), 20);
    show("find", started);
}
