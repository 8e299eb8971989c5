//! What signed data must say.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use portreeve_protocol::evidence::TargetEntry;
use portreeve_protocol::messages::admission::ResolutionOutcome;
use portreeve_protocol::policy::{SignerKey, SignerRequirement};
use portreeve_protocol::{Admitted, Denial, DenyCode, Settings, Sha256, Verdict, Wall};

use crate::world::{
    SERVER, World, answer, answers, code, codes, digest, policy, questions, rule, signed, trust,
    verified, without_tag,
};

const GUN: &str = "registry.example/app";

fn decide(outcome: ResolutionOutcome, image: &str) -> portreeve_protocol::Decision {
    let mut world = World::with_rule("*", trust(&[("alice", digest("alice"))]));
    world.pod(&[image]);
    answer(&world.tell(GUN, "latest", outcome))
}

fn by(signers: &[(&str, Sha256)]) -> ResolutionOutcome {
    verified(signed(GUN, "latest", digest("image"), signers))
}

#[test]
fn an_image_signed_as_asked_is_allowed_with_its_evidence() {
    let decision = decide(by(&[("alice", digest("alice"))]), GUN);
    assert!(decision.allowed, "{}", decision.message);
    let Verdict::Allowed(Admitted::Verified(found)) = &decision.verdicts[0].verdict else {
        panic!("{decision:?}")
    };
    assert_eq!(found.digest, digest("image"));
    assert_eq!((&*found.server, &*found.released_by), (SERVER, "targets/releases"));
    assert_eq!(found.signers, ["alice"]);
    assert_eq!(found.evidence.gun, GUN);
    let audited = format!("c0={}", digest("image").to_oci());
    assert_eq!(decision.annotations()["digests"], audited);
}

#[test]
fn unsigned_unbelievable_and_unreachable_are_different_answers() {
    let cases = [
        (ResolutionOutcome::Absent, DenyCode::NotSigned),
        (without_tag(GUN, "latest"), DenyCode::TagNotSigned),
        (
            ResolutionOutcome::Refused(Denial::new(DenyCode::Rollback, "older than seen")),
            DenyCode::Rollback,
        ),
        (
            ResolutionOutcome::Unavailable(Denial::new(DenyCode::Unreachable, "no route")),
            DenyCode::Unreachable,
        ),
    ];
    for (outcome, expected) in cases {
        let decision = decide(outcome, GUN);
        assert_eq!(code(&decision), Some(expected));
        assert_eq!(decision.patch(), None);
        let named = expected == DenyCode::TagNotSigned || decision.message.contains(SERVER);
        assert!(named, "the trust server is named: {}", decision.message);
    }
}

#[test]
fn the_denial_of_a_changed_root_names_the_command_that_forgets_the_old_one() {
    let changed = Denial::new(DenyCode::RootChanged, "another root is served");
    let decision = decide(ResolutionOutcome::Refused(changed), GUN);
    let command = format!("portreeve trust reset {GUN} --server {SERVER} --reason TEXT");
    assert!(decision.message.contains(&command), "{}", decision.message);
}

#[test]
fn a_required_signers_key_must_have_signed() {
    assert_eq!(code(&decide(by(&[]), GUN)), Some(DenyCode::SignerMissing));
    let other = by(&[("alice", digest("mallory"))]);
    assert_eq!(code(&decide(other, GUN)), Some(DenyCode::SignerKeyMismatch));
}

#[test]
fn two_secrets_naming_one_signer_both_count() {
    let both = trust(&[("alice", digest("alice")), ("alice", digest("second"))]);
    let mut world = World::with_rule("*", both);
    world.pod(&[GUN]);
    let decision = answer(&world.tell(GUN, "latest", by(&[("alice", digest("alice"))])));
    assert_eq!(code(&decision), Some(DenyCode::SignerKeyMismatch));
}

#[test]
fn a_signer_secret_that_cannot_be_used_denies_before_anything_is_asked() {
    for (key, expected) in [
        (SignerKey::Missing, DenyCode::SignerKeyMissing),
        (SignerKey::Invalid("no key".to_owned()), DenyCode::SignerKeyInvalid),
    ] {
        let mut requirement = trust(&[("alice", digest("alice"))]).unwrap();
        let secret = "portreeve/bob".to_owned();
        requirement.signers.push(SignerRequirement { key, secret });
        let mut world = World::with_rule("*", Some(requirement));
        let effects = world.pod(&[GUN]);
        assert!(questions(&effects).is_empty());
        let decision = answer(&effects);
        assert_eq!(code(&decision), Some(expected));
        assert!(decision.message.contains("portreeve/bob"), "{}", decision.message);
    }
}

#[test]
fn a_digest_in_the_reference_must_be_the_signed_one() {
    let alice = [("alice", digest("alice"))];
    for tag in ["", ":latest"] {
        let right = format!("{GUN}{tag}@{}", digest("image").to_oci());
        let decision = decide(by(&alice), &right);
        assert!(decision.allowed, "{}", decision.message);
        assert_eq!(decision.patch(), None, "it is pinned already");
        let wrong = format!("{GUN}{tag}@{}", digest("other").to_oci());
        assert_eq!(code(&decide(by(&alice), &wrong)), Some(DenyCode::DigestMismatch));
    }
}

#[test]
fn a_bare_digest_is_held_against_the_tag_latest() {
    let mut world = World::with_rule("*", trust(&[]));
    let effects = world.pod(&[&format!("{GUN}@{}", digest("image").to_oci())]);
    assert_eq!(questions(&effects)[0].1.tag, "latest");
    assert_eq!(questions(&effects)[0].1.gun, GUN);
}

#[test]
fn a_tag_without_released_entry_is_denied_also_where_nothing_is_patched() {
    let mut strict = rule("*", trust(&[]));
    strict.mutate_image = false;
    let mut world = World::with(vec![policy("default", vec![strict])]);
    world.pod(&[GUN]);
    let mut found = signed(GUN, "latest", digest("image"), &[("alice", digest("alice"))]);
    found.view.entries.remove("targets/releases");
    let decision = answer(&world.tell(GUN, "latest", verified(found)));
    assert_eq!(code(&decision), Some(DenyCode::NotReleased));
}

#[test]
fn a_signed_entry_without_usable_digest_is_denied_also_where_nothing_is_patched() {
    for mutate_image in [true, false] {
        let demand = portreeve_protocol::policy::Rule { mutate_image, ..rule("*", trust(&[])) };
        let mut world = World::with(vec![policy("default", vec![demand])]);
        world.pod(&[GUN]);
        let mut found = signed(GUN, "latest", digest("image"), &[]);
        let empty = TargetEntry::Unusable("it has no sha256".to_owned());
        found.view.entries.insert("targets/releases".to_owned(), empty);
        let decision = answer(&world.tell(GUN, "latest", verified(found)));
        assert_eq!(code(&decision), Some(DenyCode::BadEntry));
    }
}

#[test]
fn expired_evidence_allows_nothing() {
    let mut found = signed(GUN, "latest", digest("image"), &[]);
    found.evidence.expires = Wall(1_000);
    let mut world = World::with_rule("*", trust(&[]));
    world.pod(&[GUN]);
    let decision = answer(&world.tell(GUN, "latest", verified(found)));
    assert_eq!(code(&decision), Some(DenyCode::Expired));
}

#[test]
fn where_pins_are_required_a_root_of_first_use_is_denied() {
    for (require_pins, expected) in [(true, Some(DenyCode::RootUnpinned)), (false, None)] {
        let mut world = World::new(Settings { require_pins, ..Settings::default() });
        world.policies(vec![policy("default", vec![rule("*", trust(&[]))])]);
        world.pod(&[GUN]);
        let mut found = signed(GUN, "latest", digest("image"), &[]);
        found.evidence.first_use = true;
        assert_eq!(code(&answer(&world.tell(GUN, "latest", verified(found)))), expected);
    }
}

#[test]
fn an_answer_about_another_repository_or_tag_is_never_used() {
    for (gun, tag) in [("registry.example/other", "latest"), (GUN, "v1")] {
        let mut world = World::with_rule("*", trust(&[]));
        world.pod(&[GUN]);
        let other = verified(signed(gun, tag, digest("image"), &[]));
        let decision = answer(&world.tell(GUN, "latest", other));
        assert_eq!(code(&decision), Some(DenyCode::Internal));
    }
}

#[test]
pub fn rules_of_equal_specificity_that_lead_to_different_digests_deny() {
    let mut elsewhere = trust(&[]).unwrap();
    elsewhere.server = Some("https://second.example".to_owned());
    let rules = vec![rule("*", trust(&[])), rule("*", Some(elsewhere))];
    for (image, expected) in [("image", None), ("other", Some(DenyCode::DigestMismatch))] {
        let mut world = World::with(vec![policy("default", rules.clone())]);
        assert_eq!(questions(&world.pod(&[GUN])).len(), 2);
        let first = verified(signed(GUN, "latest", digest("image"), &[]));
        assert!(answers(&world.tell(GUN, "latest", first)).is_empty());
        let outcome = verified(signed(GUN, "latest", digest(image), &[]));
        let mut second = crate::world::resolution(GUN, "latest", world.now.mono, outcome);
        second.server = "https://second.example".to_owned();
        assert_eq!(code(&answer(&world.resolution(second))), expected);
    }
}

#[test]
fn a_container_is_judged_by_its_own_image_only() {
    let mut world = World::with_rule("*", trust(&[]));
    let effects = world.pod(&["registry.example/app", "registry.example/bad"]);
    assert_eq!(questions(&effects).len(), 2);
    let good = verified(signed(GUN, "latest", digest("image"), &[]));
    assert!(answers(&world.tell(GUN, "latest", good)).is_empty());
    let decision = answer(&world.tell("registry.example/bad", "latest", ResolutionOutcome::Absent));
    assert_eq!(codes(&decision), [None, Some(DenyCode::NotSigned)]);
    assert!(!decision.allowed);
    assert_eq!(decision.patch(), None);
}

#[test]
fn an_owner_reference_proves_nothing() {
    let mut world = World::with_rule("*", trust(&[]));
    let mut facts = crate::world::pod(&[GUN]);
    facts.owners = vec![crate::world::owner()];
    assert_eq!(questions(&world.review(&facts)).len(), 1);
    let decision = answer(&world.tell(GUN, "latest", ResolutionOutcome::Absent));
    assert_eq!(code(&decision), Some(DenyCode::NotSigned));
}
