//! Each guard, on a bundle that breaks just that rule, tried repeatedly.

use std::fs;

use portreeve_bundle::{Asked, Missed, load, rotate_root};
use portreeve_protocol::Wall;
use portreeve_protocol::bundle_reason::BundleCode;
use serde_json::json;
use tough::schema::{Root, Snapshot, Targets, Timestamp};

use crate::forge::{Forge, LATER, Liar, NOW, TRIES, plan};

#[tokio::test]
async fn a_bundle_that_keeps_all_rules_is_loaded_each_time() {
    let forge = Forge::new().await;
    forge.add("registry.example/shop/*").await;
    for _ in 0..TRIES {
        let loaded = forge.load().await.unwrap();
        assert_eq!(loaded.anchors.anchors[0].gun, "registry.example/shop/*");
        assert_eq!((loaded.message.versions.targets, loaded.message.versions.root), (2, 1));
        assert_eq!(loaded.message.expires, LATER);
    }
}

#[tokio::test]
async fn metadata_that_is_not_ascii_never_reaches_tough() {
    for name in ["timestamp.json", "1.snapshot.json", "1.targets.json", "2.root.json"] {
        let forge = Forge::new().await;
        let path = format!("metadata/{name}");
        let text = fs::read_to_string(forge.path(&path)).unwrap_or_else(|_| "{}".to_owned());
        forge.put(&path, &text.replacen('{', "{\"n\u{e9}\":\"e\u{301}\",", 1));
        assert_eq!(forge.refusal(None).await, BundleCode::NotAscii, "{name}");
    }
}

#[tokio::test]
async fn a_file_beyond_its_bound_is_not_read_to_its_end() {
    for name in ["metadata/timestamp.json", "metadata/2.root.json", "metadata/1.targets.json"] {
        let forge = Forge::new().await;
        forge.put(name, &" ".repeat((1 << 20) + 1));
        assert_eq!(forge.refusal(None).await, BundleCode::Oversize, "{name}");
    }
}

#[tokio::test]
async fn what_is_cut_off_is_refused_as_such() {
    let files = ["timestamp.json", "1.snapshot.json", "1.targets.json"];
    for (name, code) in files.into_iter().zip([
        // The timestamp is named by nobody; the others have a digest in what names them.
        BundleCode::Malformed,
        BundleCode::Checksum,
        BundleCode::Checksum,
    ]) {
        let forge = Forge::new().await;
        let path = format!("metadata/{name}");
        let text = forge.text(&path);
        forge.put(&path, &text[..text.len() / 2]);
        assert_eq!(forge.refusal(None).await, code, "{name}");
    }
    let forge = Forge::new().await;
    let target = fs::read_dir(forge.path("targets")).unwrap().next().unwrap().unwrap().path();
    let text = fs::read_to_string(&target).unwrap();
    fs::write(&target, &text[..text.len() / 2]).unwrap();
    assert_eq!(forge.refusal(None).await, BundleCode::Checksum);
    fs::write(&target, format!("{text} ")).unwrap();
    assert_eq!(forge.refusal(None).await, BundleCode::Checksum);
    fs::write(&target, text.replace("false", "true ")).unwrap();
    assert_eq!(forge.refusal(None).await, BundleCode::Checksum);
}

#[tokio::test]
async fn only_404_says_that_there_is_no_newer_root() {
    let forge = Forge::new().await;
    let given = forge.given();
    for how in ["status 500", "status 403", "connection closed"] {
        let failed = Missed::Failed(how.to_owned());
        let source = Liar::new(forge.workshop.place(), &[("metadata/2.root.json", failed)]);
        for _ in 0..TRIES {
            let asked = Asked { before: None, given: &given, now: NOW, store: None };
            let error = load(source.clone(), asked).await.unwrap_err();
            assert_eq!(error.code(), Some(BundleCode::RootUnread), "{error}");
        }
    }
    fs::create_dir(forge.path("metadata/2.root.json")).unwrap();
    assert_eq!(forge.refusal(None).await, BundleCode::RootUnread);
}

#[tokio::test]
async fn other_files_that_cannot_be_read_say_so_and_missing_ones_too() {
    let forge = Forge::new().await;
    let given = forge.given();
    for (name, how, code) in [
        ("metadata/timestamp.json", Missed::Failed("timeout".into()), BundleCode::Unreachable),
        ("metadata/timestamp.json", Missed::Absent, BundleCode::Absent),
        ("metadata/1.snapshot.json", Missed::Absent, BundleCode::Absent),
        ("metadata/1.targets.json", Missed::Failed("timeout".into()), BundleCode::Unreachable),
        ("metadata/1.targets.json", Missed::Oversize, BundleCode::Oversize),
    ] {
        let source = Liar::new(forge.workshop.place(), &[(name, how.clone())]);
        for _ in 0..TRIES {
            let asked = Asked { before: None, given: &given, now: NOW, store: None };
            let error = load(source.clone(), asked).await.unwrap_err();
            assert_eq!(error.code(), Some(code), "{name} {how:?}: {error}");
        }
    }
}

#[tokio::test]
async fn the_next_load_starts_from_the_newest_root_that_was_verified() {
    let forge = Forge::new().await;
    let before = forge.load().await.unwrap().message;
    let next = plan(vec![], vec![], vec![]);
    let keys = [forge.root.clone()];
    assert!(rotate_root(&forge.workshop, &next, &keys).await.unwrap().complete);
    let given = forge.given();
    let asks = async |before| {
        let source = Liar::new(forge.workshop.place(), &[]);
        let asked = Asked { before, given: &given, now: NOW, store: None };
        let loaded = load(source.clone(), asked).await.unwrap().message;
        let asked = source.asked.lock().unwrap();
        let roots = asked.iter().filter(|name| name.ends_with(".root.json"));
        (loaded, roots.cloned().collect::<Vec<_>>())
    };
    let (second, roots) = asks(Some(&before)).await;
    assert_eq!((second.versions.root, roots.len()), (2, 2), "{roots:?}");
    assert_eq!(second.root.bytes(), fs::read(forge.path("metadata/2.root.json")).unwrap());
    let (third, roots) = asks(Some(&second)).await;
    assert_eq!(third.versions.root, 2);
    assert_eq!(roots, ["metadata/3.root.json"]);
    // Another root given is another beginning.
    let other = Forge::new().await;
    let error = forge_with_root(&forge, &other.given(), &second).await;
    assert_eq!(error, Some(BundleCode::Signature));
}

async fn forge_with_root(
    forge: &Forge,
    given: &[u8],
    before: &portreeve_protocol::messages::admission::BundleLoaded,
) -> Option<BundleCode> {
    let source = Liar::new(forge.workshop.place(), &[("metadata/2.root.json", Missed::Absent)]);
    let asked = Asked { before: Some(before), given, now: NOW, store: None };
    load(source, asked).await.unwrap_err().code()
}

#[tokio::test]
async fn expiry_is_judged_at_the_time_given_for_every_role() {
    let soon = json!("2027-01-01T00:00:00Z");
    let forge = Forge::new().await;
    forge
        .alter::<Timestamp>("metadata/timestamp.json", &forge.online, |it| {
            it["expires"] = soon.clone();
        })
        .await;
    assert_eq!(forge.refusal(None).await, BundleCode::Expired);
    // The same bundle was good before, whatever the system's clock says.
    let given = forge.given();
    let then = Wall(1_798_000_000_000_000);
    let asked = Asked { before: None, given: &given, now: then, store: None };
    load(forge.source(), asked).await.unwrap();
    let forge = Forge::new().await;
    let dated = portreeve_bundle::Terms { now: then, online: LATER, targets: then };
    let keys = [forge.targets.clone(), forge.online.clone()];
    portreeve_bundle::publish(&forge.workshop, &keys, dated).await.unwrap();
    assert_eq!(forge.refusal(None).await, BundleCode::Expired);
    let forge = Forge::new().await;
    let mut dated = plan(vec![], vec![], vec![]);
    dated.expires = then;
    rotate_root(&forge.workshop, &dated, std::slice::from_ref(&forge.root)).await.unwrap();
    assert_eq!(forge.refusal(None).await, BundleCode::Expired);
}

#[tokio::test]
async fn too_few_or_wrong_signatures_are_refused() {
    for (name, key) in [("timestamp.json", "online"), ("1.targets.json", "targets")] {
        let forge = Forge::new().await;
        let path = format!("metadata/{name}");
        let text = forge.text(&path);
        let at = text.find("\"sig\": \"").unwrap() + 8;
        let digit = if &text[at..=at] == "0" { "1" } else { "0" };
        forge.put(&path, &format!("{}{digit}{}", &text[..at], &text[at + 1..]));
        if key == "targets" {
            // Named anew by snapshot and timestamp, so that only the signature is wrong.
            rename(&forge).await;
        }
        assert_eq!(forge.refusal(None).await, BundleCode::Signature, "{name}");
    }
}

/// Has snapshot and timestamp name targets and snapshot as they are now, without length or digest.
async fn rename(forge: &Forge) {
    forge
        .alter::<Snapshot>("metadata/1.snapshot.json", &forge.online, |it| {
            it["meta"]["targets.json"] = json!({"version": 1});
        })
        .await;
    forge
        .alter::<Timestamp>("metadata/timestamp.json", &forge.online, |it| {
            it["meta"]["snapshot.json"] = json!({"version": 1});
        })
        .await;
}

#[tokio::test]
async fn files_of_different_publications_do_not_stand_together() {
    let forge = Forge::new().await;
    rename(&forge).await;
    forge.load().await.unwrap();
    forge
        .alter::<Targets>("metadata/1.targets.json", &forge.targets, |it| {
            it["version"] = json!(2);
        })
        .await;
    assert_eq!(forge.refusal(None).await, BundleCode::Mixed);
}

#[tokio::test]
async fn a_newer_root_must_follow_and_be_signed_by_the_one_before() {
    let forge = Forge::new().await;
    let other = Forge::new().await;
    fs::copy(other.path("root.json"), forge.path("metadata/2.root.json")).unwrap();
    assert_eq!(forge.refusal(None).await, BundleCode::RootRotation);
    fs::copy(forge.path("root.json"), forge.path("metadata/2.root.json")).unwrap();
    assert_eq!(forge.refusal(None).await, BundleCode::RootRotation, "the same again");
    forge.alter::<Root>("metadata/2.root.json", &forge.root, |it| it["version"] = json!(3)).await;
    assert_eq!(forge.refusal(None).await, BundleCode::RootRotation, "one left out");
    forge.put("metadata/2.root.json", "{\"signed\": {}");
    assert_eq!(forge.refusal(None).await, BundleCode::Malformed);
}

#[tokio::test]
async fn a_chain_of_roots_without_end_is_refused() {
    let forge = Forge::new().await;
    let keys = [forge.root.clone()];
    for _ in 0..64 {
        let next = plan(vec![], vec![], vec![]);
        rotate_root(&forge.workshop, &next, &keys).await.unwrap();
    }
    assert_eq!(forge.refusal(None).await, BundleCode::TooManyRoots);
}

#[tokio::test]
async fn the_root_that_is_given_must_be_one() {
    let forge = Forge::new().await;
    let whole = String::from_utf8(forge.given()).unwrap();
    let unsigned = whole.replace("\"sig\": \"", "\"sig\": \"00");
    for given in ["", "{}", &whole[..whole.len() / 2], &unsigned, "\u{e9}"] {
        for _ in 0..TRIES {
            let asked = Asked { before: None, given: given.as_bytes(), now: NOW, store: None };
            let error = load(forge.source(), asked).await.unwrap_err();
            assert_eq!(error.code(), Some(BundleCode::GivenRoot), "{error}");
        }
    }
}

#[tokio::test]
async fn what_the_bundle_says_must_be_there_and_be_understood() {
    let forge = Forge::new().await;
    forge
        .alter::<Targets>("metadata/1.targets.json", &forge.targets, |it| {
            it["targets"] = json!({});
        })
        .await;
    rename(&forge).await;
    assert_eq!(forge.refusal(None).await, BundleCode::NoTarget);
    for text in [
        r#"{"format":2,"anchors":[]}"#,
        r#"{"format":1,"anchors":[{"gun":"r.io/a","signers":[{"name":"a","publicKey":"x"}]}]}"#,
    ] {
        let forge = Forge::new().await;
        forge
            .alter::<Targets>("metadata/1.targets.json", &forge.targets, |it| {
                let sha256 = portreeve_protocol::Sha256::of(text.as_bytes()).to_hex();
                fs::write(forge.path(&format!("targets/{sha256}.trust.json")), text).unwrap();
                it["targets"]["trust.json"] =
                    json!({"length": text.len(), "hashes": {"sha256": sha256}, "custom": {}});
            })
            .await;
        rename(&forge).await;
        assert_eq!(forge.refusal(None).await, BundleCode::Anchors, "{text}");
    }
}
