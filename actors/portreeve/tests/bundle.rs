//! `portreeve bundle` as a person or a script would call it: what it prints, and its exit status.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

struct Shop(TempDir);

/// What a command printed, and its status.
struct Told {
    out: String,
    status: i32,
}

impl Shop {
    fn new() -> Self {
        let shop = Self(tempfile::tempdir().unwrap());
        for key in ["root", "second", "targets", "online"] {
            assert_eq!(shop.run(&["keygen", &format!("{key}.pem")]).status, 0);
        }
        shop
    }

    /// A shop with a published bundle in `b`.
    fn open() -> Self {
        let shop = Self::new();
        let init = shop.init(&[]);
        assert_eq!(init.status, 0, "{}", init.out);
        assert_eq!(
            shop.run(&["publish", "b", "--key", "targets.pem", "--key", "online.pem"]).status,
            0
        );
        shop
    }

    fn init(&self, more: &[&str]) -> Told {
        let keys = ["--root-key", "root.pem", "--targets-key", "targets.pem", "--online-key"];
        let words = ["init", "b"].iter().chain(&keys).chain(&["online.pem"]).chain(more);
        self.run(&words.copied().collect::<Vec<_>>())
    }

    fn run(&self, words: &[&str]) -> Told {
        self.portreeve("bundle", words)
    }

    fn portreeve(&self, command: &str, words: &[&str]) -> Told {
        let output = Command::new(env!("CARGO_BIN_EXE_portreeve"))
            .arg(command)
            .args(words)
            .current_dir(self.0.path())
            .output()
            .unwrap();
        let mut out = String::from_utf8_lossy(&output.stdout).into_owned();
        out.push_str(&String::from_utf8_lossy(&output.stderr));
        Told { out, status: output.status.code().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

#[test]
fn a_key_is_written_for_its_owner_alone_and_never_over_another() {
    use std::os::unix::fs::PermissionsExt;
    let shop = Shop::new();
    let mode = fs::metadata(shop.path("root.pem")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = shop.run(&["keygen", "root.pem"]);
    assert_eq!(again.status, 2, "{}", again.out);
    let private = fs::read_to_string(shop.path("root.pem")).unwrap();
    let secret = private.lines().nth(1).unwrap();
    let told = shop.run(&["keygen", "another.pem"]);
    assert!(told.out.contains("BEGIN PUBLIC KEY") && !told.out.contains(secret), "{}", told.out);
}

#[test]
fn a_root_of_two_waits_for_the_second_signature_with_status_1() {
    let shop = Shop::new();
    let told = shop.init(&["--root-key", "second.pem", "--root-threshold", "2"]);
    assert_eq!(told.status, 0, "both private keys are at hand: {}", told.out);
    let shop = Shop::new();
    let public = shop.run(&["keygen", "third.pem"]).out;
    let public = public.split_once("-----BEGIN").unwrap().1;
    fs::write(shop.path("third.pub"), format!("-----BEGIN{public}")).unwrap();
    let told = shop.init(&["--root-key", "third.pub", "--root-threshold", "2"]);
    assert_eq!(told.status, 1, "{}", told.out);
    assert!(told.out.contains("waits for signatures"), "{}", told.out);
    let told = shop.run(&["publish", "b", "--key", "targets.pem", "--key", "online.pem"]);
    assert_eq!(told.status, 2, "{}", told.out);
    let told = shop.run(&["sign", "b", "--key", "third.pem"]);
    assert_eq!(told.status, 0, "{}", told.out);
    let told = shop.run(&["sign", "b", "--key", "third.pem"]);
    assert!(told.status == 2 && told.out.contains("no root waits"), "{}", told.out);
}

#[test]
fn who_must_still_sign_a_root_is_told_and_what_abandons_it() {
    let shop = Shop::open();
    let second = shop.run(&["keygen", "new.pem"]).out;
    let id = |out: &str| {
        let rest = out.split_once("holds key ").unwrap().1;
        rest[..16].to_owned()
    };
    let told = shop.run(&["rotate", "b", "--root-key", "new.pem"]);
    let plain = told.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(told.status, 1, "{plain}");
    assert!(plain.contains("of root version 1; so far") && plain.contains(&id(&second)), "{plain}");
    assert!(plain.contains("delete b/pending-root.json"), "{plain}");
    let told = shop.run(&["sign", "b", "--key", "targets.pem"]);
    assert!(told.status == 2 && told.out.contains("pending-root.json"), "{}", told.out);
    assert_eq!(shop.run(&["sign", "b", "--key", "root.pem"]).status, 0);
}

#[test]
fn the_date_to_renew_before_is_the_first_end_of_all_roles() {
    let shop = Shop::open();
    let keys = ["publish", "b", "--key", "targets.pem", "--key", "online.pem"];
    let told = shop.run(&[&keys[..], &["--targets-expire", "3d"]].concat());
    assert!(
        told.status == 0 && told.out.contains("with the keys of the targets role"),
        "{}",
        told.out
    );
    let until = told.out.split_once("renewed before ").unwrap().1;
    let until = until.split_whitespace().next().unwrap();
    let shown: Value = serde_json::from_str(&shop.run(&["show", "b", "--json"]).out).unwrap();
    assert_eq!(shown["expires"], until);
    assert_eq!(shown["roles"][3]["expires"], until, "{shown}");
}

#[test]
fn what_check_advises_can_be_done_where_it_runs() {
    let shop = Shop::open();
    let words = ["r.example/a:1", "--trust-server", "https://two.example", "--bundle", "nowhere"];
    let told = shop.portreeve("check", &[&words[..], &["--bundle-root", "b/root.json"]].concat());
    assert_eq!(told.status, 1, "{}", told.out);
    let told = told.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("bundle-unavailable") && !told.contains("/readyz"), "{told}");
    assert!(told.contains("`portreeve bundle verify`"), "{told}");
}

#[test]
fn the_help_of_the_demo_says_which_bundle_passes() {
    let help = Shop(tempfile::tempdir().unwrap()).portreeve("demo", &["--help"]);
    assert!(help.status == 0 && help.out.contains("bundle init --first-use"), "{}", help.out);
}

#[test]
fn a_bundle_that_is_not_taken_is_told_with_its_code_and_status_1() {
    let shop = Shop::open();
    assert_eq!(shop.run(&["verify", "b"]).status, 0);
    let late = shop.run(&["verify", "b", "--at", "2099-01-01T00:00:00Z"]);
    assert!(late.status == 1 && late.out.contains("not taken: expired"), "{}", late.out);
    let plain = late.out.split_whitespace().collect::<Vec<_>>().join(" ");
    for mends in ["root by `portreeve bundle rotate`", "the targets key", "the online key"] {
        assert!(plain.contains(mends), "{mends}: {plain}");
    }
    let json = shop.run(&["verify", "b", "--json", "--at", "2099-01-01T00:00:00Z"]);
    let told: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((told["good"].as_bool(), told["code"].as_str()), (Some(false), Some("expired")));
    let json = shop.run(&["show", "b", "--json"]);
    let told: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((told["good"].as_bool(), told["version"].as_u64()), (Some(true), Some(1)));
    assert_eq!(told["trust"]["format"], 1);
    fs::remove_file(shop.path("b/metadata/timestamp.json")).unwrap();
    let told = shop.run(&["show", "b"]);
    assert!(told.status == 1 && told.out.contains("not taken: absent"), "{}", told.out);
}

#[test]
fn what_cannot_be_meant_is_status_2_and_says_what_to_do() {
    let shop = Shop::open();
    for (words, says) in [
        (&["verify", "https://bundle.example"][..], "--root"),
        (&["verify", "http://bundle.example", "--root", "b/root.json"], "https://"),
        (&["verify", "b", "--root", "nowhere.json"], "nowhere.json"),
        (&["add", "b", "nginx"], "docker.io/library/nginx"),
        (&["add", "b", "r.example/a", "--root-key-id", "abc"], "64 hexadecimal digits"),
        (&["add", "b", "r.example/a", "--signer", "alice"], "NAME=PUBKEY.pem"),
        (&["add", "b", "r.example/a", "--signer", "a/../b=b/trust.json"], "signer"),
        (
            &["add", "b", "r.example/a", "--signer", "targets/alice=b/trust.json"],
            "leave `targets/` out",
        ),
        (&["add", "b", "r.example/a", "--floor", "root"], "ROLE=VERSION"),
        (&["add", "b", "r.example/a", "--trust-server", "http://n.example"], "https"),
        (&["add", "b", "r.example/a", "--freshness", "soon"], "soon"),
        (&["publish", "b", "--key", "root.pem"], "--key"),
        (&["publish", "b", "--key", "online.pem", "--online-expire", "never"], "--online-expire"),
        (&["init", "b", "--root-key", "root.pem"], "rotate"),
        (&["sign", "b"], "--key"),
        (&["add", "nowhere", "r.example/a"], "nowhere"),
    ] {
        let told = shop.run(words);
        assert_eq!(told.status, 2, "{words:?}: {}", told.out);
        assert!(told.out.contains(says), "{words:?}: {}", told.out);
    }
    let said = fs::read_to_string(shop.path("b/trust.json")).unwrap();
    assert!(!said.contains("r.example"), "nothing was added: {said}");
    let image = "registry.example/app:1";
    for words in [&[image, "--bundle", "b"][..], &[image, "--bundle-root", "b/root.json"]] {
        let told = shop.portreeve("check", words);
        assert!(told.status == 2 && told.out.contains("--bundle"), "{}", told.out);
    }
}

#[test]
fn anchors_are_added_replaced_and_taken_out() {
    let shop = Shop::open();
    let id = "a".repeat(64);
    let add =
        ["add", "b", "r.example/a/*", "--root-key-id", &id, "--floor", "root=3", "--required"];
    assert!(shop.run(&add).out.contains("is added"));
    assert!(
        shop.run(&["add", "b", "r.example/a/*", "--first-use", "true"]).out.contains("replaced")
    );
    let keys = ["publish", "b", "--key", "targets.pem", "--key", "online.pem"];
    assert_eq!(shop.run(&keys).status, 0);
    let shown = shop.run(&["show", "b"]).out;
    assert!(shown.contains("r.example/a/*") && shown.contains("first use    allowed"), "{shown}");
    assert!(!shown.contains(&id), "{shown}");
    assert_eq!(shop.run(&["rm", "b", "r.example/a"]).status, 1, "that was never added");
    assert_eq!(shop.run(&["rm", "b", "r.example/a/*"]).status, 0);
    assert!(shop.run(&["publish", "b", "--key", "online.pem"]).out.contains("something else"));
    assert_eq!(shop.run(&keys).status, 0);
    let shown = shop.run(&["show", "b"]).out;
    assert!(shown.contains("version 3 is good") && !shown.contains("r.example"), "{shown}");
}
