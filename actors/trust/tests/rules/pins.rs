//! Pins hold on every load, and bind a collection to what its operator knows.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portreeve_protocol::messages::notary::VerifyOutcome;
use portreeve_protocol::messages::verify::VerifyRequest;
use portreeve_protocol::{DenyCode, Settings, Sha256};
use portreeve_trust::verify;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};

use crate::forge::{Collection, GUN, NOW, Signer, dated, params};

/// The code of the refusal, if these pins lead to one.
fn code(request: &VerifyRequest, pins: &Settings) -> Option<DenyCode> {
    let request = VerifyRequest { pins: pins.root_pins(GUN), ..request.clone() };
    match verify(&request, NOW) {
        VerifyOutcome::Verified(found) => {
            assert_eq!(found.evidence.first_use, !covered(pins));
            None
        }
        VerifyOutcome::Refused(denial) => Some(denial.code),
        VerifyOutcome::Missing(missing) => panic!("missing: {missing:?}"),
    }
}

/// Whether some pin concerns the collection.
fn covered(pins: &Settings) -> bool {
    let pins = pins.root_pins(GUN);
    !(pins.keyids.is_empty() && pins.authorities.is_empty())
}

fn ids(pins: &[(&str, Sha256)]) -> Settings {
    let pins = pins.iter().map(|(gun, id)| ((*gun).to_owned(), [*id].into())).collect();
    Settings { pins, ..Settings::default() }
}

#[test]
fn the_pin_of_the_collection_itself_comes_before_wildcards_and_longer_ones_before_shorter() {
    let collection = Collection::new();
    let (good, bad) = (collection.keys.root.id, Sha256::ZERO);
    let request = collection.request();
    for (pins, expected) in [
        (vec![(GUN, good)], None),
        (vec![(GUN, bad)], Some(DenyCode::RootPinMismatch)),
        (vec![(GUN, good), ("registry.example:5000/team/*", bad)], None),
        (vec![("registry.example:5000/team/*", good), ("registry.example:5000/*", bad)], None),
        (
            vec![("registry.example:5000/team/*", bad), ("registry.example:5000/*", good)],
            Some(DenyCode::RootPinMismatch),
        ),
        (vec![("registry.example:5000/other/*", bad)], None),
    ] {
        assert_eq!(code(&request, &ids(&pins)), expected, "{pins:?}");
    }
}

#[test]
fn pins_hold_for_a_root_that_was_trusted_before() {
    let collection = Collection::new();
    let request = collection.request_with(&BTreeMap::new());
    let wrong = ids(&[(GUN, Sha256::ZERO)]);
    assert_eq!(code(&request, &wrong), Some(DenyCode::RootPinMismatch));
}

#[test]
fn without_a_pin_a_root_is_refused_where_first_use_is_forbidden() {
    let request = Collection::new().request();
    let forbidden = Settings { require_pins: true, ..Settings::default() };
    assert_eq!(code(&request, &forbidden), Some(DenyCode::RootUnpinned));
    assert_eq!(code(&request, &Settings::default()), None);
}

/// Keys that the pins admit must meet the threshold alone.
#[test]
pub fn a_root_key_outside_the_pin_cannot_help_the_threshold() {
    let mut collection = Collection::new();
    let second = Signer::certified(GUN);
    let root = &mut collection.roots[0].signed;
    let listed = crate::forge::listed(&[&second]);
    root["keys"][second.id.to_hex()] = listed[second.id.to_hex()].clone();
    root["roles"]["root"] = crate::forge::role(&[&collection.keys.root, &second], 2);
    collection.roots[0].signers.push(second.clone());
    let request = collection.request();
    assert_eq!(code(&request, &Settings::default()), None);
    let one = ids(&[(GUN, second.id)]);
    assert_eq!(code(&request, &one), Some(DenyCode::RootUntrusted));
}

/// An authority, and what it signs.
struct Authority {
    key: KeyPair,
    params: CertificateParams,
}

impl Authority {
    fn new(name: &str, path: BasicConstraints) -> Self {
        let mut params = params(name);
        params.is_ca = IsCa::Ca(path);
        Self { key: KeyPair::generate().unwrap(), params }
    }

    fn pem(&self) -> String {
        self.params.self_signed(&self.key).unwrap().pem()
    }

    fn issue(&self, key: &KeyPair, params: &CertificateParams) -> String {
        let issuer = Issuer::from_params(&self.params, &self.key);
        params.signed_by(key, &issuer).unwrap().pem()
    }
}

fn authority(prefix: &str, pem: String) -> Settings {
    Settings { pin_cas: BTreeMap::from([(prefix.to_owned(), pem)]), ..Settings::default() }
}

/// A request of a collection whose root key comes in this PEM text.
fn rooted(key: &KeyPair, pem: &str) -> VerifyRequest {
    let mut collection = Collection::new();
    collection.keys.root = Signer::with_pem(key, pem);
    collection.roots = vec![collection.keys.root(1)];
    collection.request()
}

const TEAM: &str = "registry.example:5000/team";

#[test]
fn a_certificate_issued_by_the_pinned_authority_is_admitted() {
    let top = Authority::new("top", BasicConstraints::Unconstrained);
    let other = Authority::new("top", BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let leaf = top.issue(&key, &params(GUN));
    let request = rooted(&key, &leaf);
    assert_eq!(code(&request, &authority(TEAM, top.pem())), None);
    let mismatch = Some(DenyCode::RootPinMismatch);
    assert_eq!(code(&request, &authority(TEAM, other.pem())), mismatch);
    assert_eq!(code(&request, &authority(TEAM, "garbage".to_owned())), mismatch);
    let own = params(GUN).self_signed(&key).unwrap().pem();
    assert_eq!(code(&rooted(&key, &own), &authority(TEAM, top.pem())), mismatch);
}

/// Found by fuzzing: the reader of certificates takes the curve for enough.
#[test]
fn an_authority_whose_key_is_of_no_known_algorithm_has_issued_nothing() {
    let top = Authority::new("top", BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let request = rooted(&key, &top.issue(&key, &params(GUN)));
    assert_eq!(code(&request, &authority(TEAM, top.pem())), None);
    let id_ec_public_key = b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01";
    let mut der = top.params.self_signed(&top.key).unwrap().der().to_vec();
    let at = der.windows(9).position(|window| window == id_ec_public_key).unwrap();
    der[at + 2] = 0x2b;
    let text = STANDARD.encode(der);
    let pem = format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
    assert_eq!(code(&request, &authority(TEAM, pem)), Some(DenyCode::RootPinMismatch));
}

#[test]
fn a_prefix_covers_whole_path_segments_only() {
    let other = Authority::new("other", BasicConstraints::Unconstrained);
    let request = Collection::new().request();
    for (prefix, covers) in [
        (GUN, true),
        (TEAM, true),
        ("registry.example:5000/team/", true),
        ("registry.example:5000", true),
        ("registry.example:5000/te", false),
        ("registry.example", false),
    ] {
        let expected = covers.then_some(DenyCode::RootPinMismatch);
        assert_eq!(code(&request, &authority(prefix, other.pem())), expected, "{prefix}");
    }
}

#[test]
fn intermediates_lead_from_the_leaf_to_the_authority_within_its_path_length() {
    let key = KeyPair::generate().unwrap();
    for (path, expected) in [
        (BasicConstraints::Unconstrained, None),
        (BasicConstraints::Constrained(1), None),
        (BasicConstraints::Constrained(0), Some(DenyCode::RootPinMismatch)),
    ] {
        let top = Authority::new("top", path);
        let middle = Authority::new("middle", BasicConstraints::Unconstrained);
        let bundle = middle.issue(&key, &params(GUN)) + &top.issue(&middle.key, &middle.params);
        assert_eq!(code(&rooted(&key, &bundle), &authority(TEAM, top.pem())), expected, "{path:?}");
    }
}

#[test]
fn a_leaf_for_another_purpose_is_not_admitted_by_its_authority() {
    let top = Authority::new("top", BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    for (purpose, expected) in [
        (ExtendedKeyUsagePurpose::ServerAuth, None),
        (ExtendedKeyUsagePurpose::Any, None),
        (ExtendedKeyUsagePurpose::CodeSigning, Some(DenyCode::RootPinMismatch)),
    ] {
        let mut leaf = params(GUN);
        leaf.extended_key_usages = vec![purpose.clone()];
        let request = rooted(&key, &top.issue(&key, &leaf));
        assert_eq!(code(&request, &authority(TEAM, top.pem())), expected, "{purpose:?}");
    }
}

#[test]
fn an_authority_must_be_one_by_its_own_certificate_and_be_in_date() {
    let key = KeyPair::generate().unwrap();
    let mismatch = Some(DenyCode::RootPinMismatch);
    type Change = fn(&mut CertificateParams);
    let changes: [(Change, Option<DenyCode>); 5] = [
        (|_| {}, None),
        (|params| params.is_ca = IsCa::ExplicitNoCa, mismatch),
        (|params| params.key_usages = vec![KeyUsagePurpose::KeyCertSign], None),
        (|params| params.key_usages = vec![KeyUsagePurpose::DigitalSignature], mismatch),
        (|params| params.not_after = dated("top", -20, -10).not_after, mismatch),
    ];
    for (place, (change, expected)) in changes.into_iter().enumerate() {
        let mut top = Authority::new("top", BasicConstraints::Unconstrained);
        let request = rooted(&key, &top.issue(&key, &params(GUN)));
        change(&mut top.params);
        assert_eq!(code(&request, &authority(TEAM, top.pem())), expected, "{place}");
    }
}

#[test]
fn a_critical_extension_that_is_not_understood_is_not_passed_over() {
    let top = Authority::new("top", BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    for (critical, expected) in [(false, None), (true, Some(DenyCode::RootPinMismatch))] {
        let mut extension = CustomExtension::from_oid_content(&[1, 3, 9999, 1], vec![5, 0]);
        extension.set_criticality(critical);
        let mut leaf = params(GUN);
        leaf.custom_extensions = vec![extension];
        let request = rooted(&key, &top.issue(&key, &leaf));
        assert_eq!(code(&request, &authority(TEAM, top.pem())), expected, "{critical}");
    }
}

#[test]
fn a_pin_names_a_root_key_by_its_certificate_or_by_the_bare_key() {
    let collection = Collection::new();
    let request = collection.request();
    let root = &crate::forge::verified(&request).evidence.roles["root"];
    let signer = root.signed_by[0].clone();
    assert_ne!(signer.keyid, signer.spki);
    assert_eq!(code(&request, &ids(&[(GUN, signer.keyid)])), None);
    assert_eq!(code(&request, &ids(&[(GUN, signer.spki)])), None);
}

#[test]
fn any_of_several_pins_admits() {
    let collection = Collection::new();
    let mut pins = ids(&[(GUN, collection.keys.root.id)]);
    pins.pins.get_mut(GUN).unwrap().insert(Sha256::ZERO);
    assert_eq!(code(&collection.request(), &pins), None);
}
