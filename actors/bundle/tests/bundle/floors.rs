//! What was seen before is a floor, whatever tough's own directory holds.

use std::fs;

use portreeve_bundle::{Asked, load, rotate_root};
use portreeve_protocol::anchors::Anchor;
use portreeve_protocol::bundle_reason::BundleCode;
use serde_json::json;
use tough::schema::{Snapshot, Timestamp};

use crate::forge::{Forge, NOW, TRIES, plan};

#[tokio::test]
async fn an_older_bundle_is_refused_with_an_empty_datastore_too() {
    let forge = Forge::new().await;
    let old = forge.snapshot();
    forge.add("registry.example/a").await;
    let newer = forge.load().await.unwrap().message;
    forge.restore(&old);
    assert_eq!(forge.refusal(Some(&newer)).await, BundleCode::Rollback);
    // Without a floor nobody could know.
    forge.load().await.unwrap();
}

#[tokio::test]
async fn each_role_has_a_floor_of_its_own() {
    let forge = Forge::new().await;
    for _ in 0..3 {
        forge.publish().await;
    }
    let floors = forge.load().await.unwrap().message;
    forge.after(Some(&floors)).await.unwrap();
    forge
        .alter::<Timestamp>("metadata/timestamp.json", &forge.online, |it| {
            it["version"] = json!(3);
        })
        .await;
    assert_eq!(forge.refusal(Some(&floors)).await, BundleCode::Rollback, "timestamp");
    let newer = |it: &mut serde_json::Value, snapshot: u64| {
        it["version"] = json!(9);
        it["meta"]["snapshot.json"] = json!({"version": snapshot});
    };
    forge.alter::<Timestamp>("metadata/timestamp.json", &forge.online, |it| newer(it, 3)).await;
    assert_eq!(forge.refusal(Some(&floors)).await, BundleCode::Rollback, "snapshot");
    forge.alter::<Timestamp>("metadata/timestamp.json", &forge.online, |it| newer(it, 4)).await;
    forge
        .alter::<Snapshot>("metadata/4.snapshot.json", &forge.online, |it| {
            it["meta"]["targets.json"] = json!({"version": 3});
        })
        .await;
    assert_eq!(forge.refusal(Some(&floors)).await, BundleCode::Rollback, "targets");
}

#[tokio::test]
async fn another_content_of_the_same_version_is_refused() {
    let one = Forge::new().await;
    let before = one.load().await.unwrap().message;
    // Whoever holds the keys and forgot what was published.
    let mut draft = one.workshop.draft().unwrap();
    draft.anchors.push(Anchor { gun: "registry.example/b".to_owned(), ..Anchor::default() });
    one.workshop.set_draft(&draft).unwrap();
    fs::remove_file(one.path("metadata/timestamp.json")).unwrap();
    one.publish().await;
    assert_eq!(one.load().await.unwrap().message.versions, before.versions);
    assert_eq!(one.refusal(Some(&before)).await, BundleCode::Equivocation);
}

#[tokio::test]
async fn a_root_that_was_rotated_is_not_gone_back_behind() {
    let forge = Forge::new().await;
    let old = forge.snapshot();
    let keys = [forge.root.clone()];
    let next = plan(vec![forge.key("root2.pem")], vec![], vec![forge.key("online2.pem")]);
    rotate_root(&forge.workshop, &next, &keys).await.unwrap();
    let forge = Forge { online: next.online_keys[0].clone(), ..forge };
    forge.publish().await;
    let newer = forge.load().await.unwrap().message;
    assert_eq!(newer.versions.root, 2);
    forge.restore(&old);
    // The old files are signed by keys that the newer root has replaced.
    assert_eq!(forge.refusal(Some(&newer)).await, BundleCode::Signature);
}

#[tokio::test]
async fn from_the_newest_root_of_the_chain_the_floors_stay_whatever_root_follows() {
    let forge = Forge::new().await;
    let rotate = || plan(vec![], vec![], vec![]);
    let keys = [forge.root.clone()];
    rotate_root(&forge.workshop, &rotate(), &keys).await.unwrap();
    let old = forge.snapshot();
    forge.publish().await;
    let newer = forge.load().await.unwrap().message;
    assert_eq!(newer.versions.root, 2);
    let second = fs::read(forge.path("metadata/2.root.json")).unwrap();
    forge.restore(&old);
    rotate_root(&forge.workshop, &rotate(), &keys).await.unwrap();
    let from = |before| Asked { before, given: &second, now: NOW, store: None };
    let error = load(forge.source(), from(Some(&newer))).await.unwrap_err();
    assert_eq!(error.code(), Some(BundleCode::Rollback), "{error}");
    let anew = load(forge.source(), from(None)).await.unwrap();
    assert_eq!(anew.message.versions.root, 3, "without a floor nobody could know");
}

#[tokio::test]
async fn a_spoilt_datastore_is_rebuilt_and_decides_nothing() {
    let forge = Forge::new().await;
    let place = forge.dir.path().join("store");
    let given = forge.given();
    let asked = || Asked { before: None, given: &given, now: NOW, store: Some(&place) };
    load(forge.source(), asked()).await.unwrap();
    for (name, text) in [
        ("latest_known_time.json", "\"2999-01-01T00:00:00Z\""),
        ("timestamp.json", "\u{0}\u{1}garbage"),
        ("root.json", "{}"),
    ] {
        for _ in 0..TRIES {
            fs::write(place.join(name), text).unwrap();
            load(forge.source(), asked()).await.unwrap();
        }
    }
    let newer: serde_json::Value =
        serde_json::from_str(&forge.text("metadata/timestamp.json")).unwrap();
    fs::write(
        place.join("timestamp.json"),
        newer.to_string().replace("\"version\":1", "\"version\":99"),
    )
    .unwrap();
    load(forge.source(), asked()).await.unwrap();
    fs::remove_dir_all(&place).unwrap();
    fs::write(&place, "a file in its place").unwrap();
    load(forge.source(), asked()).await.unwrap();
    let nowhere = place.join("timestamp.json/below/a/file");
    let asked = Asked { before: None, given: &given, now: NOW, store: Some(&nowhere) };
    let error = load(forge.source(), asked).await.unwrap_err();
    assert_eq!(error.code(), Some(BundleCode::Store), "{error}");
}
