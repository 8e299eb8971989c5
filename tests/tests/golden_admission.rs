//! Every recorded review, and synthetic ones for all that the API server may send, are answered as
//! the tables say and as the golden answers beside them.
//!
//! The tables (`tests/golden/admission/*.json`) hold what the policies in `world.json` must come
//! to; they were written from the policies, image by image, before any machine was asked. The whole
//! answers (`*.answers.json`) are written with `PORTREEVE_BLESS=1`, but only where the tables hold.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use portreeve_protocol::messages::admission::{OwnerFact, ReviewPath};
use portreeve_protocol::{Admitted, Decision, Verdict, seal};
use portreeve_tests::stage::{Controllers, Script, Stage, Told};
use serde_json::{Map, Value, json};

type Names = BTreeMap<String, String>;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    let path = file(name);
    std::fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

fn table(name: &str) -> Vec<Value> {
    serde_json::from_str(&read(&format!("golden/admission/{name}.json"))).unwrap()
}

fn script() -> Script {
    Script::read(&read("golden/admission/world.json")).unwrap()
}

/// The review of a case: its own, or a recorded one.
fn body(case: &Value) -> Vec<u8> {
    if case["review"].is_object() {
        return case["review"].to_string().into_bytes();
    }
    recorded(case["of"].as_str().or_else(|| case["name"].as_str()).unwrap())
}

fn recorded(name: &str) -> Vec<u8> {
    let path = file(&format!("corpus/admission-reviews/{name}.json"));
    std::fs::read(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

fn path(case: &Value) -> ReviewPath {
    match case["path"].as_str().unwrap() {
        "/admit" => ReviewPath::Admit,
        "/validate" => ReviewPath::Validate,
        other => panic!("no path {other}"),
    }
}

/// What is found where the owner references of the case point: the seal of the recorded parent.
fn controllers(case: &Value, script: &Script) -> Controllers {
    let Some(parent) = case["parent"].as_str() else { return Controllers::Absent };
    let mut stage = Stage::new("parent", script).unwrap();
    let told = stage.review(&recorded(parent), ReviewPath::Admit, &Controllers::Absent, 0).unwrap();
    let claims = told.decision.claims();
    assert!(claims.is_some(), "{parent} is given no seal");
    if case["uid"].is_string() {
        return Controllers::Other(claims);
    }
    let text = |name: &str| case["above"][name].as_str().unwrap().to_owned();
    let above = case["above"].is_object().then(|| OwnerFact {
        api_version: text("apiVersion"),
        controller: case["above"]["controller"] == true,
        kind: text("kind"),
        name: text("name"),
        uid: text("uid"),
    });
    Controllers::Genuine(above, claims)
}

fn tell(case: &Value, script: &Script) -> Told {
    let controllers = controllers(case, script);
    let mut script = script.clone();
    if case["servers"] == "down" {
        script.down.extend(script.signed.keys().map(|(gun, _)| gun.clone()));
    }
    let mut stage = Stage::new("one", &script).unwrap();
    let told = stage.review(&body(case), path(case), &controllers, 0);
    told.unwrap_or_else(|why| panic!("{}: {why}", case["name"]))
}

/// What the table says about a decision, taken from the decision and the answer.
fn shown(decision: &Decision, answer: &Value) -> Value {
    let (mut denied, mut tolerated) = (Names::new(), Names::new());
    for verdict in &decision.verdicts {
        let container = verdict.container.to_string();
        match &verdict.verdict {
            Verdict::Denied(denial) => {
                denied.insert(container, denial.code.code().to_owned());
            }
            Verdict::Allowed(Admitted::Tolerated(one)) => {
                tolerated.insert(container, one.denial.code.code().to_owned());
            }
            Verdict::Allowed(_) => {}
        }
    }
    if let Some(denial) = decision.denial.as_ref().filter(|_| decision.verdicts.is_empty()) {
        denied.insert(String::new(), denial.code.code().to_owned());
    }
    let (mut pins, mut sealed) = (Map::new(), false);
    for operation in answer["response"]["patch"].as_array().into_iter().flatten() {
        let at = operation["path"].as_str().unwrap();
        match operation["op"].as_str() {
            Some("replace") => {
                pins.insert(at.to_owned(), operation["value"].clone());
            }
            Some("add") => sealed |= at.ends_with(&seal::ANNOTATION.replace('/', "~1")),
            other => panic!("a patch does {other:?}"),
        }
    }
    let allowed = answer["response"]["allowed"] == true;
    let mut shown = json!({"allowed": allowed, "denied": denied, "pins": pins, "sealed": sealed,
                           "tolerated": tolerated});
    if let Some(exempt) = decision.audit.get("exempt") {
        shown["exempt"] = json!(exempt);
    }
    shown
}

/// Holds every case of a table against its expectation, and all answers against the golden ones.
fn hold(name: &str) -> Vec<Value> {
    let script = script();
    let cases = table(name);
    let (mut answers, mut wrong) = (Map::new(), Vec::new());
    for case in &cases {
        let told = tell(case, &script);
        let answer = told.legible().unwrap();
        let shown = shown(&told.decision, &answer);
        if shown != case["expect"] {
            wrong.push(format!(
                "{}:\n  expected {}\n  found    {shown}",
                case["name"], case["expect"]
            ));
        }
        answers.insert(case["name"].as_str().unwrap().to_owned(), answer);
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    let golden = file(&format!("golden/admission/{name}.answers.json"));
    let lines: Vec<String> =
        answers.iter().map(|(name, it)| format!("{}: {it}", json!(name))).collect();
    let text = format!("{{\n{}\n}}\n", lines.join(",\n"));
    if std::env::var_os("PORTREEVE_BLESS").is_some() {
        std::fs::write(&golden, &text).unwrap();
    }
    let written = std::fs::read_to_string(&golden).unwrap_or_default();
    for (old, new) in written.lines().zip(text.lines()) {
        assert_eq!(old, new, "an answer changed; PORTREEVE_BLESS=1 writes the new ones");
    }
    assert_eq!(written.lines().count(), text.lines().count(), "answers were added or taken away");
    cases
}

#[test]
fn every_recorded_review_is_answered_as_the_table_and_the_golden_answers_say() {
    let cases = hold("recorded");
    let held: BTreeSet<String> = cases
        .iter()
        .filter(|case| case["of"].is_null())
        .map(|case| case["name"].as_str().unwrap().to_owned())
        .collect();
    let mut recorded = BTreeSet::new();
    for (folder, prefix) in [("", ""), ("/second-run", "second-run/")] {
        let entries =
            std::fs::read_dir(file(&format!("corpus/admission-reviews{folder}"))).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        recorded.extend(
            names.filter_map(|name| Some(format!("{prefix}{}", name.strip_suffix(".json")?))),
        );
    }
    assert_eq!(recorded.len(), 46);
    assert_eq!(held, recorded);
}

#[test]
fn every_kind_version_list_operation_path_and_mode_is_answered_as_the_tables_say() {
    let cases = hold("synthetic");
    let mut kinds = BTreeSet::new();
    let mut operations = BTreeSet::new();
    for case in &cases {
        let request = &case["review"]["request"];
        let kind = &request["kind"];
        let text = |name: &str| kind[name].as_str().unwrap();
        kinds.insert(format!("{}/{} {}", text("group"), text("version"), text("kind")));
        operations.insert(request["operation"].as_str().unwrap());
    }
    for kind in KINDS {
        assert!(kinds.contains(*kind), "{kind}");
    }
    assert_eq!(operations, BTreeSet::from(["CONNECT", "CREATE", "DELETE", "UPDATE"]));
}

/// What carries a pod specification, in every version that some supported API server serves.
const KINDS: &[&str] = &[
    "/v1 Pod",
    "/v1 ReplicationController",
    "apps/v1 DaemonSet",
    "apps/v1 Deployment",
    "apps/v1 ReplicaSet",
    "apps/v1 StatefulSet",
    "apps/v1beta1 Deployment",
    "apps/v1beta1 StatefulSet",
    "apps/v1beta2 DaemonSet",
    "apps/v1beta2 Deployment",
    "apps/v1beta2 ReplicaSet",
    "apps/v1beta2 StatefulSet",
    "batch/v1 CronJob",
    "batch/v1 Job",
    "batch/v1beta1 CronJob",
    "extensions/v1beta1 DaemonSet",
    "extensions/v1beta1 Deployment",
    "extensions/v1beta1 ReplicaSet",
];
