//! Rules of certificates: what is good is kept, what is not is made anew, and whoever was believed
//! is believed until the end.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use super::pair::certificates;
use super::*;
use crate::seals::KeyFile;

const NOW: i64 = 1_800_000_000;
const DAY: i64 = 86_400;

fn wanted() -> Wanted {
    Wanted {
        names: Wanted::names_of_service("portreeve", "trust"),
        renew_before: Duration::from_secs(100 * 86_400),
        validity: Duration::from_secs(365 * 86_400),
    }
}

fn settle(held: Option<&Pair>, told: &[String], extra: Extra, now: i64) -> (Pair, Option<String>) {
    let settled = wanted().settle(held, told, extra, now).unwrap();
    (settled.pair, settled.why)
}

fn fresh() -> Pair {
    settle(None, &[], Extra::Nothing, NOW).0
}

/// Whether a client that believes `bundle` accepts a server with `pair` under `name`, at `now`.
fn believed(pair: &Pair, bundle: &str, name: &str, now: i64) -> bool {
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier;
    use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
    let mut roots = rustls::RootCertStore::empty();
    for der in certificates(bundle) {
        roots.add(CertificateDer::from(der)).unwrap();
    }
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let verifier =
        WebPkiServerVerifier::builder_with_provider(roots.into(), provider.into()).build().unwrap();
    let leaf = CertificateDer::from(certificates(&pair.certificate).remove(0));
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let now = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now).unwrap()));
    verifier.verify_server_cert(&leaf, &[], &name, &[], now).is_ok()
}

#[test]
fn an_api_server_believes_what_is_made_under_the_services_names_alone() {
    let pair = fresh();
    for name in ["portreeve.trust.svc", "portreeve.trust.svc.cluster.local", "portreeve.trust"] {
        assert!(believed(&pair, &pair.bundle, name, NOW), "{name}");
        // Clocks differ.
        assert!(believed(&pair, &pair.bundle, name, NOW - 3_500), "{name}");
        assert!(believed(&pair, &pair.bundle, name, NOW + 364 * DAY), "{name}");
        assert!(!believed(&pair, &pair.bundle, name, NOW + 366 * DAY), "{name}");
    }
    assert!(!believed(&pair, &pair.bundle, "other.trust.svc", NOW));
    assert!(!believed(&pair, &fresh().bundle, "portreeve.trust.svc", NOW), "of another authority");
}

#[test]
fn names_may_be_addresses() {
    let names = ["portreeve.trust.svc", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    let wanted = Wanted { names, ..wanted() };
    let pair = wanted.settle(None, &[], Extra::Nothing, NOW).unwrap().pair;
    assert!(believed(&pair, &pair.bundle, "127.0.0.1", NOW));
    assert_eq!(pair.fault(&wanted, NOW), None);
    let bad = Wanted { names: vec!["ä".to_owned()], ..wanted };
    let refused = bad.settle(None, &[], Extra::Nothing, NOW).err().unwrap().to_string();
    assert!(refused.contains("no certificate could be made"), "{refused}");
}

#[test]
fn a_good_certificate_is_kept_as_it_is() {
    let pair = fresh();
    let (kept, why) =
        settle(Some(&pair), std::slice::from_ref(&pair.bundle), Extra::Nothing, NOW + DAY);
    assert!(kept == pair && why.is_none(), "{why:?}");
}

#[test]
fn a_certificate_that_will_not_do_is_made_anew_with_the_reason() {
    let pair = fresh();
    let other = fresh();
    let narrow = Wanted { names: vec!["a.example".to_owned()], ..wanted() };
    let narrow = narrow.settle(None, &[], Extra::Nothing, NOW).unwrap().pair;
    for (held, now, words) in [
        (Pair { certificate: "nothing".to_owned(), ..pair.clone() }, NOW, "no certificate"),
        (Pair { certificate: String::new(), ..pair.clone() }, NOW, "no certificate"),
        (Pair { key: other.key.clone(), ..pair.clone() }, NOW, "not the certificate's"),
        (Pair { key: "nothing".to_owned(), ..pair.clone() }, NOW, "not the certificate's"),
        (Pair { bundle: other.bundle.clone(), ..pair.clone() }, NOW, "no authority"),
        (Pair { bundle: String::new(), ..pair.clone() }, NOW, "no authority"),
        (narrow, NOW, "is not for portreeve.trust.svc"),
        (pair.clone(), NOW + 266 * DAY, "ends on 2028-01-15"),
        (pair.clone(), NOW + 400 * DAY, "no authority"),
    ] {
        let (made, why) = settle(Some(&held), &[], Extra::Nothing, now);
        assert!(why.as_deref().is_some_and(|why| why.contains(words)), "{words}: {why:?}");
        assert!(believed(&made, &made.bundle, "portreeve.trust.svc", now), "{words}");
    }
}

#[test]
fn while_it_is_renewed_both_certificates_are_believed_by_old_and_new_bundle_holders() {
    let old = fresh();
    let later = NOW + 300 * DAY;
    let (new, why) = settle(Some(&old), std::slice::from_ref(&old.bundle), Extra::Nothing, later);
    assert!(why.is_some());
    assert_eq!(certificates(&new.bundle).len(), 2, "each once");
    for pair in [&old, &new] {
        assert!(believed(pair, &new.bundle, "portreeve.trust.svc", later));
    }
    // What has ended is left out in time.
    let (kept, why) =
        settle(Some(&new), std::slice::from_ref(&new.bundle), Extra::Nothing, NOW + 400 * DAY);
    assert!(why.is_none() && certificates(&kept.bundle).len() == 1);
}

#[test]
fn what_the_api_server_was_told_by_others_stays_believed() {
    let (lost, told) = (fresh(), "garbage".to_owned());
    let (new, _) = settle(None, &[lost.bundle.clone(), told], Extra::Nothing, NOW);
    assert!(believed(&lost, &new.bundle, "portreeve.trust.svc", NOW));
}

#[test]
fn an_authority_is_forgotten_only_where_it_is_not_needed() {
    let old = fresh();
    let (new, why) = settle(Some(&old), &[], Extra::Renew, NOW);
    assert_eq!(why.as_deref(), Some("as was asked for"));
    let (kept, why) = settle(Some(&new), std::slice::from_ref(&new.bundle), Extra::ForgetOld, NOW);
    assert!(why.is_none() && certificates(&kept.bundle).len() == 1);
    assert!(believed(&kept, &kept.bundle, "portreeve.trust.svc", NOW));
    assert!(!believed(&old, &kept.bundle, "portreeve.trust.svc", NOW));
    let late = wanted().settle(Some(&old), &[], Extra::ForgetOld, NOW + 300 * DAY).err().unwrap();
    assert!(late.to_string().contains("forget no authority before"), "{late}");
}

#[test]
fn times_that_cannot_work_are_refused() {
    let short = Wanted { validity: Duration::from_secs(60), ..wanted() };
    assert!(short.check().unwrap_err().contains("an hour"));
    let always = Wanted { renew_before: wanted().validity, ..wanted() };
    assert!(always.check().unwrap_err().contains("anew each time"));
    assert_eq!(wanted().check(), Ok(()));
    let long = Wanted { validity: Duration::from_secs(u64::MAX / 2), ..wanted() };
    assert!(long.settle(None, &[], Extra::Nothing, NOW).is_err());
}

fn places() -> Places {
    Places {
        namespace: "trust".to_owned(),
        seal_secret: Some("seal".to_owned()),
        secret: Some("certs".to_owned()),
        webhooks: None,
    }
}

#[test]
fn a_directory_is_filled_once_and_then_kept() {
    let dir = tempfile::tempdir().unwrap();
    let files = Files { directory: dir.path().join("new/certs") };
    let steps = write(&files, &places(), &wanted(), Extra::Nothing, true, NOW).unwrap();
    assert!(!files.directory.exists(), "a dry run writes nothing: {steps:?}");
    write(&files, &places(), &wanted(), Extra::Nothing, false, NOW).unwrap();
    let names = ["ca.crt", "seal.key", "secrets.yaml", "tls.crt", "tls.key"];
    let read = |name: &str| std::fs::read_to_string(files.directory.join(name)).unwrap();
    let before = names.map(read);
    for name in names {
        let mode = std::fs::metadata(files.directory.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let steps = write(&files, &places(), &wanted(), Extra::Nothing, false, NOW + DAY).unwrap();
    assert!(matches!(steps[..2], [Step::Kept { .. }, Step::Kept { .. }]), "{steps:?}");
    assert_eq!(names.map(read), before);
    // A new certificate leaves the keys of seals alone.
    write(&files, &places(), &wanted(), Extra::Renew, false, NOW + DAY).unwrap();
    assert_ne!(read("tls.crt"), before[3]);
    assert_eq!(read("seal.key"), before[1]);
    assert_eq!(certificates(&read("ca.crt")).len(), 2);
}

#[test]
fn the_secrets_of_a_directory_are_those_a_cluster_would_have() {
    let dir = tempfile::tempdir().unwrap();
    let files = Files { directory: dir.path().to_owned() };
    write(&files, &places(), &wanted(), Extra::Nothing, false, NOW).unwrap();
    let text = std::fs::read_to_string(dir.path().join("secrets.yaml")).unwrap();
    let documents: Vec<serde_json::Value> = serde_saphyr::from_multiple(&text).unwrap();
    let [seal, certs] = documents.as_slice() else { panic!("{} documents", documents.len()) };
    let file = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
    for (document, name, kind) in [(seal, "seal", "Opaque"), (certs, "certs", "kubernetes.io/tls")]
    {
        assert_eq!(document["metadata"], serde_json::json!({"name": name, "namespace": "trust"}));
        assert_eq!(document["type"], kind);
        for (member, text) in document["stringData"].as_object().unwrap() {
            assert_eq!(text.as_str(), Some(file(member).as_str()), "{member}");
        }
    }
    assert_eq!(certs["stringData"].as_object().unwrap().len(), 3);
    assert_eq!(KeyFile::at(&dir.path().join("seal.key")).read().unwrap().ids().count(), 1);
}

#[test]
fn a_spoilt_key_of_seals_is_neither_used_nor_replaced() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("seal.key"), "hunter2\n").unwrap();
    let files = Files { directory: dir.path().to_owned() };
    let refused = write(&files, &places(), &wanted(), Extra::Nothing, false, NOW).err().unwrap();
    assert!(!refused.to_string().contains("hunter2"), "{refused}");
    assert_eq!(std::fs::read_to_string(dir.path().join("seal.key")).unwrap(), "hunter2\n");
}
