//! `portreeve policy` as its user meets it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const POLICIES: &str = "
apiVersion: portieris.cloud.ibm.com/v1
kind: ClusterImagePolicy
metadata: {name: all}
spec:
  repositories:
  - name: 'registry.example/*'
    policy: {trust: {enabled: true, trustServer: 'https://notary.example'}}
  - name: 'registry.example/shop/*'
---
apiVersion: portieris.cloud.ibm.com/v1
kind: ImagePolicy
metadata: {name: own, namespace: shop}
spec:
  repositories:
  - name: '*/web'
";

fn portreeve(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_portreeve")).args(arguments).output().unwrap()
}

fn text(output: &Output) -> String {
    let all = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8(all).unwrap()
}

fn written(directory: &Path) -> PathBuf {
    let path = directory.join("policies.yaml");
    fs::write(&path, POLICIES).unwrap();
    path
}

#[test]
fn what_is_found_is_told_in_a_table_or_as_one_object_and_by_the_status() {
    let directory = tempfile::tempdir().unwrap();
    let file = written(directory.path());
    let file = file.to_str().unwrap();
    let found = portreeve(&["policy", "lint", file]);
    assert_eq!(found.status.code(), Some(1), "{}", text(&found));
    for line in ["SEVERITY", "unanchored-host", "no-pin", "2 policies: 0 errors, 1 warning, 1 note"]
    {
        assert!(text(&found).contains(line), "{line}: {}", text(&found));
    }
    let folder = directory.path().to_str().unwrap();
    let found = portreeve(&["policy", "lint", "--objects", folder, "--json"]);
    let object: Value = serde_json::from_slice(&found.stdout).unwrap();
    assert_eq!(object["policies"], 2);
    assert_eq!(object["findings"][0]["code"], "no-pin");
    assert_eq!(object["findings"][1]["policy"]["namespace"], "shop");
    assert_eq!(object["findings"][1]["rule"]["pattern"], "*/web");
    let clean = portreeve(&["policy", "lint", file, "--severity", "error"]);
    assert_eq!(clean.status.code(), Some(0), "{}", text(&clean));
    assert!(text(&clean).contains("nothing was found"), "{}", text(&clean));
}

#[test]
fn policies_that_cannot_be_read_have_status_2_and_a_reason() {
    let directory = tempfile::tempdir().unwrap();
    let bad = directory.path().join("bad.yaml");
    fs::write(&bad, "kind: [").unwrap();
    let bad = bad.to_str().unwrap();
    let none = directory.path().join("none");
    let none = none.to_str().unwrap();
    for (line, part) in [
        (vec!["policy", "lint"], "--objects DIR"),
        (vec!["policy", "lint", bad], "bad.yaml"),
        (vec!["policy", "lint", "--kubeconfig", none], "kubeconfig"),
        (vec!["policy", "lint", bad, "--objects", none], "cannot be used with"),
        (vec!["policy", "test", "UPPER", "--policy", bad], "IMAGE `UPPER`"),
    ] {
        let failed = portreeve(&line);
        assert_eq!(failed.status.code(), Some(2), "{line:?}: {}", text(&failed));
        assert!(text(&failed).contains(part), "{line:?}: {}", text(&failed));
    }
}

#[test]
fn the_rule_that_decides_is_told_with_why_the_others_do_not() {
    let directory = tempfile::tempdir().unwrap();
    let file = written(directory.path());
    let file = file.to_str().unwrap();
    let test = |image: &str, namespace: &str| {
        portreeve(&["policy", "test", image, "--namespace", namespace, "--policy", file])
    };
    let decided = test("registry.example/web", "bank");
    assert_eq!(decided.status.code(), Some(0), "{}", text(&decided));
    let said = text(&decided);
    for part in
        ["`registry.example/*`", "decides", "trust server https://notary.example", "does not cover"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    let own = text(&test("registry.example/web", "shop"));
    assert!(own.contains("does not count"), "{own}");
    let none = test("registry.example/api", "shop");
    assert_eq!(none.status.code(), Some(1), "{}", text(&none));
    assert!(text(&none).contains("denied no-policy"), "{}", text(&none));
    let json =
        portreeve(&["policy", "test", "registry.example/shop/api", "--policy", file, "--json"]);
    let object: Value = serde_json::from_slice(&json.stdout).unwrap();
    let fates: Vec<_> = object["rules"].as_array().unwrap().iter().map(|it| &it["fate"]).collect();
    assert_eq!(fates, ["less-specific", "decides"]);
    assert_eq!(object["code"], Value::Null);
}
