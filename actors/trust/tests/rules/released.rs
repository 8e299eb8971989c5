//! From a verified tag to the digest that may run.

use portreeve_protocol::evidence::{DroppedRole, TargetEntry};
use portreeve_protocol::messages::admission::VerifiedTag;
use portreeve_protocol::policy::{SignerKey, SignerRequirement, TrustRequirement};
use portreeve_protocol::{Denial, DenyCode, Sha256};
use portreeve_trust::release::release;
use portreeve_trust::signer::{public_key_fingerprint, valid_signer_name};
use serde_json::json;

use crate::forge::{Collection, EARLIER, Signer, delegated, entry, image, listed, verified};

/// What the collection says about `v1`.
fn tag(collection: &Collection) -> VerifiedTag {
    let mut found = verified(&collection.request());
    VerifiedTag { evidence: found.evidence.into(), view: found.tags.remove("v1").unwrap() }
}

fn by(keys: Vec<SignerKey>) -> TrustRequirement {
    let secret = "team/signer".to_owned();
    let signers =
        keys.into_iter().map(|key| SignerRequirement { key, secret: secret.clone() }).collect();
    TrustRequirement {
        freshness: None,
        max_staleness: None,
        pins: Default::default(),
        server: None,
        signers,
        strict_roles: false,
    }
}

fn signer(name: &str, spki: Sha256) -> SignerKey {
    SignerKey::Usable { name: name.to_owned(), spki }
}

fn code(result: Result<portreeve_trust::release::Released, Denial>) -> DenyCode {
    result.expect_err("it was released").code
}

#[test]
fn releases_give_the_digest_and_targets_give_it_in_their_absence() {
    let released = release(&tag(&Collection::new()), &by(vec![]), None).unwrap();
    assert_eq!((released.digest, released.role), (image("v1"), "targets/releases"));
    assert!(released.warnings.is_empty() && released.signers.is_empty());
    let mut collection = Collection::new();
    collection.targets.signed["targets"]["v1"] = entry("old");
    collection.delegations.get_mut("targets/releases").unwrap().signed["targets"] = json!({});
    let released = release(&tag(&collection), &by(vec![]), None).unwrap();
    assert_eq!((released.digest, released.role), (image("old"), "targets"));
}

#[test]
pub fn a_differing_entry_in_targets_is_remarked_on_with_both_digests() {
    let mut collection = Collection::new();
    collection.targets.signed["targets"]["v1"] = entry("old");
    let released = release(&tag(&collection), &by(vec![]), None).unwrap();
    assert_eq!(released.digest, image("v1"));
    let [warning] = released.warnings.as_slice() else { panic!("no warning") };
    assert!(warning.contains(&image("v1").to_hex()) && warning.contains(&image("old").to_hex()));
    collection.targets.signed["targets"]["v1"] = json!(null);
    assert_eq!(release(&tag(&collection), &by(vec![]), None).unwrap().warnings.len(), 1);
    collection.targets.signed["targets"]["v1"] = entry("v1");
    assert!(release(&tag(&collection), &by(vec![]), None).unwrap().warnings.is_empty());
}

#[test]
fn an_unusable_entry_of_the_releasing_role_denies_and_no_other_answers_for_it() {
    let mut collection = Collection::new();
    collection.targets.signed["targets"]["v1"] = entry("v1");
    let releases = collection.delegations.get_mut("targets/releases").unwrap();
    releases.signed["targets"]["v1"] = json!(null);
    assert_eq!(code(release(&tag(&collection), &by(vec![]), None)), DenyCode::BadEntry);
}

#[test]
fn a_tag_in_no_role_or_in_none_that_releases_is_denied() {
    let mut collection = Collection::new();
    collection.delegations.get_mut("targets/releases").unwrap().signed["targets"] = json!({});
    assert_eq!(code(release(&tag(&collection), &by(vec![]), None)), DenyCode::NotReleased);
    collection.delegations.get_mut("targets/alice").unwrap().signed["targets"] = json!({});
    assert_eq!(code(release(&tag(&collection), &by(vec![]), None)), DenyCode::TagNotSigned);
}

#[test]
pub fn the_digest_that_the_image_names_must_be_the_signed_one() {
    let tag = tag(&Collection::new());
    assert!(release(&tag, &by(vec![]), Some(image("v1"))).is_ok());
    let other = release(&tag, &by(vec![]), Some(image("other")));
    assert_eq!(code(other), DenyCode::DigestMismatch);
}

#[test]
pub fn all_signers_must_have_signed_with_their_pinned_keys() {
    let collection = Collection::new();
    let keys = &collection.keys;
    let tag = tag(&collection);
    let alice = || signer("alice", keys.alice.spki);
    let released = release(&tag, &by(vec![alice()]), None).unwrap();
    assert_eq!(released.signers, ["alice"]);
    let stranger = signer("alice", keys.releases.spki);
    let missing = signer("bob", keys.alice.spki);
    for (keys, expected) in [
        (vec![stranger.clone()], DenyCode::SignerKeyMismatch),
        (vec![missing.clone()], DenyCode::SignerMissing),
        // Two Secrets of one name: both hold, none wins.
        (vec![alice(), stranger], DenyCode::SignerKeyMismatch),
        (vec![alice(), missing], DenyCode::SignerMissing),
        (vec![SignerKey::Missing], DenyCode::SignerKeyMissing),
        (vec![SignerKey::Invalid("no name".to_owned())], DenyCode::SignerKeyInvalid),
        (vec![signer("..", Sha256::ZERO)], DenyCode::SignerKeyInvalid),
    ] {
        assert_eq!(code(release(&tag, &by(keys), None)), expected);
    }
    assert_eq!(release(&tag, &by(vec![alice(), alice()]), None).unwrap().signers, ["alice"]);
}

#[test]
pub fn a_pinned_key_that_is_listed_but_did_not_sign_is_not_enough() {
    let mut collection = Collection::new();
    let second = Signer::bare();
    let keys = &collection.keys;
    let delegations = &mut collection.targets.signed["delegations"];
    delegations["keys"] = listed(&[&keys.releases, &keys.alice, &second]);
    delegations["roles"][1] = delegated("targets/alice", &[&keys.alice, &second], 1, &[""]);
    let tag = tag(&collection);
    let listed_only = by(vec![signer("alice", second.spki)]);
    assert_eq!(code(release(&tag, &listed_only, None)), DenyCode::SignerKeyMismatch);
    assert!(release(&tag, &by(vec![signer("alice", collection.keys.alice.spki)]), None).is_ok());
}

#[test]
pub fn a_signer_who_signed_another_digest_disagrees() {
    let mut collection = Collection::new();
    let alice = collection.delegations.get_mut("targets/alice").unwrap();
    alice.signed["targets"]["v1"] = entry("other");
    let wanted = by(vec![signer("alice", collection.keys.alice.spki)]);
    assert_eq!(code(release(&tag(&collection), &wanted, None)), DenyCode::SignersDisagree);
    let alice = collection.delegations.get_mut("targets/alice").unwrap();
    alice.signed["targets"]["v1"] = json!(null);
    assert_eq!(code(release(&tag(&collection), &wanted, None)), DenyCode::BadEntry);
}

#[test]
fn a_signer_whose_role_was_left_out_is_missing_and_the_denial_says_why() {
    let mut collection = Collection::new();
    let alice = collection.delegations.get_mut("targets/alice").unwrap();
    alice.signed["expires"] = json!(EARLIER);
    let wanted = by(vec![signer("alice", collection.keys.alice.spki)]);
    let denial = release(&tag(&collection), &wanted, None).expect_err("it was released");
    assert_eq!(denial.code, DenyCode::SignerMissing);
    assert!(denial.detail.contains("expired"), "{}", denial.detail);
}

#[test]
fn where_releases_are_left_out_targets_answer_with_a_warning_unless_roles_are_strict() {
    let mut collection = Collection::new();
    collection.targets.signed["targets"]["v1"] = entry("v1");
    let releases = collection.delegations.get_mut("targets/releases").unwrap();
    releases.signed["expires"] = json!(EARLIER);
    let tag = tag(&collection);
    let released = release(&tag, &by(vec![]), None).unwrap();
    assert_eq!((released.role, released.warnings.len()), ("targets", 1));
    let strict = TrustRequirement { strict_roles: true, ..by(vec![]) };
    assert_eq!(code(release(&tag, &strict, None)), DenyCode::Expired);
}

#[test]
fn strict_roles_want_releases_to_be_published() {
    let mut collection = Collection::new();
    collection.targets.signed["targets"]["v1"] = entry("v1");
    collection.targets.signed["delegations"] = json!(null);
    collection.delegations.clear();
    let tag = tag(&collection);
    assert!(release(&tag, &by(vec![]), None).unwrap().warnings.is_empty());
    let strict = TrustRequirement { strict_roles: true, ..by(vec![]) };
    assert_eq!(code(release(&tag, &strict, None)), DenyCode::NotReleased);
}

#[test]
fn withdrawn_releases_deny_even_if_targets_could_answer() {
    let mut collection = Collection::new();
    collection.targets.signed["targets"]["v1"] = entry("v1");
    collection.delegations.remove("targets/releases");
    let mut tag = tag(&collection);
    let why = Denial::new(DenyCode::RoleWithdrawn, "targets/releases is gone");
    tag.evidence.dropped = vec![DroppedRole { role: "targets/releases".to_owned(), why }];
    assert_eq!(code(release(&tag, &by(vec![]), None)), DenyCode::RoleWithdrawn);
}

#[test]
fn an_entry_of_a_role_that_left_no_evidence_satisfies_no_signer() {
    let mut tag = tag(&Collection::new());
    let entry = TargetEntry::Image { length: 1, sha256: image("v1") };
    tag.view.entries.insert("targets/bob".to_owned(), entry);
    let wanted = by(vec![signer("bob", Sha256::ZERO)]);
    assert_eq!(code(release(&tag, &wanted, None)), DenyCode::SignerKeyMismatch);
}

#[test]
fn names_of_signers_are_names_of_delegations() {
    for name in ["alice", "a-b_c", "team/alice", "0"] {
        assert!(valid_signer_name(name), "{name}");
    }
    let long = "a".repeat(248);
    for name in ["", ".", "..", "/", "a/", "/a", "a//b", "a/../b", "A", "a b", "a.b", "é", &long] {
        assert!(!valid_signer_name(name), "{name}");
    }
    assert!(valid_signer_name(&long[1..]));
}

#[test]
fn a_key_has_one_fingerprint_bare_with_header_lines_or_in_a_certificate() {
    let key = rcgen::KeyPair::generate().unwrap();
    let bare = key.public_key_pem();
    let certificate = crate::forge::params("alice").self_signed(&key).unwrap().pem();
    let spki = Sha256::of(&rcgen::PublicKeyData::subject_public_key_info(&key));
    let headed = bare.replacen("-----\n", "-----\nrole: alice\n\n", 1);
    let noted = format!("Public-Key: (256 bit)\r\n{}", bare.replace('\n', "\r\n"));
    let bundle = format!("{certificate}{certificate}");
    for text in [&bare, &certificate, &headed, &noted, &bundle] {
        assert_eq!(public_key_fingerprint(text), Ok(spki), "{text}");
    }
}

#[test]
fn text_without_one_usable_public_key_has_no_fingerprint_and_is_never_quoted() {
    let key = rcgen::KeyPair::generate().unwrap();
    let (bare, secret) = (key.public_key_pem(), key.serialize_pem());
    let odd = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512).unwrap();
    for text in [
        String::new(),
        "alice".to_owned(),
        secret.clone(),
        format!("{bare}{bare}"),
        format!("{bare}{secret}"),
        bare.replace("-----END", "-----FIN"),
        bare.replace("MF", "!!"),
        odd.public_key_pem(),
    ] {
        let why = public_key_fingerprint(&text).expect_err("a fingerprint");
        assert!(!why.is_empty() && !why.contains("MI"), "{why}");
    }
}

#[test]
pub fn a_policy_that_pins_a_root_is_satisfied_by_no_other_root() {
    let collection = Collection::new();
    let tag = tag(&collection);
    let signer = tag.evidence.roles["root"].signed_by[0].clone();
    let pinned =
        |pins: &[Sha256]| TrustRequirement { pins: pins.iter().copied().collect(), ..by(vec![]) };
    assert!(release(&tag, &pinned(&[signer.keyid]), None).is_ok());
    assert!(release(&tag, &pinned(&[signer.spki, Sha256::ZERO]), None).is_ok());
    assert_eq!(code(release(&tag, &pinned(&[Sha256::ZERO]), None)), DenyCode::RootPinMismatch);
}

#[test]
fn the_pins_of_a_policy_must_be_enough_for_the_threshold_of_the_root() {
    let mut tag = tag(&Collection::new());
    let root = tag.evidence.roles.get_mut("root").unwrap();
    root.threshold = 2;
    let one = TrustRequirement { pins: [root.signed_by[0].keyid].into(), ..by(vec![]) };
    assert_eq!(code(release(&tag, &one, None)), DenyCode::RootPinMismatch);
}
