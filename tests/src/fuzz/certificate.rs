//! Any bytes as a public key or as a certificate, in every place where one is read.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portreeve_protocol::Sha256;
use portreeve_protocol::evidence::RootPins;
use portreeve_protocol::messages::notary::VerifyOutcome;
use portreeve_trust::signer::public_key_fingerprint;
use portreeve_trust::verify;

use super::forge::{AUTHORITY, Forge, GUN, INTERMEDIATE, LEAF, NOW, root_spki};

/// Takes the first byte of `data` for a place, and the rest for what stands there: a public key,
/// the certificate of a root, the one between it and a pinned authority, the authority itself, or
/// a signer's PEM text.
///
/// # Panics
/// If a key has a second encoding or fingerprint; or if a root is carried by a certificate that has
/// not its key, or by a chain that its authority did not sign.
pub fn certificate(data: &[u8]) {
    let Some((place, content)) = data.split_first() else { return };
    match place % 5 {
        0 => public_key(content),
        1 => leaf(content),
        2 => intermediate(content),
        3 => authority(content),
        _ => text(content),
    }
}

fn public_key(der: &[u8]) {
    let Ok(found) = public_key_fingerprint(&pem("PUBLIC KEY", der)) else { return };
    assert_eq!(found, Sha256::of(der), "a fingerprint is of the one encoding");
    let longer = public_key_fingerprint(&pem("PUBLIC KEY", &[der, &[0]].concat()));
    assert!(longer.is_err(), "bytes behind a key are passed over");
    let shorter = der.split_last().map(|(_, der)| public_key_fingerprint(&pem("PUBLIC KEY", der)));
    assert!(!matches!(shorter, Some(Ok(_))), "a byte of a key is needless");
}

fn leaf(der: &[u8]) {
    let chain = pem("CERTIFICATE", der);
    let fingerprint = public_key_fingerprint(&chain);
    let longer = public_key_fingerprint(&pem("CERTIFICATE", &[der, &[0]].concat()));
    assert!(longer.is_err(), "bytes behind a certificate are passed over");
    if !verified(&chain, RootPins::default()) {
        return;
    }
    assert_eq!(fingerprint, Ok(root_spki()), "a root is carried by a key that did not sign it");
    let named = contains(der, GUN.as_bytes()) || der.contains(&b'*');
    assert!(named, "a root is carried by the certificate of another collection");
}

fn intermediate(der: &[u8]) {
    let chain = [LEAF, &pem("CERTIFICATE", der)].concat();
    if verified(&chain, pinned(AUTHORITY.to_owned())) {
        let genuine = first_certificate(INTERMEDIATE);
        let signed = signed_part(&genuine);
        assert!(signed.len() > 100 && contains(der, signed), "an authority issued what it did not");
    }
}

fn authority(der: &[u8]) {
    let chain = [LEAF, INTERMEDIATE].concat();
    if verified(&chain, pinned(pem("CERTIFICATE", der))) {
        // Whoever has the key of the authority, or of the one below, is believed.
        let known = [AUTHORITY, INTERMEDIATE].map(public_key_fingerprint);
        let found = public_key_fingerprint(&pem("CERTIFICATE", der));
        assert!(found.is_ok() && known.contains(&found), "an authority that issued nothing counts");
    }
}

fn text(content: &[u8]) {
    let Ok(text) = std::str::from_utf8(content) else { return };
    if let Ok(found) = public_key_fingerprint(text) {
        let windows = text.replace("\r\n", "\n").replace('\n', "\r\n");
        let framed = format!("some text\n{windows}\n");
        assert_eq!(public_key_fingerprint(&framed), Ok(found), "line ends matter: {text:?}");
    }
}

/// Whether a collection whose root's key comes in `chain` is verified.
fn verified(chain: &str, pins: RootPins) -> bool {
    let request = Forge { chain, pins, replaced: None }.request();
    assert!(request.is_some(), "the forge has no keys");
    request.is_some_and(|request| matches!(verify(&request, NOW), VerifyOutcome::Verified(_)))
}

fn pinned(authority: String) -> RootPins {
    RootPins { authorities: vec![authority], required: true, ..RootPins::default() }
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

/// The DER of the certificate in a PEM text of one.
fn first_certificate(pem: &str) -> Vec<u8> {
    let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    STANDARD.decode(base64).unwrap_or_default()
}

/// The TBSCertificate of a certificate between 256 and 65 535 bytes long, its head included.
fn signed_part(der: &[u8]) -> &[u8] {
    let inner = der.get(4..).unwrap_or_default();
    let length = match inner {
        [0x30, 0x82, high, low, ..] => 4 + (usize::from(*high) << 8 | usize::from(*low)),
        [0x30, 0x81, length, ..] => 3 + usize::from(*length),
        _ => 0,
    };
    inner.get(..length).unwrap_or_default()
}

fn contains(within: &[u8], part: &[u8]) -> bool {
    within.windows(part.len()).any(|window| window == part)
}
