//! `portreeve seal`: keys are made and changed, and seals renewed in files, without a rollout.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use portreeve_host::seals::{KeyFile, Sealer};
use portreeve_protocol::seal::{ANNOTATION, SealClaims};
use serde_json::Value;

fn seal(arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portreeve"));
    let Output { status, stdout, stderr } = command.arg("seal").args(arguments).output().unwrap();
    let text = String::from_utf8([stdout, stderr].concat()).unwrap();
    (status.code().unwrap(), text)
}

/// A Deployment with a seal of the current key of `keys`, in YAML that a person has laid out.
fn deployment(keys: &Path) -> String {
    let claims = SealClaims {
        generations: Vec::new(),
        kind: "Deployment".to_owned(),
        name: "web".to_owned(),
        namespace: "shop".to_owned(),
    };
    let text = Sealer::from(KeyFile::at(keys).read().unwrap()).seal(&claims).unwrap();
    format!(
        "# the shop\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web   # public\n  \
         namespace: shop\n  annotations: {{{ANNOTATION}: {text}}}\nspec: {{}}\n"
    )
}

#[test]
fn keys_change_without_a_rollout_and_status_says_when_the_old_one_can_go() {
    let directory = tempfile::tempdir().unwrap();
    let keys = directory.path().join("seal.key");
    let objects = directory.path().join("objects");
    fs::create_dir(&objects).unwrap();
    let (file, dir) = (keys.to_str().unwrap(), objects.to_str().unwrap());
    assert_eq!(seal(&["keygen", file]).0, 0);
    let before = deployment(&keys);
    fs::write(objects.join("web.yaml"), &before).unwrap();
    let of = ["--objects", dir, "--seal-key", file];
    let run = |words: &[&str]| seal(&[words, of.as_slice()].concat());
    let (status, said) = run(&["status"]);
    assert!(status == 0 && said.contains("1  current seal"), "{said}");

    let (status, said) = seal(&["keygen", "--standby", file]);
    assert_eq!(status, 0);
    let key = said.split("the new key ").nth(1).unwrap().split(' ').next().unwrap();
    let (status, said) = run(&["status"]);
    assert!(status == 0 && said.contains("1  current seal"), "{said}");
    assert_eq!(seal(&["switch", file, key]).0, 0);
    let (status, said) = run(&["status"]);
    assert!(status == 1 && said.contains("1  old seal"), "{said}");
    let (status, said) = run(&["renew"]);
    assert!(status == 0 && said.contains("kubectl annotate --overwrite -n shop"), "{said}");
    assert_eq!(fs::read_to_string(objects.join("web.yaml")).unwrap(), before);

    let (status, said) = run(&["renew", "--write"]);
    assert!(status == 0 && said.contains("1 seal renewed in 1 files"), "{said}");
    assert_eq!(fs::read_to_string(objects.join("web.yaml")).unwrap(), deployment(&keys));
    let (status, said) = run(&["status", "--json"]);
    let counted: Value = serde_json::from_str(&said).unwrap();
    assert!(status == 0 && counted["counts"][0]["state"] == "current", "{said}");

    fs::write(objects.join("web.yaml"), before.replace("v1.", "v1.0")).unwrap();
    let (status, said) = run(&["status"]);
    assert!(status == 1 && said.contains("Deployment shop/web: "), "{said}");
}

#[test]
fn words_that_cannot_be_obeyed_end_with_status_2_and_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path().to_str().unwrap();
    let digest = "a".repeat(64);
    for (words, said) in [
        (vec!["revoke", "x", "--reason", "y", "--data-dir", dir], "repository@sha256:digits"),
        (vec!["revoke", "x@sha256:12", "--reason", "y", "--data-dir", dir], "64 digits"),
        (
            vec!["revoke", &format!("x@sha256:{digest}"), "--reason", " ", "--data-dir", dir],
            "say why",
        ),
        (vec!["status"], "--data-dir"),
        (vec!["status", "--objects", dir], "--seal-key"),
        (vec!["status", "--objects", dir, "--seal-key", "/nowhere"], "keygen"),
    ] {
        let (status, text) = seal(&words);
        assert!(status == 2 && text.contains(said), "{words:?}: {text}");
    }
}
