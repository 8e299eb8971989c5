//! What was persisted once must be read for ever: a golden line for every persisted shape.
//!
//! A file under the folder of a released schema version never changes. A new shape gets a new file:
//! make it empty, run this test, and put there the line it prints. A changed shape needs a new
//! schema version, a folder of its own, and defaults for what older records lack.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod inputs;
mod order;
mod samples;

use std::collections::BTreeSet;

use order::Ordered;
use portreeve_protocol::entry::{Delivered, Restored};
use portreeve_protocol::messages::admission::{AdmissionInput, ResolutionOutcome};
use portreeve_protocol::messages::notary::{FetchOutcome, NotaryInput, VerifyOutcome};
use portreeve_protocol::messages::policy::PolicyInput;
use portreeve_protocol::messages::verify::VerifyInput;
use portreeve_protocol::seal::RevokedSeal;
use portreeve_protocol::{
    ActorId, Cause, Effect, Entry, Input, Outside, ProtocolError, Sha256, codec,
};

macro_rules! golden {
    ($($name:literal),* $(,)?) => {
        /// Name and content of every golden file.
        const FILES: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("v7/", $name, ".jsonl")))),*];
    };
}

golden! {
    "answered",
    "checkpoint",
    "delivered-admission-acknowledge-clock",
    "delivered-admission-bundle-failed",
    "delivered-admission-bundle-loaded",
    "delivered-admission-drain",
    "delivered-admission-forgotten",
    "delivered-admission-hop-refused",
    "delivered-admission-owner-found",
    "delivered-admission-policies",
    "delivered-admission-resolution-absent",
    "delivered-admission-resolution-refused",
    "delivered-admission-resolution-unavailable",
    "delivered-admission-resolution-verified",
    "delivered-admission-review",
    "delivered-admission-revoke-seal",
    "delivered-admission-timer",
    "delivered-notary-fetched-absent",
    "delivered-notary-fetched-document",
    "delivered-notary-fetched-failed",
    "delivered-notary-forget",
    "delivered-notary-resolve",
    "delivered-notary-timer",
    "delivered-notary-verification-missing",
    "delivered-notary-verification-refused",
    "delivered-notary-verification-verified",
    "delivered-notary-verifier-refused",
    "delivered-policy-applied",
    "delivered-policy-deleted",
    "delivered-policy-relisted",
    "delivered-policy-watch-lost",
    "delivered-policy-watch-restored",
    "delivered-verify-request",
    "gap",
    "panicked",
    "started",
}

const EFFECTS: &str = include_str!("v7/effects.jsonl");

/// The golden file an entry belongs in. A new variant does not compile before it has a name here.
fn file_of(entry: &Entry) -> String {
    match entry {
        Entry::Answered(_) => "answered".to_owned(),
        Entry::Checkpoint(_) => "checkpoint".to_owned(),
        Entry::Delivered(Delivered { input, .. }) => format!("delivered-{}", name_of(input)),
        Entry::Gap(_) => "gap".to_owned(),
        Entry::Panicked(_) => "panicked".to_owned(),
        Entry::Started(_) => "started".to_owned(),
    }
}

fn name_of(input: &Input) -> &'static str {
    match input {
        Input::Admission(input) => match input {
            AdmissionInput::AcknowledgeClock(_) => "admission-acknowledge-clock",
            AdmissionInput::BundleFailed(_) => "admission-bundle-failed",
            AdmissionInput::BundleLoaded(_) => "admission-bundle-loaded",
            AdmissionInput::Drain => "admission-drain",
            AdmissionInput::Forgotten(_) => "admission-forgotten",
            AdmissionInput::HopRefused(_) => "admission-hop-refused",
            AdmissionInput::OwnerFound(_) => "admission-owner-found",
            AdmissionInput::Policies(_) => "admission-policies",
            AdmissionInput::Resolution(resolution) => match resolution.outcome {
                ResolutionOutcome::Absent => "admission-resolution-absent",
                ResolutionOutcome::Refused(_) => "admission-resolution-refused",
                ResolutionOutcome::Unavailable(_) => "admission-resolution-unavailable",
                ResolutionOutcome::Verified(_) => "admission-resolution-verified",
            },
            AdmissionInput::Review(_) => "admission-review",
            AdmissionInput::RevokeSeal(_) => "admission-revoke-seal",
            AdmissionInput::Timer(_) => "admission-timer",
        },
        Input::Journal(_) => "journal-is-never-journaled",
        Input::Notary(input) => match input {
            NotaryInput::Fetched(fetched) => match fetched.outcome {
                FetchOutcome::Absent => "notary-fetched-absent",
                FetchOutcome::Document(_) => "notary-fetched-document",
                FetchOutcome::Failed(_) => "notary-fetched-failed",
            },
            NotaryInput::Forget(_) => "notary-forget",
            NotaryInput::Resolve(_) => "notary-resolve",
            NotaryInput::Timer(_) => "notary-timer",
            NotaryInput::Verification(verification) => match verification.outcome {
                VerifyOutcome::Missing(_) => "notary-verification-missing",
                VerifyOutcome::Refused(_) => "notary-verification-refused",
                VerifyOutcome::Verified(_) => "notary-verification-verified",
            },
            NotaryInput::VerifierRefused(_) => "notary-verifier-refused",
        },
        Input::Policy(input) => match input {
            PolicyInput::Applied(_) => "policy-applied",
            PolicyInput::Deleted(_) => "policy-deleted",
            PolicyInput::Relisted(_) => "policy-relisted",
            PolicyInput::WatchLost(_) => "policy-watch-lost",
            PolicyInput::WatchRestored => "policy-watch-restored",
        },
        Input::Verify(VerifyInput::Verify(_)) => "verify-request",
    }
}

/// Every persisted shape, in the order the golden files hold them.
fn entries() -> Vec<Entry> {
    let by_effect = Cause::Effect { event: samples::review_event(), index: 2 };
    let deliver = |actor: ActorId, input: Input| {
        let cause = match &input {
            Input::Admission(AdmissionInput::Review(_)) => Cause::Outside(Outside::Webhook),
            Input::Admission(
                AdmissionInput::BundleFailed(_)
                | AdmissionInput::BundleLoaded(_)
                | AdmissionInput::Drain,
            ) => Cause::Outside(Outside::Host),
            Input::Admission(
                AdmissionInput::AcknowledgeClock(_) | AdmissionInput::RevokeSeal(_),
            ) => Cause::Outside(Outside::Operator),
            Input::Policy(_) => Cause::Outside(Outside::Objects),
            Input::Admission(_) | Input::Journal(_) | Input::Notary(_) | Input::Verify(_) => {
                by_effect.clone()
            }
        };
        samples::delivered(actor, cause, input)
    };
    let mut all = samples::answered();
    all.extend(
        inputs::admission().into_iter().map(|input| deliver(ActorId::Admission, input.into())),
    );
    all.extend(
        inputs::notary_inputs().into_iter().map(|input| deliver(samples::notary(), input.into())),
    );
    all.extend(
        inputs::policy_inputs().into_iter().map(|input| deliver(ActorId::Policy, input.into())),
    );
    all.push(deliver(ActorId::Verify(3), inputs::verify_input().into()));
    all.push(samples::checkpoint());
    all.push(Entry::Gap(samples::gap()));
    let review = AdmissionInput::Review(inputs::smallest_review().into());
    all.push(samples::panicked(review.into()));
    all.push(samples::started(Restored::default()));
    let revoked = RevokedSeal { digest: samples::sha("manifest"), gun: samples::GUN.to_owned() };
    let trust = vec![samples::collection()];
    let bundle = Some(Box::new(samples::bundle()));
    all.push(samples::started(Restored { bundle, revoked: [revoked].into(), trust }));
    all
}

/// The lines of the journal of those entries that belong in one file; each file is a chain.
fn lines_of(file: &str) -> String {
    let mut prev = Sha256::ZERO;
    let mut text = Vec::new();
    for entry in entries().into_iter().filter(|entry| file_of(entry) == file) {
        prev = codec::write_line(&entry, prev, &mut text).expect("entries are plain JSON");
    }
    String::from_utf8(text).expect("JSON is UTF-8")
}

#[test]
fn every_persisted_shape_is_written_as_its_golden_file_says() {
    let mut wrong = Vec::new();
    for (name, golden) in FILES {
        let found = lines_of(name);
        if found.is_empty() || found != *golden {
            wrong.push(format!("FILE {name}\n{found}"));
        }
    }
    assert!(wrong.is_empty(), "golden files differ; they should hold:\n{}", wrong.join(""));
}

#[test]
fn every_entry_and_input_has_a_golden_file_and_no_file_is_left_over() {
    let needed: BTreeSet<String> = entries().iter().map(file_of).collect();
    let there: BTreeSet<String> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(needed, there);
}

#[test]
fn a_golden_line_reads_and_writes_back_to_the_same_bytes_with_the_same_hash() {
    for (name, golden) in FILES {
        let mut prev = Sha256::ZERO;
        for line in golden.lines() {
            let (record, hash) = codec::read_line(line.as_bytes()).expect(name);
            assert_eq!((record.v, record.prev), (codec::SCHEMA, prev), "{name}");
            let mut again = Vec::new();
            let written = codec::write_line(&record.entry, record.prev, &mut again).expect(name);
            assert_eq!(String::from_utf8(again).expect(name), format!("{line}\n"), "{name}");
            assert_eq!(hash, written, "{name}");
            prev = hash;
        }
    }
}

#[test]
fn a_line_of_an_older_schema_is_still_read_with_its_hash_and_its_place_in_the_chain() {
    for (version, least) in [(1, 29), (2, 34), (3, 36), (4, 36), (5, 36), (6, 36)] {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = folder.join(format!("tests/golden/v{version}"));
        let mut read = 0;
        for file in std::fs::read_dir(folder).expect("the golden files") {
            let path = file.expect("a golden file").path();
            if path.ends_with("effects.jsonl") {
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("a golden file");
            let mut prev = Sha256::ZERO;
            for line in text.lines() {
                let (record, hash) = codec::read_line(line.as_bytes()).expect(line);
                assert_eq!((record.v, record.prev), (version, prev), "{line}");
                let stated = format!("\"v\":{version}");
                let altered = line.replacen(&stated, &stated.replace(':', ": "), 1);
                assert!(codec::read_line(altered.as_bytes()).is_err(), "{altered}");
                prev = hash;
                read += 1;
            }
        }
        assert!(read >= least, "only {read} lines of schema {version} were found");
    }
}

#[test]
fn members_are_sorted_at_every_level_and_nothing_is_between_the_tokens() {
    let effects = EFFECTS.lines().map(|line| ("effects", line));
    let entries = FILES.iter().flat_map(|(name, text)| text.lines().map(|line| (*name, line)));
    for (name, line) in entries.chain(effects) {
        let ordered: Ordered = serde_json::from_str(line).expect(name);
        assert_eq!(ordered.text, line, "{name}");
    }
}

/// The sample of a decision as text, as it was up to schema 6: with all that its seal says, and
/// each change of a reference.
fn in_full(text: &str) -> String {
    let claims = samples::claims();
    let generations = serde_json::to_string(&claims.generations).expect("JSON");
    let digest = codec::digest(&claims).expect("JSON");
    let to = format!("nginx:1.27@{}", samples::sha("manifest").to_oci());
    text.replace(&format!("\"claims\":\"{digest}\""), &format!("\"generations\":{generations}"))
        .replace("\"pinned\":true", &format!("\"pin\":{{\"to\":\"{to}\"}}"))
        .replace("\"pinned\":false", "\"pin\":null")
}

/// The same as it was up to schema 5: with the annotations that its verdicts say as well.
fn annotated(text: &str) -> String {
    let text = in_full(text);
    let digest = samples::sha("manifest").to_oci();
    let digests = ["web", "child", "back", "again", "own"].map(|name| format!("{name}={digest}"));
    let audit = format!(
        "\"audit\":{{\"decision\":\"deny\",\"digests\":\"{}\",\
         \"policy\":\"ImagePolicy shop/default (portieris.cloud.ibm.com)\"}}",
        digests.join(", ")
    );
    text.replace("\"audit\":{\"decision\":\"deny\"}", &audit)
}

#[test]
fn up_to_schema_5_a_decision_held_the_annotations_that_are_made_of_its_verdicts_now() {
    let review = AdmissionInput::Review(inputs::smallest_review().into());
    let cause = Cause::Outside(Outside::Webhook);
    let entry = samples::delivered(ActorId::Admission, cause, review.into());
    let mut text = Vec::new();
    codec::write_line(&entry, Sha256::ZERO, &mut text).expect("entries are plain JSON");
    let text = String::from_utf8(text).expect("JSON is UTF-8");
    let (_, body) = text.trim_end().split_once("\"record\":").expect("a line");
    let body = body.strip_suffix('}').expect("a line").replace("\"v\":7", "\"v\":5");
    let older = annotated(&body);
    assert_ne!(older, body);
    let line = format!("{{\"hash\":\"{}\",\"record\":{older}}}", Sha256::of(older.as_bytes()));
    let (read, _) = codec::read_line(line.as_bytes()).expect("a line of schema 5");
    assert_eq!(read.entry, entry);
    let said = serde_json::to_string(&samples::decision().annotations()).expect("strings");
    assert!(older.contains(&format!("\"audit\":{said}")), "{said}");
}

#[test]
fn up_to_schema_6_a_decision_held_its_seal_and_its_pins_in_full() {
    let older = include_str!("v6/delivered-admission-review.jsonl");
    let newer = include_str!("v7/delivered-admission-review.jsonl");
    let mut decisions = 0;
    for (older, newer) in older.lines().zip(newer.lines()) {
        let (old, _) = codec::read_line(older.as_bytes()).expect("a line of schema 6");
        let (new, _) = codec::read_line(newer.as_bytes()).expect("a line of schema 7");
        assert_eq!(old.entry, new.entry);
        let Entry::Delivered(delivered) = old.entry else { panic!("it is a delivery") };
        for decision in delivered.decisions {
            let text = codec::canonical(&decision).expect("JSON");
            let text = String::from_utf8(text).expect("UTF-8");
            let full = in_full(&text);
            assert!(older.contains(&full) && full != text, "{full}");
            assert_eq!(decision.claims(), Some(samples::claims()));
            decisions += 1;
        }
    }
    assert!(decisions > 0, "no decision was compared");
}

/// Effects stand in no record, but their digest does: their JSON may change as little.
#[test]
fn every_effect_is_written_as_its_golden_line_says() {
    let found: Vec<String> = inputs::effects()
        .iter()
        .map(|effect| String::from_utf8(codec::canonical(effect).expect("JSON")).expect("UTF-8"))
        .collect();
    let found = format!("{}\n", found.join("\n"));
    assert!(found == EFFECTS, "golden file differs; it should hold:\nFILE effects\n{found}");
}

fn digest_in_schema_3(effects: &[Effect]) -> Sha256 {
    let mut told = codec::Told::default();
    told.tell_in_schema(3, effects).expect("effects are plain JSON");
    told.digest()
}

#[test]
fn the_digest_of_effects_is_that_of_the_list_of_their_lines_with_decisions_named() {
    let effects = inputs::effects();
    let digest = |lines: Vec<&str>| Sha256::of(format!("[{}]", lines.join(",")).as_bytes());
    let named = |line| if str::starts_with(line, "{\"Answer\":") { "\"Answer\"" } else { line };
    let found = codec::Told::of(&effects).expect("effects are plain JSON").digest();
    assert_eq!(found, digest(EFFECTS.lines().map(named).collect()));
    let older = digest_in_schema_3(&effects);
    // Up to then a decision held the patch that its pins make, which a denial has not, a pin held
    // the pointer of its verdict, and all annotations stood in a decision.
    let held =
        |line: &str| line.replace(",\"policy_revision\"", ",\"patch\":null,\"policy_revision\"");
    let pointer = "\"pin\":{\"pointer\":\"/spec/containers/0/image\",";
    let held = |line: &str| annotated(&held(line)).replace("\"pin\":{", pointer);
    let lines: Vec<String> = EFFECTS.lines().map(held).collect();
    assert_eq!(older, digest(lines.iter().map(String::as_str).collect()));
    assert_ne!(found, older);
}

#[test]
fn up_to_schema_3_the_digest_of_effects_is_of_the_patch_as_well() {
    let mut decision = samples::decision();
    decision.allowed = true;
    let patch = decision.patch().expect("a pin");
    assert!(
        patch.starts_with("[{\"op\":\"replace\",\"path\":\"/spec/containers/0/image\""),
        "{patch}"
    );
    let effects = [Effect::Answer(decision.into())];
    let text = String::from_utf8(codec::canonical(&effects[0]).expect("JSON")).expect("UTF-8");
    let member = format!(",\"patch\":{},\"policy_revision\"", serde_json::json!(patch));
    let text = text.replace(",\"policy_revision\"", &member);
    let pointer = "\"pin\":{\"pointer\":\"/spec/containers/0/image\",";
    let text = format!("[{}]", annotated(&text).replace("\"pin\":{", pointer));
    assert_eq!(digest_in_schema_3(&effects), Sha256::of(text.as_bytes()));
}

#[test]
fn the_hash_of_a_line_is_that_of_the_bytes_of_its_record() {
    for (name, golden) in FILES {
        for line in golden.lines() {
            let (head, rest) = line.split_at("{\"hash\":\"".len() + 64);
            let record =
                rest.strip_prefix("\",\"record\":").and_then(|rest| rest.strip_suffix('}'));
            let stated = head.strip_prefix("{\"hash\":\"").expect(name);
            assert_eq!(Sha256::of(record.expect(name).as_bytes()).to_hex(), stated, "{name}");
        }
    }
}

#[test]
fn a_newer_schema_is_refused_as_such_and_not_as_damage() {
    let line = lines_of("gap");
    let body = line.split_once("\"record\":").map(|(_, body)| body.trim_end()).expect("a line");
    let body = body.strip_suffix('}').expect("a line").replace("\"v\":7", "\"v\":8");
    let line = format!("{{\"hash\":\"{}\",\"record\":{body}}}", Sha256::of(body.as_bytes()));
    let found = codec::read_line(line.as_bytes()).expect_err("a newer schema");
    assert_eq!(found, ProtocolError::Schema { version: 8, known: 7 });
}

#[test]
fn a_line_that_means_the_same_but_is_not_canonical_is_refused() {
    let line = lines_of("gap");
    let line = line.trim_end();
    let with_blank = line.replacen(",\"record\"", ", \"record\"", 1);
    assert!(codec::read_line(line.as_bytes()).is_ok());
    assert!(matches!(codec::read_line(with_blank.as_bytes()), Err(ProtocolError::Record { .. })));
}

#[test]
fn the_journals_page_names_every_entry_with_its_members_and_every_input() {
    let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/journal.md"));
    assert!(page.starts_with(&format!("# The journal, schema version {}\n", codec::SCHEMA)));
    let named = |name: &str| page.contains(&format!("`{name}`"));
    for (file, golden) in FILES {
        for line in golden.lines() {
            let line: serde_json::Value = serde_json::from_str(line).expect(file);
            for (entry, members) in line["record"]["entry"].as_object().expect(file) {
                assert!(named(entry), "{entry}");
                let row = page.lines().find(|row| row.starts_with(&format!("| `{entry}` |")));
                let row = row.expect(entry);
                let members = members.get(0).unwrap_or(members);
                for member in members.as_object().expect(file).keys() {
                    assert!(row.contains(&format!("`{member}`")), "{entry}: {member}");
                }
                let Some(input) = members["input"].as_object() else { continue };
                for (actor, input) in input {
                    let row = page.lines().find(|row| row.starts_with(&format!("| `{actor}` |")));
                    let plain = input.as_str().map(ToOwned::to_owned);
                    let variant = input.as_object().and_then(|it| it.keys().next().cloned());
                    let name = plain.or(variant).expect(file);
                    assert!(row.expect(actor).contains(&format!("`{name}`")), "{actor}: {name}");
                }
            }
        }
    }
}

#[test]
fn a_delivery_written_with_its_effects_is_the_line_of_its_entry() {
    let all = inputs::effects();
    for effects in [&all[..], &all[..1], &all[1..], &[]] {
        let input = Input::Admission(AdmissionInput::Drain);
        let cause = Cause::Outside(Outside::Host);
        let Entry::Delivered(bare) = samples::delivered(ActorId::Admission, cause, input) else {
            panic!("it is a delivery");
        };
        let decisions = effects.iter().filter_map(Effect::decision).cloned();
        let whole = Delivered {
            decisions: decisions.collect(),
            effects: codec::Told::of(effects).expect("they can be written").digest(),
            ..bare.clone()
        };
        let (mut one, mut other) = (Vec::new(), Vec::new());
        let first = codec::write_delivered(&bare, effects, Sha256::ZERO, &mut one);
        let second = codec::write_line(&Entry::Delivered(whole), Sha256::ZERO, &mut other);
        assert_eq!(first, second);
        assert_eq!(String::from_utf8(one), String::from_utf8(other));
    }
}

#[test]
fn what_is_told_of_effects_does_not_depend_on_what_was_told_before() {
    let all = inputs::effects();
    let mut again = codec::Told::default();
    for effects in [&all[..], &[], &all[1..], &all[..1]] {
        again.tell(effects).expect("they can be written");
        let anew = codec::Told::of(effects).expect("they can be written");
        assert_eq!(again.digest(), anew.digest());
        assert_eq!(format!("{again:?}"), format!("{anew:?}"));
    }
}
