//! The command as its user meets it: run as a process, judged by what it prints and its status.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output};

fn portreeve(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_portreeve")).args(arguments).output().unwrap()
}

fn text(output: &Output) -> String {
    let all = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8(all).unwrap()
}

/// The first uid of a review in the journal, in plain text as `jq` would find it.
fn some_uid(segment: &Path) -> String {
    let text = fs::read_to_string(segment).unwrap();
    let (_, rest) = text.split_once("\"uid\":\"").unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

#[test]
fn the_demo_holds_and_its_journal_replays_and_explains_until_a_byte_is_edited() {
    let directory = tempfile::tempdir().unwrap();
    let journal = directory.path().join("journal");
    let name = journal.to_str().unwrap();

    let demo = portreeve(&["demo", "--journal", name]);
    assert_eq!(demo.status.code(), Some(0), "{}", text(&demo));
    for expected in ["pinned", "signer-missing", "trust-server-unreachable", "decisions identical"]
    {
        assert!(text(&demo).contains(expected), "{expected}: {}", text(&demo));
    }
    assert!(!text(&demo).contains('\x1b'), "colours are for terminals only");

    let verified = portreeve(&["replay", "verify", name]);
    assert_eq!(verified.status.code(), Some(0), "{}", text(&verified));

    let segment = fs::read_dir(journal.join("segments")).unwrap().next().unwrap().unwrap().path();
    let explained = portreeve(&["explain", &some_uid(&segment), "--journal", name]);
    assert_eq!(explained.status.code(), Some(0), "{}", text(&explained));

    reviews_are_found_listed_and_told(name);
    a_segment_in_the_middle_is_no_beginning(name, &segment);
    lost_output_is_an_error(name);

    let mut bytes = fs::read(&segment).unwrap();
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
    let place = bytes.windows(9).rposition(|window| window == b"\"allowed\"").unwrap();
    let line = bytes[..place].iter().filter(|byte| **byte == b'\n').count() + 1;
    bytes[place + 1] = b'A';
    fs::write(&segment, bytes).unwrap();
    let altered = portreeve(&["replay", "verify", name]);
    assert_eq!(altered.status.code(), Some(1), "{}", text(&altered));
    let said = text(&altered);
    assert!(said.contains(&format!("line {line}: altered-record")), "{line} of {lines}: {said}");
    what_stands_before_an_edit_is_told(name, &segment, line);
}

/// The end of the journal is altered at `line`.
fn what_stands_before_an_edit_is_told(name: &str, segment: &Path, line: usize) {
    let uid = some_uid(segment);
    let told = portreeve(&["explain", &uid, "--journal", name]);
    assert_eq!(told.status.code(), Some(2), "{}", text(&told));
    assert!(String::from_utf8_lossy(&told.stdout).contains(&uid), "{}", text(&told));
    assert!(String::from_utf8_lossy(&told.stderr).contains(&format!("line {line}: ")));
    let listed = portreeve(&["explain", "--journal", name, "--json"]);
    assert_eq!(listed.status.code(), Some(2), "{}", text(&listed));
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert!(listed["found"].as_u64().is_some_and(|found| found > 1), "{listed}");
    assert!(listed["broken_off"].as_str().is_some_and(|why| why.contains("replay verify")));
    let none = portreeve(&["explain", "no-such-uid", "--journal", name]);
    assert_eq!((none.status.code(), none.stdout.len()), (Some(2), 0), "{}", text(&none));
}

#[test]
fn a_blob_that_cannot_be_read_is_not_called_missing() {
    let directory = tempfile::tempdir().unwrap();
    let name = directory.path().to_str().unwrap();
    let demo = portreeve(&["demo", "--journal", name]);
    assert_eq!(demo.status.code(), Some(0), "{}", text(&demo));
    let blobs = directory.path().join("blobs/sha256");
    for shelf in fs::read_dir(&blobs).unwrap() {
        for blob in fs::read_dir(shelf.unwrap().path()).unwrap() {
            let path = blob.unwrap().path();
            fs::remove_file(&path).unwrap();
            // Nobody can read a directory as if it were a document, whatever his rights.
            fs::create_dir(path).unwrap();
        }
    }
    let verified = portreeve(&["replay", "verify", name]);
    assert_eq!(verified.status.code(), Some(2), "{}", text(&verified));
    assert!(text(&verified).contains("cannot be read"), "{}", text(&verified));
}

/// Splits the journal in the middle, and joins it again.
fn a_segment_in_the_middle_is_no_beginning(name: &str, segment: &Path) {
    let whole = fs::read(segment).unwrap();
    let middle = whole.iter().take(whole.len() / 2).rposition(|byte| *byte == b'\n').unwrap() + 1;
    let second = segment.with_file_name("00000002.ndjson");
    fs::write(segment, &whole[..middle]).unwrap();
    fs::write(&second, &whole[middle..]).unwrap();
    let all = portreeve(&["replay", "verify", name]);
    assert_eq!(all.status.code(), Some(0), "{}", text(&all));
    let from = portreeve(&["replay", "verify", name, "--from", "2"]);
    assert_eq!(from.status.code(), Some(2), "{}", text(&from));
    assert!(text(&from).contains("opens neither with a start"), "{}", text(&from));
    fs::remove_file(second).unwrap();
    fs::write(segment, whole).unwrap();
}

/// Half a report must not be taken for the whole.
fn lost_output_is_an_error(name: &str) {
    for words in [&["replay", "verify", name, "--json"][..], &["explain", "--journal", name]] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_portreeve"));
        let output = command.args(words).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        assert!(text(&output).contains("the output is incomplete"), "{}", text(&output));
    }
}

/// Looks through the demo's journal in every way there is.
fn reviews_are_found_listed_and_told(name: &str) {
    let explain = |filters: &[&str]| {
        let output = portreeve(&[&["explain", "--journal", name], filters].concat());
        (output.status.code(), text(&output))
    };
    let json = |filters: &[&str]| -> serde_json::Value {
        let (status, said) = explain(&[filters, &["--json"]].concat());
        assert_eq!(status, Some(0), "{said}");
        serde_json::from_str(&said).unwrap()
    };
    let (_, all) = explain(&[]);
    assert!(all.starts_with("TIME ") && all.contains("--all"), "{all}");
    let total = json(&[])["found"].as_u64().unwrap();
    let denied = json(&["--denied"])["found"].as_u64().unwrap();
    let allowed = json(&["--allowed"])["found"].as_u64().unwrap();
    assert_eq!((denied > 0, allowed > 0, denied + allowed), (true, true, total));

    let (_, one) = explain(&["--code", "signer-missing"]);
    assert!(one.starts_with("Review   CREATE Pod default/worker"), "{one}");
    let full = json(&["--workload", "Pod/default/worker", "--since", "1h"]);
    assert_eq!(full["explained"], true);
    assert_eq!(full["reviews"][0]["code"], "signer-missing");
    let same = json(&["--workload", "default/worker", "--kind", "pod"]);
    assert_eq!(same["reviews"][0]["event"], full["reviews"][0]["event"]);
    let image = full["reviews"][0]["images"][0]["image"].as_str().unwrap();
    let named = json(&["--image", image.split_once(':').unwrap().0, "--denied"]);
    assert_eq!(named["reviews"][0]["uid"], full["reviews"][0]["uid"]);

    let newest = json(&["--limit", "1", "--denied"]);
    assert_eq!((&newest["found"], &newest["left_out"]), (&denied.into(), &(denied - 1).into()));
    let each = json(&["--limit", "2", "--all"]);
    assert_eq!(each["reviews"].as_array().map(Vec::len), Some(2));
    assert!(each["reviews"][1]["events"].is_array());

    let (status, none) = explain(&["--until", "1h"]);
    assert_eq!(status, Some(1), "{none}");
    assert!(none.contains("holds no review until ") && none.contains("received from"), "{none}");
    for (filters, advice) in [
        (["--since", "yesterday"], "15m"),
        (["--workload", "worker"], "NAMESPACE/NAME"),
        (["--code", "signer"], "signer-missing"),
        (["--image", "@sha256:1"], "64 hexadecimal digits"),
        (["--limit", "0"], "1..=1000"),
    ] {
        let (status, said) = explain(&filters);
        assert_eq!(status, Some(2), "{said}");
        assert!(said.contains(advice), "{said}");
    }

    let verified = portreeve(&["replay", "verify", name, "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&verified.stdout).unwrap();
    assert_eq!((&report["outcome"], &report["exit_status"]), (&"identical".into(), &0.into()));
    assert_eq!(report["decisions"], total);
    assert_eq!(report["finding"], serde_json::Value::Null);
    let from = portreeve(&["replay", "verify", name, "--from", "00000001.ndjson"]);
    assert_eq!(from.status.code(), Some(0), "{}", text(&from));
    let nowhere = portreeve(&["replay", "verify", name, "--from", "7"]);
    assert_eq!(nowhere.status.code(), Some(2), "{}", text(&nowhere));
    assert!(text(&nowhere).contains("no such segment"), "{}", text(&nowhere));
}

#[test]
fn every_member_of_a_verification_in_json_is_named_by_the_page() {
    let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/explain.md"));
    let directory = tempfile::tempdir().unwrap();
    let segments = directory.path().join("segments");
    fs::create_dir(&segments).unwrap();
    fs::write(segments.join("00000001.ndjson"), b"{}\n").unwrap();
    let name = directory.path().to_str().unwrap();
    let verified = portreeve(&["replay", "verify", name, "--json"]);
    assert_eq!(verified.status.code(), Some(1), "{}", text(&verified));
    let report: serde_json::Value = serde_json::from_slice(&verified.stdout).unwrap();
    let of_finding = report["finding"].as_object().unwrap().keys();
    for member in report.as_object().unwrap().keys().chain(of_finding) {
        assert!(page.contains(&format!("`{member}`")), "{member}");
    }
}

#[test]
fn a_review_that_the_journal_does_not_hold_is_a_negative_result() {
    let directory = tempfile::tempdir().unwrap();
    let segments = directory.path().join("segments");
    fs::create_dir(&segments).unwrap();
    fs::write(segments.join("00000001.ndjson"), b"").unwrap();
    let name = directory.path().to_str().unwrap();
    let unknown = portreeve(&["explain", "no-such-uid", "--journal", name]);
    assert_eq!(unknown.status.code(), Some(1), "{}", text(&unknown));
    assert!(text(&unknown).contains("no-such-uid"));
}

#[test]
fn wrong_usage_and_missing_journals_have_status_2_and_say_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let name = directory.path().to_str().unwrap();
    let missing = portreeve(&["replay", "verify", name]);
    assert_eq!(missing.status.code(), Some(2), "{}", text(&missing));
    assert!(text(&missing).contains("holds no journal"));

    let nowhere = directory.path().join("file");
    fs::write(&nowhere, b"").unwrap();
    let demo = portreeve(&["demo", "--journal", nowhere.join("journal").to_str().unwrap()]);
    assert_eq!(demo.status.code(), Some(2), "{}", text(&demo));
    assert!(text(&demo).contains("cannot make"), "{}", text(&demo));

    let unknown = portreeve(&["serve", "--listne", "127.0.0.1:0"]);
    assert_eq!(unknown.status.code(), Some(2));
    let incomplete = portreeve(&["serve", "--objects", name]);
    assert_eq!(incomplete.status.code(), Some(2));
    assert!(text(&incomplete).contains("--tls-cert"), "{}", text(&incomplete));
}

#[test]
fn an_unknown_key_of_the_configuration_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("portreeve.yaml");
    fs::write(&file, "objects: /tmp\nlistne: 127.0.0.1:0\n").unwrap();
    let refused = portreeve(&["serve", "--config", file.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
    assert!(text(&refused).contains("listne"), "{}", text(&refused));
}

/// Ends the process however the test ends.
struct Served(std::process::Child);

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn serve_ends_with_status_0_when_it_is_told_to_terminate() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path();
    let tls = portreeve_lab::LoopbackTls::new().unwrap();
    fs::write(place.join("tls.crt"), tls.certificate_pem()).unwrap();
    fs::write(place.join("tls.key"), tls.key_pem()).unwrap();
    fs::create_dir(place.join("objects")).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_portreeve"))
        .current_dir(place)
        .args(["serve", "--listen", "127.0.0.1:0", "--tls-cert", "tls.crt", "--tls-key"])
        .args(["tls.key", "--objects", "objects", "--data-dir", "data"])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut served = Served(child);
    let mut log = BufReader::new(served.0.stderr.take().unwrap()).lines();
    // The log says when reviews are received; until then a signal would only end the start.
    let receiving = log.find(|line| line.as_ref().unwrap().contains("reviews are received"));
    assert!(receiving.is_some());
    let pid = served.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let rest: Vec<String> = log.map(Result::unwrap).collect();
    assert_eq!(served.0.wait().unwrap().code(), Some(0), "{rest:?}");
    assert!(rest.iter().any(|line| line.contains("SIGTERM")), "{rest:?}");

    let data = place.join("data");
    let verified = portreeve(&["replay", "verify", data.to_str().unwrap()]);
    assert_eq!(verified.status.code(), Some(0), "{}", text(&verified));
}
