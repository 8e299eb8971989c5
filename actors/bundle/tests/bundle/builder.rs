//! The workshop: thresholds, rotation, terms, and what it refuses to publish.

use std::fs;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use base64::Engine;
use portreeve_bundle::{
    BundleError, BundleKey, Missing, RootPlan, Terms, Workshop, make_root, publish, rotate_root,
    sign_root,
};
use portreeve_protocol::Wall;
use portreeve_protocol::anchors::{Anchor, TrustAnchors};
use portreeve_protocol::bundle_reason::BundleCode;

use crate::forge::{Forge, LATER, NOW, plan, terms};

/// The public half of a key, as its owner would hand it out.
fn public(forge: &Forge, name: &str) -> BundleKey {
    let out = forge.dir.path().join(format!("{name}.pub"));
    let key = BundleKey::read(&forge.dir.path().join(name)).unwrap();
    fs::write(&out, key.public_pem()).unwrap();
    BundleKey::read(&out).unwrap()
}

#[tokio::test]
async fn an_offline_root_of_two_of_three_is_in_force_once_two_have_signed() {
    let forge = Forge::new().await;
    for name in ["a.pem", "b.pem", "c.pem"] {
        forge.key(name);
    }
    let all: Vec<_> = ["a.pem", "b.pem", "c.pem"].iter().map(|it| public(&forge, it)).collect();
    assert!(all.iter().all(|key| !key.signs()));
    let workshop = Workshop::at(&forge.dir.path().join("second"));
    let plan = RootPlan {
        root_threshold: Some(2),
        ..plan(all, vec![forge.targets.clone()], vec![forge.online.clone()])
    };
    let made = make_root(&workshop, &plan, &TrustAnchors::empty()).await.unwrap();
    assert_eq!((made.complete, made.signed_by.len(), made.threshold), (false, 0, 2));
    let keys = [forge.targets.clone(), forge.online.clone()];
    assert!(matches!(publish(&workshop, &keys, terms()).await, Err(BundleError::File { .. })));
    let private = |name: &str| BundleKey::read(&forge.dir.path().join(name)).unwrap();
    let one = sign_root(&workshop, &[private("a.pem")]).await.unwrap();
    assert_eq!((one.complete, one.signed_by.len()), (false, 1));
    let again = sign_root(&workshop, &[private("a.pem"), forge.online.clone()]).await.unwrap();
    assert_eq!((again.complete, again.signed_by.len()), (false, 1));
    let two = sign_root(&workshop, &[private("c.pem")]).await.unwrap();
    assert_eq!((two.complete, two.signed_by.len()), (true, 2));
    publish(&workshop, &keys, terms()).await.unwrap();
    assert!(sign_root(&workshop, &[private("b.pem")]).await.is_err(), "none waits any more");
    let forge = Forge { workshop, ..forge };
    forge.load().await.unwrap();
}

#[tokio::test]
async fn a_rotated_root_needs_the_old_keys_and_its_own() {
    let forge = Forge::new().await;
    let (new, online) = (forge.key("new.pem"), forge.key("online2.pem"));
    let next = plan(vec![new.clone()], vec![], vec![online.clone()]);
    let waits = rotate_root(&forge.workshop, &next, &[]).await.unwrap();
    assert!(!waits.complete, "the old root has not signed it");
    assert_eq!(forge.load().await.unwrap().message.versions.root, 1);
    let done = sign_root(&forge.workshop, std::slice::from_ref(&forge.root)).await.unwrap();
    assert!(done.complete);
    // The timestamp is still signed by the old key.
    assert_eq!(forge.refusal(None).await, BundleCode::Signature);
    let renewed = publish(&forge.workshop, &[online], terms()).await.unwrap();
    assert!(!renewed.anew);
    let loaded = forge.load().await.unwrap();
    assert_eq!((loaded.message.versions.root, loaded.message.versions.targets), (2, 1));
}

#[tokio::test]
async fn a_threshold_that_cannot_be_met_is_refused() {
    let forge = Forge::new().await;
    let workshop = Workshop::at(&forge.dir.path().join("second"));
    for threshold in [0, 2] {
        let plan = RootPlan {
            root_threshold: Some(threshold),
            ..plan(
                vec![forge.root.clone(), forge.root.clone()],
                vec![forge.targets.clone()],
                vec![forge.online.clone()],
            )
        };
        let made = make_root(&workshop, &plan, &TrustAnchors::empty()).await;
        assert!(matches!(made, Err(BundleError::Workshop(_))), "{threshold}");
    }
    assert!(
        make_root(&forge.workshop, &plan(vec![], vec![], vec![]), &TrustAnchors::empty())
            .await
            .is_err()
    );
}

#[tokio::test]
async fn the_online_key_alone_renews_the_term_but_says_nothing_new() {
    let forge = Forge::new().await;
    let online = [forge.online.clone()];
    let soon = Wall(NOW.0 + 3_600_000_000);
    let short = Terms { now: NOW, online: soon, targets: LATER };
    let renewed = publish(&forge.workshop, &online, short).await.unwrap();
    assert_eq!((renewed.anew, renewed.versions.targets, renewed.versions.timestamp), (false, 1, 2));
    assert_eq!(forge.load().await.unwrap().message.expires, soon);
    let mut draft = forge.workshop.draft().unwrap();
    draft.anchors.push(Anchor { gun: "registry.example/a".to_owned(), ..Anchor::default() });
    forge.workshop.set_draft(&draft).unwrap();
    let refused = publish(&forge.workshop, &online, short).await.unwrap_err();
    assert!(refused.to_string().contains("--key"), "{refused}");
    let without_online = [forge.targets.clone()];
    let refused = publish(&forge.workshop, &without_online, short).await.unwrap_err();
    assert!(refused.to_string().contains(&forge.online.id()[..16]), "{refused}");
    assert_eq!(forge.load().await.unwrap().message.versions.timestamp, 2, "nothing was changed");
}

/// What publishing is refused with, after which nothing has changed.
async fn refused(forge: &Forge, keys: &[BundleKey], terms: Terms) -> String {
    let before = forge.text("metadata/timestamp.json");
    let error = publish(&forge.workshop, keys, terms).await.unwrap_err();
    assert!(matches!(&error, BundleError::Workshop(_)), "{error}");
    assert_eq!(forge.text("metadata/timestamp.json"), before, "nothing was changed");
    error.to_string()
}

#[tokio::test]
async fn what_nobody_would_take_is_not_published_and_the_first_role_to_end_is_told() {
    const HOUR: i64 = 3_600_000_000;
    let forge = Forge::new().await;
    let (all, online) = ([forge.targets.clone(), forge.online.clone()], [forge.online.clone()]);
    let at = |hours: i64| Wall(NOW.0 + hours * HOUR);
    let terms =
        |now, online, targets| Terms { now: at(now), online: at(online), targets: at(targets) };
    let told = publish(&forge.workshop, &all, terms(0, 9, 5)).await.unwrap();
    assert_eq!(told.first_end, ("targets", at(5)));
    let told = publish(&forge.workshop, &online, terms(1, 4, 99)).await.unwrap();
    assert_eq!(told.first_end, ("timestamp", at(4)));
    let told = publish(&forge.workshop, &online, terms(2, 8, 99)).await.unwrap();
    assert_eq!(told.first_end, ("targets", at(5)), "they were not signed anew");
    let said = refused(&forge, &online, terms(6, 8, 99)).await;
    assert!(said.contains("targets expired") && said.contains("targets role besides"), "{said}");
    publish(&forge.workshop, &all, terms(6, 8, 9)).await.unwrap();
    let short = RootPlan { expires: at(7), ..plan(vec![], vec![], vec![]) };
    let root = std::slice::from_ref(&forge.root);
    rotate_root(&forge.workshop, &short, root).await.unwrap();
    let told = publish(&forge.workshop, &all, terms(6, 9, 9)).await.unwrap();
    assert_eq!(told.first_end, ("root", at(7)));
    let said = refused(&forge, &all, terms(8, 9, 9)).await;
    assert!(said.contains("root expired") && said.contains("bundle rotate"), "{said}");
    rotate_root(&forge.workshop, &plan(vec![], vec![], vec![]), root).await.unwrap();
    publish(&forge.workshop, &all, terms(8, 9, 9)).await.unwrap();
}

#[tokio::test]
async fn a_key_that_the_root_does_not_name_is_no_renewal() {
    let forge = Forge::new().await;
    let stranger = forge.key("stranger.pem");
    for key in [&stranger, &forge.root] {
        let said = refused(&forge, &[key.clone(), forge.online.clone()], terms()).await;
        for part in [key.id(), forge.targets.id(), forge.online.id()] {
            assert!(said.contains(&part[..16]), "{part}: {said}");
        }
    }
    let halves = [public(&forge, "targets.pem"), forge.online.clone()];
    assert!(refused(&forge, &halves, terms()).await.contains("public half"));
}

#[tokio::test]
async fn who_must_still_sign_a_root_is_named_and_a_mistaken_root_can_be_abandoned() {
    let forge = Forge::new().await;
    let (new, stranger) = (forge.key("new.pem"), forge.key("stranger.pem"));
    let next = plan(vec![new.clone(), forge.key("other.pem")], vec![], vec![]);
    let next = RootPlan {
        root_keys: vec![public(&forge, "new.pem"), next.root_keys[1].clone()],
        root_threshold: Some(2),
        ..next
    };
    let waits = rotate_root(&forge.workshop, &next, std::slice::from_ref(&stranger)).await.unwrap();
    let lacks = |keys: Vec<String>, root| Missing { keys, number: 1, root };
    let old = lacks(vec![forge.root.id()], 1);
    assert_eq!(waits.missing, [lacks(vec![new.id()], 2), old.clone()]);
    let waits = sign_root(&forge.workshop, std::slice::from_ref(&new)).await.unwrap();
    assert_eq!((waits.complete, waits.missing), (false, vec![old]));
    for keys in [vec![stranger], vec![forge.targets.clone(), forge.online.clone()]] {
        let said = sign_root(&forge.workshop, &keys).await.unwrap_err().to_string();
        for part in [keys[0].id(), new.id(), forge.root.id()] {
            assert!(said.contains(&part[..16]), "{part}: {said}");
        }
    }
    let half = sign_root(&forge.workshop, &[public(&forge, "root.pem")]).await.unwrap_err();
    assert!(half.to_string().contains("public half"), "{half}");
    let again = rotate_root(&forge.workshop, &next, &[]).await.unwrap_err().to_string();
    assert!(again.contains("pending-root.json"), "{again}");
    fs::remove_file(forge.path("pending-root.json")).unwrap();
    let fresh = plan(vec![], vec![], vec![]);
    let root = std::slice::from_ref(&forge.root);
    let made = rotate_root(&forge.workshop, &fresh, root).await.unwrap();
    assert!(made.complete && made.missing.is_empty() && made.version == 2);
    forge.load().await.unwrap();
}

#[tokio::test]
async fn keys_of_other_kinds_sign_too_and_odd_files_are_refused() {
    let forge = Forge::new().await;
    let make = |name: &str, der: &[u8]| {
        let path = forge.dir.path().join(name);
        let body = base64::engine::general_purpose::STANDARD.encode(der);
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
        fs::write(&path, pem).unwrap();
        BundleKey::read(&path).unwrap()
    };
    let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new());
    let ec = make("ec.pem", der.unwrap().as_ref());
    let pair = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der = pair.as_der().unwrap();
    let rsa = make("rsa.pem", der.as_ref());
    let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let ed = make("ed.pem", der.as_ref());
    for (key, name) in [(&ec, "ec.pem"), (&rsa, "rsa.pem"), (&ed, "ed.pem")] {
        assert_eq!(public(&forge, name).id(), key.id(), "{name}");
    }
    let workshop = Workshop::at(&forge.dir.path().join("second"));
    let plan = plan(vec![ec], vec![rsa.clone()], vec![ed.clone()]);
    assert!(make_root(&workshop, &plan, &TrustAnchors::empty()).await.unwrap().complete);
    publish(&workshop, &[rsa, ed], terms()).await.unwrap();
    let forge = Forge { workshop, ..forge };
    forge.load().await.unwrap();
    let odd = forge.dir.path().join("odd.pem");
    let cases = ["", "no pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"];
    for text in cases {
        fs::write(&odd, text).unwrap();
        let error = BundleKey::read(&odd).unwrap_err();
        assert!(matches!(&error, BundleError::Key { .. }), "{error}");
        assert!(!error.to_string().contains("AAAA"), "{error}");
    }
    assert!(portreeve_bundle::make_key(&odd).is_err(), "no key is written over");
}
